/* Becomes the program named in the first line of the file beside itself, ITSELF.becomes, with the other lines,
 * NAME=VALUE, put into the environment. What suites.py puts between a suite's driver and the program under test. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char   self[4096] = "", program[4096], *line = NULL;
    size_t size = 0;

    if (argc < 1 || readlink("/proc/self/exe", self, sizeof self - 16) < 0)
        return 125;
    FILE *file = fopen(strcat(self, ".becomes"), "re");
    if (!file || !fgets(program, sizeof program, file))
        return 125;
    for (ssize_t n; (n = getline(&line, &size, file)) > 0; line = NULL) {
        line[n - 1] = '\0';
        putenv(line);
    }
    fclose(file);
    program[strcspn(program, "\n")] = '\0';
    execv(program, argv);
    return 126;
}
