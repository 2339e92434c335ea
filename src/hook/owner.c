/* The process that leads, and whether the calling one is it: a fork or vfork child is not, though it has all of this.
 */
// SPDX-License-Identifier: Apache-2.0
#include <sys/mman.h>

#include "hook/hook.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

enum { ALIVE = 0x70696c6c, PAGE = 4096 };

struct hook hook;

const char        pillion_hook_1 = 1;
extern const char hook_mark __attribute__((alias("pillion_hook_1")));

/* The page marks the leader: a forked child finds it zeroed. A pid would not do, since a child in a nested pid
 * namespace may have ours. */
bool hook_own(void)
{
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return false;
    (void)madvise(page, PAGE, MADV_WIPEONFORK);
    hook.owner = (pid_t)sys_pid();
    *(volatile uint32_t *)page = ALIVE;
    hook.alive = page;
    return true;
}

bool hook_is_forked_child(void)
{
    return hook.alive && *hook.alive != ALIVE;
}

bool hook_leads(void)
{
    return hook.alive && *hook.alive == ALIVE && seccomp_confinement() != CONFINED && sys_pid() == hook.owner;
}

bool hook_owns(void)
{
    return hook.alive && seccomp_confinement() == FREE && hook_leads(); /* a passenger does not ask further */
}
