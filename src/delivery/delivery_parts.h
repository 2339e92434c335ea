/* Inside delivery*.c only. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_DELIVERY_DELIVERY_PARTS_H
#define PILLION_DELIVERY_DELIVERY_PARTS_H

#include "delivery/delivery.h"

#define DELIVERY_API_DOWN "api-down" /* the mark in PILLION_DIR */

uint32_t delivery_draw(void); /* 32 random bits */
void     delivery_set_phase(struct delivery *d, enum delivery_phase phase);
void     delivery_refuse(struct delivery *d); /* with d->reason */
void     delivery_cancel(struct delivery *d);

/* delivery_answer.c: what follows from an answer, or from a request that could not even be made. */
void delivery_on_answer(struct delivery *d, struct http_answer *answer, int64_t now);
void delivery_on_no_request(struct delivery *d, int error, int64_t now);

/* delivery_end.c: which way the last rows go. */
void delivery_choose_form(struct delivery *d); /* registered, and the run has ended: FLUSH or FINISH */
/* Another form after a definite no to the first; false: there is none. */
bool delivery_try_other_form(struct delivery *d);
void delivery_end_flush(struct delivery *d, int64_t now); /* all rows are there, or it takes too long */

#endif
