/* Locks all its memory, what there is and what comes, as real-time programs do, and says whether it could. Ends
 * with 55. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc > 1)
        usleep((useconds_t)atoi(argv[1]) * 1000);
    printf("mlockall: %s\n", mlockall(MCL_CURRENT | MCL_FUTURE) ? strerror(errno) : "done");
    usleep(250 * 1000);
    char *more = malloc(1 << 20);
    printf("malloc: %s\n", more ? "done" : strerror(errno));
    if (more)
        memset(more, 1, 1 << 20);
    free(more);
    return 55;
}
