/* Core files of the program: token, credentials and keys are in none. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_ENGINE_CORE_FILE_H
#define PILLION_ENGINE_CORE_FILE_H

#include <stddef.h>

/* Leaves the engine's variables out. The heap (libc/heap.c) leaves itself out. */
void core_file_without_data(void);

/* Calls with the calling thread's stack a page further down, so that the caller's frames have pages of their own. */
void core_file_in_new_pages(void (*work)(void *argument), void *argument);

/* Leaves out the calling thread's stack from `lowest` up to the caller's page, that too; NULL: as far down as main's
 * is mapped, and as it grows. Above, libc has what debuggers want to know of the thread. */
void core_file_without_stack(void *lowest);

/* Memory for a thread's stack, with a guard at its low end; NULL. */
void *core_file_stack(size_t size);

#endif
