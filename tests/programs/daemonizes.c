/* Becomes a daemon: two forks, a session, all descriptors closed; the daemon then leaves its mark in a file. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    char folder[4096];

    if (!getcwd(folder, sizeof folder))
        return 99;
    usleep(100 * 1000);
    pid_t pid = fork();
    if (pid > 0) {
        int status = -1;
        waitpid(pid, &status, 0);
        printf("the daemon is on its way: %d\n", status);
        return 36;
    }
    setsid();
    if (fork())
        _exit(0);
    closefrom(0);
    usleep(200 * 1000);
    if (chdir(folder))
        _exit(1);
    int file = open("part", O_CREAT | O_WRONLY, 0600);
    if (write(file, "the daemon was here\n", 20) != 20 || rename("part", "mark"))
        _exit(1);
    return 0;
}
