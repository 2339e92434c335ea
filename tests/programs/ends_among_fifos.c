/* A child goes into a root whose /proc is somebody's: what would be files there are FIFOs. It ends while it has a child
 * of its own. Exit status 47; 98 when the end waits in vain. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENDED = 47, IN_VAIN = 98, PATIENCE = 20 /* s */ };

static int make_root(void)
{
    return mkdir("root", 0777) || mkdir("root/proc", 0777) || mkdir("root/proc/self", 0777) ||
           mkfifo("root/proc/self/stat", 0666) || mkfifo("root/proc/self/status", 0666);
}

static void child(int go[2])
{
    char byte;

    if (chroot("root") || chdir("/"))
        _exit(99);
    if (fork() == 0) {
        close(go[1]);
        (void)!read(go[0], &byte, 1); /* until the parent has ended */
        _exit(0);
    }
    alarm(PATIENCE);
    _exit(ENDED);
}

int main(void)
{
    int go[2], status;

    if (make_root() || pipe(go))
        return 97;
    if (fork() == 0)
        child(go);
    if (wait(&status) < 0)
        return 96;
    return WIFEXITED(status) ? WEXITSTATUS(status) : IN_VAIN;
}
