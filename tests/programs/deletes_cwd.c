/* Works in a folder that is no more. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char path[4096];

    if (mkdir("gone", 0700) || chdir("gone") || rmdir("../gone"))
        return 99;
    if (argc > 1)
        usleep((useconds_t)atoi(argv[1]) * 1000);
    printf("%s: %s\n", getcwd(path, sizeof path) ? "still here" : "nowhere", strerror(errno));
    usleep(150 * 1000);
    return 25;
}
