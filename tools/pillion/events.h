/* What the control group did to a run, and when: lines of run.jsonl say it while it happens. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_EVENTS_H
#define PILLION_EVENTS_H

#include <cJSON.h>

#include <stddef.h>

enum { EVENTS_MAX = 256 };

struct event {
    double at;                     /* s since the run began, when it was seen */
    double oom_kills, throttled_s; /* so many until then */
};

struct events {
    struct event list[EVENTS_MAX]; /* the first is the beginning, with nothing */
    size_t       count;
};

/* `end`: s that the run took. The last event has what the state tells. */
void events_read(int dir, const cJSON *state, double end, struct events *ret);

#endif
