/* A sandbox: its process 1 is forked and never execs, nobody may look into it, and /tmp is its own. It starts the
 * program that is named, as its user, or as nobody where root calls it with "nobody" first. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534 };

static int wait_for(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        ;
    return WEXITSTATUS(status);
}

static int box(char **argv)
{
    int becomes_nobody = strcmp(argv[0], "nobody") == 0;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("proc", "/proc", "proc", 0, NULL) < 0 ||
        mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777") < 0)
        return 125;
    prctl(PR_SET_DUMPABLE, 0);
    pid_t inner = fork();
    if (inner == 0) {
        if (becomes_nobody && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
            _exit(124);
        execv(argv[becomes_nobody], argv + becomes_nobody);
        _exit(127);
    }
    return wait_for(inner);
}

int main(int argc, char **argv)
{
    int user = getuid() == 0 ? 0 : CLONE_NEWUSER;
    if (argc < 2)
        return 126;
    pid_t child = (pid_t)syscall(SYS_clone, user | CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
    if (child == 0)
        _exit(box(argv + 1));
    return child < 0 ? 126 : wait_for(child);
}
