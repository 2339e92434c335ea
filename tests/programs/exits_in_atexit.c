/* An atexit handler calls exit again with another status: glibc goes on with the handlers that are left. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

static void registered_first(void)
{
    printf("registered first, runs last\n");
}

static void exits_again(void)
{
    printf("exits again\n");
    exit(6);
}

int main(void)
{
    atexit(registered_first);
    atexit(exits_again);
    printf("main returns\n");
    return 1;
}
