/* A signal handler calls exit ("exit") or _exit ("_exit"); with "small" on an alternate stack that has barely more
 * than the kernel's minimum and a forbidden page below it. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

static bool underscore;

static void handler(int number)
{
    if (underscore)
        _exit(8 + number - SIGALRM);
    exit(8 + number - SIGALRM);
}

static void use_small_stack(void)
{
    size_t minimum = (size_t)sysconf(_SC_MINSIGSTKSZ), size = (minimum + 6144 + 4095) / 4096 * 4096;
    char  *memory = mmap(NULL, size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED || mprotect(memory, 4096, PROT_NONE))
        exit(99);
    /* The top of it: exactly so much is left above the forbidden page. */
    stack_t stack = {.ss_sp = memory + 4096, .ss_size = minimum + 6144};
    if (sigaltstack(&stack, NULL))
        exit(98);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = handler};

    underscore = argc > 1 && strcmp(argv[1], "_exit") == 0;
    if (argc > 2) {
        use_small_stack();
        action.sa_flags = SA_ONSTACK;
    }
    printf("flushed %s\n", underscore ? "before" : "by exit");
    if (underscore)
        fflush(stdout);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {.tv_usec = 120 * 1000}}, NULL);
    for (;;)
        pause();
}
