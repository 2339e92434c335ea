/* The command of an image that may have either libc, and no shell: becomes the one beside it that is for glibc, else
 * the one for musl. The kernel refuses a program whose loader is missing before it lets go of this one. So it needs no
 * libc itself, and is static: cc -static -nostdlib. */
// SPDX-License-Identifier: Apache-2.0
#include <sys/syscall.h>

enum { PATH_SIZE = 4096, NO_FOLDER = -100 /* AT_FDCWD */, NOT_FOUND = 127 };

void launch(long *stack);

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall launch\n");

static long call(long number, long a, long b, long c, long d)
{
    register long fourth __asm__("r10") = d;
    long          result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n\tmov x0, sp\n\tbl launch\n");

static long call(long number, long a, long b, long c, long d)
{
    register long which __asm__("x8") = number;
    register long first __asm__("x0") = a;
    register long second __asm__("x1") = b;
    register long third __asm__("x2") = c;
    register long fourth __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(first) : "r"(which), "r"(second), "r"(third), "r"(fourth) : "memory");
    return first;
}
#endif

/* Puts a file's name behind the folder that ends at `at`, and becomes it. */
static void become(char *path, long at, const char *name, char **argv, char **envp)
{
    do
        path[at++] = *name;
    while (*name++);
    call(SYS_execve, (long)path, (long)argv, (long)envp, 0);
}

void launch(long *stack)
{
    static const char said[] = "pillion: neither the command for glibc nor the one for musl can be executed here\n";
    static char       path[PATH_SIZE + 16];
    char            **argv = (char **)(stack + 1);
    char            **envp = argv + stack[0] + 1;
    long              len = call(SYS_readlinkat, NO_FOLDER, (long)"/proc/self/exe", (long)path, PATH_SIZE);
    while (len > 0 && path[len - 1] != '/')
        len--;
    if (len > 0) {
        become(path, len, "pillion", argv, envp);
        become(path, len, "musl/pillion", argv, envp);
    }
    call(SYS_write, 2, (long)said, sizeof said - 1, 0);
    for (;;)
        call(SYS_exit_group, NOT_FOUND, 0, 0, 0);
}
