/* Arithmetic on two numbers, for counters and estimates. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_NUMBER_H
#define PILLION_BASE_NUMBER_H

#include <stdint.h>

/* A counter's growth is never negative: the kernel may read its parts at different moments. */
static inline uint64_t saturating_subtract(uint64_t value, uint64_t less)
{
    return value > less ? value - less : 0;
}

static inline double least(double a, double b)
{
    return a < b ? a : b;
}

static inline double most(double a, double b)
{
    return a > b ? a : b;
}

static inline double distance(double a, double b)
{
    return a > b ? a - b : b - a;
}

/* The square root, by Newton's steps: libm's sqrt sets errno, and would be one more library. */
static inline double root_of(double square)
{
    double root = square > 1 ? square : 1;
    for (int i = 0; i < 60 && square > 0; i++)
        root = (root + square / root) / 2;
    return square > 0 ? root : 0;
}

#endif
