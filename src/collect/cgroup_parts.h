/* Inside cgroup*.c only. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_CGROUP_PARTS_H
#define PILLION_COLLECT_CGROUP_PARTS_H

#include "collect/cgroup.h"

/* cgroup_limits.c */
bool cgroup_up(struct cgroup *cgroup); /* to the one above; false, and unmoved, at the mount */
/* The least CPU quota from this cgroup upwards, in CPUs, and where it is; 0, and this one: there is none. */
double cgroup_quota(struct cgroup cpu, struct cgroup *ret);

/* cgroup_events.c: the number behind a name in a file of "name number" lines; untouched and false when not there. */
bool cgroup_entry(struct text entries, const char *name, uint64_t *ret);

#endif
