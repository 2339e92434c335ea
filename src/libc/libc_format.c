// SPDX-License-Identifier: Apache-2.0
#include "libc/libc.h"

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* libc's printf follows the program's locale (a comma in 1,5) and may take memory for long results. Known here are the
 * flags - 0 + # and space; width and precision; h hh l ll z j t; d i u o x X c s p f F e E g G %. Anything else ends
 * the text. */

struct output {
    char  *text;
    size_t size, len; /* len goes on counting past size */
};

struct directive {
    bool left, zeros, plus, space, alternate;
    int  width, precision; /* precision -1: none given */
    int  length;           /* bytes of the integer argument */
    char conversion;
};

static void put(struct output *out, char c, size_t times)
{
    for (; times > 0; times--, out->len++)
        if (out->len + 1 < out->size)
            out->text[out->len] = c;
}

static void put_text(struct output *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        put(out, text[i], 1);
}

/* sign or 0x, then zeros, then the body, padded to the width */
static void put_field(struct output *out, const struct directive *d, const char *prefix, size_t zeros, const char *body,
                      size_t len)
{
    size_t prefix_len = strlen(prefix), whole = prefix_len + zeros + len;
    size_t padding = d->width > 0 && (size_t)d->width > whole ? (size_t)d->width - whole : 0;
    if (d->zeros && !d->left) {
        zeros += padding;
        padding = 0;
    }
    if (!d->left)
        put(out, ' ', padding);
    put_text(out, prefix, prefix_len);
    put(out, '0', zeros);
    put_text(out, body, len);
    if (d->left)
        put(out, ' ', padding);
}

static const char *sign_of(const struct directive *d, bool negative)
{
    return negative ? "-" : d->plus ? "+" : d->space ? " " : "";
}

static void put_integer(struct output *out, struct directive *d, uint64_t magnitude, const char *prefix)
{
    const char *digits = d->conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned    base = d->conversion == 'o' ? 8 : (d->conversion | 32) == 'x' ? 16 : 10;
    char        text[24], *p = text + sizeof text;
    if (base == 16 && d->alternate && magnitude != 0)
        prefix = d->conversion == 'X' ? "0X" : "0x";
    for (uint64_t rest = magnitude; rest > 0; rest /= base)
        *--p = digits[rest % base];
    if (magnitude == 0 && d->precision != 0)
        *--p = '0';
    size_t len = (size_t)(text + sizeof text - p);
    size_t zeros = d->precision > 0 && (size_t)d->precision > len ? (size_t)d->precision - len : 0;
    if (base == 8 && d->alternate && zeros == 0 && (len == 0 || *p != '0'))
        zeros = 1;
    if (d->precision >= 0)
        d->zeros = false;
    put_field(out, d, prefix, zeros, p, len);
}

static void put_float(struct output *out, struct directive *d, double value)
{
    const char *sign = sign_of(d, __builtin_signbit(value));
    if (__builtin_isfinite(value)) {
        static char text[FLOAT_TEXT_MAX]; /* one thread; too large for its stack */
        int         len = libc_float_text(value, d->conversion, d->precision, d->alternate, text);
        put_field(out, d, sign, 0, text, (size_t)len);
        return;
    }
    bool        upper = d->conversion < 'a';
    const char *name = __builtin_isnan(value) ? (upper ? "NAN" : "nan") : (upper ? "INF" : "inf");
    d->zeros = false;
    put_field(out, d, sign, 0, name, 3);
}

static int read_count(const char **p, va_list *arguments)
{
    int n = 0;
    if (**p == '*') {
        (*p)++;
        return va_arg(*arguments, int);
    }
    for (; **p >= '0' && **p <= '9'; (*p)++)
        n = n < 100000 ? n * 10 + (**p - '0') : n;
    return n;
}

static const char *read_length(const char *p, int *ret_length)
{
    *ret_length = sizeof(int);
    if (*p == 'h') {
        *ret_length = p[1] == 'h' ? sizeof(char) : sizeof(short);
        return p + (p[1] == 'h' ? 2 : 1);
    }
    if (*p == 'l' || *p == 'z' || *p == 'j' || *p == 't') {
        *ret_length = sizeof(int64_t); /* all of them, on the machines that the engine is built for */
        return p + (p[0] == 'l' && p[1] == 'l' ? 2 : 1);
    }
    return p;
}
_Static_assert(sizeof(long) == 8 && sizeof(size_t) == 8, "lengths l, z, j and t are eight bytes");

