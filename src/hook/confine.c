/* A program that confines itself by seccomp may be killed for any system call that it does not make itself. From then
 * on the hook makes none on that thread: the run is left as if the program had been killed. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <sys/prctl.h>

#include "hook/hook.h"

static const int  *main_errno; /* its address tells a thread without a system call */
static atomic_bool main_is;
static atomic_bool another_is; /* which, its children would not know: so all but main's count */

bool confined(void)
{
    if (!atomic_load(&main_is) && !atomic_load(&another_is))
        return false;
    return atomic_load(&errno == main_errno ? &main_is : &another_is);
}

void confine_watch(void)
{
    main_errno = &errno;
}

/* libseccomp installs its filter by a bare system call, which is not seen; but the one before it is, without which an
 * ordinary user may install none. */
bool confine_begins(long option, long argument)
{
    if (!(option == PR_SET_SECCOMP || (option == PR_SET_NO_NEW_PRIVS && argument == 1)) || !hook_owns())
        return false;
    signals_end(); /* a handler of ours could not die of its signal */
    return true;
}

void confine(bool done)
{
    if (done)
        atomic_store(&errno == main_errno ? &main_is : &another_is, true);
    else if (hook.link.takes_signals)
        signals_begin();
}
