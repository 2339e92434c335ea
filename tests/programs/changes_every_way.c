/* Sets and reads a signal's action by every function that libc has for it, old ones too, and prints what each answers. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

sighandler_t bsd_signal(int number, sighandler_t handler);
sighandler_t sysv_signal(int number, sighandler_t handler);

static void own(int number)
{
    (void)number;
}

static const char *word(sighandler_t handler)
{
    return handler == SIG_DFL ? "default" : handler == SIG_IGN ? "ignored" : handler == own ? "own"
         : handler == SIG_ERR ? "error" : handler == SIG_HOLD ? "held" : "strange";
}

static void now(int number)
{
    struct sigaction action = {0};

    sigaction(number, NULL, &action);
    printf("; now %s, flags %x, mask %d\n", word(action.sa_handler), (unsigned)action.sa_flags,
           sigismember(&action.sa_mask, number));
}

int main(void)
{
    static sighandler_t (*const ways[])(int, sighandler_t) = {signal, bsd_signal, ssignal, sysv_signal, sigset};
    static const int    numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGXCPU, SIGUSR1};

    usleep(150 * 1000);
    for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++)
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
            printf("%d by %zu: %s", numbers[n], w, word(ways[w](numbers[n], own)));
            printf(", %s", word(ways[w](numbers[n], SIG_DFL)));
            printf(", %s", word(ways[w](numbers[n], SIG_IGN)));
            printf(", %s", word(ways[w](numbers[n], SIG_DFL)));
            now(numbers[n]);
            siginterrupt(numbers[n], (int)w % 2);
        }
    printf("%s %s\n", word(sigset(SIGTERM, SIG_HOLD)), word(sigset(SIGTERM, SIG_DFL)));
    printf("%s %s\n", word(signal(SIGTERM, SIG_ERR)), word(signal(SIGKILL, SIG_IGN)));
    sigignore(SIGHUP);
    now(SIGHUP);
    signal(SIGTERM, SIG_DFL);
    sysv_signal(SIGINT, SIG_DFL);
    now(SIGTERM);
    now(SIGINT);
    return 22;
}
