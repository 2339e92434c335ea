/* Opens files until there is no number left, and tells how many there were; lives and ends in that state. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    int count = 0;

    usleep(120 * 1000);
    while (open("/dev/null", O_RDONLY) >= 0)
        count++;
    printf("%d, then: %s\n", count, strerror(errno));
    usleep(150 * 1000);
    return 30;
}
