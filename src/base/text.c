// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <string.h>

struct text text_of(const char *string)
{
    return (struct text){string, string + strlen(string)};
}

struct text text_span(const char *data, size_t len)
{
    return (struct text){data, len ? data + len : data}; /* NULL may be no text at all */
}

size_t text_len(struct text t)
{
    return (size_t)(t.end - t.at);
}

bool text_is(struct text t, const char *string)
{
    size_t len = strlen(string);
    return text_len(t) == len && memcmp(t.at, string, len) == 0;
}

bool text_starts(struct text t, const char *prefix)
{
    size_t len = strlen(prefix);
    return text_len(t) >= len && memcmp(t.at, prefix, len) == 0;
}

bool text_starts_caseless(struct text t, const char *lower)
{
    for (; *lower; lower++, t.at++)
        if (t.at == t.end || ascii_lower(*t.at) != *lower)
            return false;
    return true;
}

bool text_consists_of(struct text t, const char *characters)
{
    for (const char *p = t.at; p < t.end; p++)
        if (*p == '\0' || !strchr(characters, *p))
            return false;
    return t.at < t.end;
}

bool text_skip(struct text *t, const char *prefix)
{
    if (!text_starts(*t, prefix))
        return false;
    t->at += strlen(prefix);
    return true;
}

bool text_until(struct text *t, char stop, struct text *ret_piece)
{
    if (t->at == t->end)
        return false;
    const char *found = memchr(t->at, stop, text_len(*t));
    *ret_piece = (struct text){t->at, found ? found : t->end};
    t->at = found ? found + 1 : t->end;
    return true;
}

bool text_line(struct text *t, struct text *ret_line)
{
    return text_until(t, '\n', ret_line);
}

void text_blanks(struct text *t)
{
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\t'))
        t->at++;
}

bool text_word(struct text *t, struct text *ret_word)
{
    text_blanks(t);
    const char *start = t->at;
    while (t->at < t->end && *t->at != ' ' && *t->at != '\t' && *t->at != '\n')
        t->at++;
    *ret_word = (struct text){start, t->at};
    return t->at > start;
}

bool text_unsigned(struct text *t, uint64_t *ret)
{
    struct text cursor = *t;
    text_blanks(&cursor);
    const char *start = cursor.at;
    uint64_t    value = 0;
    for (; cursor.at < cursor.end && ascii_is_digit(*cursor.at); cursor.at++) {
        uint64_t digit = (uint64_t)(*cursor.at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (cursor.at == start)
        return false;
    *t = cursor;
    *ret = value;
    return true;
}

bool text_hexadecimal(struct text *t, uint64_t *ret)
{
    const char *start = t->at;
    *ret = 0;
    for (; t->at < t->end && t->at - start < 16 && ascii_hex_value(*t->at) >= 0; t->at++)
        *ret = *ret << 4 | (unsigned)ascii_hex_value(*t->at);
    return t->at > start;
}

bool text_after_last(struct text *t, char c)
{
    for (const char *p = t->end; p > t->at; p--) {
        if (p[-1] == c) {
            t->at = p;
            return true;
        }
    }
    return false;
}

bool text_decimal(struct text t, double *ret)
{
    double value = 0;
    double scale = 1;
    bool   digits = false;
    bool   fraction = false;
    for (; t.at < t.end; t.at++) {
        if (*t.at == '.' && !fraction) {
            fraction = true;
        } else if (ascii_is_digit(*t.at)) {
            digits = true;
            if (scale >= 1e15) /* further digits are beyond what a double holds */
                continue;
            value = value * 10 + (*t.at - '0');
            if (fraction)
                scale *= 10;
        } else {
            return false;
        }
    }
    if (!digits || !(value / scale < 1e18))
        return false;
    *ret = value / scale;
    return true;
}

bool text_copy(struct text t, char *ret, size_t size)
{
    if (size == 0)
        return false;
    bool fits = text_len(t) < size;
    if (fits)
        memcpy(ret, t.at, text_len(t));
    ret[fits ? text_len(t) : 0] = '\0';
    return fits;
}

void text_trim(struct text *t)
{
    while (t->at < t->end && (unsigned char)*t->at <= ' ')
        t->at++;
    while (t->at < t->end && (unsigned char)t->end[-1] <= ' ')
        t->end--;
}
