/* Forbids the kernel to let others look into it, then runs another program. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int status = 0;
    if (argc < 2 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return 1;
    usleep(120000);
    if (fork() == 0) {
        execv(argv[1], argv + 1);
        _exit(127);
    }
    wait(&status);
    usleep(120000);
    printf("dumpable %d, child %d\n", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), WEXITSTATUS(status));
    return 21;
}
