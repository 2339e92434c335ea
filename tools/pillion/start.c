/* The command's entry into glibc, by the version that it had in 2.17. The linker would take the newest, which an older
 * system does not have; so the call of crt1.o comes here (ld --wrap). */
// SPDX-License-Identifier: Apache-2.0
#include <features.h>

#ifdef __GLIBC__

typedef int  main_function(int argc, char **argv, char **envp);
typedef void hook_function(void);

int __real___libc_start_main(main_function *main, int argc, char **argv, hook_function *init, hook_function *fini,
                             hook_function *loader_fini, void *stack_end);
int __wrap___libc_start_main(main_function *main, int argc, char **argv, hook_function *init, hook_function *fini,
                             hook_function *loader_fini, void *stack_end);

#if defined(__x86_64__) && defined(__LP64__)
__asm__(".symver __real___libc_start_main,__libc_start_main@GLIBC_2.2.5");
#elif defined(__aarch64__)
__asm__(".symver __real___libc_start_main,__libc_start_main@GLIBC_2.17");
#endif

int __wrap___libc_start_main(main_function *main, int argc, char **argv, hook_function *init, hook_function *fini,
                             hook_function *loader_fini, void *stack_end)
{
    return __real___libc_start_main(main, argc, argv, init, fini, loader_fini, stack_end);
}

#endif
