/* Starts so many short processes, by vfork and fork in turn, each an exec of the command given; says how many ended with 0. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    long wanted = argc > 2 ? atol(argv[1]) : 0, good = 0;
    int  status;

    for (long i = 0; i < wanted; i++) {
        pid_t child = i % 2 ? vfork() : fork();

        if (child == 0) {
            execv(argv[2], argv + 2);
            _exit(127);
        }
        good += child > 0 && waitpid(child, &status, 0) == child && status == 0;
    }
    printf("%ld\n", good);
    return 0;
}
