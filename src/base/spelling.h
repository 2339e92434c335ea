/* How far two short names are apart. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_SPELLING_H
#define PILLION_BASE_SPELLING_H

#include <stddef.h>

enum { SPELLING_MAX = 40 }; /* bytes that are looked at */

/* Levenshtein distance: how many letters must be put in, taken out or changed. */
size_t spelling_distance(const char *a, size_t a_len, const char *b);

#endif
