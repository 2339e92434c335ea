/* Closes all descriptors (with "from3" all but the standard ones), in five ways, and lets the freed numbers be user
 * files. What is in the files at the end is what was written here and nothing else. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void close_listed(void)
{
    DIR *folder = opendir("/proc/self/fd");

    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(folder))
            close(atoi(entry->d_name));
    if (folder)
        closedir(folder);
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "range";
    int         first = 0;

    usleep(150 * 1000);
    if (strcmp(way, "range") == 0)
        close_range(0, ~0U, 0);
    else if (strcmp(way, "listed") == 0)
        close_listed();
    else if (strncmp(way, "from", 4) == 0)
        closefrom(first = atoi(way + 4));
    else
        for (int number = 0; number < 1024; number++)
            close(number);

    for (int number = first; number < 40; number++) {
        char name[32];

        snprintf(name, sizeof name, "user-%02d", number);
        int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0600);
        if (fd != number || write(fd, name, strlen(name)) < 0)
            return 99;
    }
    usleep(200 * 1000);
    return 15;
}
