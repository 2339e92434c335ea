/* Inside cgroup*.c only. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_CGROUP_CGROUP_PARTS_H
#define PILLION_COLLECT_CGROUP_CGROUP_PARTS_H

#include "collect/cgroup/cgroup.h"

/* The number behind a name in a file of "name number" lines; untouched and false when not there. */
bool cgroup_entry(struct text entries, const char *name, uint64_t *ret);

#endif
