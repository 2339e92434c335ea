/* posix_spawn with file actions that close every descriptor of the child, then give it a file; and one whose actions
 * fail. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void spawn(const char *what, const char *path, posix_spawn_file_actions_t *actions)
{
    char *arguments[] = {(char *)"sh", (char *)"-c", (char *)"echo from the child; exit 5", NULL};
    int   status = -1;
    pid_t pid = -1;
    int   error = posix_spawn(&pid, path, actions, NULL, arguments, environ);

    if (error == 0)
        waitpid(pid, &status, 0);
    printf("%s: %s, %#x\n", what, strerror(error), (unsigned)status);
    fflush(stdout);
}

int main(void)
{
    posix_spawn_file_actions_t actions;

    usleep(120 * 1000);
    posix_spawn_file_actions_init(&actions);
    for (int number = 0; number < 256; number++)
        posix_spawn_file_actions_addclose(&actions, number);
    spawn("nothing open", "/bin/sh", &actions);
    posix_spawn_file_actions_addopen(&actions, 1, "child", O_CREAT | O_WRONLY, 0600);
    spawn("a file", "/bin/sh", &actions);
    spawn("missing", "/does/not/exist", &actions);
    posix_spawn_file_actions_adddup2(&actions, 77, 1);
    spawn("a bad action", "/bin/sh", &actions);
    usleep(120 * 1000);
    return 51;
}
