// SPDX-License-Identifier: Apache-2.0
#include "csv.h"

#include <stdbool.h>
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
