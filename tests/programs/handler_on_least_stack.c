/* A signal handler on an alternate stack that has so many bytes more than the kernel needs, and a forbidden page below
 * it: it calls _exit ("_exit"), forks and execs ("fork"), or jumps out of it ("jump"). */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *way;
static sigjmp_buf  back;

static void handler(int number)
{
    pid_t pid = *way == 'f' ? fork() : 1;
    if (*way == '_')
        _exit(55);
    if (*way == 'j')
        siglongjmp(back, number);
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "exit 3", (char *)NULL);
        _exit(127);
    }
}

static void use_small_stack(size_t room)
{
    size_t minimum = (size_t)sysconf(_SC_MINSIGSTKSZ) + room, size = (minimum + 4095) / 4096 * 4096;
    char  *memory = mmap(NULL, size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED || mprotect(memory, 4096, PROT_NONE) ||
        sigaltstack(&(stack_t){.ss_sp = memory + 4096, .ss_size = minimum}, NULL))
        exit(99);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    int              status = -1;

    way = argc > 1 ? argv[1] : "jump";
    use_small_stack(argc > 2 ? (size_t)atoi(argv[2]) : 1024);
    sigaction(SIGUSR1, &action, NULL);
    usleep(120 * 1000);
    for (int i = 0; i < 3; i++)
        if (sigsetjmp(back, 1) == 0)
            raise(SIGUSR1);
    while (wait(&status) > 0)
        printf("%#x\n", (unsigned)status);
    printf("it goes on\n");
    return 56;
}
