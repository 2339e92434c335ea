/* A curve in one line of text. Pure. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SPARK_H
#define PILLION_SPARK_H

#include <stdbool.h>
#include <stddef.h>

enum { SPARK_WIDTH = 18, SPARK_TEXT_MAX = SPARK_WIDTH * 3 + 1 };

/* One character for each value, or, of more than SPARK_WIDTH values, for the mean of its share of them. The lowest
 * level is 0, the highest the largest value drawn; a negative value is a gap. Returns the number of characters. */
size_t spark_draw(const double *values, size_t count, bool utf8, char ret[static SPARK_TEXT_MAX]);

#endif
