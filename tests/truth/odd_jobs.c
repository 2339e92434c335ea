// SPDX-License-Identifier: Apache-2.0
// odd_jobs SHAPE COUNT MS: processes that change what they are while they work, and such as somebody else holds.
#include "work.h"

#include <errno.h>
#include <sys/ptrace.h>

#define COUNT argument(2)
#define MS    argument(3)

enum { NOBODY = 65534 };

static void exec_as(const char *name)
{
    char *argv[] = {self[0], (char *)(uintptr_t)name, self[2], self[3], NULL};
    execv("/proc/self/exe", argv);
    need(false, "execv");
}

static void works_on(void)
{
    burn(MS);
}

/* As above, but as one that is reaped in the tree. */
static void works_on_below(void)
{
    burn(MS);
    finish("own");
}

static void execs_in_place(void)
{
    burn(MS);
    await_row();
    exec_as("works_on");
}

static void execs_below(void)
{
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            burn(MS);
            exec_as("works_on_below");
        }
    }
    reap((int)COUNT);
}

static void *exec_from_thread(void *name)
{
    burn(MS);
    if (strcmp(name, "works_on") == 0)
        await_row(); /* a run goes on over an exec once it has been made */
    exec_as(name);
    return NULL;
}

/* The thread that calls exec becomes the process, under the process's number. */
static void in_thread(char *name)
{
    pthread_t thread;
    need(pthread_create(&thread, NULL, exec_from_thread, name) == 0, "pthread_create");
    for (;;)
        pause();
}

static void execs_by_thread(void)
{
    static char name[] = "works_on_below";
    for (long i = 0; i < COUNT; i++)
        if (fork() == 0)
            in_thread(name);
    reap((int)COUNT);
}

static void execs_in_place_by_thread(void)
{
    static char name[] = "works_on";
    in_thread(name);
}

static void vforks(void)
{
    static char name[] = "works_on_below";
    char       *argv[] = {self[0], name, self[2], self[3], NULL};
    for (volatile long i = 0; i < COUNT; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            execv("/proc/self/exe", argv);
            _exit(9);
        }
        need(pid > 0, "vfork");
    }
    reap((int)COUNT);
}

static int burn_in_clone(void *unused)
{
    (void)unused;
    burn_by(CLOCK_THREAD_CPUTIME_ID, MS);
    record("own");
    return 0;
}

/* As vfork does, in the parent's memory, which sleeps meanwhile as one that waits for a disk does. */
static void waits_as_for_a_disk(void)
{
    static char stack[256 * 1024] __attribute__((aligned(16)));
    for (long i = 0; i < COUNT; i++) {
        need(clone(burn_in_clone, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL) > 0, "clone");
        reap(1);
    }
}

static void changes_user_below(void)
{
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            need(setgid(NOBODY) == 0 && setuid(NOBODY) == 0, "setuid");
            burn(MS);
            finish("own");
        }
    }
    reap((int)COUNT);
}

static void changes_user(void)
{
    await_row();
    need(setgid(NOBODY) == 0 && setuid(NOBODY) == 0, "setuid");
    burn(MS);
    if (fork() == 0) {
        burn(MS);
        finish("own");
    }
    reap(1);
}

static void *works_without_main(void *unused)
{
    nap(50); /* main has left */
    burn(MS);
    if (fork() == 0) {
        burn(MS);
        await_row();
        if (fork() == 0) {
            burn(MS);
            finish("own");
        }
        reap(1);
        finish("own");
    }
    reap(1);
    await_row();
    finish("own");
    return unused;
}

/* A process whose first thread has ended is a zombie that works. */
static void main_thread_leaves(void)
{
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            pthread_t thread;
            need(pthread_create(&thread, NULL, works_without_main, NULL) == 0, "pthread_create");
            syscall(SYS_exit, 0);
        }
    }
    reap((int)COUNT);
}

static void *burn_in_thread(void *unused)
{
    burn_by(CLOCK_THREAD_CPUTIME_ID, MS);
    return unused;
}

static void threads_come_and_go(void)
{
    enum { AT_ONCE = 20 };
    if (fork() == 0) {
        for (long done = 0; done < COUNT; done += AT_ONCE) {
            pthread_t threads[AT_ONCE];
            for (int i = 0; i < AT_ONCE; i++)
                need(pthread_create(&threads[i], NULL, burn_in_thread, NULL) == 0, "pthread_create");
            for (int i = 0; i < AT_ONCE; i++)
                pthread_join(threads[i], NULL);
        }
        await_row();
        finish("own");
    }
    reap(1);
}

static void stopped(void)
{
    for (long i = 0; i < COUNT; i++) {
        siginfo_t info;
        pid_t     pid = fork();
        if (pid == 0) {
            burn(MS);
            raise(SIGSTOP);
            burn(MS);
            finish("own");
        }
        need(waitid(P_PID, (id_t)pid, &info, WSTOPPED) == 0, "waitid");
        await_row();
        kill(pid, SIGCONT);
    }
    reap((int)COUNT);
}

/* The tracer is told of the end first, but the parent is who reaps. */
static void traced(void)
{
    int status = 0;
    for (long i = 0; i < COUNT; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            raise(SIGSTOP);
            burn(MS);
            finish("own");
        }
        need(waitpid(pid, &status, WUNTRACED) == pid, "waitpid");
        if (fork() == 0) {
            need(ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0, "ptrace");
            kill(pid, SIGCONT);
            while (waitpid(pid, &status, __WALL) == pid && !WIFEXITED(status))
                ptrace(PTRACE_CONT, pid, NULL, NULL);
            finish("own");
        }
    }
    reap(2 * (int)COUNT);
}

int main(int argc, char **argv)
{
    static const struct job jobs[] = {
        {"works_on", works_on},
        {"works_on_below", works_on_below},
        {"execs_in_place", execs_in_place},
        {"execs_below", execs_below},
        {"execs_by_thread", execs_by_thread},
        {"execs_in_place_by_thread", execs_in_place_by_thread},
        {"vforks", vforks},
        {"waits_as_for_a_disk", waits_as_for_a_disk},
        {"changes_user_below", changes_user_below},
        {"changes_user", changes_user},
        {"main_thread_leaves", main_thread_leaves},
        {"threads_come_and_go", threads_come_and_go},
        {"stopped", stopped},
        {"traced", traced},
        {0},
    };
    (void)argc;
    return work(argv, jobs);
}
