/* Copies /dev/zero to /dev/null character by character: usage: gets_and_puts TIMES. libc takes a lock for each, if
 * there is a second thread. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    FILE *from = fopen("/dev/zero", "r"), *to = fopen("/dev/null", "w");

    if (!from || !to)
        return 1;
    for (long i = argc > 1 ? atol(argv[1]) : 0; i > 0; i--)
        putc(getc(from), to);
    return 0;
}
