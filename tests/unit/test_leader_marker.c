// SPDX-License-Identifier: Apache-2.0
// Markers: made, found, and refused when anybody else could have put them there. Each look is a process of its own, as
// in life: what was seen of a folder is remembered.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>

#include "folder.h"
#include "hook/hook.h"

struct hook hook;

enum { STRANGER = 54321, NAMESPACE = 77 };
#define IN_TMP "/tmp/.pillion-54321"
#define IN_SHM "/dev/shm/.pillion-54321"
#define NAME   "/77-4242-99"

static const struct process leader = {.pid = 4242, .start = 99, .uid = STRANGER};

static void remove_all(void)
{
    static const char *const places[] = {IN_TMP, IN_SHM};
    for (size_t i = 0; i < 2; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s%s", places[i], NAME);
        (void)remove(path);
        (void)remove(places[i]);
    }
}

static int start_clean(void **state)
{
    (void)state;
    remove_all();
    return 0;
}

static int clean(void **state)
{
    (void)state;
    remove_all();
    return 0;
}

static void become_stranger(void)
{
    CHILD_EXPECTS(setegid(STRANGER) == 0);
    CHILD_EXPECTS(seteuid(STRANGER) == 0);
}

static void make_at(void *expected)
{
    char path[HOOK_NAME_MAX];
    become_stranger();
    (void)umask(0777);
    CHILD_EXPECTS(leader_marker_make(NAMESPACE, &leader, path, sizeof path) == 0);
    CHILD_EXPECTS(strcmp(path, expected) == 0);
}

static void make_nowhere(void *argument)
{
    char path[HOOK_NAME_MAX] = "x";
    (void)argument;
    become_stranger();
    CHILD_EXPECTS(leader_marker_make(NAMESPACE, &leader, path, sizeof path) < 0);
    CHILD_EXPECTS(path[0] == '\0');
}

static void find_at(void *expected)
{
    char path[HOOK_NAME_MAX];
    CHILD_EXPECTS(leader_marker_exists(NAMESPACE, &leader, path, sizeof path));
    CHILD_EXPECTS(strcmp(path, expected) == 0);
}

static void find_none(void *argument)
{
    char path[HOOK_NAME_MAX] = "x";
    (void)argument;
    CHILD_EXPECTS(!leader_marker_exists(NAMESPACE, &leader, path, sizeof path));
    CHILD_EXPECTS(path[0] == '\0');
}

static char in_tmp[] = IN_TMP NAME;
static char in_shm[] = IN_SHM NAME;

#define ROOT_ONLY()                                     \
    do {                                                \
        if (geteuid() != 0)                             \
            skip("only root can become somebody else"); \
    } while (0)

/* Of a program that may not be read, or has said that it is not dumpable, /proc/PID is root's. */
static void make_of_a_process_that_another_owns(void *argument)
{
    char           path[HOOK_NAME_MAX] = "x";
    struct stat    info;
    struct process hidden = {.pid = 4242, .start = 99, .uid = STRANGER};
    (void)argument;
    CHILD_EXPECTS(seteuid(STRANGER + 1) == 0);
    CHILD_EXPECTS(leader_marker_make(NAMESPACE, &hidden, path, sizeof path) < 0);
    CHILD_EXPECTS(path[0] == '\0');
    CHILD_EXPECTS(lstat(IN_TMP, &info) < 0 && errno == ENOENT);
    CHILD_EXPECTS(lstat(IN_SHM, &info) < 0 && errno == ENOENT);
}

static void no_folder_is_made_for_another_user(void **state)
{
    (void)state;
    ROOT_ONLY();
    assert_true(child_succeeds(make_of_a_process_that_another_owns, NULL));
}

static void ours_is_made_and_found(void **state)
{
    (void)state;
    char           made[HOOK_NAME_MAX];
    char           found[HOOK_NAME_MAX];
    char           start[HOOK_NAME_MAX];
    struct stat    info;
    struct process self;
    assert_int_equal(procfs_read(0, &self), 0);
    assert_int_equal(leader_marker_make(NAMESPACE, &self, made, sizeof made), 0);
    (void)snprintf(start, sizeof start, "/.pillion-%u/77-%d-%llu", (unsigned)geteuid(), getpid(),
                   (unsigned long long)self.start);
    assert_non_null(strstr(made, start));
    assert_true(leader_marker_exists(NAMESPACE, &self, found, sizeof found));
    assert_string_equal(made, found);
    assert_int_equal(lstat(made, &info), 0);
    assert_int_equal(info.st_size, 0);
    assert_true(leader_marker_make(NAMESPACE, &self, found, 10) < 0);
    assert_false(leader_marker_exists(NAMESPACE + 1, &self, found, sizeof found));
    self.start++;
    assert_false(leader_marker_exists(NAMESPACE, &self, found, sizeof found));
    self.start--;
    assert_int_equal(unlink(made), 0);
    assert_false(leader_marker_exists(NAMESPACE, &self, found, sizeof found));
}

