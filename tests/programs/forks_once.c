/* Makes one child, when a child can be made, and waits for it. Ends with 56. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    usleep(120 * 1000);
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    printf("fork: %s\n", pid < 0 ? strerror(errno) : "done");
    if (pid > 0)
        waitpid(pid, NULL, 0);
    usleep(120 * 1000);
    return 56;
}
