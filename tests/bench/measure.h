/* What the benchmarks in C have in common: a clock, medians, and the one form of line in which they tell a figure:
 *
 *     NAME <tab> MEASURED [UNIT] <tab> BUDGET [UNIT], or - <tab> MEASURED AGAINST WHAT <tab> SPREAD
 *
 * table.py reads these lines. */
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The quartiles of some values. */
struct spread {
    double low, median, high;
    int    count;
};

static inline int64_t nanoseconds(const struct timespec *t)
{
    return t->tv_sec * INT64_C(1000000000) + t->tv_nsec;
}

static inline int64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return nanoseconds(&t);
}

static inline int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts the values. */
static inline struct spread spread_of(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    double median = count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
    return (struct spread){values[count / 4], median, values[count - 1 - count / 4], count};
}

/* Each order of `count` numbers is as likely as any other. */
static inline void shuffle(int *order, int count)
{
    for (int i = count - 1; i > 0; i--) {
        int j = (int)(random() % (i + 1)), swap = order[i];

        order[i] = order[j];
        order[j] = swap;
    }
}

/* `budget`: NULL where there is none. */
static inline void tell(const char *name, const struct spread *spread, const char *unit, const char *budget,
                        const char *against)
{
    const char *space = unit[0] ? " " : "";

    printf("%s\t%.3f%s%s\t%s%s%s\t%s\t%.3f to %.3f, %d pairs\n", name, spread->median, space, unit,
           budget ? budget : "-", budget ? space : "", budget ? unit : "", against, spread->low, spread->high,
           spread->count);
}
