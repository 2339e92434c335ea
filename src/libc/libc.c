// SPDX-License-Identifier: Apache-2.0
#include "libc/libc.h"

#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdlib.h>

/* c-ares seeds this as a last resort, where the kernel has no randomness to give; libc's has a lock. */
static uint64_t random_state = 1;

void srand(unsigned seed)
{
    random_state = seed;
}

int rand(void)
{
    random_state = random_state * 6364136223846793005U + 1442695040888963407U;
    return (int)(random_state >> 33);
}

/* Names of services are not looked up: that would load modules of NSS into the program. Ports are numbers here. */
int getservbyname_r(const char *restrict name, const char *restrict protocol, struct servent *restrict entry,
                    char *restrict buffer, size_t size, struct servent **restrict ret)
{
    (void)name, (void)protocol, (void)entry, (void)buffer, (void)size;
    *ret = NULL;
    return ENOENT;
}

static void swap(char *a, char *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = a[i];
        a[i] = b[i];
        b[i] = c;
    }
}

/* Lets the element at `root` sink to its place in a heap of `count`. */
static void sink(char *base, size_t root, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && compare(base + child * size, base + (child + 1) * size) < 0)
            child++;
        if (compare(base + root * size, base + child * size) >= 0)
            return;
        swap(base + root * size, base + child * size, size);
    }
}

/* A heap sort: in place, never quadratic. libc's qsort takes memory from the program's allocator. */
void qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    for (size_t i = count / 2; i-- > 0;)
        sink(base, i, count, size, compare);
    for (size_t i = count; i-- > 1;) {
        swap(base, (char *)base + i * size, size);
        sink(base, 0, i, size, compare);
    }
}
