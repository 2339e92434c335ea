// SPDX-License-Identifier: Apache-2.0
// What goes and what stays over the months: old runs, markers of the dead.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <time.h>

#include "engine/run.h"
#include "folder.h"

static struct folder folder;
static struct config config;
static struct run    run;
static struct link   link_words;

static int make(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    if (!folder_make(&folder) || mkdir(folder_path(&folder, "runs", path), 0700) != 0)
        return -1;
    config = (struct config){.keep_runs = 3, .keep_bytes = 1000000};
    memset(&run, 0, sizeof run);
    run.link = &link_words;
    run.home = (struct state_dir){.dir = folder_open(&folder), .runs = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    run_dir_init(&run.dir);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    free(run.marker);
    free(run.marks);
    run.marks = NULL;
    run_dir_close(&run.dir);
    state_dir_close(&run.home);
    folder_remove(&folder);
    return 0;
}

static void set_age(const char *name, time_t seconds)
{
    struct timespec times[2] = {{.tv_sec = time(NULL) - seconds}, {.tv_sec = time(NULL) - seconds}};
    assert_int_equal(utimensat(run.home.dir, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

/* A run of `bytes` of rows with that line of state. */
static void add(const char *name, const char *line, size_t bytes)
{
    static char rows[100000];
    char        path[FOLDER_PATH];
    char        file[FOLDER_PATH];
    (void)snprintf(file, sizeof file, "runs/%s", name);
    assert_int_equal(mkdir(folder_path(&folder, file, path), 0700), 0);
    (void)snprintf(file, sizeof file, "runs/%s/run.jsonl", name);
    assert_true(folder_write_text(&folder, file, line));
    (void)snprintf(file, sizeof file, "runs/%s/lock", name);
    assert_true(folder_write_text(&folder, file, ""));
    (void)snprintf(file, sizeof file, "runs/%s/metrics.csv", name);
    assert_true(bytes <= sizeof rows && folder_write(&folder, file, rows, bytes));
}

static bool is_there(const char *name)
{
    char file[FOLDER_PATH];
    (void)snprintf(file, sizeof file, "runs/%s", name);
    return folder_has(&folder, file);
}

static void prune(const char *current)
{
    cleanup_prune(&run.home, &config, current);
}

#define OVER        "{\"state\":\"finished\"}\n"
#define LOCAL       "{\"state\":\"local\"}\n"
#define UNDELIVERED "{\"state\":\"undelivered\"}\n"

static void the_newest_runs_stay(void **state)
{
    (void)state;
    add("20260103T000000Z-m-1", OVER, 10);
    add("20260101T000000Z-m-1", LOCAL, 10);
    add("20260105T000000Z-m-1", LOCAL, 10);
    add("20260102T000000Z-m-1", OVER, 10);
    add("20260104T000000Z-m-1", OVER, 10);
    prune("");
    assert_true(is_there("20260105T000000Z-m-1"));
    assert_true(is_there("20260104T000000Z-m-1"));
    assert_true(is_there("20260103T000000Z-m-1"));
    assert_false(is_there("20260102T000000Z-m-1"));
    assert_false(is_there("20260101T000000Z-m-1"));
    prune("");
    assert_true(is_there("20260103T000000Z-m-1"));
}

static void no_run_is_kept_beyond_the_size(void **state)
{
    (void)state;
    config.keep_runs = 100;
    config.keep_bytes = 50000;
    add("20260101T000000Z-m-1", OVER, 10);
    add("20260102T000000Z-m-1", OVER, 20000);
    add("20260103T000000Z-m-1", OVER, 20000);
    add("20260104T000000Z-m-1", OVER, 20000);
    prune("");
    assert_true(is_there("20260104T000000Z-m-1"));
    assert_true(is_there("20260103T000000Z-m-1"));
    assert_false(is_there("20260102T000000Z-m-1"));
    assert_false(is_there("20260101T000000Z-m-1"));
}

static void keeping_none_keeps_none_but_the_current(void **state)
{
    (void)state;
    config.keep_runs = 0;
    add("20260101T000000Z-m-1", OVER, 10);
    add("20260102T000000Z-m-1", LOCAL, 10);
    add("20260103T000000Z-m-1", UNDELIVERED, 10);
    prune("20260102T000000Z-m-1");
    assert_false(is_there("20260101T000000Z-m-1"));
    assert_true(is_there("20260102T000000Z-m-1"));
    assert_true(is_there("20260103T000000Z-m-1"));
}

static void undelivered_runs_are_counted_apart(void **state)
{
    (void)state;
    char name[64];
    config.keep_runs = 1;
    for (int i = 1000; i < 2003; i++) {
        (void)snprintf(name, sizeof name, "2026010%dT00%02d%02dZ-m-1", 1, i / 100, i % 100);
        add(name, UNDELIVERED, 1);
    }
    add("20250101T000000Z-m-1", OVER, 10);
    add("20250102T000000Z-m-1", OVER, 10);
    prune("");
    assert_false(is_there("20260101T001000Z-m-1"));
    assert_false(is_there("20260101T001001Z-m-1"));
    assert_false(is_there("20260101T001002Z-m-1"));
    assert_true(is_there("20260101T001003Z-m-1"));
    assert_true(is_there("20260101T002002Z-m-1"));
    assert_true(is_there("20250102T000000Z-m-1"));
    assert_false(is_there("20250101T000000Z-m-1"));
}

static void running_runs_are_never_touched(void **state)
{
    (void)state;
    config.keep_runs = 0;
    /* Of another machine, with fresh files: may well be at work. */
    add("20260101T000000Z-other-1", "{\"state\":\"running\",\"pid\":1,\"machine\":{\"boot_id\":\"other\"}}\n", 10);
    add("20260102T000000Z-other-1", "{\"state\":\"finishing\",\"pid\":1,\"machine\":{\"boot_id\":\"other\"}}\n", 10);
    prune("");
    assert_true(is_there("20260101T000000Z-other-1"));
    assert_true(is_there("20260102T000000Z-other-1"));
}

static void what_is_no_run_is_left_alone(void **state)
{
    (void)state;
    char path[FOLDER_PATH], victim[FOLDER_PATH];
    config.keep_runs = 0;
    add("victim", OVER, 10);
    assert_int_equal(rename(folder_path(&folder, "runs/victim", path), folder_path(&folder, "victim", victim)), 0);
    assert_int_equal(symlink(victim, folder_path(&folder, "runs/link", path)), 0);
    assert_true(folder_write_text(&folder, "runs/file", OVER));
    assert_int_equal(mkdir(folder_path(&folder, "runs/empty", path), 0700), 0);
    add("damaged", "garbage\n", 10);
    add("stateless", "{\"id\":\"x\"}\n", 10);
    prune("");
    assert_true(folder_has(&folder, "victim/run.jsonl"));
    assert_true(is_there("link"));
    assert_true(is_there("file"));
    assert_true(is_there("empty"));
    assert_true(is_there("damaged"));
    assert_true(is_there("stateless"));
}

/* Whoever made it was killed at once. Held is one that a program made ahead of its run, and has not begun. */
static void an_old_folder_in_which_nothing_stands_goes_unless_it_is_held(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    add("20260101T000000Z-m-1", "", 0);
    add("20260101T000000Z-m-2", "", 0);
    assert_int_equal(mkdir(folder_path(&folder, "runs/20260101T000000Z-m-3", path), 0700), 0);
    assert_int_equal(mkdir(folder_path(&folder, "runs/20260101T000000Z-m-4", path), 0700), 0);
    add("20260101T000000Z-m-5", "torn", 0);
    for (int i = 1; i <= 5; i++) {
        (void)snprintf(path, sizeof path, "runs/20260101T000000Z-m-%d", i);
        if (i != 4)
            set_age(path, 3700);
    }
    int held = open(folder_path(&folder, "runs/20260101T000000Z-m-2/lock", path), O_RDWR);
    assert_int_equal(flock(held, LOCK_EX), 0);
    prune("");
    assert_false(is_there("20260101T000000Z-m-1"));
    assert_true(is_there("20260101T000000Z-m-2"));
    assert_false(is_there("20260101T000000Z-m-3"));
    assert_true(is_there("20260101T000000Z-m-4"));
    assert_true(is_there("20260101T000000Z-m-5"));
    assert_int_equal(close(held), 0);
}

static void a_run_with_foreign_files_in_it_is_not_removed_with_them(void **state)
{
    (void)state;
    config.keep_runs = 0;
    add("20260101T000000Z-m-1", OVER, 10);
    assert_true(folder_write_text(&folder, "runs/20260101T000000Z-m-1/notes.txt", "mine"));
    prune("");
    assert_true(folder_has(&folder, "runs/20260101T000000Z-m-1/notes.txt"));
}

static void tidy(struct run *which)
{
    if (cleanup_is_due(which) && cleanup_step(which))
        cleanup_sweep(which);
}

static void tidying_is_done_at_most_hourly(void **state)
{
    (void)state;
    run.config = (struct config){.keep_runs = 0, .keep_bytes = 1000000};
    add("20260101T000000Z-m-1", OVER, 10);
    tidy(&run);
    assert_false(is_there("20260101T000000Z-m-1"));
    add("20260102T000000Z-m-1", OVER, 10);
    tidy(&run);
    assert_true(is_there("20260102T000000Z-m-1"));
    set_age("pruned", 3500);
    tidy(&run);
    assert_true(is_there("20260102T000000Z-m-1"));
    set_age("pruned", 3700);
    tidy(&run);
    assert_false(is_there("20260102T000000Z-m-1"));
}

/* Each is a program that ends soon after. */
static void many_old_runs_go_step_by_step_and_the_oldest_first(void **state)
{
    (void)state;
    enum { MANY = 400, KEPT = 20 };
    char name[64];
    run.config = (struct config){.keep_runs = KEPT, .keep_bytes = 1000000};
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof name, "20260101T00%02d%02dZ-m-1", i / 60, i % 60);
        add(name, LOCAL, 10);
    }
    int left = MANY;
    for (int step = 0; step < MANY && left > KEPT; step++) {
        tidy(&run);
        int first = -1;
        left = 0;
        for (int i = 0; i < MANY; i++) {
            (void)snprintf(name, sizeof name, "20260101T00%02d%02dZ-m-1", i / 60, i % 60);
            first = first < 0 && is_there(name) ? i : first;
            left += is_there(name);
        }
        assert_int_equal(first, MANY - left);
    }
    assert_int_equal(left, KEPT);
    tidy(&run);
    tidy(&run);
    assert_int_equal(run.pruned, -1);
}

static void many_new_runs_are_not_waited_for_an_hour(void **state)
{
    (void)state;
    char name[64];
    run.config = (struct config){.keep_runs = 3, .keep_bytes = 1000000};
    tidy(&run);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof name, "20260101T00%02d%02dZ-m-1", i / 60, i % 60);
        add(name, LOCAL, 10);
    }
    for (int step = 0; step < 100; step++)
        tidy(&run);
    assert_false(is_there("20260101T000000Z-m-1"));
    assert_true(is_there("20260101T000139Z-m-1"));
}

