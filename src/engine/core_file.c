/* A core file is written by the kernel, gcore and crash reporters, and read by whoever gets it. The program's own
 * memory is its own: where the token came in its environment, the core file has that environment. */
// SPDX-License-Identifier: Apache-2.0
#include "engine/core_file.h"

#include <link.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DEEPEST = 4 * 1024 * 1024 /* below main's stack nothing is mapped for 128 MiB: mmap_base() in the kernel */ };

extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden"))); /* the linker's name for this object */

static uintptr_t page_size(void)
{
    return getauxval(AT_PAGESZ);
}

static void leave_out(uintptr_t from, uintptr_t to)
{
    uintptr_t page = page_size();
    from &= ~(page - 1);
    to = (to + page - 1) & ~(page - 1);
    if (from < to)
        (void)madvise((void *)from, to - from, MADV_DONTDUMP); // NOLINT(performance-no-int-to-ptr)
}

/* What ld.so has made read-only of the segment stays: debuggers find their way by it. */
void core_file_without_data(void)
{
    uintptr_t base = (uintptr_t)&__ehdr_start;
    const ElfW(Phdr) *headers = (const void *)(base + __ehdr_start.e_phoff); // NOLINT(performance-no-int-to-ptr)
    uintptr_t read_only = 0;
    for (int i = 0; i < __ehdr_start.e_phnum; i++)
        if (headers[i].p_type == PT_GNU_RELRO)
            read_only = base + headers[i].p_vaddr + headers[i].p_memsz;
    for (int i = 0; i < __ehdr_start.e_phnum; i++) {
        uintptr_t from = base + headers[i].p_vaddr;
        uintptr_t to = from + headers[i].p_memsz;
        if (headers[i].p_type == PT_LOAD && (headers[i].p_flags & PF_W))
            leave_out(read_only > from && read_only <= to ? read_only : from, to);
    }
}

void core_file_without_stack(void *lowest)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    leave_out(lowest ? (uintptr_t)lowest : here - DEEPEST, here + 1);
}

void core_file_in_new_pages(void (*work)(void *argument), void *argument)
{
    void *apart = __builtin_alloca(page_size());
    __asm__ volatile("" : : "r"(apart) : "memory"); /* it counts as used, and no tail call takes it away */
    work(argument);
    __asm__ volatile("" : : "r"(apart) : "memory");
}

void *core_file_stack(size_t size)
{
    char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED)
        return NULL;
    (void)syscall(SYS_mprotect, stack, page_size(), PROT_NONE);
    return stack;
}
