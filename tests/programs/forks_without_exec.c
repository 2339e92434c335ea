/* Children that never exec end by exit, _exit, return and a signal; the parent prints how. None of them is a run. */
// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void last_words(void)
{
    printf("atexit in a process\n");
}

int main(void)
{
    atexit(last_words);
    usleep(120 * 1000);
    for (int way = 0; way < 4; way++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid < 0)
            return 99;
        if (pid == 0) {
            printf("child %d\n", way);
            if (way == 0)
                exit(20);
            fflush(stdout);
            if (way == 1)
                _exit(21);
            if (way == 2)
                return 22;
            raise(SIGTERM);
        }
        int status;
        waitpid(pid, &status, 0);
        printf("child %d: wait status %#x\n", way, (unsigned)status);
    }
    return 10;
}
