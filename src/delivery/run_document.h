/* A run as JSON for others to read: the two documents that stand beside its rows in a bucket of the user's own. They
 * have the names of run.jsonl, so that one reader reads both. Of the program only what its registration tells goes out;
 * the rest of run.jsonl stays at home, unless `share` in it says otherwise.
 *
 * A document that one run.jsonl makes twice is the same twice: it is made of nothing that changes between the two. So
 * what is told of a start stands in run.jsonl before that is first sent, and of an end likewise. Pure. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_DELIVERY_RUN_DOCUMENT_H
#define PILLION_DELIVERY_RUN_DOCUMENT_H

#include <cJSON.h>
#include <stdint.h>

#include "base/bytes.h"

enum { RUN_DOCUMENT_MAX = 4 * 1024 * 1024 };

/* `state` is the merged state of run.jsonl; *ret is the caller's, empty. 0, -ENOMEM. */
int run_document_started(const cJSON *state, struct bytes *ret);
int run_document_ended(const cJSON *state, uint64_t objects, struct bytes *ret);

#endif
