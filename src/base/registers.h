/* The vector registers of the calling thread: libc copies texts through them, and they stand in every core file. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_REGISTERS_H
#define PILLION_BASE_REGISTERS_H

void registers_wipe(void);

#endif
