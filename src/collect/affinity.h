/* The number of CPUs that the calling thread may use, by cpuset and affinity, which the program handed on to it.
 * Allocates: no. proc.rst "/proc/PID/status", Cpus_allowed_list; sysfs-devices-system-cpu, "online". No system call of
 * its own: filters kill for less known ones. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_AFFINITY_H
#define PILLION_COLLECT_AFFINITY_H

#include "collect/collect.h"

/* Counts those online; METRIC_NONE when that is not known. */
uint64_t affinity_count(const struct roots *roots);

#endif
