/* Ends as most programs do: main returns, with output still in stdio's buffer. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

int main(void)
{
    printf("buffered until the end\n");
    fprintf(stderr, "and a word on stderr\n");
    return 7;
}
