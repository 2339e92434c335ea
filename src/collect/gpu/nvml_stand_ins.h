/* Stand-ins that NVML's copy gets instead of some functions of libc. The library is written for programs of its own: it
 * starts a helper to load modules and to make device files; for root it makes, removes and re-owns these itself. And it
 * registers exit handlers, reads debugging variables from the live environment, prints, and ends the process by failed
 * assertions. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_GPU_NVML_STAND_INS_H
#define PILLION_COLLECT_GPU_NVML_STAND_INS_H

#include <stdbool.h>
#include <stddef.h>

/* True for a function of libc that the copy must not call; *ret is its stand-in's number. */
bool nvml_stand_in(const char *name, size_t *ret);
/* The stand-in's address. */
void *nvml_stand_in_address(size_t number);

#endif
