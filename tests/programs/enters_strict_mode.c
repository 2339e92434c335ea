/* Works on in seccomp's strict mode, where read, write and the bare exit call are all there is. */
// SPDX-License-Identifier: Apache-2.0
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    volatile unsigned long steps = 0;

    if (argc > 1)
        usleep((useconds_t)atoi(argv[1]) * 1000);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0))
        return 99;
    while (steps < 100 * 1000 * 1000)
        steps++;
    ssize_t n = write(1, "done\n", 5);
    (void)syscall(SYS_exit, n == 5 ? 53 : 98);
}
