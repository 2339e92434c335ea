// SPDX-License-Identifier: Apache-2.0
// Where run directories live: the places in their order, and what is not trusted.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <grp.h>

#include "folder.h"
#include "store/state_dir.h"

enum { STRANGER = 54321 };

static struct folder folder;
static const char   *named, *xdg, *state_dir_variable;

static const char *lookup(const char *name)
{
    return strcmp(name, "PILLION_DIR") == 0      ? named
           : strcmp(name, "XDG_STATE_HOME") == 0 ? xdg
           : strcmp(name, "HOME") == 0           ? state_dir_variable
                                                 : NULL;
}

static int make(void **state)
{
    (void)state;
    named = xdg = state_dir_variable = NULL;
    return folder_make(&folder) ? 0 : -1;
}

static int drop(void **state)
{
    (void)state;
    folder_remove(&folder);
    return 0;
}

static void need_root(void)
{
    if (geteuid() != 0)
        skip("only root can become somebody else");
}

static unsigned mode_of(const char *name)
{
    char        path[FOLDER_PATH];
    struct stat info = {0};
    assert_int_equal(lstat(folder_path(&folder, name, path), &info), 0);
    return info.st_mode & 07777;
}

static void predict_and_expect(const char *place)
{
    struct state_dir home;
    char             path[FOLDER_PATH];
    int              refused = 0;
    assert_int_equal(state_dir_predict(lookup, &home, &refused), 0);
    assert_string_equal(home.path, folder_path(&folder, place, path));
    state_dir_close(&home);
}

static void open_and_expect(const char *place)
{
    struct state_dir home;
    char             path[FOLDER_PATH];
    predict_and_expect(place);
    assert_int_equal(state_dir_open(lookup, true, &home), 0);
    assert_string_equal(home.path, folder_path(&folder, place, path));
    assert_true(home.dir >= 0 && home.runs >= 0);
    assert_true(fcntl(home.dir, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(home.runs, F_GETFD) & FD_CLOEXEC);
    state_dir_close(&home);
    assert_int_equal(home.dir, -1);
    assert_int_equal(home.runs, -1);
}

/* The named folder is refused, and no other taken in its stead. */
static void refuse_named(int error)
{
    struct state_dir home;
    int              refused = 0;
    assert_int_equal(state_dir_predict(lookup, &home, &refused), error);
    assert_int_equal(refused, error);
    assert_int_equal(state_dir_open(lookup, true, &home), error);
    assert_int_equal(home.dir, -1);
    assert_int_equal(home.runs, -1);
}

static void the_named_folder_goes_first_and_is_made_with_its_parents(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    named = folder_path(&folder, "a/b/c", path);
    xdg = folder.path;
    mode_t before = umask(0);
    open_and_expect("a/b/c");
    umask(before);
    assert_int_equal(mode_of("a"), 0700);
    assert_int_equal(mode_of("a/b/c"), 0700);
    assert_int_equal(mode_of("a/b/c/runs"), 0700);
    open_and_expect("a/b/c");
    strcat(path, "/");
    open_and_expect("a/b/c");
    assert_false(folder_has(&folder, "pillion"));
}

static void the_state_home_goes_before_the_home(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    char other[FOLDER_PATH];
    named = "";
    xdg = folder_path(&folder, "xdg", path);
    state_dir_variable = folder_path(&folder, "home", other);
    assert_int_equal(mkdir(xdg, 0700), 0);
    assert_int_equal(mkdir(state_dir_variable, 0700), 0);
    open_and_expect("xdg/pillion");
    assert_false(folder_has(&folder, "home/.local"));
    xdg = NULL;
    open_and_expect("home/.local/state/pillion");
    assert_int_equal(mode_of("home/.local"), 0700);
    assert_int_equal(mode_of("home/.local/state/pillion/runs"), 0700);
}

static void no_umask_decides_over_what_is_made(void **state)
{
    (void)state;
    char                  path[FOLDER_PATH];
    static const char    *made[] = {"home/.local", "home/.local/state", "home/.local/state/pillion",
                                    "home/.local/state/pillion/runs"};
    static const unsigned masks[] = {0, 0077, 0177, 0777};
    state_dir_variable = folder_path(&folder, "home", path);
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        assert_int_equal(mkdir(state_dir_variable, 02755), 0);
        assert_int_equal(chmod(state_dir_variable, 02755), 0);
        mode_t before = umask(masks[i]);
        open_and_expect("home/.local/state/pillion");
        struct state_dir home;
        assert_int_equal(state_dir_open(lookup, true, &home), 0);
        state_dir_mark(&home, "mark");
        state_dir_close(&home);
        umask(before);
        for (size_t k = 0; k < sizeof made / sizeof *made; k++)
            assert_int_equal(mode_of(made[k]) & 0777, 0700);
        assert_int_equal(mode_of("home"), 02755);
        assert_int_equal(mode_of("home/.local/state/pillion/mark"), 0600);
        folder_remove(&folder);
        assert_true(folder_make(&folder));
        folder_path(&folder, "home", path);
    }
    state_dir_variable = NULL;
}

