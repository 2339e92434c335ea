/* Runs a program and writes its user and system time, with that of all that it reaped: bench_usage FILE PROGRAM...
 * The kernel's own account of that program, whoever leads above. FILE: microseconds, in one line. Ends as it does. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern char **environ;

int main(int argc, char **argv)
{
    struct rusage usage;
    int           status;
    pid_t         pid;

    if (argc < 3 || posix_spawnp(&pid, argv[2], NULL, NULL, argv + 2, environ))
        return 127;
    if (wait4(pid, &status, 0, &usage) != pid)
        return 127;
    FILE *file = fopen(argv[1], "w");
    if (!file)
        return 127;
    (void)fprintf(file, "%jd\n",
                  (intmax_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
                      usage.ru_stime.tv_usec);
    if (fclose(file))
        return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
