/* The only thread ends by the bare system call exit, which libc never hears of. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
    usleep(120 * 1000);
    syscall(SYS_exit, 14);
}
