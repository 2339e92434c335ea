/* Cells of CSV, as RFC 4180 has them. Pure. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_CSV_H
#define PILLION_BASE_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/text.h"

/* Appends a cell, in quotes where it has to be. */
void csv_put(struct bytes *b, const char *text);

/* Takes the next cell off a line, without its quotes and the blanks around it, cut to `size`. False: there is none. A
 * line end in quotes is the caller's: to him it has ended the line. */
bool csv_take(struct text *line, char *ret, size_t size);

#endif
