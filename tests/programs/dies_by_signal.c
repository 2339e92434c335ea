/* Dies of the signal given as a number; of SIGSEGV by a wild read, of SIGABRT by abort, of others by kill. */
// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int number = argc > 1 ? atoi(argv[1]) : SIGTERM;

    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    printf("flushed\n");
    fflush(stdout);
    printf("never flushed\n");
    usleep(argc > 2 ? (useconds_t)atoi(argv[2]) * 1000 : 150 * 1000);
    if (number == SIGSEGV)
        return **(int *volatile *)&(void *){NULL};
    if (number == SIGABRT)
        abort();
    kill(getpid(), number);
    usleep(1000 * 1000);
    return 99;
}
