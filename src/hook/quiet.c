/* The few calls that a second thread would make fail, or that count for one thread alone: ours steps aside. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hook/hook.h"

enum { PAUSE_LIMIT = 50 * 1000 * 1000, RETRY_LIMIT = 10 * 1000 * 1000 }; /* ns */

int unshare(int flags);
int setns(int fd, int type);
int capset(void *header, const void *data);
int prctl(int option, ...);

/* Runs one of the two again without our thread. The kernel drops a thread that was joined a moment late: EINVAL is
 * tried again for a while. */
static long again_alone(long number, long first, long second)
{
    if (!hook_owns() || !process_alone() || !hold_pause(PAUSE_LIMIT)) {
        errno = EINVAL;
        return -1;
    }
    int64_t deadline = call_monotonic() + RETRY_LIMIT;
    long    result;
    while ((result = syscall(number, first, second)) < 0 && errno == EINVAL && call_monotonic() < deadline) {
        struct timespec moment = {.tv_nsec = 100 * 1000};
        (void)syscall(SYS_nanosleep, &moment, NULL);
    }
    int saved = errno;
    hold_resume();
    errno = saved;
    return result;
}

int unshare(int flags)
{
    long result = syscall(SYS_unshare, flags);
    return (int)(result < 0 && errno == EINVAL ? again_alone(SYS_unshare, flags, 0) : result);
}

int setns(int fd, int type)
{
    long result = syscall(SYS_setns, fd, type);
    return (int)(result < 0 && errno == EINVAL ? again_alone(SYS_setns, fd, type) : result);
}

/* Capabilities are a thread's: with other ones in ours, libc's next setuid over all threads would abort. */
static long call_alone(long number, const long arguments[static 5])
{
    bool paused = hook_owns() && hold_pause(PAUSE_LIMIT);
    long result = syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
    int  saved = errno;
    if (paused)
        hold_resume();
    errno = saved;
    return result;
}

int capset(void *header, const void *data)
{
    return (int)call_alone(SYS_capset, (long[]){(long)header, (long)data, 0, 0, 0});
}

int prctl(int option, ...)
{
    long    arguments[5] = {option};
    va_list rest;
    va_start(rest, option);
    for (int i = 1; i < 5; i++)
        arguments[i] = va_arg(rest, long);
    va_end(rest);
    if (option == PR_SET_KEEPCAPS || option == PR_SET_SECUREBITS)
        return (int)call_alone(SYS_prctl, arguments);
    return (int)syscall(SYS_prctl, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
}
