/* A growable byte buffer with a maximum, for all that is composed: rows, bodies, lines.
 *
 * Append functions never fail loudly. Past `max`, or without memory, the buffer turns `failed`, keeps its content and
 * ignores all further appends: so a composer checks once, at the end.
 * Allocates: yes (malloc family; inside the engine that is libc/heap.c). */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_BYTES_H
#define PILLION_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BYTES_SECRET_MIN = 6 }; /* of what is shorter ordinary words are full */

struct bytes {
    char  *data; /* NUL-terminated whenever it is not NULL */
    size_t len;
    size_t capacity;
    size_t max; /* bytes, without the NUL */
    bool   failed;
};

void bytes_init(struct bytes *b, size_t max);
void bytes_done(struct bytes *b);
void bytes_clear(struct bytes *b); /* keeps the memory, forgets content and failure */

void bytes_add(struct bytes *b, const void *data, size_t len);
void bytes_text(struct bytes *b, const char *text);
void bytes_char(struct bytes *b, char c);
void bytes_unsigned(struct bytes *b, uint64_t value);
void bytes_signed(struct bytes *b, int64_t value);

/* Appends a non-negative decimal with exactly `decimals` (0 to 9) digits after a point, rounded half up, whatever the
 * locale. Negative values and NaN are written as 0; values beyond 2^63 / 10^decimals are clamped. */
void bytes_decimal(struct bytes *b, double value, int decimals);

__attribute__((format(printf, 2, 3))) void bytes_format(struct bytes *b, const char *format, ...);

/* Overwrites a secret with zeros before its memory is given back. The compiler leaves a memset there out, for nobody
 * reads what it wrote. */
void bytes_wipe(void *memory, size_t size);

/* Writes asterisks over each occurrence of a secret, in upper or lower case. True when there was one. */
bool bytes_hide(struct bytes *b, const char *secret);

/* Takes the buffer's memory (NULL when failed or empty); the buffer is then empty. Free with free(). */
char *bytes_take(struct bytes *b);

#endif
