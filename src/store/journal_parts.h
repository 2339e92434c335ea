/* Inside record*.c only: how a line is composed, and the parts of it that say what a run used. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_STORE_JOURNAL_PARTS_H
#define PILLION_STORE_JOURNAL_PARTS_H

#include "store/journal_write.h"

void record_open_line(struct bytes *line);
int  record_close_line(struct bytes *line, struct rundir *run); /* appends it; 0 or -errno */
void record_close_fact(struct bytes *line, struct rundir *run); /* the same with one that no later line repeats */
void record_text(struct bytes *line, const char *key, const char *value);
void record_number(struct bytes *line, const char *key, uint64_t value);

void record_write_totals(struct bytes *line, const struct totals *totals);
void record_write_cgroup(struct bytes *line, const struct cgroup_events *events); /* nothing where nothing is counted */
void record_write_cgroup_before(struct bytes *line, const struct cgroup_watch *watch,
                                const struct cgroup_events *before);

#endif
