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

typedef void any_function(void);

static const struct {
    const char   *name;
    any_function *function;
} stand_ins[] = {
    /* processes, threads, libraries */
    {"fork", (any_function *)refuse},
    {"vfork", (any_function *)refuse},
    {"clone", (any_function *)refuse},
    {"execl", (any_function *)refuse},
    {"execle", (any_function *)refuse},
    {"execlp", (any_function *)refuse},
    {"execv", (any_function *)refuse},
    {"execve", (any_function *)refuse},
    {"execvp", (any_function *)refuse},
    {"system", (any_function *)refuse},
    {"popen", (any_function *)refuse_pointer},
    {"waitpid", (any_function *)refuse},
    {"posix_spawn", (any_function *)refuse_by_number},
    {"posix_spawnp", (any_function *)refuse_by_number},
    {"pthread_create", (any_function *)refuse_by_number},
    {"pthread_atfork", (any_function *)pretend},
    {"dlopen", (any_function *)refuse_pointer},
    /* device files */
    {"mknod", (any_function *)refuse},
    {"mknodat", (any_function *)refuse},
    {"__xmknod", (any_function *)refuse},
    {"mkdir", (any_function *)refuse},
    {"mkfifo", (any_function *)refuse},
    {"symlink", (any_function *)refuse},
    {"unlink", (any_function *)refuse},
    {"remove", (any_function *)refuse},
    {"rename", (any_function *)refuse},
    {"chmod", (any_function *)refuse},
    {"fchmod", (any_function *)refuse},
    {"chown", (any_function *)refuse},
    {"lchown", (any_function *)refuse},
    {"fchown", (any_function *)refuse},
    /* what belongs to the whole process */
    {"getenv", (any_function *)refuse_pointer},
    {"secure_getenv", (any_function *)refuse_pointer},
    {"setenv", (any_function *)refuse},
    {"unsetenv", (any_function *)refuse},
    {"putenv", (any_function *)refuse},
    {"signal", (any_function *)refuse},
    {"sigaction", (any_function *)refuse},
    {"alarm", (any_function *)pretend},
    {"umask", (any_function *)pretend},
    {"chdir", (any_function *)refuse},
    {"iopl", (any_function *)refuse},
    {"atexit", (any_function *)pretend},
    {"on_exit", (any_function *)pretend},
    {"__cxa_atexit", (any_function *)pretend},
    {"localtime", (any_function *)no_time},
    {"localtime_r", (any_function *)no_time_into},
    {"printf", (any_function *)pretend},
    {"puts", (any_function *)pretend},
    {"putchar", (any_function *)pretend},
    {"warnx", (any_function *)pretend},
    {"warn", (any_function *)pretend},
    {"openlog", (any_function *)pretend},
    {"syslog", (any_function *)pretend},
    {"vsyslog", (any_function *)pretend},
    {"__syslog_chk", (any_function *)pretend},
    {"__printf_chk", (any_function *)pretend},
    /* the end */
    {"exit", (any_function *)stay},
    {"_exit", (any_function *)stay},
    {"quick_exit", (any_function *)stay},
    {"abort", (any_function *)stay},
    {"__assert_fail", (any_function *)stay},
    {"__stack_chk_fail", (any_function *)stay},
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
    return (void *)stand_ins[number].function;
}
