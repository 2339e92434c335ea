/* Finds the longest list of arguments with which an exec succeeds, to the byte, counting in its children. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COUNT = 64, WORD = 120000 };

static char  words[COUNT][WORD + 1];
static char *arguments[COUNT + 2] = {"true"};

/* So many bytes of arguments, those after the first. */
static int succeeds(size_t bytes)
{
    size_t i = 0;
    int    status = -1;

    for (; bytes > 0 && i < COUNT; i++) {
        size_t length = bytes > WORD ? WORD : bytes;
        memset(words[i], 'x', length);
        words[i][length] = '\0';
        arguments[i + 1] = words[i];
        bytes -= length;
    }
    arguments[i + 1] = NULL;
    pid_t pid = vfork();
    if (pid == 0) {
        execv("/bin/true", arguments);
        _exit(1);
    }
    waitpid(pid, &status, 0);
    return status == 0;
}

int main(void)
{
    size_t low = 1, high = (size_t)COUNT * WORD;

    usleep(120 * 1000);
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (succeeds(middle))
            low = middle;
        else
            high = middle;
    }
    printf("%zu bytes\n", low);
    return 57;
}
