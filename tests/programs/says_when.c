/* Writes the time at which main began, as a binary struct timespec of CLOCK_MONOTONIC. */
// SPDX-License-Identifier: Apache-2.0
#include <time.h>
#include <unistd.h>

int main(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return write(STDOUT_FILENO, &now, sizeof now) != sizeof now;
}
