/* Ends by _Exit, C's own name for _exit. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    printf("flushed\n");
    fflush(stdout);
    printf("never flushed\n");
    _Exit(4);
}
