// SPDX-License-Identifier: Apache-2.0
#include "base/spelling.h"

#include <string.h>

/* In one row. */
size_t spelling_distance(const char *a, size_t a_len, const char *b)
{
    size_t row[SPELLING_MAX + 1];
    size_t b_len = strnlen(b, SPELLING_MAX);
    if (a_len > SPELLING_MAX)
        a_len = SPELLING_MAX;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t above = row[j];
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            best = above + 1 < best ? above + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = above;
        }
    }
    return row[b_len];
}
