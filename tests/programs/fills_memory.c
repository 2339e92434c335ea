/* Takes all the address space that its limit leaves, sleeps in it, and gives it back. Ends with 54. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { TAKEN_MAX = 4096 };

static struct {
    void  *start;
    size_t size;
} taken[TAKEN_MAX];

static int take_all(int count)
{
    for (size_t size = 64UL << 20; size >= 4096 && count < TAKEN_MAX; size /= 2)
        while (count < TAKEN_MAX &&
               (taken[count].start = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED)
            taken[count++].size = size;
    return count;
}

int main(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur > 4UL << 30)
        return 99;
    printf("before\n");
    fflush(stdout);
    usleep(120 * 1000);
    int count = take_all(0);
    usleep(300 * 1000);
    count = take_all(count); /* what another thread has given back meanwhile */
    if (write(1, "full\n", 5) != 5 || count < 2 || count == TAKEN_MAX)
        return 98;
    while (count > 0) {
        count--;
        munmap(taken[count].start, taken[count].size);
    }
    usleep(100 * 1000);
    return 54;
}
