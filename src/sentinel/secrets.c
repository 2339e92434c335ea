// SPDX-License-Identifier: Apache-2.0
#include "sentinel/secrets.h"

#include <stdint.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"

enum { LEVELS = 3 /* of escapes within escapes */ };

void secrets_add(struct secrets *secrets, const char *secret)
{
    if (secret && strlen(secret) >= BYTES_SECRET_MIN && secrets->count < SECRETS_MAX)
        secrets->known[secrets->count++] = secret;
}

void secrets_add_credentials(struct secrets *secrets, const struct sentinel_credentials *credentials)
{
    secrets_add(secrets, credentials->secret_key);
    secrets_add(secrets, credentials->session_token);
    secrets_add(secrets, credentials->access_key);
}

/* Reads `count` digits of that base; -1: there are fewer. */
static int32_t digits(const char *at, const char *end, int count, int base)
{
    int32_t value = 0;
    if (end - at < count)
        return -1;
    for (int i = 0; i < count; i++) {
        int digit = ascii_hex_value(at[i]);
        if (digit < 0 || digit >= base)
            return -1;
        value = value * base + digit;
    }
    return value;
}

/* An escape: how many bytes it has, and the character that it stands for. 0: there is none here. */
static size_t backslash(const char *at, const char *end, int32_t *ret)
{
    static const char plain[] = "bfnrt\"\\/'";
    static const char meant[] = "\b\f\n\r\t\"\\/'";
    if (end - at < 2 || *at != '\\')
        return 0;
    if (at[1] == 'u' && (*ret = digits(at + 2, end, 4, 16)) >= 0)
        return 6;
    if (at[1] == 'x' && (*ret = digits(at + 2, end, 2, 16)) >= 0)
        return 4;
    if ((*ret = digits(at + 1, end, 3, 8)) >= 0)
        return 4;
    const char *found = at[1] ? strchr(plain, at[1]) : NULL;
    *ret = found ? meant[found - plain] : 0;
    return found ? 2 : 0;
}

static size_t reference(const char *at, const char *end, int32_t *ret)
{
    static const struct {
        const char *name;
        char        meant;
    } names[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    struct text t = {at, end};
    uint64_t    value = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (text_starts(t, names[i].name)) {
            *ret = (unsigned char)names[i].meant;
            return strlen(names[i].name);
        }
    if (!text_skip(&t, "&#"))
        return 0;
    bool found = text_skip(&t, "x") || text_skip(&t, "X") ? text_hexadecimal(&t, &value) : text_unsigned(&t, &value);
    if (!found || !text_skip(&t, ";") || value > INT32_MAX)
        return 0;
    *ret = (int32_t)value;
    return (size_t)(t.at - at);
}

static size_t escape(const char *at, const char *end, int32_t *ret)
{
    if (*at == '\\')
        return backslash(at, end, ret);
    if (*at == '&')
        return reference(at, end, ret);
    return *at == '%' && (*ret = digits(at + 1, end, 2, 16)) >= 0 ? 3 : 0;
}

bool secrets_unescape(struct bytes *text)
{
    char       *to = text->data;
    const char *end = text->data + text->len;
    bool        any = false;
    for (const char *at = text->data; at < end;) {
        int32_t character = 0;
        size_t  len = escape(at, end, &character);
        *to++ = len == 0 ? *at : character < 0x100 ? (char)character : '?'; /* a secret is ASCII */
        at += len ? len : 1;
        any |= len > 0;
    }
    if (any) {
        text->len = (size_t)(to - text->data);
        *to = '\0';
    }
    return any;
}

static bool hide_plain(const struct secrets *secrets, struct bytes *text)
{
    bool found = false;
    for (size_t i = 0; i < secrets->count; i++)
        found |= bytes_hide(text, secrets->known[i]);
    return found;
}

/* One of the ways to write bytes as digits: each stands for so many bits. */
struct radix {
    int (*value)(char c); /* -1: no digit */
    int bits;
};

static int base64_value(char c)
{
    if (ascii_is_letter(c))
        return ascii_is_upper(c) ? c - 'A' : c - 'a' + 26;
    if (ascii_is_digit(c))
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* Long texts are folded into lines. */
static bool is_fold(char c)
{
    return c == '\r' || c == '\n';
}

static void decode(const struct radix *radix, const char *at, const char *end, struct bytes *ret)
{
    unsigned held = 0;
    int      bits = 0;
    bytes_clear(ret);
    for (; at < end; at++) {
        if (is_fold(*at))
            continue;
        held = (held << radix->bits | (unsigned)radix->value(*at)) & 0xffff;
        bits += radix->bits;
        if (bits < 8)
            continue;
        bits -= 8;
        bytes_char(ret, (char)(held >> bits));
    }
}

/* Digits may begin with some that are not the secret's: all beginnings are tried that lie differently in a byte. */
static bool hide_in_digits(const struct secrets *secrets, const struct radix *radix, struct bytes *text)
{
    struct bytes decoded;
    bool         found = false;
    char        *end = text->data + text->len;
    bytes_init(&decoded, text->len);
    for (char *at = text->data; at < end;) {
        char *start = at;
        while (at < end && (radix->value(*at) >= 0 || (at > start && is_fold(*at))))
            at++;
        bool hit = false;
        for (int skipped = 0; !hit && skipped < 4 && (size_t)(at - start) > BYTES_SECRET_MIN; skipped++) {
            decode(radix, start + skipped, at, &decoded);
            hit = decoded.failed || hide_plain(secrets, &decoded);
        }
        if (hit)
            memset(start, '*', (size_t)(at - start));
        found |= hit;
        at += at == start;
    }
    bytes_done(&decoded);
    return found;
}

static bool hide_at_this_level(const struct secrets *secrets, struct bytes *text)
{
    static const struct radix hexadecimal = {ascii_hex_value, 4};
    static const struct radix base64 = {base64_value, 6};
    bool                      found = hide_plain(secrets, text);
    found |= hide_in_digits(secrets, &hexadecimal, text);
    return hide_in_digits(secrets, &base64, text) || found;
}

bool secrets_hide(const struct secrets *secrets, struct bytes *text)
{
    if (secrets->count == 0 || text->len == 0)
        return false;
    bool         found = hide_at_this_level(secrets, text);
    struct bytes copy;
    bytes_init(&copy, text->len);
    bytes_add(&copy, text->data, text->len);
    found |= copy.failed;
    if (copy.failed)
        bytes_clear(text);
    for (int level = 0; !copy.failed && level < LEVELS && secrets_unescape(&copy); level++) {
        if (!hide_at_this_level(secrets, &copy))
            continue;
        found = true;
        memcpy(text->data, copy.data, copy.len + 1);
        text->len = copy.len;
    }
    bytes_done(&copy);
    return found;
}
