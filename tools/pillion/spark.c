// SPDX-License-Identifier: Apache-2.0
#include "spark.h"

#include <string.h>

enum { LEVELS = 8 };

static const char *const blocks[LEVELS] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const letters[LEVELS] = {"_", ".", ":", "-", "=", "+", "*", "#"};

/* Mean of the values in [from, to) that are no gaps; -1 when there is none. */
static double mean(const double *values, size_t from, size_t to)
{
    double sum = 0;
    size_t known = 0;
    for (size_t i = from; i < to; i++) {
        if (values[i] >= 0) {
            sum += values[i];
            known++;
        }
    }
    return known > 0 ? sum / (double)known : -1;
}

size_t spark_draw(const double *values, size_t count, size_t width, bool utf8, char ret[static SPARK_TEXT_MAX])
{
    return spark_draw_to(values, count, width, utf8, 0, ret);
}

size_t spark_draw_to(const double *values, size_t count, size_t width, bool utf8, double top,
                     char ret[static SPARK_TEXT_MAX])
{
    double drawn[SPARK_MAX];
    if (count == 0)
        width = 0;
    if (width > SPARK_MAX)
        width = SPARK_MAX;
    for (size_t i = 0; i < width; i++) {
        size_t from = i * count / width;
        size_t to = (i + 1) * count / width;
        drawn[i] = mean(values, from, to > from ? to : from + 1);
        if (drawn[i] > top)
            top = drawn[i];
    }
    char *at = ret;
    for (size_t i = 0; i < width; i++) {
        int level = drawn[i] > 0 ? (int)(drawn[i] / top * (LEVELS - 1) + 0.5) : 0;
        if (level >= LEVELS)
            level = LEVELS - 1;
        const char *text = drawn[i] < 0 ? " " : utf8 ? blocks[level] : letters[level];
        size_t      len = strlen(text);
        memcpy(at, text, len);
        at += len;
    }
    *at = '\0';
    return width;
}
