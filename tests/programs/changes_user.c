/* root becomes nobody, at once or after so many milliseconds, and works on. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    uid_t real, effective, saved;

    if (argc > 1)
        usleep((useconds_t)atoi(argv[1]) * 1000);
    int groups = setgroups(0, NULL), gid = setgid(65534), uid = setuid(65534);
    getresuid(&real, &effective, &saved);
    printf("setgroups %d, setgid %d, setuid %d: uids %u %u %u, gid %u\n", groups, gid, uid, real, effective, saved,
           getgid());
    usleep(200 * 1000);
    printf("root again: %d\n", setuid(0));
    return 17;
}
