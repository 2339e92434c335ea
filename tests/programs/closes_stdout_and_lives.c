/* Prints a line, closes its output and lives on for so many milliseconds: who reads it waits no longer than the line.
 */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    usleep(120 * 1000);
    printf("all there is\n");
    fclose(stdout);
    close(STDOUT_FILENO);
    usleep((useconds_t)(argc > 1 ? atoi(argv[1]) : 300) * 1000);
    return 59;
}
