/* A cursor over text that somebody else owns: the one parser for /proc, /sys, numbers in answers, CSV. Nothing is
 * copied, nothing allocated; no locale. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_TEXT_H
#define PILLION_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    const char *at;
    const char *end;
};

struct text text_of(const char *string); /* NUL-terminated */
struct text text_span(const char *data, size_t len);
size_t      text_len(struct text t);
bool        text_is(struct text t, const char *string);
bool        text_starts(struct text t, const char *prefix);

/* These take a piece off the front of *t, and are false when there is none. */
bool text_line(struct text *t, struct text *ret_line);              /* without its \n; the last line may lack one */
bool text_word(struct text *t, struct text *ret_word);              /* between spaces and tabs */
bool text_until(struct text *t, char stop, struct text *ret_piece); /* stop is consumed, need not be there */
bool text_unsigned(struct text *t, uint64_t *ret);                  /* leading blanks skipped; false on overflow */
bool text_skip(struct text *t, const char *prefix);

void text_blanks(struct text *t); /* skips spaces and tabs */
void text_trim(struct text *t);   /* the same, and white or control characters at the end */
/* Moves past the last occurrence of c; false and unmoved without one. */
bool text_after_last(struct text *t, char c);

/* Reads a non-negative decimal ("12", "0.05", ".5"), whole text; false otherwise. */
bool text_decimal(struct text t, double *ret);

/* Copies t into a buffer of `size` with a NUL; false when it does not fit (then ret is empty). */
bool text_copy(struct text t, char *ret, size_t size);

#endif