static void one_process_at_a_time_prunes(void **state)
{
    (void)state;
    struct run other = run;
    run.config = other.config = (struct config){.keep_runs = 0, .keep_bytes = 1000000};
    add("20260101T000000Z-m-1", OVER, 10);
    (void)cleanup_is_due(&run);
    assert_true(run.pruned >= 0);
    (void)cleanup_is_due(&other);
    assert_int_equal(other.pruned, -1);
    (void)cleanup_step(&run);
    assert_false(is_there("20260101T000000Z-m-1"));
}

static void runs_of_the_last_day_go_with_a_line_in_the_log(void **state)
{
    (void)state;
    run.config = (struct config){.keep_runs = 0, .keep_bytes = 1000000};
    add("20260101T000000Z-m-1", OVER, 10);
    set_age("runs/20260101T000000Z-m-1/metrics.csv", 90000);
    set_age("runs/20260101T000000Z-m-1/run.jsonl", 90000);
    tidy(&run);
    assert_false(folder_has(&folder, "log"));
    add("20260102T000000Z-m-1", OVER, 10);
    add("20260103T000000Z-m-1", OVER, 10);
    set_age("pruned", 3700);
    tidy(&run);
    assert_non_null(strstr(folder_read(&folder, "log"),
                           "PILLION_KEEP=0,1000000: 2 runs of the last day are removed, the "
                           "newest is 20260103T000000Z-m-1\n"));
}

