/* Four signals by which people and schedulers end a program. While their action is the default, the leader has its own
 * handler there. The program is shown the action that it would have seen. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hook/hook.h"

typedef void              handler_function(int number);
typedef int               action_function(int number, const struct sigaction *action, struct sigaction *old);
typedef handler_function *signal_function(int number, handler_function *handler);

/* Some libcs do not declare these. */
handler_function *bsd_signal(int number, handler_function *handler);
handler_function *sysv_signal(int number, handler_function *handler);   // NOLINT(readability-redundant-declaration)
handler_function *__sysv_signal(int number, handler_function *handler); // NOLINT(readability-redundant-declaration)
handler_function *ssignal(int number, handler_function *handler);       // NOLINT(readability-redundant-declaration)
int               __sigaction(int number, const struct sigaction *action, struct sigaction *old);

enum { SYSV_INTERRUPT = 0x20000000 }; /* SA_INTERRUPT, as glibc's signal.h had it */
#define SIGSET_HOLD ((handler_function *)2)

/* Fork children and vfork children read these too; the leader alone writes them. */
static struct watched {
    int              number;
    struct sigaction shown; /* the default action, with the flags and the mask that the program gave it */
} watched[] = {{.number = SIGTERM}, {.number = SIGINT}, {.number = SIGHUP}, {.number = SIGXCPU}};
enum { WATCHED = sizeof watched / sizeof *watched };

static atomic_bool              on;          /* between signals_begin and signals_end */
static signals_handler *_Atomic our_handler; /* NULL until signals_begin */

int signals_action(int number, const struct sigaction *action, struct sigaction *old)
{
    action_function *next = (action_function *)next_of(NEXT_SIGACTION);
    if (next)
        return next(number, action, old);
    errno = ENOSYS;
    return -1;
}

static struct watched *watched_of(int number)
{
    for (size_t i = 0; i < WATCHED; i++)
        if (watched[i].number == number)
            return &watched[i];
    return NULL;
}

static bool is_ours(const struct sigaction *action)
{
    return action->sa_handler != SIG_DFL && action->sa_sigaction == atomic_load(&our_handler);
}

/* Process 1 of a pid namespace does not die of these signals by default, and a handler would make calls fail with EINTR
 * that would have gone on. So only the signal by which containers are stopped is taken there. */
static bool is_for_us(int number)
{
    return hook.owner != 1 || number == SIGTERM;
}

static void take(struct watched *w)
{
    struct sigaction now;
    struct sigaction ours = {.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK | SA_NODEFER};
    ours.sa_sigaction = atomic_load(&our_handler);
    if (!is_for_us(w->number) || signals_action(w->number, NULL, &now) < 0 || now.sa_handler != SIG_DFL)
        return;
    w->shown = now;
    (void)signals_action(w->number, &ours, NULL);
}

void signals_begin(signals_handler *handler)
{
    int saved = errno;
    atomic_store(&our_handler, handler);
    for (size_t i = 0; i < WATCHED; i++)
        take(&watched[i]);
    atomic_store(&on, true);
    errno = saved;
}

/* The kernel's own call: libc's sigaction would leave a flag behind that was not there. */
void signals_set_default(int number, const struct sigaction *known)
{
    struct {
        void    *handler;
        uint64_t flags;
        void    *restorer;
        uint64_t mask;
    } action = {.flags = (unsigned)known->sa_flags};
    memcpy(&action.mask, &known->sa_mask, sizeof action.mask);
    (void)syscall(SYS_rt_sigaction, number, &action, NULL, sizeof action.mask);
}

static void give_back(const struct watched *w)
{
    struct sigaction now;
    if (signals_action(w->number, NULL, &now) == 0 && is_ours(&now))
        signals_set_default(w->number, &w->shown);
}

void signals_show_default(int number)
{
    signals_set_default(number, &watched_of(number)->shown);
}

void signals_end(void)
{
    int saved = errno;
    if (atomic_exchange(&on, false))
        for (size_t i = 0; i < WATCHED; i++)
            give_back(&watched[i]);
    errno = saved;
}

/* The program has just set an action for this signal. Before it the program had `old`, which may be NULL. */
static void show(struct watched *w, struct sigaction *old, const struct sigaction *shown)
{
    if (old && is_ours(old))
        *old = *shown;
    if (atomic_load(&on) && hook_owns())
        take(w);
}

int sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    struct watched *w = watched_of(number);
    if (!w)
        return signals_action(number, action, old);
    bool             sets = action != NULL;
    struct sigaction shown = w->shown;
    int              result = signals_action(number, action, old);
    int              saved = errno;
    if (result == 0 && sets)
        show(w, old, &shown);
    else if (result == 0 && old && is_ours(old))
        *old = shown;
    errno = saved;
    return result;
}

int __sigaction(int number, const struct sigaction *action,
                struct sigaction *old) // NOLINT(bugprone-reserved-identifier)
{
    return sigaction(number, action, old);
}

static handler_function *shown_handler(int number, handler_function *old)
{
    struct watched *w = watched_of(number);
    int             saved = errno;
    if (!w || old == SIG_ERR)
        return old;
    if (atomic_load(&on) && hook_owns())
        take(w);
    errno = saved;
    return old && old == (handler_function *)(void (*)(void))atomic_load(&our_handler) ? SIG_DFL : old;
}

static handler_function *by(signal_function *next, int number, handler_function *handler)
{
    return next ? shown_handler(number, next(number, handler)) : SIG_ERR;
}

handler_function *signal(int number, handler_function *handler)
{
    return by((signal_function *)next_of(NEXT_SIGNAL), number, handler);
}

handler_function *bsd_signal(int number, handler_function *handler)
{
    return signal(number, handler);
}

handler_function *ssignal(int number, handler_function *handler)
{
    return signal(number, handler);
}

/* These two go by sigaction, as libc has them: a name that is looked up may wait for the loader. */
handler_function *sysv_signal(int number, handler_function *handler)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = (int)SA_RESETHAND | SA_NODEFER | SYSV_INTERRUPT};
    struct sigaction old;
    if (handler == SIG_ERR) {
        errno = EINVAL;
        return SIG_ERR;
    }
    return sigaction(number, &action, &old) < 0 ? SIG_ERR : old.sa_handler;
}

handler_function *__sysv_signal(int number, handler_function *handler) // NOLINT(bugprone-reserved-identifier)
{
    return sysv_signal(number, handler);
}

handler_function *sigset(int number, handler_function *handler)
{
    struct sigaction action = {.sa_handler = handler};
    struct sigaction old;
    bool             holds = handler == SIGSET_HOLD;
    uint64_t         one = number > 0 && number < _NSIG ? UINT64_C(1) << (number - 1) : 0;
    uint64_t         before = 0;
    if (sigaction(number, holds ? NULL : &action, &old) < 0 ||
        syscall(SYS_rt_sigprocmask, holds ? SIG_BLOCK : SIG_UNBLOCK, &one, &before, sizeof one) < 0)
        return SIG_ERR;
    return before & one ? SIGSET_HOLD : old.sa_handler;
}
