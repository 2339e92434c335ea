/* Works until its soft limit of CPU time is reached: SIGXCPU, in the midst of a computation. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <sys/resource.h>

int main(void)
{
    struct rlimit    limit = {.rlim_cur = 1, .rlim_max = 10};
    volatile double  x = 1;

    setrlimit(RLIMIT_CPU, &limit);
    for (;;)
        x = x * 1.0000001;
}