static void a_folder_that_is_there_keeps_its_mode(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    char below[FOLDER_PATH];
    state_dir_variable = folder_path(&folder, "home", path);
    assert_int_equal(mkdir(state_dir_variable, 0700), 0);
    assert_int_equal(mkdir(folder_path(&folder, "home/.local", below), 0700), 0);
    assert_int_equal(chmod(below, 0751), 0);
    open_and_expect("home/.local/state/pillion");
    assert_int_equal(mode_of("home/.local"), 0751);
}

static void a_home_that_is_not_there_is_passed_over_and_not_made(void **state)
{
    (void)state;
    struct state_dir home;
    char             missing[FOLDER_PATH];
    char             path[FOLDER_PATH];
    int              refused = 0;
    xdg = folder_path(&folder, "xdg", missing);
    state_dir_variable = folder_path(&folder, "home", path);
    assert_int_equal(mkdir(state_dir_variable, 0700), 0);
    open_and_expect("home/.local/state/pillion");
    assert_false(folder_has(&folder, "xdg"));
    state_dir_variable = folder_path(&folder, "no/home", path);
    assert_int_equal(state_dir_predict(lookup, &home, &refused), 0);
    assert_int_equal(strncmp(home.path, "/tmp/pillion-", 13), 0);
    assert_int_equal(refused, 0);
    state_dir_close(&home);
    if (state_dir_open(lookup, false, &home) == 0)
        assert_int_equal(strncmp(home.path, "/tmp/pillion-", 13), 0);
    state_dir_close(&home);
    assert_false(folder_has(&folder, "no"));
}

static void a_relative_home_is_none(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    xdg = "relative";
    state_dir_variable = folder_path(&folder, "home", path);
    assert_int_equal(mkdir(state_dir_variable, 0700), 0);
    open_and_expect("home/.local/state/pillion");
}

static void nothing_is_made_without_being_asked(void **state)
{
    (void)state;
    struct state_dir home;
    char             path[FOLDER_PATH];
    named = folder_path(&folder, "new", path);
    assert_int_equal(state_dir_open(lookup, false, &home), -ENOENT);
    assert_false(folder_has(&folder, "new"));
    assert_int_equal(mkdir(named, 0700), 0);
    assert_int_equal(state_dir_open(lookup, false, &home), -ENOENT);
    assert_false(folder_has(&folder, "new/runs"));
}

static void a_link_is_refused_wherever_it_stands(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    char target[FOLDER_PATH];
    assert_int_equal(mkdir(folder_path(&folder, "real", target), 0700), 0);
    assert_int_equal(symlink(target, folder_path(&folder, "link", path)), 0);
    named = path;
    refuse_named(-EPERM);
    strcat(path, "//");
    refuse_named(-EPERM);
    assert_false(folder_has(&folder, "real/runs"));

    char inside[FOLDER_PATH];
    char runs[FOLDER_PATH];
    named = folder_path(&folder, "real", inside);
    assert_int_equal(symlink("/tmp", folder_path(&folder, "real/runs", runs)), 0);
    struct state_dir home;
    assert_int_not_equal(state_dir_open(lookup, true, &home), 0);
    assert_int_equal(home.dir, -1);
}

static void a_link_below_the_home_sends_the_run_elsewhere(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    char other[FOLDER_PATH];
    char link[FOLDER_PATH];
    assert_int_equal(mkdir(folder_path(&folder, "xdg", path), 0700), 0);
    assert_int_equal(mkdir(folder_path(&folder, "home", other), 0700), 0);
    assert_int_equal(symlink(other, folder_path(&folder, "xdg/pillion", link)), 0);
    xdg = path;
    state_dir_variable = other;
    open_and_expect("home/.local/state/pillion");
    assert_false(folder_has(&folder, "home/runs"));
}

static void a_file_in_the_way_is_refused(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    assert_true(folder_write_text(&folder, "file", ""));
    named = folder_path(&folder, "file", path);
    refuse_named(-EPERM);
    named = folder_path(&folder, "file/below", path);
    struct state_dir home;
    assert_int_not_equal(state_dir_open(lookup, true, &home), 0);
}

