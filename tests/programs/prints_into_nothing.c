/* What it printed is still in stdio's buffer when it ends, and cannot go anywhere: a pipe that nobody reads ("pipe"), a
 * full device ("full"), a closed descriptor ("closed"). */
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "full";
    int         ends[2] = {-1, -1};

    if (strcmp(way, "pipe") == 0 && pipe(ends))
        return 99;
    if (strcmp(way, "full") == 0)
        ends[1] = open("/dev/full", O_WRONLY);
    if (ends[1] >= 0)
        dup2(ends[1], STDOUT_FILENO);
    else
        close(STDOUT_FILENO);
    close(ends[0]);
    usleep(120 * 1000);
    printf("nobody reads this\n");
    return 49;
}
