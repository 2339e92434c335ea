/* Tells how many threads it has, after 150 ms: the one thing about which a leader may differ, by one. */
// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    int count = 0;

    usleep(150 * 1000);
    DIR *folder = opendir("/proc/self/task");
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    printf("%d\n", count);
    return 0;
}
