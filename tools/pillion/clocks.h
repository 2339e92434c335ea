/* Clocks of nodes that differ. A file server dates the folder that a run makes, and where the run's own clock was more
 * than half a second off that date, its state says by how much (store/run_dir.c). Where nodes share their folder, they
 * share that server, and their clocks can be compared. On a disk of a node's own there is nothing to compare. Pure. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_CLOCKS_H
#define PILLION_CLOCKS_H

#include <cJSON.h>

#include <stddef.h>

/* s by which the clock of the run's machine was ahead of its file server's, or of S3's that refused it; negative:
 * behind; 0: not that anybody knows. */
double clocks_offset(const cJSON *state);

/* "3.0 s ahead of", "12 min 05 s behind". */
void clocks_text(double offset, char *ret, size_t size);

#endif