/* Reads what follows a '%'. Returns where the text goes on. */
static const char *read_directive(const char *p, struct directive *ret, va_list *arguments)
{
    struct directive d = {.precision = -1};
    for (;; p++) {
        if (*p == '-')
            d.left = true;
        else if (*p == '0')
            d.zeros = true;
        else if (*p == '+')
            d.plus = true;
        else if (*p == ' ')
            d.space = true;
        else if (*p == '#')
            d.alternate = true;
        else
            break;
    }
    d.width = read_count(&p, arguments);
    if (d.width < 0) {
        d.left = true;
        d.width = -d.width;
    }
    if (*p == '.') {
        p++;
        d.precision = read_count(&p, arguments);
    }
    p = read_length(p, &d.length);
    d.conversion = *p;
    *ret = d;
    return *p ? p + 1 : p;
}

static void put_signed(struct output *out, struct directive *d, va_list *arguments)
{
    int64_t value = d->length == 8 ? va_arg(*arguments, int64_t) : va_arg(*arguments, int);
    if (d->length == 2)
        value = (short)value;
    else if (d->length == 1)
        value = (int8_t)(uint8_t)value; // NOLINT(bugprone-signed-char-misuse,cert-str34-c)
    put_integer(out, d, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, sign_of(d, value < 0));
}

static void put_unsigned(struct output *out, struct directive *d, va_list *arguments)
{
    uint64_t value = d->length == 8 ? va_arg(*arguments, uint64_t) : va_arg(*arguments, unsigned);
    if (d->length < 4)
        value &= d->length == 2 ? USHRT_MAX : UCHAR_MAX;
    put_integer(out, d, value, "");
}

static void put_string(struct output *out, struct directive *d, const char *text)
{
    if (!text)
        text = "(null)";
    d->zeros = false;
    put_field(out, d, "", 0, text, d->precision >= 0 ? strnlen(text, (size_t)d->precision) : strlen(text));
}

/* False when the conversion is not known. */
static bool put_directive(struct output *out, struct directive *d, va_list *arguments)
{
    char c;
    switch (d->conversion) {
    case 'd':
    case 'i':
        put_signed(out, d, arguments);
        return true;
    case 'u':
    case 'o':
    case 'x':
    case 'X':
        put_unsigned(out, d, arguments);
        return true;
    case 'p':
        d->conversion = 'x';
        d->alternate = true;
        put_integer(out, d, (uintptr_t)va_arg(*arguments, void *), "");
        return true;
    case 'c':
        c = (char)va_arg(*arguments, int);
        d->zeros = false;
        put_field(out, d, "", 0, &c, 1);
        return true;
    case 's':
        put_string(out, d, va_arg(*arguments, const char *));
        return true;
    case 'f':
    case 'F':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
        put_float(out, d, va_arg(*arguments, double));
        return true;
    case '%':
        put(out, '%', 1);
        return true;
    default:
        return false;
    }
}

int vsnprintf(char *restrict buffer, size_t size, const char *restrict format, va_list list)
{
    struct output out = {.text = buffer, .size = size};
    va_list       arguments;
    va_copy(arguments, list);
    for (const char *p = format; *p;) {
        struct directive d;
        if (*p != '%') {
            put(&out, *p++, 1);
            continue;
        }
        p = read_directive(p + 1, &d, &arguments);
        if (!put_directive(&out, &d, &arguments))
            break;
    }
    va_end(arguments);
    if (size > 0)
        buffer[out.len < size ? out.len : size - 1] = '\0';
    return out.len > INT_MAX ? -1 : (int)out.len;
}

int snprintf(char *restrict buffer, size_t size, const char *restrict format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(buffer, size, format, arguments);
    va_end(arguments);
    return len;
}

__attribute__((format(printf, 2, 3))) int sprintf(char *restrict buffer, const char *restrict format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(buffer, PTRDIFF_MAX, format, arguments);
    va_end(arguments);
    return len;
}
