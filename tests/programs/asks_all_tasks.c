/* Sends a signal to each task of the process, and waits until its handler has run that often: libpsx 2.70 to 2.73 do so
 * to change the rights of all threads.
 *
 * usage: asks_all_tasks SIGNAL TIMES [exit | _exit | pthread_exit] [MS]
 *
 * With a third word a handler on another task than main ends as it says, or main's where there is none; MS to wait
 * before. Exit status 44; 99 when it waits in
 * vain. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ANSWERED = 44, IN_VAIN = 99, PATIENCE = 60000 /* ms */ };

static atomic_int  asked, answered;
static const char *end = "";
static int         ends[2];

static void handler(int number)
{
    int is_main = syscall(SYS_gettid) == getpid();
    int is_alone = is_main && atomic_load(&asked) == 1;

    (void)number;
    if (write(ends[1], "x", 1) != 1) /* a number of the program's, on whatever thread this is */
        _exit(98);
    for (int ms = 0; is_main && !is_alone && (strcmp(end, "exit") == 0 || strcmp(end, "_exit") == 0) && ms < PATIENCE;
         ms++)
        usleep(1000); /* another one ends the program */
    if (!is_main && strcmp(end, "pthread_exit") == 0) {
        atomic_fetch_add(&answered, 1);
        pthread_exit(NULL);
    }
    if (strcmp(end, "exit") == 0)
        exit(ANSWERED);
    if (strcmp(end, "_exit") == 0)
        _exit(ANSWERED);
    atomic_fetch_add(&answered, 1);
}

static int count_tasks(pid_t *tasks, int room)
{
    int            count = 0;
    struct dirent *entry;
    DIR           *folder = opendir("/proc/self/task");
    while (folder && count < room && (entry = readdir(folder)))
        if (entry->d_name[0] != '.')
            tasks[count++] = atoi(entry->d_name);
    if (folder)
        closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    int              number = argc > 1 ? atoi(argv[1]) : SIGUSR1;
    int              times = argc > 2 ? atoi(argv[2]) : 1;
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

    end = argc > 3 ? argv[3] : "";
    if (number < 0) /* counted from the last one */
        number += SIGRTMAX + 1;
    if (pipe(ends) || sigaction(number, &action, NULL))
        return 97;
    printf("asked\n"); /* stays in stdio's buffer until an exit */
    usleep(argc > 4 ? (useconds_t)atoi(argv[4]) * 1000 : 0);
    for (int i = 0; i < times; i++) {
        pid_t tasks[64];
        int   count = count_tasks(tasks, 64);
        atomic_store(&answered, 0);
        atomic_store(&asked, count);
        for (int t = count; t-- > 0;) /* main is the first one listed, and the last one asked */
            if (syscall(SYS_tgkill, getpid(), tasks[t], number))
                atomic_fetch_sub(&asked, 1);
        for (int ms = 0; atomic_load(&answered) < atomic_load(&asked); ms++) {
            if (ms == PATIENCE)
                _exit(IN_VAIN);
            usleep(1000);
        }
    }
    return ANSWERED;
}
