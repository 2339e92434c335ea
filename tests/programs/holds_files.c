/* Holds thirty files open, twice each, and looks once it may go on whether they are still the same. Those of the second
 * numbers stand where pillion's thread has its own, in its own table. */
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 30, HIGH = 256, PATIENCE = 12000 /* times 10 ms */ };

static const char line[] = "the user's\n";

static int is_same(int fd, const struct stat *before)
{
    struct stat now;
    return fstat(fd, &now) == 0 && now.st_ino == before->st_ino && now.st_dev == before->st_dev &&
           now.st_size == before->st_size;
}

int main(void)
{
    struct stat files[FILES];
    int         numbers[FILES];
    char        name[32];

    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "held-%d", i);
        numbers[i] = open(name, O_RDWR | O_CREAT | O_APPEND, 0600);
        if (numbers[i] < 0 || write(numbers[i], line, strlen(line)) < 0 || fstat(numbers[i], &files[i]) < 0 ||
            dup2(numbers[i], HIGH + i) < 0)
            return 71;
    }
    close(open("ready", O_WRONLY | O_CREAT, 0600));
    for (int i = 0; access("go", F_OK) < 0; i++) {
        if (i == PATIENCE)
            return 72;
        usleep(10 * 1000);
    }
    for (int i = 0; i < FILES; i++) {
        if (!is_same(numbers[i], &files[i]) || !is_same(HIGH + i, &files[i]))
            return 73;
        if (write(numbers[i], line, strlen(line)) < 0 || write(HIGH + i, line, strlen(line)) < 0)
            return 74;
    }
    return 7;
}
