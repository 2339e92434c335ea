/* The parent ends while its child still works; the child, which is not its business any more, speaks later. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    printf("parent\n");
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        return 99;
    if (pid == 0) {
        usleep(400 * 1000);
        printf("child\n");
        return 1;
    }
    return 2;
}
