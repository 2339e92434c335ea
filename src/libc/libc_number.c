// SPDX-License-Identifier: Apache-2.0
#include "libc/libc.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

long          corner_strtol(const char *text, char **ret_end, int base);
unsigned long corner_strtoul(const char *text, char **ret_end, int base);
int           corner_sscanf(const char *text, const char *format, ...);

struct number {
    uint64_t magnitude;
    bool     negative, overflow;
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Returns the value of a digit in any base, or 255. */
static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A') + 10;
    return 255;
}

static struct number read_number(const char *text, char **ret_end, int base)
{
    const char   *p = text;
    struct number n = {0};
    while (is_space(*p))
        p++;
    n.negative = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    if ((base == 0 || base == 16) && p[0] == '0' && (p[1] | 32) == 'x' && digit_value(p[2]) < 16) {
        p += 2;
        base = 16;
    }
    if (base == 0)
        base = *p == '0' ? 8 : 10;
    const char *first = p;
    for (unsigned digit; (digit = digit_value(*p)) < (unsigned)base; p++) {
        uint64_t wider;
        if (__builtin_mul_overflow(n.magnitude, (uint64_t)base, &wider) ||
            __builtin_add_overflow(wider, digit, &n.magnitude))
            n.overflow = true;
    }
    if (ret_end)
        *ret_end = (char *)(uintptr_t)(p == first ? text : p);
    return n;
}

static long long clamp(struct number n, long long low, long long high)
{
    uint64_t limit = n.negative ? (uint64_t)high + 1 : (uint64_t)high;
    if (n.overflow || n.magnitude > limit) {
        errno = ERANGE;
        return n.negative ? low : high;
    }
    return n.negative ? (long long)(0 - n.magnitude) : (long long)n.magnitude;
}

static unsigned long long clamp_unsigned(struct number n, unsigned long long high)
{
    if (n.overflow || n.magnitude > high) {
        errno = ERANGE;
        return high;
    }
    return n.negative ? 0 - n.magnitude : n.magnitude;
}

/* The family asks no locale for digits, and sets errno on overflow alone, as libc's does. Where long has 64 bits, the
 * variants for long long are the same. The names of C23 are those that the headers of glibc 2.38 and newer ask for. */
_Static_assert(sizeof(long) == sizeof(long long), "one function serves both");

long corner_strtol(const char *text, char **ret_end, int base)
{
    return (long)clamp(read_number(text, ret_end, base), LONG_MIN, LONG_MAX);
}
LIBC_NAME(strtol, corner_strtol);
LIBC_NAME(strtoll, corner_strtol);
LIBC_NAME(__isoc23_strtol, corner_strtol);
LIBC_NAME(__isoc23_strtoll, corner_strtol);

unsigned long corner_strtoul(const char *text, char **ret_end, int base)
{
    return (unsigned long)clamp_unsigned(read_number(text, ret_end, base), ULONG_MAX);
}
LIBC_NAME(strtoul, corner_strtoul);
LIBC_NAME(strtoull, corner_strtoul);
LIBC_NAME(__isoc23_strtoul, corner_strtoul);
LIBC_NAME(__isoc23_strtoull, corner_strtoul);

int atoi(const char *text)
{
    return (int)corner_strtol(text, NULL, 10);
}

/* cJSON reads back the number that it has just printed; the engine scans nothing else. */
int corner_sscanf(const char *text, const char *format, ...)
{
    if (strcmp(format, "%lg") != 0)
        return EOF;
    char  *end;
    double value = strtod(text, &end);
    if (end == text)
        return *text ? 0 : EOF;
    va_list arguments;
    va_start(arguments, format);
    *va_arg(arguments, double *) = value;
    va_end(arguments);
    return 1;
}
LIBC_NAME(sscanf, corner_sscanf);
LIBC_NAME(__isoc99_sscanf, corner_sscanf);
LIBC_NAME(__isoc23_sscanf, corner_sscanf);
