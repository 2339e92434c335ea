/* A program that confines itself by seccomp may be killed for any system call that it does not make itself. From then
 * on the hook makes none on that thread: the run is left as if the program had been killed. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <sys/prctl.h>

#include "hook/hook.h"

static const int       *main_errno; /* an address that tells a thread without a system call */
static _Atomic uint32_t of_main;    /* enum confinement */
static _Atomic uint32_t of_another; /* its children would not know which thread it was: it counts for all but main's */

static _Atomic uint32_t *here(void)
{
    return &errno == main_errno ? &of_main : &of_another;
}

enum confinement seccomp_confinement(void)
{
    /* Nearly always; errno's address is then not asked for. */
    if (atomic_load(&of_main) == FREE && atomic_load(&of_another) == FREE)
        return FREE;
    return (enum confinement)atomic_load(here());
}

void seccomp_watch(void)
{
    main_errno = &errno;
}

bool seccomp_is_watched(void)
{
    return main_errno != NULL;
}

/* libseccomp installs its filter by a bare system call, which is not seen. The call before it is: without that one an
 * ordinary user may install none. */
enum confinement seccomp_announced(long option, long argument)
{
    if (option == PR_SET_SECCOMP)
        return CONFINED;
    return option == PR_SET_NO_NEW_PRIVS && argument == 1 ? SUSPECTED : FREE;
}

void seccomp_confine(enum confinement to)
{
    atomic_store(here(), to);
}
