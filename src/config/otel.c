/* The lists are taken apart and judged. */
// SPDX-License-Identifier: Apache-2.0
#include "config/otel.h"

#include <string.h>

#include "base/array.h"

bool otel_pair(struct text *list, struct text *ret_key, struct text *ret_value)
{
    struct text pair;
    while (text_until(list, ',', &pair)) {
        text_trim(&pair);
        if (text_len(pair) == 0)
            continue;
        *ret_key = *ret_value = pair;
        ret_key->end = pair.at;
        if (memchr(pair.at, '=', text_len(pair)))
            (void)text_until(ret_value, '=', ret_key);
        text_trim(ret_key);
        text_trim(ret_value);
        return true;
    }
    return false;
}

/* The next byte that is meant; -1: a % without its digits. */
static int next_byte(struct text *t)
{
    if (*t->at != '%')
        return (unsigned char)*t->at++;
    int high = text_len(*t) > 2 ? ascii_hex_value(t->at[1]) : -1;
    int low = high >= 0 ? ascii_hex_value(t->at[2]) : -1;
    t->at += low >= 0 ? 3 : 1;
    return low >= 0 ? high << 4 | low : -1;
}

void otel_decode(struct text written, struct bytes *ret)
{
    while (text_len(written) > 0) {
        int byte = next_byte(&written);
        if (byte >= 0)
            bytes_char(ret, (char)byte);
    }
}

static bool is_fine(const char *list, size_t max, bool (*judge)(struct text key, struct text value))
{
    struct text rest = text_of(list);
    struct text key;
    struct text value;
    size_t      count = 0;
    while (otel_pair(&rest, &key, &value))
        if (++count > max || text_len(key) == 0 || !judge(key, value))
            return false;
    return true;
}

static bool decodes(struct text t)
{
    while (text_len(t) > 0)
        if (next_byte(&t) <= 0)
            return false;
    return true;
}

static bool is_attribute(struct text key, struct text value)
{
    return decodes(key) && decodes(value);
}

bool otel_attributes_are_fine(const char *list)
{
    return is_fine(list, OTEL_PAIRS_MAX, is_attribute);
}

/* Headers by which the request is framed or routed are its own. */
static bool is_framing(struct text key)
{
    static const char names[][20] = {
        "connection", "content-encoding", "content-length", "content-type",    "expect", "host", "transfer-encoding",
        "te",         "trailer",          "upgrade",        "proxy-connection"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (text_len(key) == strlen(names[i]) && text_starts_caseless(key, names[i]))
            return true;
    return false;
}

/* Source: RFC 9110, 5.1 and 5.5. */
static bool is_header(struct text key, struct text value)
{
    if (!text_consists_of(key, TEXT_ALPHANUMERIC "!#$&'*+-.^_`|~") || is_framing(key))
        return false;
    while (text_len(value) > 0) {
        int byte = next_byte(&value);
        if (byte < ' ' || byte >= 0x7f)
            return false;
    }
    return true;
}

bool otel_headers_are_fine(const char *list)
{
    return is_fine(list, OTEL_HEADERS_MAX, is_header);
}
