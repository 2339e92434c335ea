/* Has every number of a signal, and some that are none, held, released and set by every function that libc has for it,
 * and prints what each answers and what is blocked then. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

typedef sighandler_t way(int number, sighandler_t handler);

way bsd_signal, sysv_signal;

static const char *word(sighandler_t handler)
{
    return handler == SIG_DFL    ? "default"
           : handler == SIG_IGN  ? "ignored"
           : handler == SIG_HOLD ? "held"
           : handler == SIG_ERR  ? "error"
                                 : "strange";
}

static void show(const char *name, int number, const char *answer)
{
    struct sigaction action = {0};
    sigset_t         blocked;
    int              error = errno;
    int              known = sigaction(number, NULL, &action);

    sigprocmask(SIG_BLOCK, NULL, &blocked);
    printf("%d by %s: %s, errno %d; %d %s, flags %x, mask", number, name, answer, error, known, word(action.sa_handler),
           (unsigned)action.sa_flags);
    for (int i = 1; i < NSIG; i++)
        if (sigismember(&blocked, i) == 1)
            printf(" %d", i);
    printf("\n");
    errno = 0;
}

int main(void)
{
    static const struct {
        const char *name;
        way        *way;
    } ways[] = {{"signal", signal},
                {"bsd_signal", bsd_signal},
                {"ssignal", ssignal},
                {"sysv_signal", sysv_signal},
                {"sigset", sigset}};
    static const sighandler_t handlers[] = {SIG_HOLD, SIG_HOLD, SIG_IGN, SIG_DFL, SIG_ERR};

    usleep(150 * 1000);
    for (int number = -1; number <= 130; number++) {
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++)
            for (size_t h = w == 4 ? 0 : 2; h < sizeof handlers / sizeof *handlers - (w == 4); h++)
                show(ways[w].name, number, word(ways[w].way(number, handlers[h])));
        show("sighold", number, sighold(number) ? "no" : "yes");
        show("sigrelse", number, sigrelse(number) ? "no" : "yes");
    }
    return 26;
}
