/* Memory of the machine. Thread: pillion. Allocates: no. Files: /proc/meminfo, held open. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_MEMORY_H
#define PILLION_COLLECT_MEMORY_H

#include "collect/collect.h"

struct memory {
    int fd;
};

int memory_open(struct memory *memory, const struct roots *roots);

/*   ret->memory_total     KiB          MemTotal
 *   ret->memory_available KiB, gauge   MemAvailable, or what stands for it below
 *   ret->memory_free      KiB, gauge   MemFree                    proc.rst "meminfo" (its kB are KiB)
 *   ret->memory_used      KiB, gauge   MemTotal - MemAvailable    kernels before 3.14 have no MemAvailable: there
 *                                      MemFree + Buffers + Cached + SReclaimable stands for it
 *   ret->memory_buffers   KiB, gauge   Buffers
 *   ret->memory_cached    KiB, gauge   Cached + SReclaimable
 *   ret->memory_active    KiB, gauge   Active
 *   ret->memory_inactive  KiB, gauge   Inactive
 *   ret->swap_total, swap_free   KiB, gauge   SwapTotal, SwapFree
 * Shape: one value per machine. Returns 0, or -errno; a field that the kernel does not give stays METRIC_NONE. */
int memory_read(struct memory *memory, struct sample *ret);

void memory_close(struct memory *memory);

#endif
