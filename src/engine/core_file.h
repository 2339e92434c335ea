/* Core files of the program: token, credentials and keys are in none. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_ENGINE_CORE_FILE_H
#define PILLION_ENGINE_CORE_FILE_H

#include <stddef.h>

/* Leaves the engine's variables out. The heap (libc/heap.c) and the thread's stack leave themselves out. */
void core_file_without_data(void);

/* Leaves out the calling thread's stack below the caller, as far as it is mapped and as it grows: for `pillion sync`
 * and `pillion doctor`, whose main thread does the thread's work. */
void core_file_without_stack(void);

/* Memory for a thread's stack that is in no core file, with a guard below it; NULL. */
void *core_file_stack(size_t size);

#endif
