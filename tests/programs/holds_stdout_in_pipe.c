/* Writes a line early and leaves another in stdio's buffer until the end. With "_exit" it writes that one itself. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    printf("early\n");
    fflush(stdout);
    usleep(100 * 1000);
    printf("late\n");
    if (argc > 1) {
        fflush(stdout);
        _exit(27);
    }
    (void)argv;
    return 27;
}
