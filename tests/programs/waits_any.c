/* Waits for any child at all and counts SIGCHLDs: only its own four may ever turn up. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t signals;

static void count(int number)
{
    (void)number;
    signals++;
}

static void reap(const char *when, int options)
{
    int   status;
    pid_t pid = waitpid(-1, &status, options);

    if (pid > 0)
        printf("%s: a child, %#x\n", when, (unsigned)status);
    else
        printf("%s: %s\n", when, pid ? strerror(errno) : "none has ended");
}

int main(void)
{
    struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};

    sigaction(SIGCHLD, &action, NULL);
    reap("at the start", 0);
    usleep(150 * 1000);
    reap("later", __WALL | WNOHANG);
    for (int i = 0; i < 4; i++) {
        if (fork() == 0)
            _exit(30 + i);
        reap("one", 0);
    }
    reap("at the end", __WALL);
    printf("%d SIGCHLD\n", (int)signals);
    signal(SIGCHLD, SIG_IGN);
    if (fork() == 0)
        _exit(1);
    reap("ignored", 0);
    return 21;
}
