/* What every harness has. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_TESTS_FUZZ_H
#define PILLION_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that holds whatever the input is. */
#define HOLDS(what)                                                                         \
    do {                                                                                    \
        if (!(what)) {                                                                      \
            (void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what); \
            abort();                                                                        \
        }                                                                                   \
    } while (0)

/* In memory of exactly its size, so that a sanitizer sees a byte too far; free() it. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    HOLDS(text);
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

#endif
