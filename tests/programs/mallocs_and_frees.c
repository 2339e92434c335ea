/* Allocates and frees 1 to 3 KiB over and over: usage: mallocs_and_frees TIMES. Beyond what glibc keeps for each
 * thread, its allocator takes a lock if there is a second one. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

int main(int argc, char **argv)
{
    for (long i = argc > 1 ? atol(argv[1]) : 0; i > 0; i--) {
        void *volatile block = malloc(1024 + (size_t)(i * 37 % 2048));

        free(block);
    }
    return 0;
}
