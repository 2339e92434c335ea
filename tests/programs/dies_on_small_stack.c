/* Has an alternate signal stack as small as the kernel allows, plus one KiB, and nothing readable around it; dies of SIGTERM. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <signal.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

int main(void)
{
    size_t  page = (size_t)sysconf(_SC_PAGESIZE);
    size_t  least = getauxval(AT_MINSIGSTKSZ) ? getauxval(AT_MINSIGSTKSZ) : 2048;
    size_t  size = least + 1024;
    size_t  pages = (size + page - 1) / page * page;
    char   *map = mmap(NULL, pages + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = {.ss_sp = map + page, .ss_size = size};

    mprotect(map + page, pages, PROT_READ | PROT_WRITE);
    if (sigaltstack(&stack, NULL) < 0)
        perror("sigaltstack");
    usleep(150 * 1000);
    printf("dies\n");
    fflush(stdout);
    kill(getpid(), SIGTERM);
    for (;;)
        pause();
}
