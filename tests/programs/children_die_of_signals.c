/* Children by fork, vfork and a subshell's way (fork, then work), each ended by SIGTERM while its action is the default; says
 * how each ended, and goes on. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void tell(const char *what, pid_t child)
{
    int status = 0;

    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        printf("%s: signal %d\n", what, WTERMSIG(status));
    else
        printf("%s: exit %d\n", what, WEXITSTATUS(status));
}

int main(void)
{
    pid_t child;

    usleep(150 * 1000);
    if ((child = fork()) == 0)
        for (;;)
            pause();
    usleep(20 * 1000);
    kill(child, SIGTERM);
    tell("fork", child);
    if ((child = fork()) == 0) {
        raise(SIGINT);
        _exit(1);
    }
    tell("fork that raises", child);
    if ((child = vfork()) == 0) {
        kill(getpid(), SIGHUP);
        _exit(2);
    }
    tell("vfork that raises", child);
    if ((child = vfork()) == 0) {
        signal(SIGTERM, SIG_IGN);
        kill(getpid(), SIGTERM);
        signal(SIGTERM, SIG_DFL);
        execl("/bin/sh", "sh", "-c", "kill -TERM $$; exit 3", NULL);
        _exit(2);
    }
    tell("vfork and exec", child);
    printf("and SIGTERM is %s\n", signal(SIGTERM, SIG_IGN) == SIG_DFL ? "default" : "something else");
    return 21;
}
