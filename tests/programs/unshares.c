/* Leaves namespaces, each named by an argument (user, pid, mount, net, files, ...) after 120 ms, and tells what came
 * of it: the result, then whether a thread and a child can still be made. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    const char *name;
    int         flag;
} kinds[] = {
    {"user", CLONE_NEWUSER}, {"pid", CLONE_NEWPID},     {"mount", CLONE_NEWNS},        {"net", CLONE_NEWNET},
    {"ipc", CLONE_NEWIPC},   {"uts", CLONE_NEWUTS},     {"cgroup", CLONE_NEWCGROUP},   {"time", CLONE_NEWTIME},
    {"fs", CLONE_FS},        {"files", CLONE_FILES},    {"sem", CLONE_SYSVSEM},
};

static void *nothing(void *argument)
{
    return argument;
}

int main(int argc, char **argv)
{
    usleep(120 * 1000);
    for (int i = 1; i < argc; i++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            if (strcmp(argv[i], kinds[k].name) == 0) {
                errno = 0;
                int got = unshare(kinds[k].flag);
                printf("%s: %d %s\n", argv[i], got, strerror(errno));
            }
    pthread_t thread;
    int       got = pthread_create(&thread, NULL, nothing, NULL);
    printf("thread: %s\n", strerror(got));
    if (got == 0)
        pthread_join(thread, NULL);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        printf("child: %s\n", getpid() == 1 ? "is pid 1" : "has some pid");
        fflush(stdout);
        _exit(0);
    }
    printf("fork: %s\n", pid < 0 ? strerror(errno) : "done");
    if (pid > 0)
        waitpid(pid, NULL, 0);
    usleep(120 * 1000);
    return 19;
}
