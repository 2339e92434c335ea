/* Starts a program and kills it at one exact system call of the engine's: all the places where a SIGKILL can make a
 * difference can be tried, not only those where chance puts it.
 *
 * usage: kills_at_call POINT THREAD FROM UNTIL CALLS -- [NAME=VALUE]... CMD [ARGUMENT]...
 *
 * THREAD is the name of the thread whose calls count (pillion), or `main` for the first thread of CMD. CALLS are their
 * names with commas between them, or `all`. Each call has two points: before the kernel carries it out, and after. They
 * are counted from 1, from FROM to UNTIL, both included: `start`, `end`, or a text in what the thread writes; N:TEXT is
 * the N-th write with it. At POINT the whole process gets SIGKILL; 0 kills nothing and lists the points. At -POINT the
 * thread is held instead, until an exec in place or the end takes it. NAME=VALUE goes to CMD alone, as with env: a
 * preload is not for this process. What CMD prints goes to stderr.
 *
 * The other threads run free, and signals are passed on. The last line of stdout is
 *     killed POINT before|after CALL WHAT     or     ended POINTS STATUS
 * Exit status 0, 77 when tracing is forbidden here, 2 when something else is wrong. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "traced_call.h"

enum { THREADS_MAX = 4096, YOUNG_CALLS = 32, TEXT_MAX = 8192, CANNOT = 77 };

/* A thread is young until it has told its name or has made so many calls that it will not. */
enum kind { YOUNG, FOLLOWED, FREE };

struct thread {
    pid_t     tid;
    enum kind kind;
    int       calls;
};

struct condition {
    const char *text;
    int         times; /* writes with it still to come; 0: it has come */
};

static struct thread    threads[THREADS_MAX];
static size_t           thread_count;
static const char      *followed_name, *followed_calls;
static struct condition from, until;
static long             wanted, seen;
static bool             holds; /* the thread, and kills nothing */
static pid_t            program;
static struct point     point;

static void fail(const char *what)
{
    fprintf(stderr, "kills_at_call: %s: %s\n", what, strerror(errno));
    if (program > 0)
        (void)kill(program, SIGKILL);
    exit(errno == EPERM || errno == ENOSYS || errno == EIO ? CANNOT : 2);
}

static struct thread *find(pid_t tid)
{
    for (size_t i = 0; i < thread_count; i++)
        if (threads[i].tid == tid)
            return &threads[i];
    if (thread_count == THREADS_MAX)
        fail("too many threads"); /* those that are gone are not taken out */
    threads[thread_count] = (struct thread){.tid = tid, .kind = YOUNG};
    return &threads[thread_count++];
}

/* ---- counting ---- */

static struct condition parse(const char *word)
{
    char *rest;
    long  times = strtol(word, &rest, 10);
    bool  counted = rest > word && *rest == ':';
    if (strcmp(word, "start") == 0 || strcmp(word, "end") == 0)
        return (struct condition){.text = NULL, .times = strcmp(word, "end") == 0};
    return (struct condition){.text = counted ? rest + 1 : word, .times = counted ? (int)times : 1};
}

static bool is_met(const struct condition *condition, const struct call_info *info)
{
    char   data[TEXT_MAX];
    size_t len = info->arguments[2] < sizeof data ? (size_t)info->arguments[2] : sizeof data;
    if (condition->times == 0 || !condition->text || info->number != SYS_write)
        return false;
    len = read_memory(program, info->arguments[1], data, len);
    return memmem(data, len, condition->text, strlen(condition->text)) != NULL;
}

static bool is_followed_call(const char *name)
{
    size_t len = name ? strlen(name) : 0;
    if (strcmp(followed_calls, "all") == 0)
        return true;
    for (const char *at = followed_calls; len > 0 && (at = strstr(at, name)); at += len)
        if ((at == followed_calls || at[-1] == ',') && (at[len] == ',' || at[len] == '\0'))
            return true;
    return false;
}

/* True: here it is to be killed. */
static bool count(pid_t tid, const struct call_info *info)
{
    static bool is_last, counts;
    point.before = info->op == CALL_ENTRY;
    if (point.before && is_met(&from, info))
        from.times--;
    if (from.times > 0 || until.times == 0)
        return false;
    if (point.before) {
        is_last = is_met(&until, info);
        describe(program, tid, info, &point);
        counts = is_followed_call(point.name);
    } else if (is_last) {
        until.times--;
        is_last = false;
    }
    if (!counts) /* nor does the second half of a call from before FROM */
        return false;
    seen++;
    if (wanted == 0)
        print_point("", seen, &point);
    return seen == wanted;
}

