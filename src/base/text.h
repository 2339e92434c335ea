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
bool        text_starts_caseless(struct text t, const char *lower);  /* ASCII alone, whatever the locale */
bool        text_consists_of(struct text t, const char *characters); /* false for no text at all */

/* These take a piece off the front of *t, and are false when there is none. */
bool text_line(struct text *t, struct text *ret_line);              /* without its \n; the last line may lack one */
bool text_word(struct text *t, struct text *ret_word);              /* between spaces and tabs */
bool text_until(struct text *t, char stop, struct text *ret_piece); /* stop is consumed, need not be there */
bool text_unsigned(struct text *t, uint64_t *ret);                  /* leading blanks skipped; false on overflow */
bool text_hexadecimal(struct text *t, uint64_t *ret);               /* 16 digits at most; no blanks, no 0x */
bool text_skip(struct text *t, const char *prefix);

void text_blanks(struct text *t); /* skips spaces and tabs */
void text_trim(struct text *t);   /* drops white space and control characters at both ends */
/* Moves past the last occurrence of c; false and unmoved without one. */
bool text_after_last(struct text *t, char c);

/* Reads a non-negative decimal ("12", "0.05", ".5"), whole text; false otherwise. */
bool text_decimal(struct text t, double *ret);

/* Copies t into a buffer of `size` with a NUL; false when it does not fit (then ret is empty). */
bool text_copy(struct text t, char *ret, size_t size);

/* Letters of ASCII, whatever the locale. */
#define TEXT_LOWER        "abcdefghijklmnopqrstuvwxyz"
#define TEXT_DIGITS       "0123456789"
#define TEXT_ALPHANUMERIC TEXT_LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ" TEXT_DIGITS

static inline bool ascii_is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static inline bool ascii_is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_is_letter(char c)
{
    return ascii_is_lower(c) || ascii_is_upper(c);
}

static inline bool ascii_is_alphanumeric(char c)
{
    return ascii_is_letter(c) || ascii_is_digit(c);
}

static inline bool ascii_is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

static inline char ascii_lower(char c)
{
    return ascii_is_upper(c) ? (char)(c - 'A' + 'a') : c;
}

/* -1: no hexadecimal digit. */
static inline int ascii_hex_value(char c)
{
    char lower = ascii_lower(c);
    return ascii_is_digit(c) ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

#endif