static void what_belongs_to_somebody_else_is_refused(void **state)
{
    (void)state;
    need_root();
    char path[FOLDER_PATH];
    char runs[FOLDER_PATH];
    named = folder_path(&folder, "theirs", path);
    assert_int_equal(mkdir(named, 0777), 0);
    assert_int_equal(chown(named, STRANGER, STRANGER), 0);
    refuse_named(-EPERM);
    assert_int_equal(chown(named, 0, 0), 0);
    assert_int_equal(mkdir(folder_path(&folder, "theirs/runs", runs), 0777), 0);
    assert_int_equal(chown(runs, STRANGER, STRANGER), 0);
    refuse_named(-EPERM);
}

static void try_shared(void *argument)
{
    struct state_dir home;
    struct stat      info;
    const char      *own = argument;
    CHILD_EXPECTS(setgroups(0, NULL) == 0 && setegid(STRANGER) == 0 && seteuid(STRANGER) == 0);
    CHILD_EXPECTS(state_dir_open(lookup, false, &home) == -ENOENT);
    CHILD_EXPECTS(state_dir_open(lookup, true, &home) == 0);
    CHILD_EXPECTS(strcmp(home.path, own) == 0);
    CHILD_EXPECTS(fstat(home.dir, &info) == 0 && info.st_uid == STRANGER && (info.st_mode & 0777) == 0700);
    CHILD_EXPECTS(fstat(home.runs, &info) == 0 && info.st_uid == STRANGER && (info.st_mode & 0777) == 0700);
    state_dir_close(&home);
    CHILD_EXPECTS(state_dir_reopen(&home) == 0);
    state_dir_close(&home);
    CHILD_EXPECTS(state_dir_open(lookup, false, &home) == 0);
    state_dir_close(&home);
}

static void a_folder_of_another_owner_that_lets_us_write_gets_one_of_our_own(void **state)
{
    (void)state;
    need_root();
    static const struct {
        gid_t  group;
        mode_t mode;
    } shapes[] = {{0, 0777}, {0, 01777}, {0, 02777}, {0, 01733}, {STRANGER, 0770}, {STRANGER, 02770}};
    assert_int_equal(chmod(folder.path, 0755), 0);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        char path[FOLDER_PATH], own[FOLDER_PATH], name[64];
        (void)snprintf(name, sizeof name, "shared-%zu", i);
        named = folder_path(&folder, name, path);
        assert_int_equal(mkdir(named, 0700), 0);
        assert_int_equal(chown(named, 0, shapes[i].group), 0);
        assert_int_equal(chmod(named, shapes[i].mode), 0);
        (void)snprintf(own, sizeof own, "%s/%d", named, (int)STRANGER);
        assert_true(child_succeeds(try_shared, own));
        assert_false(folder_has(&folder, "runs"));
    }
}

static void refuse_shared(void *argument)
{
    struct state_dir home;
    (void)argument;
    CHILD_EXPECTS(setegid(STRANGER) == 0 && seteuid(STRANGER) == 0);
    CHILD_EXPECTS(state_dir_open(lookup, true, &home) == -EPERM);
    CHILD_EXPECTS(home.dir == -1 && home.runs == -1);
}

/* Whoever may write there too can be first. */
static void our_place_in_a_shared_folder_that_somebody_planted_is_refused(void **state)
{
    (void)state;
    need_root();
    char path[FOLDER_PATH], own[FOLDER_PATH], elsewhere[FOLDER_PATH], name[64];
    assert_int_equal(chmod(folder.path, 0755), 0);
    named = folder_path(&folder, "shared", path);
    assert_int_equal(mkdir(named, 0700), 0);
    assert_int_equal(chmod(named, 0777), 0);
    assert_int_equal(mkdir(folder_path(&folder, "elsewhere", elsewhere), 0700), 0);
    assert_int_equal(chown(elsewhere, STRANGER, STRANGER), 0);
    (void)snprintf(name, sizeof name, "shared/%d", (int)STRANGER);
    folder_path(&folder, name, own);
    assert_int_equal(symlink(elsewhere, own), 0);
    assert_true(child_succeeds(refuse_shared, NULL));
    assert_int_equal(unlink(own), 0);
    assert_int_equal(mkdir(own, 0777), 0);
    assert_true(child_succeeds(refuse_shared, NULL));
    assert_int_equal(rmdir(own), 0);
    assert_true(folder_write_text(&folder, name, ""));
    assert_true(child_succeeds(refuse_shared, NULL));
    assert_false(folder_has(&folder, "elsewhere/runs"));
}

