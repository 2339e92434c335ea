/* CPU time that the whole clock ticks of /proc leave out. Allocates: no. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_PROCESS_EXACT_H
#define PILLION_COLLECT_TREE_PROCESS_EXACT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The microseconds of CPU beyond `known`, which /proc/PID/stat says in whole ticks of so many microseconds; 0 when the
 * kernel does not tell, or tells something that does not fit.
 *   of a process without its reaped children    clock_getcpuclockid(3)
 *   of the calling process                      getrusage(2): own, and of its reaped children */
uint64_t process_exact_rest(pid_t pid, uint64_t known, uint64_t tick);
uint64_t process_exact_own_rest(bool with_own, uint64_t known, uint64_t tick);

#endif
