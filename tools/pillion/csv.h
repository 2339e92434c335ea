/* Cells of CSV, as RFC 4180 has them. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_CSV_H
#define PILLION_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* Prints a cell; what a table program would take for a formula begins with `'`. */
void print_csv_cell(const char *text);

/* Takes the next cell off a line, without its quotes and the blanks around it, cut to `size`. False: there is none. */
bool csv_cell(struct text *line, char *ret, size_t size);

#endif
