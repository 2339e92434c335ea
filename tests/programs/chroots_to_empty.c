/* Goes into an empty root for good, after so many milliseconds; nothing may turn up in there. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void list(void)
{
    DIR *folder = opendir("/");

    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            printf("there is %s\n", entry->d_name);
    if (folder)
        closedir(folder);
}

int main(int argc, char **argv)
{
    if (mkdir("empty", 0777))
        return 99;
    if (argc > 1)
        usleep((useconds_t)atoi(argv[1]) * 1000);
    int root = chroot("empty"), folder = chdir("/");
    printf("chroot %d, chdir %d\n", root, folder);
    list();
    usleep(200 * 1000);
    list();
    return 24;
}