static void runs_of_others_are_left_alone(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    if (geteuid() != 0)
        skip("only root has files of others");
    config.keep_runs = 0;
    add("20260101T000000Z-m-1", OVER, 10);
    assert_int_equal(chown(folder_path(&folder, "runs/20260101T000000Z-m-1", path), 54321, 54321), 0);
    prune("");
    assert_true(is_there("20260101T000000Z-m-1"));
}

static void without_a_folder_there_is_nothing_to_tidy(void **state)
{
    (void)state;
    state_dir_close(&run.home);
    tidy(&run);
    run.state = RUN_MADE;
    cleanup_hourly(&run);
    marker_remove(&run);
}

static void take_marker(const char *name)
{
    char path[FOLDER_PATH];
    assert_true(folder_write_text(&folder, name, ""));
    run.marker = strdup(folder_path(&folder, name, path));
    run.pid_namespace = 77;
}

static void markers_of_the_dead_are_swept(void **state)
{
    (void)state;
    char  own[64];
    char  dead[64];
    char  other[64];
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    (void)snprintf(own, sizeof own, "77-%d-1", getpid());
    (void)snprintf(dead, sizeof dead, "77-%d-1", child);
    (void)snprintf(other, sizeof other, "78-%d-1", child);
    take_marker(own);
    static const char *const odd[] = {"notes", "77", "77-", "77-x-1", "-1-1"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        assert_true(folder_write_text(&folder, odd[i], ""));
    assert_true(folder_write_text(&folder, dead, ""));
    for (int i = 0; i < 5000; i++) {
        char stranger[64];
        (void)snprintf(stranger, sizeof stranger, "79-%d-1", i);
        assert_true(folder_write_text(&folder, stranger, ""));
    }
    assert_true(folder_write_text(&folder, other, ""));
    assert_true(cleanup_is_due(&run) && cleanup_step(&run));
    assert_true(folder_has(&folder, dead)); /* an end does not wait for this: there may be a thousand */
    cleanup_sweep(&run);
    assert_true(folder_has(&folder, own));
    assert_false(folder_has(&folder, dead));
    assert_true(folder_has(&folder, other));
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        assert_true(folder_has(&folder, odd[i]));
}

/* A process that its user may not look into is hidden as another user's is. 77: no namespace is allowed here. */
static void sweep_where_processes_are_hidden(const char *name)
{
    enum { USER = 54321 };
    struct stat info;
    char        path[FOLDER_PATH];
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, "") < 0 ||
        mount("proc", "/proc", "proc", 0, "hidepid=2") < 0)
        _exit(77);
    CHILD_EXPECTS(chmod(folder_path(&folder, "", path), 0777) == 0);
    CHILD_EXPECTS(setgroups(0, NULL) == 0 && setegid(USER) == 0 && seteuid(USER) == 0);
    (void)snprintf(path, sizeof path, "/proc/%d", getppid());
    CHILD_EXPECTS(stat(path, &info) < 0 && errno == ENOENT);
    marker_sweep_dead(&run);
    CHILD_EXPECTS(folder_has(&folder, name));
    CHILD_EXPECTS(!folder_has(&folder, "77-0-1"));
    _exit(0);
}

