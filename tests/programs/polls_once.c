/* Waits in one poll, and says why it came back. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    printf("polls\n");
    fflush(stdout);
    printf("%s\n", poll(NULL, 0, 60000) < 0 ? strerror(errno) : "the time is over");
    return 0;
}