/* The engine's thread tells its name in one of its first calls. */
static void get_to_know(struct thread *thread, const struct call_info *info)
{
    char name[16];
    thread->calls++;
    if (info->op == CALL_ENTRY && info->number == SYS_prctl && info->arguments[0] == PR_SET_NAME) {
        read_text(program, info->arguments[1], name, sizeof name);
        thread->kind = strcmp(name, followed_name) == 0 ? FOLLOWED : FREE;
    } else if (thread->calls > 2 * YOUNG_CALLS) {
        thread->kind = FREE;
    }
}

static bool on_call(struct thread *thread)
{
    struct call_info info = {0};
    if (syscall(SYS_ptrace, GET_CALL_INFO, thread->tid, sizeof info, &info) < 0) {
        if (errno == ESRCH)
            return false;
        fail("the call cannot be looked at");
    }
    if (thread->kind == YOUNG)
        get_to_know(thread, &info);
    return thread->kind == FOLLOWED && count(thread->tid, &info);
}

/* ---- running it ---- */

static void resume(const struct thread *thread, int signal)
{
    bool watched = thread->kind == YOUNG || (thread->kind == FOLLOWED && until.times > 0);
    (void)ptrace(watched ? PTRACE_SYSCALL : PTRACE_CONT, thread->tid, NULL, (long)signal); // NOLINT: gone is no error
}

static void on_exec(struct thread *thread)
{
    static int execs; /* the first one begins CMD */
    thread_count = 0;
    if (execs++ > 0 && holds)
        wanted = -1;
    thread = find(program);
    thread->kind = strcmp(followed_name, "main") == 0 ? FOLLOWED : FREE;
}

/* One stop of one thread. True: killed. */
static bool on_stop(pid_t tid, int status)
{
    struct thread *thread = find(tid);
    int            signal = WSTOPSIG(status);
    int            event = status >> 16;
    if (signal == (SIGTRAP | 0x80)) {
        bool is_wanted = on_call(thread);
        if (is_wanted && !holds)
            (void)kill(program, SIGKILL);
        if (is_wanted)
            return !holds;
        resume(thread, 0);
    } else if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
        (void)ptrace(PTRACE_LISTEN, tid, NULL, NULL); /* stopped by a signal, as the program wants to be */
    } else if (event == PTRACE_EVENT_EXEC) {
        on_exec(thread);
        resume(find(program), 0);
    } else {
        resume(thread, event ? 0 : signal);
    }
    return false;
}

/* Until it has ended: its wait status. */
static int trace(bool *ret_killed)
{
    int status = 0;
    *ret_killed = false;
    for (;;) {
        pid_t tid = waitpid(-1, &status, __WALL);
        if (tid < 0 && errno == EINTR)
            continue;
        if (tid < 0)
            fail("waitpid");
        if (WIFSTOPPED(status) && !*ret_killed)
            *ret_killed = on_stop(tid, status);
        else if (tid == program && !WIFSTOPPED(status))
            return status;
    }
}

/* Waits for its tracer, which may fail. */
static pid_t start(char **words)
{
    int  ready[2];
    char byte;
    if (pipe(ready) < 0)
        fail("pipe");
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid == 0) {
        (void)close(ready[1]);
        if (read(ready[0], &byte, 1) != 1)
            _exit(2);
        (void)close(ready[0]);
        (void)dup2(STDERR_FILENO, STDOUT_FILENO);
        for (; *words && strchr(*words, '='); words++)
            (void)putenv(*words);
        if (*words)
            (void)execvp(*words, words);
        fprintf(stderr, "kills_at_call: %s: %s\n", *words ? *words : "no command", strerror(errno));
        _exit(127);
    }
    (void)close(ready[0]);
    program = pid;
    if (ptrace(PTRACE_SEIZE, pid, NULL,
               (long)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)) < 0)
        fail("PTRACE_SEIZE");
    if (write(ready[1], "", 1) != 1)
        fail("write");
    (void)close(ready[1]);
    return pid;
}

int main(int argc, char **argv)
{
    bool killed = false;
    if (argc < 8 || strcmp(argv[6], "--") != 0) {
        fprintf(stderr, "usage: kills_at_call POINT THREAD FROM UNTIL CALLS -- [NAME=VALUE]... CMD [ARGUMENT]...\n");
        return 2;
    }
    wanted = strtol(argv[1], NULL, 10);
    holds = wanted < 0;
    wanted = labs(wanted);
    followed_name = argv[2];
    from = parse(argv[3]);
    until = parse(argv[4]);
    followed_calls = argv[5];
    (void)start(argv + 7);
    int status = trace(&killed);
    if (killed)
        print_point("killed", seen, &point);
    else
        printf("ended %ld %d\n", seen, WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
    return 0;
}