static void a_home_of_somebody_else_does_not_count(void **state)
{
    (void)state;
    need_root();
    char path[FOLDER_PATH];
    char other[FOLDER_PATH];
    char state_folder[FOLDER_PATH];
    xdg = folder_path(&folder, "xdg", path);
    state_dir_variable = folder_path(&folder, "home", other);
    assert_int_equal(mkdir(xdg, 0755), 0);
    assert_int_equal(chown(xdg, STRANGER, STRANGER), 0);
    assert_int_equal(mkdir(state_dir_variable, 0755), 0);
    open_and_expect("home/.local/state/pillion");
    assert_false(folder_has(&folder, "xdg/pillion"));
    assert_int_equal(chown(folder_path(&folder, "home/.local/state", state_folder), STRANGER, STRANGER), 0);
    struct state_dir home;
    if (state_dir_open(lookup, false, &home) == 0)
        assert_int_not_equal(strncmp(home.path, folder.path, strlen(folder.path)), 0);
    state_dir_close(&home);
}

static void try_without_rights(void *argument)
{
    struct state_dir home;
    (void)argument;
    CHILD_EXPECTS(seteuid(STRANGER) == 0);
    CHILD_EXPECTS(state_dir_open(lookup, true, &home) == -EACCES);
    CHILD_EXPECTS(home.dir == -1);
}

static void try_without_home(void *argument)
{
    struct state_dir home;
    (void)argument;
    CHILD_EXPECTS(seteuid(STRANGER) == 0);
    CHILD_EXPECTS(state_dir_open(lookup, true, &home) == 0);
    CHILD_EXPECTS(strcmp(home.path, "/tmp/pillion-54321") == 0);
    state_dir_close(&home);
    CHILD_EXPECTS(rmdir("/tmp/pillion-54321/runs") == 0);
    CHILD_EXPECTS(rmdir("/tmp/pillion-54321") == 0);
}

static void the_effective_user_is_who_counts(void **state)
{
    (void)state;
    need_root();
    named = folder.path;
    assert_int_equal(chmod(folder.path, 0755), 0);
    assert_true(child_succeeds(try_without_rights, NULL));
    named = NULL;
    assert_int_equal(chmod(folder.path, 0777), 0);
    state_dir_variable = folder.path;
    assert_true(child_succeeds(try_without_home, NULL));
}

static void try_planted(void *argument)
{
    struct state_dir home;
    (void)argument;
    CHILD_EXPECTS(seteuid(STRANGER) == 0);
    CHILD_EXPECTS(state_dir_open(lookup, true, &home) == 0);
    CHILD_EXPECTS(strcmp(home.path, "/dev/shm/pillion-54321") == 0);
    state_dir_close(&home);
    CHILD_EXPECTS(rmdir("/dev/shm/pillion-54321/runs") == 0);
    CHILD_EXPECTS(rmdir("/dev/shm/pillion-54321") == 0);
}

static void a_planted_folder_in_tmp_is_passed_over(void **state)
{
    (void)state;
    need_root();
    if (access("/dev/shm", W_OK) != 0)
        skip("/dev/shm cannot be written");
    assert_int_equal(mkdir("/tmp/pillion-54321", 0777), 0);
    bool good = child_succeeds(try_planted, NULL);
    assert_int_equal(rmdir("/tmp/pillion-54321"), 0);
    assert_true(good);
    assert_int_equal(symlink(folder.path, "/tmp/pillion-54321"), 0);
    good = child_succeeds(try_planted, NULL);
    assert_int_equal(unlink("/tmp/pillion-54321"), 0);
    assert_true(good);
}

static void paths_that_are_too_long_are_refused(void **state)
{
    (void)state;
    static char      path[PATH_MAX + 16];
    struct state_dir home;
    memset(path, 'a', sizeof path - 1);
    path[0] = '/';
    named = path;
    assert_int_equal(state_dir_open(lookup, true, &home), -ENAMETOOLONG);
    path[300] = '\0';
    assert_int_equal(state_dir_open(lookup, true, &home), -ENAMETOOLONG);
    assert_int_equal(home.dir, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_named_folder_goes_first_and_is_made_with_its_parents),
        TEST(the_state_home_goes_before_the_home),
        TEST(no_umask_decides_over_what_is_made),
        TEST(a_folder_that_is_there_keeps_its_mode),
        TEST(a_home_that_is_not_there_is_passed_over_and_not_made),
        TEST(a_relative_home_is_none),
        TEST(nothing_is_made_without_being_asked),
        TEST(a_link_is_refused_wherever_it_stands),
        TEST(a_link_below_the_home_sends_the_run_elsewhere),
        TEST(a_file_in_the_way_is_refused),
        TEST(what_belongs_to_somebody_else_is_refused),
        TEST(a_folder_of_another_owner_that_lets_us_write_gets_one_of_our_own),
        TEST(our_place_in_a_shared_folder_that_somebody_planted_is_refused),
        TEST(a_home_of_somebody_else_does_not_count),
        TEST(the_effective_user_is_who_counts),
        TEST(a_planted_folder_in_tmp_is_passed_over),
        TEST(paths_that_are_too_long_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
