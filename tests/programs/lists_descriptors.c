/* Lists its open descriptors and the numbers that open gives: at the start, while pillion works, and at exit. */
// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void list(const char *when)
{
    printf("%s: next is %d; open are", when, open("/dev/null", O_RDONLY | O_CLOEXEC));
    for (int number = 0; number < 1024; number++) {
        char path[32], target[256];

        snprintf(path, sizeof path, "/proc/self/fd/%d", number);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length < 0)
            continue;
        target[length] = '\0';
        /* Pipes have numbers of their own in each run. */
        printf(" %d=%.*s", number, target[0] == '/' ? 200 : 4, target);
    }
    printf("\n");
}

static void at_exit(void)
{
    list("at exit");
}

int main(void)
{
    atexit(at_exit);
    list("at start");
    usleep(150 * 1000);
    list("later");
    return 0;
}
