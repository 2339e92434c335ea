/* A forked child has one thread, whatever its parent has, and leaves the user namespace by the bare call. Ends with 59.
 */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    usleep(120 * 1000);
    for (int way = 0; way < 2; way++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            long got = way ? syscall(SYS_unshare, CLONE_NEWUSER) : unshare(CLONE_NEWUSER);
            printf("unshare: %s\n", got ? strerror(errno) : "done");
            fflush(stdout);
            _exit(0);
        }
        waitpid(pid, NULL, 0);
    }
    usleep(100 * 1000);
    return 59;
}
