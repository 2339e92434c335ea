/* The stand-ins, and the table of functions that they replace. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/gpu/nvml_stand_ins.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"

/* Any arguments may be given: the caller alone clears them away, on every machine that NVIDIA builds for. */
static long refuse(void)
{
    errno = EPERM;
    return -1;
}

static void *refuse_pointer(void)
{
    errno = EPERM;
    return NULL;
}

/* posix_spawn and pthread_create return the error itself. */
static int refuse_by_number(void)
{
    return EAGAIN;
}

static int pretend(void)
{
    return 0;
}

/* localtime takes a lock that a fork may freeze. */
static struct tm *no_time_into(const time_t *when, struct tm *ret)
{
    (void)when;
    *ret = (struct tm){.tm_mday = 1, .tm_year = 70};
    return ret;
}

static struct tm *no_time(const time_t *when)
{
    static struct tm epoch;
    return no_time_into(when, &epoch);
}

/* NVML gives up here: the thread stays, as in a driver that never answers, and the program lives on. */
static void stay(void)
{
    for (;;)
        (void)syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
}

enum stand_in { REFUSE, REFUSE_POINTER, REFUSE_BY_NUMBER, PRETEND, NO_TIME, NO_TIME_INTO, STAY };

static const struct {
    char          name[20];
    enum stand_in by;
} stand_ins[] = {
    /* processes, threads, libraries */
    {"fork", REFUSE},
    {"vfork", REFUSE},
    {"clone", REFUSE},
    {"execl", REFUSE},
    {"execle", REFUSE},
    {"execlp", REFUSE},
    {"execv", REFUSE},
    {"execve", REFUSE},
    {"execvp", REFUSE},
    {"system", REFUSE},
    {"popen", REFUSE_POINTER},
    {"waitpid", REFUSE},
    {"posix_spawn", REFUSE_BY_NUMBER},
    {"posix_spawnp", REFUSE_BY_NUMBER},
    {"pthread_create", REFUSE_BY_NUMBER},
    {"pthread_atfork", PRETEND},
    {"dlopen", REFUSE_POINTER},
    /* device files */
    {"mknod", REFUSE},
    {"mknodat", REFUSE},
    {"__xmknod", REFUSE},
    {"mkdir", REFUSE},
    {"mkfifo", REFUSE},
    {"symlink", REFUSE},
    {"unlink", REFUSE},
    {"remove", REFUSE},
    {"rename", REFUSE},
    {"chmod", REFUSE},
    {"fchmod", REFUSE},
    {"chown", REFUSE},
    {"lchown", REFUSE},
    {"fchown", REFUSE},
    /* what belongs to the whole process */
    {"getenv", REFUSE_POINTER},
    {"secure_getenv", REFUSE_POINTER},
    {"setenv", REFUSE},
    {"unsetenv", REFUSE},
    {"putenv", REFUSE},
    {"signal", REFUSE},
    {"sigaction", REFUSE},
    {"alarm", PRETEND},
    {"umask", PRETEND},
    {"chdir", REFUSE},
    {"iopl", REFUSE},
    {"atexit", PRETEND},
    {"on_exit", PRETEND},
    {"__cxa_atexit", PRETEND},
    {"localtime", NO_TIME},
    {"localtime_r", NO_TIME_INTO},
    {"printf", PRETEND},
    {"puts", PRETEND},
    {"putchar", PRETEND},
    {"warnx", PRETEND},
    {"warn", PRETEND},
    {"openlog", PRETEND},
    {"syslog", PRETEND},
    {"vsyslog", PRETEND},
    {"__syslog_chk", PRETEND},
    {"__printf_chk", PRETEND},
    /* the end */
    {"exit", STAY},
    {"_exit", STAY},
    {"quick_exit", STAY},
    {"abort", STAY},
    {"__assert_fail", STAY},
    {"__stack_chk_fail", STAY},
};

bool nvml_stand_in(const char *name, size_t *ret)
{
    for (size_t i = 0; i < ARRAY_LENGTH(stand_ins); i++)
        if (strcmp(name, stand_ins[i].name) == 0) {
            *ret = i;
            return true;
        }
    return false;
}

void *nvml_stand_in_address(size_t number)
{
    switch (stand_ins[number].by) {
    case REFUSE:
        return (void *)refuse;
    case REFUSE_POINTER:
        return (void *)refuse_pointer;
    case REFUSE_BY_NUMBER:
        return (void *)refuse_by_number;
    case PRETEND:
        return (void *)pretend;
    case NO_TIME:
        return (void *)no_time;
    case NO_TIME_INTO:
        return (void *)no_time_into;
    case STAY:
        break;
    }
    return (void *)stay;
}