static void a_leader_that_is_hidden_is_not_dead(void **state)
{
    (void)state;
    int  status = 0;
    char own[64];
    char alive[64];
    if (geteuid() != 0)
        skip("only root can become somebody else");
    (void)snprintf(own, sizeof own, "77-%d-1", getpid());
    (void)snprintf(alive, sizeof alive, "77-%d-2", getpid());
    take_marker(own);
    assert_true(folder_write_text(&folder, alive, ""));
    assert_true(folder_write_text(&folder, "77-0-1", ""));
    pid_t child = fork();
    if (child == 0)
        sweep_where_processes_are_hidden(alive);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WEXITSTATUS(status) == 77)
        skip(skip_is_in_chroot() ? "a chroot forbids mounts" : "no mounts may be made here");
    assert_int_equal(status, 0);
}

static void marks_of_the_dead_are_swept_and_the_own_go_with_the_marker(void **state)
{
    (void)state;
    char  own[64];
    char  dead[64];
    char  other[64];
    char  path[FOLDER_PATH];
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    (void)snprintf(own, sizeof own, "77-%d-1", getpid());
    take_marker(own);
    (void)snprintf(own, sizeof own, "below/77-%d-1", getpid());
    (void)snprintf(dead, sizeof dead, "below/77-%d-1", child);
    (void)snprintf(other, sizeof other, "below/78-%d-1", child);
    const char *const folders[] = {"below", own, dead, other};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        assert_int_equal(mkdir(folder_path(&folder, folders[i], path), 0755), 0);
    run.marks = strdup(folder_path(&folder, own, path));
    const char *const marked[] = {own, dead, other};
    for (size_t i = 0; i < sizeof marked / sizeof *marked; i++) {
        char name[128];
        (void)snprintf(name, sizeof name, "%s/77-5-6", marked[i]);
        assert_true(folder_write_text(&folder, name, ""));
    }
    tidy(&run);
    assert_true(folder_has(&folder, own));
    assert_false(folder_has(&folder, dead));
    assert_true(folder_has(&folder, other));
    marker_remove(&run);
    assert_false(folder_has(&folder, own));
    assert_true(folder_has(&folder, other));
}