static void others_can_look_it_up_whatever_the_umask(void **state)
{
    (void)state;
    struct stat info;
    ROOT_ONLY();
    assert_true(child_succeeds(make_at, in_tmp));
    assert_true(child_succeeds(find_at, in_tmp));
    assert_int_equal(stat(IN_TMP, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0711);
    assert_int_equal(info.st_uid, STRANGER);
}

static void a_second_one_of_the_same_name_is_not_made_there(void **state)
{
    (void)state;
    ROOT_ONLY();
    assert_true(child_succeeds(make_at, in_tmp));
    assert_true(child_succeeds(make_at, in_shm));
    assert_true(child_succeeds(make_nowhere, NULL));
    assert_true(child_succeeds(find_at, in_tmp));
}

static void a_folder_that_is_a_link_is_passed_over(void **state)
{
    (void)state;
    struct folder folder;
    ROOT_ONLY();
    assert_true(folder_make(&folder));
    assert_int_equal(chown(folder.path, STRANGER, STRANGER), 0);
    assert_true(folder_write_text(&folder, NAME + 1, ""));
    char path[FOLDER_PATH];
    assert_int_equal(chown(folder_path(&folder, NAME + 1, path), STRANGER, STRANGER), 0);
    assert_int_equal(symlink(folder.path, IN_TMP), 0);
    bool hidden = child_succeeds(find_none, NULL);
    bool elsewhere = child_succeeds(make_at, in_shm);
    bool found = child_succeeds(find_at, in_shm);
    folder_remove(&folder);
    assert_true(hidden);
    assert_true(elsewhere);
    assert_true(found);
}

static void a_folder_of_somebody_else_is_passed_over(void **state)
{
    (void)state;
    ROOT_ONLY();
    assert_int_equal(mkdir(IN_TMP, 0777), 0);
    assert_int_equal(chmod(IN_TMP, 0777), 0);
    assert_true(child_succeeds(make_at, in_shm));
    assert_int_equal(access(in_tmp, F_OK), -1);
    int fd = open(in_tmp, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(chown(in_tmp, STRANGER, STRANGER), 0);
    assert_true(child_succeeds(find_at, in_shm));
}

static void a_file_in_place_of_the_folder_is_passed_over(void **state)
{
    (void)state;
    ROOT_ONLY();
    int fd = open(IN_TMP, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(chown(IN_TMP, STRANGER, STRANGER), 0);
    assert_true(child_succeeds(make_at, in_shm));
}

static void with_both_places_taken_there_is_none(void **state)
{
    (void)state;
    ROOT_ONLY();
    assert_int_equal(mkdir(IN_TMP, 0777), 0);
    assert_int_equal(symlink("/tmp", IN_SHM), 0);
    assert_true(child_succeeds(make_nowhere, NULL));
    assert_true(child_succeeds(find_none, NULL));
}

static void a_marker_of_somebody_else_does_not_count(void **state)
{
    (void)state;
    ROOT_ONLY();
    assert_int_equal(mkdir(IN_TMP, 0711), 0);
    assert_int_equal(chown(IN_TMP, STRANGER, STRANGER), 0);
    int fd = open(in_tmp, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_true(child_succeeds(find_none, NULL)); /* it is root's */
    assert_int_equal(chown(in_tmp, STRANGER, STRANGER), 0);
    assert_true(child_succeeds(find_at, in_tmp));
    assert_int_equal(unlink(in_tmp), 0);
    assert_int_equal(symlink("/etc/passwd", in_tmp), 0);
    assert_int_equal(lchown(in_tmp, STRANGER, STRANGER), 0);
    assert_true(child_succeeds(find_none, NULL));
    assert_int_equal(unlink(in_tmp), 0);
    assert_int_equal(mkdir(in_tmp, 0700), 0);
    assert_int_equal(chown(in_tmp, STRANGER, STRANGER), 0);
    assert_true(child_succeeds(find_none, NULL));
    assert_int_equal(rmdir(in_tmp), 0);
    assert_int_equal(mkfifo(in_tmp, 0600), 0);
    assert_int_equal(chown(in_tmp, STRANGER, STRANGER), 0);
    assert_true(child_succeeds(find_none, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_clean, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ours_is_made_and_found),
        TEST(others_can_look_it_up_whatever_the_umask),
        TEST(a_second_one_of_the_same_name_is_not_made_there),
        TEST(a_folder_that_is_a_link_is_passed_over),
        TEST(a_folder_of_somebody_else_is_passed_over),
        TEST(no_folder_is_made_for_another_user),
        TEST(a_file_in_place_of_the_folder_is_passed_over),
        TEST(with_both_places_taken_there_is_none),
        TEST(a_marker_of_somebody_else_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
