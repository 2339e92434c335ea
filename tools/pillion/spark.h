/* A curve in one line of text. Pure. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SPARK_H
#define PILLION_SPARK_H

#include <stdbool.h>
#include <stddef.h>

enum { SPARK_MAX = 160, SPARK_TEXT_MAX = SPARK_MAX * 3 + 1 };

/* `width` characters, SPARK_MAX at most: each stands for the mean of its share of the values, or for the one that it
 * lies in. The lowest level is 0, the highest the largest value drawn; a negative value is a gap. Returns the number
 * of characters. */
size_t spark_draw(const double *values, size_t count, size_t width, bool utf8, char ret[static SPARK_TEXT_MAX]);
/* The same, the highest level being `top` where that is more: for curves below each other. */
size_t spark_draw_to(const double *values, size_t count, size_t width, bool utf8, double top,
                     char ret[static SPARK_TEXT_MAX]);

#endif
