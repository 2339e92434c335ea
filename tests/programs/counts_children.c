/* Tells the children of all its threads, as the kernel lists them; there are none. */
// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    usleep(150 * 1000);
    DIR *folder = opendir("/proc/self/task");
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char path[64], line[256];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%.16s/children", entry->d_name);
        FILE *file = fopen(path, "r");
        while (file && fgets(line, sizeof line, file))
            printf("children: %s\n", line);
        if (file)
            fclose(file);
    }
    printf("that is all\n");
    return 0;
}
