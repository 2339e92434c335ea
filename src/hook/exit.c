/* The wrappers of every libc call by which a program ends. */
// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <threads.h>
#include <unistd.h>

#include "hook/hook.h"

typedef void end_function(int status);
typedef void thread_end_function(void *value);

static end_function        *next_exit;
static end_function        *next__exit;
static end_function        *next_quick_exit;
static end_function        *next_thrd_exit;
static thread_end_function *next_pthread_exit;

/* Names are looked up before main. Later the loader's lock may be held by a thread that waits for the ending one, or by
 * code that a handler has interrupted. */
void exit_resolve(void)
{
    next_exit = (end_function *)next_symbol("exit");
    next__exit = (end_function *)next_symbol("_exit");
    next_quick_exit = (end_function *)next_symbol("quick_exit");
    next_thrd_exit = (end_function *)next_symbol("thrd_exit");
    next_pthread_exit = (thread_end_function *)next_symbol("pthread_exit");
}

/* A library's constructor may call one of the wrappers before exit_resolve. */
static void resolve_if_early(void)
{
    if (!next_exit)
        exit_resolve();
}

static _Noreturn void end_at_once(int status)
{
    for (;;)
        (void)syscall(SYS_exit_group, status);
}

_Noreturn void exit(int status)
{
    (void)thread_link_step_out();
    if (exit_hold_is_due())
        exit_hold(HOLD_EXIT_ENTERED, status);
    if (!hook.has_last_handler)
        orphan_end();
    resolve_if_early();
    if (next_exit)
        next_exit(status);
    end_at_once(status);
}

_Noreturn void _exit(int status)
{
    (void)thread_link_step_out();
    if (hook_owns())
        exit_hold(HOLD_DIRECT_EXIT, status);
    orphan_end();
    if (next__exit)
        next__exit(status);
    end_at_once(status);
}

_Noreturn void _Exit(int status)
{
    _exit(status);
}

_Noreturn void quick_exit(int status)
{
    (void)thread_link_step_out();
    if (hook_owns())
        exit_hold(HOLD_DIRECT_EXIT, status);
    orphan_end();
    resolve_if_early();
    if (next_quick_exit)
        next_quick_exit(status);
    end_at_once(status);
}

/* libc would unwind frames that are not the program's. musl unwinds nothing, and has to know that the thread ends. */
static void end_our_thread(void)
{
    if (thread_link_step_out() && hook.has_last_handler)
        (void)syscall(SYS_exit, 0);
}

/* Our thread must not be the last one: once main's thread has gone, libc runs exit on whichever thread is. */
static void step_aside_for_main(void)
{
    if (hook_leads() && sys_tid() == sys_pid())
        thread_link_pause_for_good(THREAD_LINK_LAST_PAUSE);
}

_Noreturn void pthread_exit(void *value)
{
    end_our_thread();
    step_aside_for_main();
    resolve_if_early();
    if (next_pthread_exit)
        next_pthread_exit(value);
    for (;;)
        (void)syscall(SYS_exit, 0);
}

/* C11's name for it: libc does not take this one to pthread_exit. */
_Noreturn void thrd_exit(int value)
{
    end_our_thread();
    step_aside_for_main();
    resolve_if_early();
    if (next_thrd_exit)
        next_thrd_exit(value);
    for (;;)
        (void)syscall(SYS_exit, 0);
}
