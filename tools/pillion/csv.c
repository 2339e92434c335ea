// SPDX-License-Identifier: Apache-2.0
#include "csv.h"

#include <stdio.h>
#include <string.h>

void print_csv_cell(const char *text)
{
    bool is_formula = text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL;
    bool is_quoted = strpbrk(text, ",\"\r\n") != NULL;
    if (is_quoted)
        putchar('"');
    if (is_formula)
        putchar('\'');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    if (is_quoted)
        putchar('"');
}

bool csv_cell(struct text *line, char *ret, size_t size)
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