static void the_own_marker_is_renewed_and_removed(void **state)
{
    (void)state;
    struct stat info;
    take_marker("77-1-1");
    set_age("77-1-1", 100000);
    marker_renew(&run);
    assert_int_equal(stat(run.marker, &info), 0);
    assert_true(time(NULL) - info.st_mtime < 100);
    marker_remove(&run);
    assert_int_not_equal(stat(run.marker, &info), 0);
    marker_remove(&run);
    marker_renew(&run);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_newest_runs_stay),
        TEST(no_run_is_kept_beyond_the_size),
        TEST(keeping_none_keeps_none_but_the_current),
        TEST(undelivered_runs_are_counted_apart),
        TEST(running_runs_are_never_touched),
        TEST(what_is_no_run_is_left_alone),
        TEST(an_old_folder_in_which_nothing_stands_goes_unless_it_is_held),
        TEST(a_run_with_foreign_files_in_it_is_not_removed_with_them),
        TEST(tidying_is_done_at_most_hourly),
        TEST(many_old_runs_go_step_by_step_and_the_oldest_first),
        TEST(many_new_runs_are_not_waited_for_an_hour),
        TEST(one_process_at_a_time_prunes),
        TEST(runs_of_the_last_day_go_with_a_line_in_the_log),
        TEST(runs_of_others_are_left_alone),
        TEST(without_a_folder_there_is_nothing_to_tidy),
        TEST(markers_of_the_dead_are_swept),
        TEST(a_leader_that_is_hidden_is_not_dead),
        TEST(marks_of_the_dead_are_swept_and_the_own_go_with_the_marker),
        TEST(the_own_marker_is_renewed_and_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
