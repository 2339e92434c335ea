/* Calls abort with an atexit handler and one for SIGABRT: the first never runs, the second returns and is not asked
 * again. With "jump" it jumps out, and the program goes on. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static sigjmp_buf back;
static int        jumps;

static void unwanted(void)
{
    fputs("an atexit handler ran\n", stderr);
}

static void on_abort(int number)
{
    if (write(STDERR_FILENO, "SIGABRT\n", 8) < 0)
        _exit(99);
    if (jumps)
        siglongjmp(back, number);
}

int main(int argc, char **argv)
{
    jumps = argc > 1;
    (void)argv;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    if (!jumps)
        atexit(unwanted);
    signal(SIGABRT, on_abort);
    usleep(150 * 1000);
    if (sigsetjmp(back, 1) == 0)
        abort();
    printf("it goes on\n");
    return 48;
}
