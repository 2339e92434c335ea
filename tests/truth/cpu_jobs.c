// SPDX-License-Identifier: Apache-2.0
// cpu_jobs SHAPE COUNT MS: so many processes, each of which uses so much CPU, in one shape of tree.
#include "work.h"

#define COUNT argument(2)
#define MS    argument(3)

static pid_t child_that_burns(long ms, const char *kind)
{
    pid_t pid = fork();
    need(pid >= 0, "fork");
    if (pid == 0) {
        burn(ms);
        finish(kind);
    }
    return pid;
}

static void sequence(void)
{
    for (long i = 0; i < COUNT; i++) {
        child_that_burns(MS, "own");
        reap(1);
    }
}

static void parallel(void)
{
    for (long i = 0; i < COUNT; i++)
        child_that_burns(MS, "own");
    reap((int)COUNT);
}

/* The program itself, without children. */
static void alone(void)
{
    burn(MS);
}

static void *fork_burn_wait(void *unused)
{
    int   status;
    pid_t pid = child_that_burns(MS, "own");
    need(waitpid(pid, &status, 0) == pid && status == 0, "waitpid");
    return unused;
}

static void by_threads(void)
{
    pthread_t threads[64];
    long      count = COUNT < 64 ? COUNT : 64;
    for (long i = 0; i < count; i++)
        need(pthread_create(&threads[i], NULL, fork_burn_wait, NULL) == 0, "pthread_create");
    for (long i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static void *fork_and_go(void *unused)
{
    child_that_burns(MS, "own");
    return unused;
}

/* The forker has ended before its child does; another thread reaps. */
static void reaped_by_another_thread(void)
{
    for (long i = 0; i < COUNT; i++) {
        pthread_t thread;
        need(pthread_create(&thread, NULL, fork_and_go, NULL) == 0, "pthread_create");
        pthread_join(thread, NULL);
    }
    reap((int)COUNT);
}

static void late(void)
{
    for (long i = 0; i < COUNT; i++)
        child_that_burns(MS, "own");
    await_records(COUNT);
    await_row();
    await_row();
    reap((int)COUNT);
}

static void never(void)
{
    for (long i = 0; i < COUNT; i++)
        child_that_burns(MS, "free");
    await_records(COUNT);
    await_row(); /* nobody in the tree reaps them: what no row has seen is not found */
}

/* Nobody is told of their ends, so their last values are those of the last row. */
static void ignored(void)
{
    signal(SIGCHLD, SIG_IGN);
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            burn(MS);
            await_row();
            finish("free");
        }
    }
    await_records(COUNT);
}

static void ignored_and_short(void)
{
    signal(SIGCHLD, SIG_IGN);
    for (long i = 0; i < COUNT; i++) {
        child_that_burns(MS, "free");
        await_records(i + 1);
    }
}

/* Two forks and a setsid; the process between the two lives for so long. */
static void daemonise(bool middle_is_seen, bool last_is_seen)
{
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            setsid();
            if (fork() == 0) {
                burn(MS);
                if (last_is_seen)
                    await_row();
                finish("free");
            }
            if (middle_is_seen)
                await_row();
            finish("own");
        }
    }
    reap((int)COUNT);
    await_records(2 * COUNT);
}

static void daemons(void)
{
    daemonise(true, true);
}

static void daemons_at_once(void)
{
    daemonise(false, true);
}

static void subreaper(void)
{
    need(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "PR_SET_CHILD_SUBREAPER");
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            if (fork() == 0) {
                burn(MS);
                finish("own");
            }
            finish("own");
        }
    }
    reap(2 * (int)COUNT);
}

/* A grandchild comes to a subreaper below the program. */
static void subreaper_below(void)
{
    if (fork() == 0) {
        subreaper();
        finish("own");
    }
    reap(1);
}

/* A process in the midst goes on; those below it end together, and the last of them comes to the subreaper. */
static void orphans_end_with_their_parents(void)
{
    int   ends[2];
    pid_t pid = 0;
    need(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "PR_SET_CHILD_SUBREAPER");
    for (long i = 0; i < COUNT; i++) {
        need(pipe(ends) == 0, "pipe");
        if (fork() > 0) {
            close(ends[0]);
            close(ends[1]);
            reap(2);
            continue;
        }
        pid_t parent = fork();
        if (parent == 0) {
            if ((pid = fork()) == 0) {
                burn(MS);
                record("own");
                for (;;)
                    pause();
            }
            record("own");
            need(write(ends[1], &pid, sizeof pid) == sizeof pid, "write");
            for (;;)
                pause();
        }
        need(read(ends[0], &pid, sizeof pid) == sizeof pid, "read");
        await_records(3 * i + 2);
        await_row();
        kill(parent, SIGKILL);
        reap(1);
        kill(pid, SIGKILL);
        await_row();
        await_row();
        finish("own");
    }
}

/* Each level ends after the one below it has, and gets what that one got. */
static void cascade(void)
{
    long depth = 0;
    while (depth < COUNT && fork() == 0)
        depth++;
    if (depth < COUNT)
        reap(1);
    if (depth > 0) {
        burn(MS);
        finish("own");
    }
}

/* Each level ends before the one below it; the last is nobody's in the tree. */
static void chain(void)
{
    for (long depth = 0; depth < COUNT; depth++) {
        if (fork() > 0) {
            burn(MS);
            if (depth == 0) {
                reap(1);
                await_records(COUNT);
                return;
            }
            for (long i = 0; i < depth; i++)
                await_row();
            finish(depth == 1 ? "own" : "free");
        }
    }
    burn(MS);
    for (long i = 0; i <= COUNT; i++)
        await_row();
    finish("free");
}

static void killed(void)
{
    static const int signals[] = {SIGKILL, SIGTERM, SIGSEGV, SIGXCPU};
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            struct rlimit no_core = {0, 0};
            setrlimit(RLIMIT_CORE, &no_core);
            burn(MS);
            record("own");
            raise(signals[i % 4]);
        }
    }
    reap((int)COUNT);
}

int main(int argc, char **argv)
{
    static const struct job jobs[] = {
        {"sequence", sequence},
        {"parallel", parallel},
        {"alone", alone},
        {"by_threads", by_threads},
        {"reaped_by_another_thread", reaped_by_another_thread},
        {"late", late},
        {"never", never},
        {"ignored", ignored},
        {"ignored_and_short", ignored_and_short},
        {"daemons", daemons},
        {"daemons_at_once", daemons_at_once},
        {"subreaper", subreaper},
        {"subreaper_below", subreaper_below},
        {"orphans_end_with_their_parents", orphans_end_with_their_parents},
        {"cascade", cascade},
        {"chain", chain},
        {"killed", killed},
        {0},
    };
    (void)argc;
    return work(argv, jobs);
}
