/* Main blocks a signal that has a handler, and takes with sigwait what is sent to the process, while each other task is
 * sent the same one for itself. Then one stays pending for 200 ms and until stdin ends; nobody is to be kept awake by
 * it. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { TIMES = 20, FEW = 3, PATIENCE = 20000 /* ms */ };

static atomic_int handled, sent;

static void handler(int number)
{
    (void)number;
    atomic_fetch_add(&handled, 1);
}

static void ask_others(int number)
{
    struct dirent *entry;
    DIR           *folder = opendir("/proc/self/task");
    while (folder && (entry = readdir(folder)))
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != getpid() &&
            syscall(SYS_tgkill, getpid(), atoi(entry->d_name), number) == 0)
            atomic_fetch_add(&sent, 1);
    if (folder)
        closedir(folder);
}

static int take(int number, int with_others)
{
    struct timespec  limit = {.tv_sec = 5};
    struct sigaction action = {.sa_handler = handler};
    sigset_t         set;
    int              taken = 0;

    sigemptyset(&set);
    sigaddset(&set, number);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    sigaction(number, &action, NULL);
    for (int i = 0; i < (with_others ? FEW : TIMES); i++) {
        kill(getpid(), number);
        if (with_others)
            ask_others(number);
        usleep(3000);
        taken += sigtimedwait(&set, NULL, &limit) == number;
        for (int ms = 0; atomic_load(&handled) < atomic_load(&sent) && ms < PATIENCE; ms++)
            usleep(1000);
    }
    return taken;
}

int main(void)
{
    sigset_t set;
    char     byte;
    int      numbers[] = {SIGUSR1, SIGCHLD, SIGSYS, SIGRTMIN + 3};

    usleep(20000);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        for (int with_others = 0; with_others < 2; with_others++) {
            atomic_store(&handled, 0);
            atomic_store(&sent, 0);
            printf("%d taken", take(numbers[i], with_others));
            printf(", %d too many or too few handled\n", atomic_load(&handled) - atomic_load(&sent));
        }
    fflush(stdout);
    kill(getpid(), SIGUSR1);
    usleep(200 * 1000);
    while (read(STDIN_FILENO, &byte, 1) == 1)
        ;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    return sigwait(&set, &numbers[0]) == 0 ? 45 : 96;
}
