// SPDX-License-Identifier: Apache-2.0
// plateau_jobs SHAPE COUNT MIB: so many processes that hold so much memory, until the file "end" is there.
#include "work.h"

#include <sys/mman.h>

#define COUNT argument(2)
#define MIB   argument(3)

static void take(long mib)
{
    size_t size = (size_t)mib << 20;
    char  *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(at != MAP_FAILED, "mmap");
    (void)madvise(at, size, MADV_NOHUGEPAGE);
    memset(at, 'x', size);
}

static void hold(void)
{
    record("own");
    while (access("end", F_OK) != 0)
        nap(20);
}

static void hold_in_children(void)
{
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            take(MIB);
            hold();
            _exit(0);
        }
    }
    hold();
    reap((int)COUNT);
}

static void share_with_children(void)
{
    take(MIB);
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            hold();
            _exit(0);
        }
    }
    hold();
    reap((int)COUNT);
}

/* Each generation is another process; those between have ended. */
static void hold_in_grandchildren(void)
{
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            if (fork() == 0) {
                take(MIB);
                hold();
                _exit(0);
            }
            hold();
            reap(1);
            _exit(0);
        }
    }
    hold();
    reap((int)COUNT);
}

static void *hold_without_main(void *unused)
{
    nap(50); /* main has left */
    take(MIB);
    if (fork() == 0) {
        hold();
        _exit(0);
    }
    hold();
    reap(1);
    _exit(0);
    return unused;
}

static void hold_without_first_thread(void)
{
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            pthread_t thread;
            need(pthread_create(&thread, NULL, hold_without_main, NULL) == 0, "pthread_create");
            syscall(SYS_exit, 0);
        }
    }
    hold();
    reap((int)COUNT);
}

static void *fork_and_hold(void *unused)
{
    if (fork() == 0) {
        take(MIB);
        hold();
        _exit(0);
    }
    while (access("end", F_OK) != 0)
        nap(20);
    return unused;
}

static void hold_in_children_of_threads(void)
{
    pthread_t threads[16];
    long      count = COUNT < 16 ? COUNT : 16;
    for (long i = 0; i < count; i++)
        need(pthread_create(&threads[i], NULL, fork_and_hold, NULL) == 0, "pthread_create");
    hold();
    for (long i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    reap((int)count);
}

/* Zombies are children, without memory. */
static void keep_zombies(void)
{
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            take(MIB);
            finish("own");
        }
    }
    await_records(COUNT);
    hold();
    reap((int)COUNT);
}

int main(int argc, char **argv)
{
    static const struct job jobs[] = {
        {"hold_in_children", hold_in_children},
        {"share_with_children", share_with_children},
        {"hold_in_grandchildren", hold_in_grandchildren},
        {"hold_without_first_thread", hold_without_first_thread},
        {"hold_in_children_of_threads", hold_in_children_of_threads},
        {"keep_zombies", keep_zombies},
        {0},
    };
    (void)argc;
    return work(argv, jobs);
}
