/* CSV for the programs that people open tables with. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_CSV_H
#define PILLION_CSV_H

/* Prints a cell; what a table program would take for a formula begins with `'`. */
void print_csv_cell(const char *text);

#endif
