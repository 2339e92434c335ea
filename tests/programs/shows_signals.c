/* Prints the signal mask, the pending signals, the alternate stack and every disposition, by sigaction and signal, at
 * the start and later. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static void own(int number)
{
    (void)number;
}

static void show_dispositions(void)
{
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action = {0};

        if (sigaction(number, NULL, &action) == 0 &&
            (action.sa_handler != SIG_DFL || action.sa_flags || !sigisemptyset(&action.sa_mask)))
            printf("signal %d: %s, flags %x, mask %s\n", number,
                   action.sa_handler == SIG_IGN   ? "ignored"
                   : action.sa_handler == SIG_DFL ? "default"
                   : action.sa_handler == own     ? "own"
                                                  : "strange",
                   (unsigned)action.sa_flags, sigisemptyset(&action.sa_mask) ? "empty" : "set");
    }
}

static void show(const char *when)
{
    sigset_t blocked, pending;
    stack_t  stack;

    sigprocmask(SIG_BLOCK, NULL, &blocked);
    sigpending(&pending);
    sigaltstack(NULL, &stack);
    printf("%s: stack %s; blocked", when, stack.ss_flags & SS_DISABLE ? "none" : "set");
    for (int number = 1; number < NSIG; number++)
        if (sigismember(&blocked, number) == 1)
            printf(" %d", number);
    printf("; pending");
    for (int number = 1; number < NSIG; number++)
        if (sigismember(&pending, number) == 1)
            printf(" %d", number);
    printf("\n");
    show_dispositions();
}

static const char *word(sighandler_t handler)
{
    return handler == SIG_DFL ? "default" : handler == SIG_IGN ? "ignored" : handler == own ? "own" : "strange";
}

int main(void)
{
    static const int four[] = {SIGTERM, SIGINT, SIGHUP, SIGXCPU, SIGURG};

    show("at start");
    usleep(150 * 1000);
    for (size_t i = 0; i < sizeof four / sizeof *four; i++) {
        struct sigaction old = {0}, action = {.sa_handler = own, .sa_flags = SA_RESTART | SA_NODEFER};

        sigaddset(&action.sa_mask, SIGUSR1);
        printf("signal %d was %s", four[i], word(signal(four[i], SIG_IGN)));
        printf(", then %s", word(signal(four[i], own)));
        sigaction(four[i], &action, &old);
        printf(", then %s (flags %x), ", word(old.sa_handler), (unsigned)old.sa_flags & ~(unsigned)0x04000000);
        sigaction(four[i], NULL, &old);
        printf("now %s, flags %x, mask %d", word(old.sa_handler), (unsigned)old.sa_flags & ~(unsigned)0x04000000,
               sigismember(&old.sa_mask, SIGUSR1));
        printf(", last %s\n", word(signal(four[i], SIG_DFL)));
    }
    show("later");
    return 0;
}
