/* Takes /proc away from itself, in a mount namespace of its own; with a word, enters a user namespace then. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    usleep(120 * 1000);
    printf("unshare %d\n", unshare(CLONE_NEWNS));
    printf("private %d\n", mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
    printf("umount %d\n", umount2("/proc", MNT_DETACH));
    printf("proc is %s\n", access("/proc/self", F_OK) ? "gone" : "there");
    if (argc > 1)
        printf("%s %d\n", argv[1], unshare(CLONE_NEWUSER));
    usleep(250 * 1000);
    return 26;
}
