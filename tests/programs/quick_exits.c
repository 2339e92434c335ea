/* Ends by quick_exit: its own handlers run, those of atexit do not, stdio is not flushed. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void said(const char *text, size_t length)
{
    if (write(STDOUT_FILENO, text, length) < 0)
        _exit(99);
}

static void first(void)
{
    said("first handler\n", 14);
}

static void second(void)
{
    said("second handler\n", 15);
}

static void unwanted(void)
{
    said("an atexit handler ran\n", 22);
}

int main(void)
{
    atexit(unwanted);
    at_quick_exit(second);
    at_quick_exit(first);
    printf("never flushed\n");
    quick_exit(5);
}
