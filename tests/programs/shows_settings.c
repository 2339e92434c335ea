/* Prints what else a process inherits and may look at: limits, folder, umask, locale, priorities, prctl settings,
 * timers, the first errno. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <errno.h>
#include <locale.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static void show(const char *when)
{
    int              subreaper = -1, death = -1;
    char             name[17] = "", folder[4096];
    struct itimerval timer;
    mode_t           mask = umask(022);

    umask(mask);
    printf("%s\nfolder %s umask %o\n", when, getcwd(folder, sizeof folder), (unsigned)mask);
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        struct rlimit limit;

        getrlimit((__rlimit_resource_t)i, &limit);
        printf("limit %d: %llx %llx\n", i, (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
    }
    prctl(PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0);
    prctl(PR_GET_PDEATHSIG, &death, 0, 0, 0);
    prctl(PR_GET_NAME, name, 0, 0, 0);
    printf("name %s subreaper %d death %d dumpable %d keepcaps %d new-privs %d slack %d seccomp %d thp %d\n", name,
           subreaper, death, prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0),
           prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0),
           prctl(PR_GET_SECCOMP, 0, 0, 0, 0), prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    printf("nice %d policy %d personality %x\n", getpriority(PRIO_PROCESS, 0), sched_getscheduler(0),
           (unsigned)personality(0xffffffff));
    for (int i = ITIMER_REAL; i <= ITIMER_PROF; i++)
    {
        int result = getitimer((__itimer_which_t)i, &timer);
        printf("timer %d: %d %s\n", i, result, timer.it_value.tv_sec ? "set" : "off");
    }
    printf("locale %s, a number %.2f, zone %s\n", setlocale(LC_ALL, NULL), 1234.5, tzname[0]);
    printf("random %ld %d, group %d session %d\n", random(), rand(), getpgrp() == getpid(), getsid(0) == getpid());
}

int main(void)
{
    int         first = errno;
    const char *error = dlerror();

    printf("errno %d, dlerror %s\n", first, error ? error : "none");
    show("at start");
    usleep(150 * 1000);
    setlocale(LC_ALL, "");
    show("later");
    return 0;
}
