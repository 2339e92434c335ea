// SPDX-License-Identifier: Apache-2.0
#include "csv.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "output.h"

void print_csv_cell(const char *text)
{
    bool is_formula = text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL;
    bool is_quoted = strpbrk(text, ",\"") != NULL;
    if (is_quoted)
        putchar('"');
    if (is_formula)
        putchar('\'');
    for (const char *c = text; *c != '\0';) {
        if (*c == '"')
            putchar('"');
        c += print_character(c);
    }
    if (is_quoted)
        putchar('"');
}
