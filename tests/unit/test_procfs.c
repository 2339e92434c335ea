// SPDX-License-Identifier: Apache-2.0
// What the hook reads of /proc/PID, on live processes with names that get in the way.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "folder.h"
#include "hook/hook.h"

struct hook hook;

enum { STRANGER = 54321 };

static pid_t spawn(const char *name, bool as_stranger)
{
    int   ends[2];
    char  byte = 0;
    pid_t child = -1;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        bool good = prctl(PR_SET_NAME, name) == 0;
        if (as_stranger)
            good = good && setuid(STRANGER) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0;
        (void)!write(ends[1], good ? "x" : "", good);
        close(ends[1]);
        for (;;)
            pause();
    }
    assert_true(child > 0);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    return child;
}

static void end(pid_t child)
{
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void a_process_reads_itself(void **state)
{
    (void)state;
    struct process self;
    struct process named;
    assert_int_equal(procfs_read(0, &self), 0);
    assert_int_equal(self.pid, getpid());
    assert_int_equal(self.parent, getppid());
    assert_int_equal(self.uid, geteuid());
    assert_true(self.threads >= 1);
    assert_true(self.start > 0);
    assert_int_equal(procfs_read(getpid(), &named), 0);
    assert_int_equal(named.start, self.start);
    assert_int_equal(named.parent, self.parent);
}

static void names_do_not_get_in_the_way(void **state)
{
    (void)state;
    static const char *const names[] = {"plain", "two words", "a) S 1 2 3 (b", "))))((((", ") R 1 1 1 1 1",
                                        "",      " ",         "new\nline",     "\xff\xfe", "%s%n"};
    struct process           self;
    struct process           child;
    assert_int_equal(procfs_read(0, &self), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        pid_t pid = spawn(names[i], false);
        assert_int_equal(procfs_read(pid, &child), 0);
        assert_int_equal(child.pid, pid);
        assert_int_equal(child.parent, getpid());
        assert_int_equal(child.threads, 1);
        assert_in_range(child.start, self.start, self.start + 100 * 3600);
        assert_int_equal(child.uid, geteuid());
        end(pid);
    }
}

static void the_owner_is_the_processs(void **state)
{
    (void)state;
    struct process child;
    if (geteuid() != 0)
        skip("only root can become somebody else");
    pid_t pid = spawn("stranger", true);
    assert_int_equal(procfs_read(pid, &child), 0);
    assert_int_equal(child.uid, STRANGER);
    end(pid);
}

static void a_process_that_is_gone_cannot_be_read(void **state)
{
    (void)state;
    struct process gone;
    pid_t          pid = spawn("short", false);
    end(pid);
    assert_true(procfs_read(pid, &gone) < 0);
    assert_true(procfs_read(0x7ffffff, &gone) < 0);
}

static void a_zombie_can_be_read(void **state)
{
    (void)state;
    struct process zombie;
    siginfo_t      info;
    pid_t          pid = spawn("zombie", false);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(procfs_read(pid, &zombie), 0);
    assert_int_equal(zombie.parent, getpid());
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void *wait_under_a_name(void *barrier)
{
    (void)prctl(PR_SET_NAME, "pillion");
    (void)pthread_barrier_wait(barrier);
    (void)pthread_barrier_wait(barrier);
    return NULL;
}

static void our_thread_is_found_and_told_from_the_programs(void **state)
{
    (void)state;
    struct process    self;
    pthread_barrier_t barrier;
    pthread_t         thread;
    assert_int_equal(procfs_read(0, &self), 0);
    assert_false(procfs_has_thread_named_pillion(&self));
    assert_true(procfs_alone());
    assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, wait_under_a_name, &barrier), 0);
    (void)pthread_barrier_wait(&barrier);
    assert_int_equal(procfs_read(0, &self), 0);
    assert_int_equal(self.threads, 2);
    assert_true(procfs_has_thread_named_pillion(&self));
    self.threads = 1; /* then nothing is opened at all */
    assert_false(procfs_has_thread_named_pillion(&self));
    assert_false(procfs_alone());
    atomic_store(&hook.link.tid, 1);
    assert_true(procfs_alone());
    atomic_store(&hook.link.tid, 0);
    (void)pthread_barrier_wait(&barrier);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_barrier_destroy(&barrier), 0);
}

static void a_single_thread_named_like_ours_is_a_program(void **state)
{
    (void)state;
    struct process child;
    pid_t          pid = spawn("pillion", false);
    assert_int_equal(procfs_read(pid, &child), 0);
    assert_false(procfs_has_thread_named_pillion(&child));
    end(pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_reads_itself),
        cmocka_unit_test(names_do_not_get_in_the_way),
        cmocka_unit_test(the_owner_is_the_processs),
        cmocka_unit_test(a_process_that_is_gone_cannot_be_read),
        cmocka_unit_test(a_zombie_can_be_read),
        cmocka_unit_test(our_thread_is_found_and_told_from_the_programs),
        cmocka_unit_test(a_single_thread_named_like_ours_is_a_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
