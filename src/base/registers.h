/* The vector registers of the calling thread: libc copies texts through them, and they stand in every core file. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_REGISTERS_H
#define PILLION_BASE_REGISTERS_H

void registers_wipe(void);
/* Spares the first wiping a question to the processor: libc has asked. Before main, for it takes the loader's lock. */
void registers_ask_libc(void);

#endif
