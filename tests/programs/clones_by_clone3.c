/* clone3 by the bare system call: a child in the parent's memory while that waits, and one in a copy of it. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* On the stack of the parent nothing of a call may be left for the child to write over. */
static inline __attribute__((always_inline)) long clone3_here(struct clone_args *arguments)
{
#ifdef __x86_64__
    long result = SYS_clone3;
    __asm__ volatile("syscall" : "+a"(result) : "D"(arguments), "S"(sizeof *arguments) : "rcx", "r11", "memory");
#else
    register long number __asm__("x8") = SYS_clone3, size __asm__("x1") = sizeof *arguments;
    register long result __asm__("x0") = (long)arguments;
    __asm__ volatile("svc #0" : "+r"(result) : "r"(number), "r"(size) : "memory");
#endif
    return result;
}

static void run(const char *what, uint64_t flags, int way)
{
    volatile struct clone_args arguments = {.flags = flags, .exit_signal = SIGCHLD};
    int                        status = -1;
    volatile pid_t             pid = (pid_t)clone3_here((struct clone_args *)&arguments);

    if (pid == 0) {
        if (way == 0)
            execl("/does/not/exist", "none", (char *)NULL);
        if (way == 1)
            execl("/bin/sh", "sh", "-c", "exit 6", (char *)NULL);
        if (way == 2)
            exit(7);
        _exit(5);
    }
    waitpid(pid, &status, __WALL);
    printf("%s: %#x\n", what, (unsigned)status);
    fflush(stdout);
}

int main(void)
{
    usleep(120 * 1000);
    run("in one memory, missing", CLONE_VM | CLONE_VFORK, 0);
    run("in one memory, a shell", CLONE_VM | CLONE_VFORK, 1);
    run("in a copy, exit", 0, 2);
    run("in a copy, missing", 0, 0);
    usleep(120 * 1000);
    return 52;
}
