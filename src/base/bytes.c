// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { BYTES_FIRST_CAPACITY = 256 };

void bytes_init(struct bytes *b, size_t max)
{
    *b = (struct bytes){.max = max};
}

void bytes_done(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){.max = b->max};
}

void bytes_clear(struct bytes *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

static bool bytes_reserve(struct bytes *b, size_t more)
{
    if (b->failed || more > b->max - b->len || more >= SIZE_MAX / 2 - b->len)
        return !(b->failed = true);
    size_t need = b->len + more + 1;
    if (need <= b->capacity)
        return true;
    size_t capacity = b->capacity ? b->capacity : BYTES_FIRST_CAPACITY;
    while (capacity < need)
        capacity *= 2;
    char *data = realloc(b->data, capacity);
    if (!data)
        return !(b->failed = true);
    b->data = data;
    b->capacity = capacity;
    return true;
}

void bytes_add(struct bytes *b, const void *data, size_t len)
{
    if (!bytes_reserve(b, len))
        return;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void bytes_text(struct bytes *b, const char *text)
{
    bytes_add(b, text, strlen(text));
}

void bytes_char(struct bytes *b, char c)
{
    bytes_add(b, &c, 1);
}

static size_t digits_of(uint64_t value, char digits[static 20])
{
    size_t n = 0;
    do
        digits[20 - ++n] = (char)('0' + value % 10);
    while (value /= 10);
    return n;
}

void bytes_unsigned(struct bytes *b, uint64_t value)
{
    char   digits[20];
    size_t n = digits_of(value, digits);
    bytes_add(b, digits + 20 - n, n);
}

void bytes_signed(struct bytes *b, int64_t value)
{
    if (value < 0)
        bytes_char(b, '-');
    bytes_unsigned(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void bytes_decimal(struct bytes *b, double value, int decimals)
{
    uint64_t scale = 1;
    for (int i = 0; i < decimals; i++)
        scale *= 10;
    double scaled = value * (double)scale + 0.5;
    if (!(scaled > 0))
        scaled = 0;
    uint64_t fixed = scaled < 9.2e18 ? (uint64_t)scaled : (uint64_t)9200000000000000000;
    bytes_unsigned(b, fixed / scale);
    if (decimals <= 0)
        return;
    char     fraction[10] = ".";
    uint64_t rest = fixed % scale;
    for (int i = decimals; i > 0; i--, rest /= 10)
        fraction[i] = (char)('0' + rest % 10);
    bytes_add(b, fraction, (size_t)decimals + 1);
}

void bytes_format(struct bytes *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (need < 0)
        b->failed = true;
    else if (bytes_reserve(b, (size_t)need))
        b->len += (size_t)vsnprintf(b->data + b->len, (size_t)need + 1, format, again);
    va_end(again);
}

void bytes_wipe(void *memory, size_t size)
{
    memset(memory, 0, size);
    __asm__ volatile("" : : "r"(memory) : "memory"); /* counts as a reader */
}

static bool begins_with(const char *at, const char *secret, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (ascii_lower(at[i]) != ascii_lower(secret[i]))
            return false;
    return true;
}

bool bytes_hide(struct bytes *b, const char *secret)
{
    size_t len = strlen(secret);
    bool   found = false;
    for (size_t at = 0; len >= BYTES_SECRET_MIN && len <= b->len && at <= b->len - len; at++) {
        if (!begins_with(b->data + at, secret, len))
            continue;
        memset(b->data + at, '*', len);
        found = true;
        at += len - 1; /* the secret may be asterisks itself */
    }
    return found;
}

char *bytes_take(struct bytes *b)
{
    char *data = b->failed ? NULL : b->data;
    if (b->failed)
        free(b->data);
    *b = (struct bytes){.max = b->max};
    return data;
}
