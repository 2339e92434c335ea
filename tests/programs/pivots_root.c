/* Makes an empty file system its root and lets go of the old one: pivots_root MILLISECONDS [own], with "own" in a mount
 * namespace of its own. Ends with 58. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

static void tell(const char *what, long got)
{
    printf("%s: %s\n", what, got < 0 ? strerror(errno) : "done");
}

int main(int argc, char **argv)
{
    usleep((useconds_t)(argc > 1 ? atoi(argv[1]) : 0) * 1000);
    if (argc > 2)
        tell("unshare", unshare(CLONE_NEWNS));
    tell("private", mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
    tell("mount", mount("none", "/mnt", "tmpfs", 0, NULL));
    tell("chdir", chdir("/mnt"));
    tell("pivot_root", syscall(SYS_pivot_root, ".", "."));
    tell("umount", umount2(".", MNT_DETACH));
    tell("chdir", chdir("/"));
    tell("proc", access("/proc/self", F_OK));
    fflush(stdout);
    usleep(250 * 1000);
    return 58;
}
