/* A FUSE file system, in a mount namespace of its own, whose server takes every request and answers none but the first:
 * serves_no_answer FOLDER. Says "ready" once it is mounted. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static char                  request[1 << 20];
    char                         options[100];
    const struct fuse_in_header *head = (const void *)request;
    int                          device = open("/dev/fuse", O_RDWR | O_CLOEXEC);

    if (argc < 2 || device < 0)
        return 99;
    (void)snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", device);
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("none", argv[1], "fuse", 0, options))
        return 98;
    puts("ready");
    fflush(stdout);
    while (read(device, request, sizeof request) > 0) {
        struct {
            struct fuse_out_header head;
            struct fuse_init_out   init;
        } answer = {{sizeof answer, 0, head->unique}, {.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096}};
        if (head->opcode == FUSE_INIT && write(device, &answer, sizeof answer) < 0)
            return 97;
    }
    return 0;
}
