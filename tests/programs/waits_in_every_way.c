/* Waits in every call that a signal could interrupt, timers among them: each ends by its time, none by a signal but
 * the one alarm that is asked for. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static void handler(int number)
{
    (void)number;
}

static void told(const char *call, long result)
{
    printf("%s %ld %s\n", call, result, result < 0 ? strerror(errno) : "");
}

int main(void)
{
    enum { WAIT = 110 /* ms: some ticks of a leader */ };
    struct timespec  rest = {0, WAIT * 1000000L}, until;
    struct timeval   limit = {0, WAIT * 1000};
    struct sigaction action = {.sa_handler = handler};
    sigset_t         usr1;
    sem_t            never;
    int              ends[2], pair[2], expected = 0, ticks = timerfd_create(CLOCK_MONOTONIC, 0), set = epoll_create1(0);
    uint64_t         count = 0;
    char             byte;

    sigaction(SIGALRM, &action, NULL);
    if (pipe(ends) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || sem_init(&never, 0, 0))
        return 1;
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sigemptyset(&usr1), sigaddset(&usr1, SIGUSR1), sigprocmask(SIG_BLOCK, &usr1, NULL);
    clock_gettime(CLOCK_REALTIME, &until), until.tv_nsec += WAIT * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000, until.tv_nsec %= 1000000000;
    told("sem_timedwait", sem_timedwait(&never, &until));
    told("nanosleep", nanosleep(&rest, NULL));
    told("poll", poll(&(struct pollfd){ends[0], POLLIN, 0}, 1, WAIT));
    told("select", select(0, NULL, NULL, NULL, &limit));
    told("epoll_wait", epoll_wait(set, &(struct epoll_event){0}, 1, WAIT));
    told("sigtimedwait", sigtimedwait(&usr1, NULL, &rest));
    told("recv", recv(pair[0], &byte, 1, 0));
    timerfd_settime(ticks, 0, &(struct itimerspec){{0, 20000000}, {0, 20000000}}, NULL);
    for (int i = 0; i < 6; i++)
        expected += read(ticks, &count, sizeof count) == sizeof count && count > 0;
    told("timerfd", expected);
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {0, WAIT * 1000}}, NULL);
    told("read", read(ends[0], &byte, 1));
    alarm(1);
    return pause() < 0 && errno == EINTR ? 36 : 1;
}
