/* The hook's chance is __libc_start_main. Every dynamically linked program calls it once, after the libraries'
 * constructors and before its own code. A passenger's main is its own. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "hook/hook.h"

typedef int  main_function(int argc, char **argv, char **envp);
typedef void exit_function(void *argument, int status); /* glibc calls what it registered itself like this */
typedef int  start_function(main_function *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                            void (*rtld_fini)(void), void *stack_end);

int __libc_start_main(main_function *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end);

typedef int registering_function(void (*handler)(int status, void *argument), void *argument);

/* A page of its own in front of all other data. So the rest of it begins with a page and has room in that one, which is
 * the only one that a passenger writes to, libc's loader included. */
static char executable[HOOK_PATH_MAX] __attribute__((aligned(HOOK_PATH_MAX), section(".data.rel.ro.local.first")));

static struct leader  lead;
static main_function *program_main;
static void (*program_rtld_fini)(void);

static void start_engine(char **argv)
{
    struct engine_start start = {
        .environment = (const char *const *)environ,
        .conf = conf_found(),
        .arguments = (const char *const *)argv,
        .executable = lead.executable,
        .root = lead.in_step ? lead.self.parent : lead.self.pid,
        .root_is_ours = lead.in_step,
        .continues = lead.continues,
        .in_step = lead.in_step,
        .marker = lead.marker[0] ? lead.marker : NULL,
    };
    int saved = errno;
    hook.engine = engine_load();
    atomic_store(&hook.link.main_process, (int32_t)lead.self.pid);
    if (!hook.engine || !hook_own() || hook.engine->start(&hook.link, &start) < 0) {
        hook.engine = NULL;
        hook.alive = NULL;
        if (lead.marker[0])
            leader_marker_remove(lead.marker);
    }
    seccomp_watch();
    if (hook.engine && hook.link.takes_signals)
        signals_begin(signal_end);
    errno = saved;
}

/* This handler sees libc's own calls of exit (err, error), which pass no wrapper. Registered when all globals are
 * there, the handler runs before the first of them goes. */
static void exit_began(int status, void *nothing)
{
    (void)nothing;
    if (exit_hold_is_due())
        exit_hold(HOLD_EXIT_ENTERED, status);
}

static int leader_main(int argc, char **argv, char **envp)
{
    start_engine(argv);
    registering_function *on_exit = hook.engine ? (registering_function *)next_symbol("on_exit") : NULL;
    if (on_exit) /* missing on musl */
        (void)on_exit(exit_began, NULL);
    int status = program_main(argc, argv, envp);
    if (exit_hold_is_due())
        exit_hold(HOLD_MAIN_RETURNED, status);
    return status;
}

/* The last of all exit handlers: glibc registers it before everything else. */
static void last_handler(void *argument, int status)
{
    if (hook_owns())
        exit_hold(HOLD_LAST_HANDLER, status);
    orphan_end();
    ((exit_function *)program_rtld_fini)(argument, status); // NOLINT(clang-diagnostic-cast-function-type)
}

/* The answer stands on the stack, and what is asked for it, on pages that the loader has used already: some eight KiB
 * of them. */
static bool decide(char **argv)
{
    struct leader decided;
    decided.role = ROLE_NONE;
    decided.executable = executable;
    leader_decide(argv && argv[0] ? argv[0] : "", &decided);
    if (decided.role == ROLE_LEADER)
        lead = decided;
    bool is_below = decided.why == LEADER_BELOW_MARKER || decided.why == LEADER_ORPHAN;
    orphan_end_watch(decided.role == ROLE_LEADER || (is_below && decided.above.uid == getauxval(AT_EUID)),
                     decided.parent);
    if (decided.why == LEADER_ORPHAN && decided.orphan.pid == decided.self.pid)
        orphan_end_keep(decided.pid_namespace, &decided.above, &decided.self);
    return decided.role == ROLE_LEADER;
}

static bool is_first_copy(void)
{
    const char *first = &pillion_hook_1;
    __asm__("" : "+r"(first)); /* to a compiler, two names are two objects */
    return first == &hook_mark;
}

int __libc_start_main(main_function *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end)
{
    next_look_up();
    start_function *next = (start_function *)next_of(NEXT_START_MAIN);
    /* A second copy only passes on; and no lead where a constructor has forbidden calls. */
    bool leads = is_first_copy() && seccomp_confinement() == FREE && decide(argv);
    program_main = main;
    program_rtld_fini = rtld_fini;
    hook.has_last_handler = rtld_fini != NULL;
    return next(leads ? leader_main : main, argc, argv, init, fini, rtld_fini ? (void (*)(void))last_handler : NULL,
                stack_end);
}
