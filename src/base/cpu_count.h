/* The number of CPUs. Allocates: only where /sys does not tell. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_CPU_COUNT_H
#define PILLION_BASE_CPU_COUNT_H

#include "base/roots.h"
#include "base/text.h"

/* Counts CPUs online: sysfs-devices-system-cpu, "online", else the cpuN lines of /proc/stat; 0 when neither tells. */
unsigned cpu_count_online(const struct roots *roots);
/* Counts the CPUs in a list such as "0-3,8"; 0 when it is none. */
unsigned cpu_count_list(struct text list);

#endif
