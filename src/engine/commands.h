/* The run's use by command: in commands.csv over time, in `commands` as it stands, and as totals in the journal. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_ENGINE_COMMANDS_H
#define PILLION_ENGINE_COMMANDS_H

#include "base/bytes.h"
#include "base/text.h"

struct run;

/* A row has been made, with this timestamp: from the sample before to `now`. Of a run's last row nothing is written where there was
 * none before: a short program does not pay for two files more, and the journal has the totals. */
struct sample;
void commands_note_row(struct run *run, const struct sample *now, struct text timestamp);
/* Appends the totals as JSON, the largest first. */
void commands_totals(const struct run *run, struct bytes *ret);
/* Goes on with the totals of the image before an exec. */
void commands_resume(struct run *run);

#endif
