// SPDX-License-Identifier: Apache-2.0
#include "libc/libc.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Decimal text to the nearest double, whatever the locale: the decimal is halved or doubled, digit by digit, until it
 * is an integer of 53 bits. Slow (microseconds) and plainly right; the engine reads a few numbers per answer. */

enum { DECIMAL_MAX = 800 };

struct decimal {
    unsigned char digits[DECIMAL_MAX]; /* 0.DDDD × 10^point */
    int           count, point;
    bool          inexact; /* non-zero digits did not fit */
};

static void decimal_trim(struct decimal *d)
{
    while (d->count > 0 && d->digits[d->count - 1] == 0)
        d->count--;
}

static void decimal_halve(struct decimal *d)
{
    unsigned rest = 0;
    for (int i = 0; i < d->count; i++) {
        unsigned value = rest * 10 + d->digits[i];
        d->digits[i] = (unsigned char)(value / 2);
        rest = value % 2;
    }
    if (rest) {
        if (d->count < DECIMAL_MAX)
            d->digits[d->count++] = 5;
        else
            d->inexact = true;
    }
    if (d->count > 0 && d->digits[0] == 0) {
        memmove(d->digits, d->digits + 1, (size_t)--d->count);
        d->point--;
    }
}

static void decimal_double(struct decimal *d)
{
    unsigned carry = 0;
    for (int i = d->count - 1; i >= 0; i--) {
        unsigned value = d->digits[i] * 2U + carry;
        d->digits[i] = (unsigned char)(value % 10);
        carry = value / 10;
    }
    if (carry) {
        if (d->count == DECIMAL_MAX)
            d->inexact |= d->digits[--d->count] != 0;
        memmove(d->digits + 1, d->digits, (size_t)d->count++);
        d->digits[0] = (unsigned char)carry;
        d->point++;
    }
    decimal_trim(d);
}

/* Returns the integer part, half to even; below 10^18. */
static uint64_t decimal_round(const struct decimal *d)
{
    uint64_t whole = 0;
    for (int i = 0; i < d->point; i++)
        whole = whole * 10 + (i < d->count ? d->digits[i] : 0);
    if (d->point < 0 || d->point >= d->count)
        return whole;
    bool     more = d->inexact || d->count > d->point + 1;
    unsigned next = d->digits[d->point];
    return whole + (next > 5 || (next == 5 && (more || whole % 2 == 1)));
}

/* True below 2^53, that is 0.9007199254740992 × 10^16. */
static bool decimal_below_2_53(const struct decimal *d)
{
    static const char limit[] = "9007199254740992";
    if (d->point != 16)
        return d->point < 16;
    for (int i = 0; i < 16; i++) {
        int digit = i < d->count ? d->digits[i] : 0;
        if (digit != limit[i] - '0')
            return digit < limit[i] - '0';
    }
    return false;
}

static double decimal_value(struct decimal *d)
{
    int binary = 0;
    decimal_trim(d);
    if (d->count == 0 || d->point < -330)
        return 0;
    if (d->point > 310)
        return HUGE_VAL;
    for (; !decimal_below_2_53(d); binary++)
        decimal_halve(d);
    /* The mantissa has 53 bits where the exponent allows it; that of a subnormal number has fewer. */
    for (;;) {
        struct decimal twice = *d;
        decimal_double(&twice);
        if (binary <= -1074 || !decimal_below_2_53(&twice))
            break;
        *d = twice;
        binary--;
    }
    return ldexp((double)decimal_round(d), binary);
}

/* Reads [digits][.digits]. Returns where it ends; NULL when there is no digit. */
static const char *decimal_read(const char *p, struct decimal *ret)
{
    bool any = false, after_point = false;
    for (;; p++) {
        if (*p == '.' && !after_point) {
            after_point = true;
            continue;
        }
        if (*p < '0' || *p > '9')
            break;
        any = true;
        ret->point += !after_point && (ret->count > 0 || *p != '0');
        ret->point -= after_point && ret->count == 0 && *p == '0';
        if (ret->count == 0 && *p == '0')
            continue;
        if (ret->count < DECIMAL_MAX)
            ret->digits[ret->count++] = (unsigned char)(*p - '0');
        else
            ret->inexact |= *p != '0';
    }
    return any ? p : NULL;
}

static const char *exponent_read(const char *p, struct decimal *d)
{
    const char *q = p + 1;
    if ((*p | 32) != 'e')
        return p;
    bool negative = *q == '-';
    if (*q == '-' || *q == '+')
        q++;
    if (*q < '0' || *q > '9')
        return p;
    int exponent = 0;
    for (; *q >= '0' && *q <= '9'; q++)
        exponent = exponent < 100000 ? exponent * 10 + (*q - '0') : exponent;
    d->point += negative ? -exponent : exponent;
    return q;
}

/* Reads decimal numbers alone, as JSON and the configuration have them: no hexadecimal, no inf, no nan. */
double strtod(const char *restrict text, char **restrict ret_end)
{
    static struct decimal d; /* one thread */
    const char           *p = text;
    memset(&d, 0, sizeof d);
    while (*p == ' ' || (*p >= '\t' && *p <= '\r'))
        p++;
    bool negative = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    const char *end = decimal_read(p, &d);
    if (ret_end)
        *ret_end = (char *)(uintptr_t)(end ? exponent_read(end, &d) : text);
    if (!end)
        return 0;
    if (!ret_end)
        (void)exponent_read(end, &d);
    double value = decimal_value(&d);
    if (value == HUGE_VAL || (value == 0 && d.count > 0))
        errno = ERANGE;
    return negative ? -value : value;
}
