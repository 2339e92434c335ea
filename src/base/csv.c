// SPDX-License-Identifier: Apache-2.0
#include "base/csv.h"

#include <string.h>

void csv_put(struct bytes *b, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        bytes_text(b, text);
        return;
    }
    bytes_char(b, '"');
    for (; *text; text++) {
        if (*text == '"')
            bytes_char(b, '"');
        bytes_char(b, *text);
    }
    bytes_char(b, '"');
}

bool csv_take(struct text *line, char *ret, size_t size)
{
    size_t len = 0;
    bool   quoted = false;
    if (line->at >= line->end)
        return false;
    text_blanks(line);
    for (; line->at < line->end && (quoted || *line->at != ','); line->at++) {
        bool is_twice = quoted && *line->at == '"' && line->at + 1 < line->end && line->at[1] == '"';
        if (*line->at == '"' && !is_twice) {
            quoted = !quoted;
            continue;
        }
        line->at += is_twice;
        if (len + 1 < size)
            ret[len++] = *line->at;
    }
    line->at += line->at < line->end;
    while (len > 0 && ret[len - 1] == ' ')
        len--;
    ret[len] = '\0';
    return true;
}
