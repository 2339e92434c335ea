// SPDX-License-Identifier: Apache-2.0
#include "base/json_write.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

void json_key(struct bytes *b, const char *key)
{
    char last = b->len > 0 ? b->data[b->len - 1] : '{';
    if (last != '{')
        bytes_char(b, ',');
    json_string(b, key, strlen(key));
    bytes_char(b, ':');
}

static bool is_plain(char c)
{
    return (unsigned char)c >= ' ' && (unsigned char)c < 0x80 && c != '"' && c != '\\';
}

/* Returns the escape of one character that is not plain; `buffer` holds it if it must be made. */
static struct text escape(const char *at, size_t character, char buffer[static 8])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char     c = (unsigned char)*at;
    if (character > 1)
        return text_span(at, character);
    if (character == 0 || c == 0)
        return text_of(UTF8_REPLACEMENT);
    static const char named[] = "\"\\\n\r\t";
    static const char names[] = "\"\\nrt";
    const char       *found = memchr(named, c, sizeof named - 1);
    if (found) {
        buffer[0] = '\\';
        buffer[1] = names[found - named];
        return text_span(buffer, 2);
    }
    buffer[0] = '\\';
    buffer[1] = 'u';
    buffer[2] = buffer[3] = '0';
    buffer[4] = digits[c >> 4];
    buffer[5] = digits[c & 15];
    return text_span(buffer, 6);
}

/* Appends the escaped text to b, unless that is NULL; returns its length. */
static size_t escape_all(struct bytes *b, const char *at, size_t len)
{
    const char *end = at + len;
    size_t      size = 0;
    while (at < end) {
        const char *start = at;
        while (at < end && is_plain(*at))
            at++;
        size += (size_t)(at - start);
        if (b)
            bytes_add(b, start, (size_t)(at - start));
        if (at == end)
            break;
        char        buffer[8];
        size_t      character = utf8_character(at, end);
        struct text escaped = escape(at, character, buffer);
        size += text_len(escaped);
        if (b)
            bytes_add(b, escaped.at, text_len(escaped));
        at += character > 0 ? character : 1;
    }
    return size;
}

void json_string(struct bytes *b, const char *data, size_t len)
{
    bytes_char(b, '"');
    (void)escape_all(b, data, len);
    bytes_char(b, '"');
}

size_t json_string_size(const char *data, size_t len)
{
    return escape_all(NULL, data, len) + 2;
}

void json_string_cut(struct bytes *b, const char *value, size_t max)
{
    size_t len = strlen(value);
    bytes_char(b, '"');
    if (len <= max) {
        (void)escape_all(b, value, len);
    } else {
        (void)escape_all(b, value, utf8_cut(value, len, max - strlen(UTF8_ELLIPSIS)));
        bytes_text(b, UTF8_ELLIPSIS);
    }
    bytes_char(b, '"');
}
