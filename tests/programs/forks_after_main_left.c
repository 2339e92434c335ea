/* Main has left by pthread_exit when a worker forks, twice: one child ends by exit, one execs. Then the worker ends. */
// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void *work(void *nothing)
{
    usleep(200 * 1000);
    for (int i = 0; i < 2; i++) {
        int   status = -1;
        pid_t pid = fork();
        if (pid == 0 && i == 0)
            exit(3);
        if (pid == 0) {
            execl("/bin/sh", "sh", "-c", "exit 4", (char *)NULL);
            _exit(127);
        }
        waitpid(pid, &status, 0);
        printf("child %d: %#x\n", i, (unsigned)status);
        fflush(stdout);
    }
    usleep(150 * 1000);
    return nothing;
}

int main(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, work, NULL))
        return 99;
    pthread_exit(NULL);
}
