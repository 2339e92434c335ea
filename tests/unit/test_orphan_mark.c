// SPDX-License-Identifier: Apache-2.0
// Marks of orphans: made below a living leader alone, found by the orphan and by who is below it, and refused wherever
// anybody else could have made them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "hook/hook.h"

struct hook hook;

enum { NAMESPACE = 77, STRANGER = 54321 };

static struct process leader; /* this very process */
static char           marker[HOOK_NAME_MAX];
static struct process orphan = {.pid = 4242, .start = 99};
static struct process parent = {.pid = 1, .start = 5};
static char           path[HOOK_NAME_MAX];

static int start(void **state)
{
    (void)state;
    if (procfs_read(0, &leader) < 0)
        return -1;
    orphan.uid = parent.uid = leader.uid;
    return leader_marker_make(NAMESPACE, &leader, marker, sizeof marker);
}

static void remove_folders(void)
{
    char folder[HOOK_NAME_MAX];
    (void)snprintf(folder, sizeof folder, "%s", path);
    for (int i = 0; i < 2 && strrchr(folder, '/'); i++) {
        *strrchr(folder, '/') = '\0';
        (void)rmdir(folder);
    }
}

static int end(void **state)
{
    (void)state;
    (void)unlink(marker);
    if (path[0]) {
        (void)unlink(path);
        remove_folders();
    }
    path[0] = '\0';
    return 0;
}

static bool is_found(uint64_t pid_namespace, struct process first, struct process second, size_t *ret_orphan)
{
    struct process line[] = {first, second};
    struct process found = {0};
    bool           is = orphan_mark_find(pid_namespace, line, 2, &found, ret_orphan);
    return is && found.pid == getpid() && found.start == leader.start;
}

static void make(void)
{
    assert_int_equal(orphan_mark_make(NAMESPACE, &leader, &orphan), 0);
    assert_true(orphan_mark_path(NAMESPACE, &leader, &orphan, path, sizeof path));
    assert_int_equal(access(path, F_OK), 0);
}

static void a_mark_is_found_by_the_orphan_and_by_who_is_below_it(void **state)
{
    (void)state;
    size_t         which = 9;
    struct process child = {.pid = 4300, .start = 120, .uid = leader.uid};
    assert_false(is_found(NAMESPACE, orphan, parent, &which));
    make();
    assert_true(is_found(NAMESPACE, orphan, parent, &which));
    assert_int_equal(which, 0);
    assert_true(is_found(NAMESPACE, child, orphan, &which));
    assert_int_equal(which, 1);
    assert_int_equal(orphan_mark_make(NAMESPACE, &leader, &orphan), 0); /* it is there already */
}

static void a_mark_of_another_start_number_or_namespace_is_another_process_s(void **state)
{
    (void)state;
    size_t         which = 9;
    struct process reused = orphan;
    struct process other = orphan;
    make();
    reused.start++;
    other.pid++;
    assert_false(is_found(NAMESPACE, reused, parent, &which));
    assert_false(is_found(NAMESPACE, other, parent, &which));
    assert_false(is_found(NAMESPACE + 1, orphan, parent, &which));
}

static void without_the_leaders_marker_there_is_no_mark(void **state)
{
    (void)state;
    size_t which = 9;
    make();
    assert_int_equal(unlink(marker), 0);
    assert_false(is_found(NAMESPACE, orphan, parent, &which));
    assert_true(orphan_mark_make(NAMESPACE, &leader, &parent) < 0);
}

static void a_leader_that_is_gone_has_no_orphans(void **state)
{
    (void)state;
    size_t which = 9;
    char   folder[HOOK_NAME_MAX];
    char   dead[HOOK_NAME_MAX];
    make();
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    (void)snprintf(dead, sizeof dead, "%.*s/77-%d-1", (int)(strrchr(folder, '/') - folder), folder, getpid());
    assert_int_equal(rename(folder, dead), 0); /* our number, another start */
    bool found = is_found(NAMESPACE, orphan, parent, &which);
    assert_int_equal(rename(dead, folder), 0);
    assert_false(found);
}

static void what_is_no_plain_file_of_its_user_does_not_count(void **state)
{
    (void)state;
    size_t which = 9;
    make();
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_false(is_found(NAMESPACE, orphan, parent, &which));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(is_found(NAMESPACE, orphan, parent, &which));
    if (geteuid() != 0)
        return;
    assert_int_equal(unlink(path), 0);
    make();
    assert_int_equal(chown(path, STRANGER, STRANGER), 0);
    assert_false(is_found(NAMESPACE, orphan, parent, &which));
}

static void roots_mark_counts_for_all_a_users_for_his_own(void **state)
{
    (void)state;
    size_t         which = 9;
    struct process others = orphan;
    make();
    others.uid = STRANGER;
    assert_int_equal(is_found(NAMESPACE, others, parent, &which), geteuid() == 0);
}

static void nobody_marks_below_another_users_leader(void **state)
{
    (void)state;
    struct process others = leader;
    others.uid = STRANGER;
    assert_true(orphan_mark_make(NAMESPACE, &others, &orphan) < 0);
}

static void foreign_names_are_passed_over(void **state)
{
    (void)state;
    static const char *const names[] = {"notes",   "77",     "77-",    "77-x-1", "77-1",
                                        "77--1-1", "77-0-1", "78-1-1", "77-1-1x"};
    size_t                   which = 9;
    char                     below[HOOK_NAME_MAX];
    char                     made[HOOK_NAME_MAX + 32];
    make();
    (void)snprintf(below, sizeof below, "%s", path);
    *strrchr(below, '/') = '\0';
    *strrchr(below, '/') = '\0';
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_true(snprintf(made, sizeof made, "%s/%s", below, names[i]) < (int)sizeof made);
        (void)mkdir(made, 0700);
    }
    bool found = is_found(NAMESPACE, orphan, parent, &which);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_true(snprintf(made, sizeof made, "%s/%s", below, names[i]) < (int)sizeof made);
        (void)rmdir(made);
    }
    assert_true(found);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_mark_is_found_by_the_orphan_and_by_who_is_below_it),
        TEST(a_mark_of_another_start_number_or_namespace_is_another_process_s),
        TEST(without_the_leaders_marker_there_is_no_mark),
        TEST(a_leader_that_is_gone_has_no_orphans),
        TEST(what_is_no_plain_file_of_its_user_does_not_count),
        TEST(roots_mark_counts_for_all_a_users_for_his_own),
        TEST(nobody_marks_below_another_users_leader),
        TEST(foreign_names_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
