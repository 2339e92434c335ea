/* vfork children end by a failing exec and _exit, in the parent's own memory; then the parent goes on. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int status_of(const char *path)
{
    int   status = -1;
    pid_t pid = vfork();

    if (pid == 0) {
        execl(path, path, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    return status;
}

int main(void)
{
    for (int i = 0; i < 3; i++)
        printf("missing: %#x\n", (unsigned)status_of("/does/not/exist"));
    printf("true: %#x\n", (unsigned)status_of("/bin/true"));
    usleep(120 * 1000);
    printf("missing: %#x\n", (unsigned)status_of("/does/not/exist"));

    pid_t pid;
    char *arguments[] = {(char *)"x", NULL};
    printf("posix_spawn: %s\n", strerror(posix_spawn(&pid, "/does/not/exist", NULL, NULL, arguments, environ)));
    usleep(120 * 1000);
    return 11;
}
