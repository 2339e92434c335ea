/* Forks a child, which becomes another program once its parent has ended, and ends in the way named:
 *     leaves_orphan HOW PROGRAM [WORD...] */
// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char **child_words;
static pid_t  between;

static void become(void)
{
    while (getppid() == between)
        (void)usleep(1000);
    (void)usleep(100000);
    execv(child_words[0], child_words);
    _exit(99);
}

static void *fork_on_thread(void *unused)
{
    if (fork() == 0)
        become();
    pause(); /* a child belongs to the thread that made it, as long as that is there */
    return unused;
}

static void fork_another_thread(void)
{
    pthread_t thread;

    (void)pthread_create(&thread, NULL, fork_on_thread, NULL);
    (void)usleep(100000);
}

static void end(const char *how)
{
    if (strcmp(how, "exit") == 0)
        exit(0);
    if (strcmp(how, "_exit") == 0)
        _exit(0);
    if (strcmp(how, "_Exit") == 0)
        _Exit(0);
    if (strcmp(how, "quick_exit") == 0)
        quick_exit(0);
    if (strcmp(how, "pthread_exit") == 0)
        pthread_exit(NULL);
    if (strcmp(how, "raw") == 0)
        (void)syscall(SYS_exit_group, 0);
    if (strcmp(how, "killed") == 0)
        (void)raise(SIGKILL);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    child_words = argv + 2;
    between = getpid();
    (void)usleep(100000);
    if (strcmp(argv[1], "thread") == 0)
        fork_another_thread();
    else if (fork() == 0)
        become();
    end(argv[1]);
    return 0;
}
