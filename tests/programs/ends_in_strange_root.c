/* A child goes into a root whose /proc is somebody's, and ends there while it has a child of its own.
 *     ends_in_strange_root fifos     what would be files are FIFOs
 *     ends_in_strange_root endless   a leader is made up, and a list of children that has no end
 * Exit status 47; 98 when the end waits in vain. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENDED = 47, IN_VAIN = 98, PATIENCE = 20 /* s */ };
#define ENDLESS ((off_t)1 << 40)

static int fifos(void)
{
    return mkfifo("root/proc/self/stat", 0666) || mkfifo("root/proc/self/status", 0666);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        _exit(95);
}

static void process(const char *name, int pid, int parent)
{
    char path[100], text[200];

    snprintf(path, sizeof path, "root/proc/%s", name);
    mkdir(path, 0777);
    strcat(path, "/stat");
    snprintf(text, sizeof text, "%d (x) S %d 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 7 0\n", pid, parent);
    write_file(path, text);
}

/* Of the calling process, whose parent leads. */
static void endless(void)
{
    char name[100];

    snprintf(name, sizeof name, "%d", getppid());
    process("self", getpid(), getppid());
    process(name, getppid(), 0);
    if (mkdir("root/proc/self/ns", 0777) || symlink("pid:[77]", "root/proc/self/ns/pid") ||
        mkdir("root/proc/self/task", 0777) || mkdir("root/proc/self/task/1", 0777) || mkdir("root/tmp", 0777))
        _exit(94);
    write_file("root/proc/self/task/1/children", "");
    snprintf(name, sizeof name, "root/tmp/.pillion-%d", geteuid());
    mkdir(name, 0711);
    snprintf(name, sizeof name, "root/tmp/.pillion-%d/77-%d-7", geteuid(), getppid());
    write_file(name, "");
    if (truncate("root/proc/self/task/1/children", ENDLESS))
        _exit(93);
}

static void child(const char *what)
{
    int  go[2];
    char byte;

    if (strcmp(what, "endless") == 0)
        endless();
    if (pipe(go) || chroot("root") || chdir("/"))
        _exit(99);
    if (fork() == 0) {
        close(go[1]);
        (void)!read(go[0], &byte, 1); /* until the parent has ended */
        _exit(0);
    }
    alarm(PATIENCE);
    _exit(ENDED);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "fifos";
    int         status;

    if (mkdir("root", 0777) || mkdir("root/proc", 0777) || mkdir("root/proc/self", 0777) ||
        (strcmp(what, "fifos") == 0 && fifos()))
        return 97;
    if (fork() == 0)
        child(what);
    if (wait(&status) < 0)
        return 96;
    (void)truncate("root/proc/self/task/1/children", 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : IN_VAIN;
}
