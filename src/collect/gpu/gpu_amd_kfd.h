/* Processes that compute by AMD's KFD (ROCm, HIP, OpenCL). Their queues belong to the device itself, so no fdinfo has
 * their time; amdgpu's figure of the whole device has. That figure is the tree's own if nobody else computes there.
 * Thread: pillion. Allocates: no. Files: /sys/class/kfd/kfd/proc, which has a folder for each such process, by its
 * number in the first PID namespace; /proc/self/ns/pid. Opened, read, closed. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_GPU_GPU_AMD_KFD_H
#define PILLION_COLLECT_GPU_GPU_AMD_KFD_H

#include "collect/collect.h"
#include "collect/tree/process_table.h"

/* True when there are such processes, and all of them are in the table. False in a PID namespace of a container, where
 * nothing says which numbers are meant. `proc`: /proc. */
bool gpu_kfd_is_trees(const struct roots *roots, int proc, const struct process_table *table);

#endif
