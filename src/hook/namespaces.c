/* A few calls fail beside a second thread, or count for one thread alone: our thread steps aside for them, or makes the
 * same. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hook/hook.h"

enum { RETRY_LIMIT = 10 * 1000 * 1000 };    /* ns */
#define PAUSE_LIMIT INT64_C(2000000000)     /* ns: a disk that is frozen for a snapshot often answers again by then */
enum { CAPABILITY_VERSION_1 = 0x19980330 }; /* capset(2): one data element, later versions have two */

int capset(void *header, const void *data);

/* Runs unshare or setns again without our thread. The kernel drops a thread that was joined a moment late, and on a
 * busy machine the moment may be long: EINVAL is believed once no other thread is counted. */
static long again_alone(long number, long first, long second)
{
    if (!hook_leads() || procfs_has_others() || !thread_link_pause(PAUSE_LIMIT)) {
        errno = EINVAL;
        return -1;
    }
    int64_t start = sys_monotonic();
    long    result;
    for (;;) {
        bool is_counted = procfs_has_others();
        result = syscall(number, first, second);
        if (result == 0 || errno != EINVAL || sys_monotonic() - start > (is_counted ? PAUSE_LIMIT : RETRY_LIMIT))
            break;
        struct timespec moment = {.tv_nsec = 100000};
        (void)syscall(SYS_nanosleep, &moment, NULL);
    }
    int saved = errno;
    thread_link_resume();
    errno = saved;
    return result;
}

int unshare(int flags)
{
    int  before = errno;
    long result = syscall(SYS_unshare, flags);
    if (result < 0 && errno == EINVAL)
        result = again_alone(SYS_unshare, flags, 0);
    if (result == 0)
        errno = before;
    return (int)result;
}

int setns(int fd, int type)
{
    int  before = errno;
    long result = syscall(SYS_setns, fd, type);
    if (result < 0 && (errno == EINVAL || errno == EUSERS)) /* EUSERS: of a time namespace */
        result = again_alone(SYS_setns, fd, type);
    if (result == 0)
        errno = before;
    return (int)result;
}

/* Capabilities belong to a thread. With other ones in ours, libc's next setuid over all threads would abort: so ours
 * makes the same call. */
static void mirror(const struct link_call *call)
{
    int saved = errno;
    if (hook_leads())
        thread_link_mirror(call);
    errno = saved;
}

int capset(void *header, const void *data)
{
    struct link_call call = {.number = SYS_capset, .has_data = true};
    long             result = syscall(SYS_capset, header, data);
    if (result == 0 && data) {
        uint32_t version = 0;
        memcpy(&version, header, sizeof version);
        memcpy(call.header, &version, sizeof version); /* the pid behind it stays 0: the calling thread */
        memcpy(call.data, data, version == CAPABILITY_VERSION_1 ? sizeof call.data / 2 : sizeof call.data);
        mirror(&call);
    }
    return (int)result;
}

/* A library's constructor may confine the process before anybody was watching: then this process does not lead. */
static enum confinement before_filter(long option, long argument)
{
    enum confinement to = seccomp_announced(option, argument);
    if (to == FREE)
        return FREE;
    bool owns = hook_owns();
    orphan_end_filter();
    if (owns || hook_is_forked_child())
        signals_end(); /* a handler of ours could not die of its signal */
    return owns || !seccomp_is_watched() ? to : FREE;
}

static void after_filter(enum confinement to, bool done)
{
    if (done)
        seccomp_confine(to);
    else if (hook.link.takes_signals)
        signals_begin(signal_end);
}

int prctl(int option, ...)
{
    struct link_call call = {.number = SYS_prctl, .arguments = {option}};
    va_list          rest;
    va_start(rest, option);
    for (int i = 1; i < 5; i++)
        call.arguments[i] = va_arg(rest, long);
    va_end(rest);
    const long      *a = call.arguments;
    enum confinement to = before_filter(a[0], a[1]);
    long             result = syscall(SYS_prctl, a[0], a[1], a[2], a[3], a[4]);
    if (to != FREE)
        after_filter(to, result == 0);
    if (result >= 0 && (option == PR_SET_KEEPCAPS || option == PR_SET_SECUREBITS))
        mirror(&call);
    return (int)result;
}
