// SPDX-License-Identifier: Apache-2.0
#include "libc/libc.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* A double as decimal text, correctly rounded, whatever the locale: it is an integer times a power of ten, and both are
 * found exactly. Slow (microseconds); the engine writes a few such numbers per request. */

enum { LIMB = 1000000000, LIMBS = 96, DIGITS_MAX = LIMBS * 9 }; /* 2^-1074 × 2^53 needs 767 digits, 86 limbs */

struct natural {
    uint32_t limbs[LIMBS]; /* base 10^9, the lowest first */
    int      used;
};

static void natural_multiply(struct natural *n, uint32_t factor)
{
    uint64_t carry = 0;
    for (int i = 0; i < n->used; i++) {
        carry += (uint64_t)n->limbs[i] * factor;
        n->limbs[i] = (uint32_t)(carry % LIMB);
        carry /= LIMB;
    }
    while (carry > 0 && n->used < LIMBS) {
        n->limbs[n->used++] = (uint32_t)(carry % LIMB);
        carry /= LIMB;
    }
}

/* Returns the number of digits, without leading zeros. */
static int natural_digits(const struct natural *n, char *ret)
{
    int count = 0;
    for (int i = n->used - 1; i >= 0; i--)
        for (uint32_t unit = LIMB / 10; unit > 0; unit /= 10) {
            char digit = (char)('0' + n->limbs[i] / unit % 10);
            if (count > 0 || digit != '0')
                ret[count++] = digit;
        }
    return count;
}

/* Writes all digits of the value, which is 0.DDDD × 10^*ret_point. */
static int exact_digits(double value, char *ret, int *ret_point)
{
    int            binary;
    double         fraction = frexp(__builtin_fabs(value), &binary);
    uint64_t       mantissa = (uint64_t)(fraction * 9007199254740992.0); /* 2^53 */
    struct natural n = {.used = 1, .limbs = {1}};
    int            tens = 0;
    binary -= 53;
    while (binary < 0 && mantissa % 2 == 0) {
        mantissa /= 2;
        binary++;
    }
    n.limbs[0] = (uint32_t)(mantissa % LIMB);
    for (mantissa /= LIMB; mantissa > 0; mantissa /= LIMB)
        n.limbs[n.used++] = (uint32_t)(mantissa % LIMB);
    for (; binary > 0; binary--)
        natural_multiply(&n, 2);
    for (; binary < 0; binary++, tens++) /* ÷ 2 is × 5 ÷ 10 */
        natural_multiply(&n, 5);
    int count = natural_digits(&n, ret);
    *ret_point = count - tens;
    return count;
}

/* Keeps `keep` digits, half to even. Returns true when a carry went out at the top: the digits are then 1000… */
static bool round_digits(char *digits, int count, int keep)
{
    bool up = digits[keep] > '5';
    if (digits[keep] == '5') {
        up = keep > 0 && (digits[keep - 1] - '0') % 2 == 1;
        for (int i = keep + 1; i < count && !up; i++)
            up = digits[i] != '0';
    }
    if (!up)
        return false;
    int i = keep - 1;
    while (i >= 0 && digits[i] == '9')
        digits[i--] = '0';
    if (i >= 0) {
        digits[i]++;
        return false;
    }
    digits[0] = '1';
    return true;
}

/* Writes digits of |value|, d.ddd × 10^*ret_exponent: `significant` of them or, with `after_point` >= 0, as many as
 * reach that place after the decimal point. Returns how many; trailing zeros may be left out. */
static int rounded_digits(double value, int significant, int after_point, char *ret_digits, int *ret_exponent)
{
    int point = 1, count = 0;
    if (value != 0)
        count = exact_digits(value, ret_digits, &point);
    *ret_exponent = count > 0 ? point - 1 : 0;
    int keep = after_point >= 0 ? point + after_point : significant;
    if (count == 0 || keep < 0) {
        *ret_exponent = 0;
        ret_digits[0] = '0'; /* for callers who asked for significant digits, of which zero has one */
        return after_point >= 0 ? 0 : 1;
    }
    if (keep >= count)
        return count;
    if (round_digits(ret_digits, count, keep)) {
        ++*ret_exponent;
        keep += after_point >= 0;
        for (int i = 1; i < keep; i++)
            ret_digits[i] = '0';
    }
    return keep;
}

/* Writes d.ddde±xx. */
static int scientific(char *text, const char *digits, int count, int exponent, int decimals, bool alternate, bool upper)
{
    int      len = 0;
    unsigned magnitude = (unsigned)(exponent < 0 ? -exponent : exponent);
    text[len++] = digits[0];
    if (decimals > 0 || alternate)
        text[len++] = '.';
    for (int i = 1; i <= decimals; i++)
        text[len++] = i < count ? digits[i] : '0';
    text[len++] = upper ? 'E' : 'e';
    text[len++] = exponent < 0 ? '-' : '+';
    if (magnitude >= 100)
        text[len++] = (char)('0' + magnitude / 100);
    text[len++] = (char)('0' + magnitude / 10 % 10);
    text[len++] = (char)('0' + magnitude % 10);
    return len;
}

/* Writes ddd.ddd. */
static int positional(char *text, const char *digits, int count, int exponent, int decimals, bool alternate)
{
    int len = 0;
    for (int place = exponent > 0 ? exponent : 0; place >= -decimals; place--) {
        int i = exponent - place;
        if (place == -1)
            text[len++] = '.';
        text[len++] = i >= 0 && i < count ? digits[i] : '0';
    }
    if (decimals == 0 && alternate)
        text[len++] = '.';
    return len;
}

int libc_float_text(double value, char conversion, int precision, bool alternate, char *ret)
{
    static char digits[DIGITS_MAX]; /* one thread; the digits of a small number are many */
    int         exponent = 0, count;
    bool        upper = conversion < 'a';
    precision = precision < 0 ? 6 : precision > FLOAT_PRECISION_MAX ? FLOAT_PRECISION_MAX : precision;
    switch (conversion | 32) {
    case 'f':
        count = rounded_digits(value, 0, precision, digits, &exponent);
        return positional(ret, digits, count, exponent, precision, alternate);
    case 'e':
        count = rounded_digits(value, precision + 1, -1, digits, &exponent);
        return scientific(ret, digits, count, exponent, precision, alternate, upper);
    default:
        precision = precision ? precision : 1;
        count = rounded_digits(value, precision, -1, digits, &exponent);
        while (!alternate && count > 1 && digits[count - 1] == '0')
            count--;
        int decimals = alternate ? precision - 1 : count - 1;
        if (exponent < -4 || exponent >= precision)
            return scientific(ret, digits, count, exponent, decimals, alternate, upper);
        decimals -= exponent;
        return positional(ret, digits, count, exponent, decimals > 0 ? decimals : 0, alternate);
    }
}
