/* The time between CMD's start and its end: signals are passed on, orphans reaped, job control kept. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_WATCH_H
#define PILLION_WATCH_H

#include <sys/types.h>

#include "link/engine.h"

/* Returns CMD's wait status. All signals must be blocked. */
int watch_child(pid_t child);

/* Has the run ended, and waits until that is done, as long as `link` allows; a terminating signal cuts it short. */
void hold(const struct engine *engine, struct link *link, int wait_status);

#endif
