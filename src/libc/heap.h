/* The engine's own malloc, calloc, realloc and free: hidden names that stand in for libc's inside the engine alone. So
 * the program's allocator, its locks and its statistics never hear of us.
 *
 * Small blocks come from slabs of 64 KiB that hold one size each, larger ones from a mapping of their own. A slab
 * without blocks goes back to the kernel (one is kept), so memory that a TLS handshake took does not stay taken. The
 * first 16 KiB of blocks stand side by side, whatever their size: main waits for them, and each page costs it some us.
 * Every block is aligned to 16 bytes. Without memory the answer is NULL, with ENOMEM.
 *
 * Thread: one at a time, by design: main before the thread `pillion` exists, then that thread alone. No lock. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_LIBC_HEAP_H
#define PILLION_LIBC_HEAP_H

enum {
    HEAP_SLAB_SIZE = 65536,
    HEAP_SMALL_MAX = 8192, /* bytes; a larger block is a mapping of its own */
};

#endif
