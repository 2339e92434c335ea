// SPDX-License-Identifier: Apache-2.0
// The run on disk: names, locks, torn lines, planted files, a full disk, a run in memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/file.h"
#include "folder.h"
#include "store/run_dir.h"

enum { STRANGER = 54321, STARTED = 1795344300 };
#define STARTED_TEXT "20261122T104500Z"

static struct folder    folder;
static struct state_dir home;
static struct run_dir   run;

static int make(void **state)
{
    (void)state;
    if (!folder_make(&folder))
        return -1;
    home = (struct state_dir){.dir = -1, .runs = folder_open(&folder)};
    run_dir_init(&run);
    return home.runs >= 0 ? 0 : -1;
}

static int drop(void **state)
{
    (void)state;
    run_dir_close(&run);
    state_dir_close(&home);
    folder_remove(&folder);
    return 0;
}

static void create(const char *machine)
{
    assert_int_equal(run_dir_create(&home, STARTED, machine, 42, &run), 0);
}

static const char *in_run(const char *file, char ret[static FOLDER_PATH])
{
    (void)snprintf(ret, FOLDER_PATH, "%s/%s", run.id, file);
    return ret;
}

static const char *content(const char *file)
{
    char name[FOLDER_PATH];
    return folder_read(&folder, in_run(file, name));
}

static void append(const char *line)
{
    assert_int_equal(run_dir_append_row(&run, line, strlen(line)), 0);
}

static void assert_rows(const char *expected)
{
    struct bytes rows;
    bytes_init(&rows, 64 * 1024 * 1024);
    assert_int_equal(run_dir_load_rows(&run, &rows), 0);
    assert_string_equal(rows.data ? rows.data : "", expected);
    bytes_done(&rows);
}

static void a_new_run_is_private_and_complete(void **state)
{
    (void)state;
    static const char *const files[] = {"run.jsonl", "metrics.csv", "log", "lock"};
    struct stat              info;
    char                     path[FOLDER_PATH];
    char                     name[FOLDER_PATH];
    mode_t                   before = umask(0);
    create("node7");
    umask(before);
    assert_string_equal(run.id, STARTED_TEXT "-node7-42");
    assert_true(run.rows >= 0);
    assert_int_equal(stat(folder_path(&folder, run.id, path), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0700);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_int_equal(lstat(folder_path(&folder, in_run(files[i], name), path), &info), 0);
        assert_int_equal(info.st_mode, S_IFREG | 0600);
        assert_int_equal(info.st_size, 0);
    }
    const int descriptors[] = {run.dir, run.state, run.rows, run.log, run.lock};
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++)
        assert_true(fcntl(descriptors[i], F_GETFD) & FD_CLOEXEC);
}

static void a_log_that_is_left_out_is_made_later_or_by_who_opens_the_run(void **state)
{
    (void)state;
    struct stat info;
    char        path[FOLDER_PATH];
    char        name[FOLDER_PATH];
    run.log_later = true;
    create("m");
    assert_int_equal(run.log, -1);
    assert_int_equal(lstat(folder_path(&folder, in_run("log", name), path), &info), -1);
    assert_int_equal(run_dir_make_log(&run), 0);
    assert_true(run.log >= 0);
    assert_int_equal(lstat(path, &info), 0);
    assert_int_equal(unlink(path), 0);
    run_dir_suspend(&run);
    assert_int_equal(run_dir_make_log(&run), -EBADF);
    assert_int_equal(run_dir_open(&home, run.id, &run), 0);
    assert_true(run.log >= 0);
}

static void odd_machine_names_stay_in_the_folder(void **state)
{
    (void)state;
    static const struct {
        const char *machine, *name;
    } names[] = {{"a.b_c-D9", "a.b_c-D9"}, {"../../etc", "-.-..-etc"}, {"", "-"},       {".", "-"}, {"..", "-."},
                 {"a/b\n c", "a-b--c"},    {"\xc3\xa9", "--"},         {"%s%n", "-s-n"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char id[RUN_DIR_ID_MAX];
        (void)snprintf(id, sizeof id, STARTED_TEXT "-%s-%d", names[i].name, 42 + (int)i);
        assert_int_equal(run_dir_create(&home, STARTED, names[i].machine, 42 + (int)i, &run), 0);
        assert_string_equal(run.id, id);
        assert_null(strchr(run.id, '/'));
        assert_true(folder_has(&folder, run.id));
        run_dir_close(&run);
    }
    char huge[300];
    memset(huge, 'h', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    create(huge);
    assert_int_equal(strlen(run.id), strlen(STARTED_TEXT "--42") + 47);
}

static void a_taken_name_gets_a_number(void **state)
{
    (void)state;
    static const char *const ids[] = {STARTED_TEXT "-m-42", STARTED_TEXT "-m-42-2", STARTED_TEXT "-m-42-3"};
    char                     path[FOLDER_PATH];
    assert_int_equal(symlink("/nowhere", folder_path(&folder, STARTED_TEXT "-m-42-4", path)), 0);
    for (size_t i = 0; i < 3; i++) {
        create("m");
        assert_string_equal(run.id, ids[i]);
        run_dir_close(&run);
    }
    create("m");
    assert_string_equal(run.id, STARTED_TEXT "-m-42-5");
}

/* Made ahead of a run, and nothing came of it. */
static void a_blank_folder_is_no_run_and_is_swept_unless_it_is_held(void **state)
{
    (void)state;
    char id[RUN_DIR_ID_MAX];
    create("m");
    memcpy(id, run.id, sizeof id);
    assert_true(run_dir_is_blank(run.dir));
    assert_false(run_dir_sweep(&home, id));
    struct run_dir other;
    run_dir_init(&other);
    run_dir_take_files(&other, &run);
    assert_int_equal(run.dir, -1);
    assert_string_equal(other.id, id);
    run_dir_close(&other);
    assert_true(run_dir_sweep(&home, id));
    assert_false(folder_has(&folder, id));
    char path[FOLDER_PATH]; /* its maker was killed before the lock was there */
    assert_int_equal(mkdir(folder_path(&folder, id, path), 0700), 0);
    int empty = open(path, O_RDONLY | O_DIRECTORY);
    assert_true(run_dir_is_blank(empty));
    assert_true(run_dir_sweep(&home, id));
    assert_false(folder_has(&folder, id));
    assert_int_equal(close(empty), 0);
}

static void a_folder_in_which_something_stands_is_never_swept(void **state)
{
    (void)state;
    static const char *const files[] = {RUN_DIR_JOURNAL, RUN_DIR_ROWS};
    for (size_t i = 0; i < 2; i++) {
        char name[FOLDER_PATH];
        create("m");
        (void)snprintf(name, sizeof name, "%s/%s", run.id, files[i]);
        assert_true(folder_write_text(&folder, name, "torn"));
        assert_false(run_dir_is_blank(run.dir));
        char id[RUN_DIR_ID_MAX];
        memcpy(id, run.id, sizeof id);
        run_dir_close(&run);
        assert_false(run_dir_sweep(&home, id));
        assert_true(folder_has(&folder, name));
    }
    assert_false(run_dir_sweep(&home, "missing"));
}

static void without_a_folder_the_run_still_has_a_name(void **state)
{
    (void)state;
    state_dir_close(&home);
    assert_int_equal(run_dir_create(&home, STARTED, "m", 42, &run), -ENOENT);
    assert_string_equal(run.id, STARTED_TEXT "-m-42");
    assert_true(run.rows < 0);
}

static void lines_are_appended_whole(void **state)
{
    (void)state;
    create("m");
    assert_int_equal(run_dir_append_state(&run, "{\"a\":1}", 7), 0);
    assert_int_equal(run_dir_append_state(&run, "{\"b\":2}", 7), 0);
    append("header\n");
    append("row\n");
    assert_string_equal(content("run.jsonl"), "{\"a\":1}\n{\"b\":2}\n");
    assert_string_equal(content("metrics.csv"), "header\nrow\n");
    assert_rows("header\nrow\n");
}

static void a_run_is_opened_again_where_it_stopped(void **state)
{
    (void)state;
    char id[RUN_DIR_ID_MAX];
    create("m");
    append("header\n");
    memcpy(id, run.id, sizeof id);
    run_dir_close(&run);
    run_dir_init(&run);
    assert_int_equal(run_dir_open(&home, id, &run), 0);
    assert_string_equal(run.id, id);
    append("row\n");
    assert_rows("header\nrow\n");
}

static void a_torn_last_line_is_cut_before_the_next(void **state)
{
    (void)state;
    static char        text[40000];
    static const char *names[] = {"metrics.csv", "run.jsonl"};
    /* How much of the text is whole lines, how much torn: around the block that is looked at. */
    static const struct {
        size_t whole, torn;
    } cases[] = {{0, 0},     {0, 1},     {0, 5000}, {1, 0},       {1, 1},    {10, 4095},
                 {10, 4096}, {10, 4097}, {5000, 1}, {5000, 9000}, {4096, 0}, {4096, 4096}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t f = 0; f < 2; f++) {
            char        name[FOLDER_PATH];
            char        id[32];
            char        path[FOLDER_PATH];
            struct stat info;
            size_t      whole = cases[i].whole;
            (void)snprintf(id, sizeof id, "run-%zu-%zu", i, f);
            assert_int_equal(mkdir(folder_path(&folder, id, path), 0700), 0);
            memset(text, 'x', sizeof text);
            if (whole)
                text[whole - 1] = '\n';
            (void)snprintf(name, sizeof name, "%s/%s", id, names[f]);
            assert_true(folder_write(&folder, name, text, whole + cases[i].torn));
            assert_int_equal(run_dir_open(&home, id, &run), 0);
            assert_int_equal(fstat(f == 0 ? run.rows : run.state, &info), 0);
            assert_int_equal(info.st_size, whole);
            assert_int_equal(run_dir_append_state(&run, "{}", 2), 0);
            append("row\n");
            assert_int_equal(fstat(f == 0 ? run.rows : run.state, &info), 0);
            assert_int_equal(info.st_size, whole + (f == 0 ? 4 : 3));
            run_dir_close(&run);
        }
    }
}

static void open_elsewhere(void *argument)
{
    struct run_dir   other;
    struct state_dir again = {.dir = -1, .runs = folder_open(&folder)};
    run_dir_init(&other);
    CHILD_EXPECTS(run_dir_open(&again, argument, &other) == -EBUSY);
    CHILD_EXPECTS(other.dir == -1 && other.lock == -1 && other.rows == -1);
}

static void one_process_at_a_time_works_on_a_run(void **state)
{
    (void)state;
    char id[RUN_DIR_ID_MAX];
    create("m");
    memcpy(id, run.id, sizeof id);
    assert_true(child_succeeds(open_elsewhere, id));
    struct run_dir other;
    run_dir_init(&other);
    assert_int_equal(run_dir_open(&home, id, &other), -EBUSY);
    run_dir_close(&run);
    assert_int_equal(run_dir_open(&home, id, &other), 0);
    run_dir_close(&other);
}

static void a_torn_line_of_a_run_at_work_is_not_cut(void **state)
{
    (void)state;
    create("m");
    assert_int_equal(write(run.rows, "half", 4), 4);
    struct run_dir other;
    run_dir_init(&other);
    assert_int_equal(run_dir_open(&home, run.id, &other), -EBUSY);
    assert_string_equal(content("metrics.csv"), "half");
}

static void names_that_are_no_names_are_refused(void **state)
{
    (void)state;
    static char huge[RUN_DIR_ID_MAX + 1];
    memset(huge, 'a', RUN_DIR_ID_MAX);
    static const char *const names[] = {"..", ".", ".hidden", "a/b", "/etc", "../x", huge};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(run_dir_open(&home, names[i], &run), -EINVAL);
    assert_int_equal(run_dir_open(&home, "missing", &run), -ENOENT);
    assert_int_equal(run.dir, -1);
}

static void a_run_that_is_a_link_or_a_file_is_refused(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    char target[FOLDER_PATH];
    assert_int_equal(mkdir(folder_path(&folder, "real", target), 0700), 0);
    assert_int_equal(symlink("real", folder_path(&folder, "link", path)), 0);
    assert_int_equal(run_dir_open(&home, "link", &run), -EPERM);
    assert_true(folder_write_text(&folder, "file", ""));
    assert_int_equal(run_dir_open(&home, "file", &run), -EPERM);
    assert_false(folder_has(&folder, "real/lock"));
}

static void a_run_of_somebody_else_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip("only root can become somebody else");
    char path[FOLDER_PATH];
    assert_int_equal(mkdir(folder_path(&folder, "theirs", path), 0777), 0);
    assert_int_equal(chown(path, STRANGER, STRANGER), 0);
    assert_int_equal(run_dir_open(&home, "theirs", &run), -EPERM);
    assert_int_equal(run.dir, -1);
    assert_false(folder_has(&folder, "theirs/lock"));
    assert_int_equal(chown(path, 0, 0), 0);
    assert_true(folder_write_text(&folder, "theirs/metrics.csv", "torn"));
    assert_int_equal(chown(folder_path(&folder, "theirs/metrics.csv", path), STRANGER, STRANGER), 0);
    assert_int_equal(run_dir_open(&home, "theirs", &run), -EPERM);
    assert_string_equal(folder_read(&folder, "theirs/metrics.csv"), "torn");
}

enum planted { PLANTED_LINK, PLANTED_DANGLING, PLANTED_HARD, PLANTED_FIFO, PLANTED_FOLDER, PLANTED_KINDS };

static void plant(enum planted kind, const char *path, const char *victim)
{
    switch (kind) {
    case PLANTED_LINK:
        assert_int_equal(symlink(victim, path), 0);
        break;
    case PLANTED_DANGLING:
        assert_int_equal(symlink("/tmp/pillion-test-nowhere", path), 0);
        break;
    case PLANTED_HARD:
        assert_int_equal(link(victim, path), 0);
        break;
    case PLANTED_FIFO:
        assert_int_equal(mkfifo(path, 0600), 0);
        break;
    case PLANTED_FOLDER:
        assert_int_equal(mkdir(path, 0700), 0);
        break;
    case PLANTED_KINDS:
        break;
    }
}

static void planted_files_are_refused_and_left_alone(void **state)
{
    (void)state;
    static const char *const files[] = {"lock", "run.jsonl", "metrics.csv", "log"};
    char                     victim[FOLDER_PATH];
    char                     path[FOLDER_PATH];
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        for (int kind = 0; kind < PLANTED_KINDS; kind++) {
            char id[32];
            char name[64];
            assert_true(folder_write_text(&folder, "victim", "no newline at its end"));
            (void)folder_path(&folder, "victim", victim);
            (void)snprintf(id, sizeof id, "run-%zu-%d", f, kind);
            (void)snprintf(name, sizeof name, "%s/%s", id, files[f]);
            assert_int_equal(mkdir(folder_path(&folder, id, path), 0700), 0);
            plant((enum planted)kind, folder_path(&folder, name, path), victim);
            int error = run_dir_open(&home, id, &run);
            assert_int_equal(error, kind == PLANTED_FOLDER ? -EISDIR : -EPERM);
            assert_true(run.rows < 0);
            assert_int_equal(run.dir, -1);
            assert_int_equal(run.lock, -1);
            assert_string_equal(folder_read(&folder, "victim"), "no newline at its end");
        }
    }
    assert_int_not_equal(access("/tmp/pillion-test-nowhere", F_OK), 0);
}

static void a_run_in_memory_has_all_its_rows(void **state)
{
    (void)state;
    (void)run_dir_append_row(&run, "header\n", 7);
    (void)run_dir_append_row(&run, "row\n", 4);
    assert_rows("header\nrow\n");
    assert_int_equal(run.lost_rows, 0);
    assert_int_not_equal(run_dir_append_state(&run, "{}", 2), 0);
}

static void memory_has_an_end_and_losses_are_counted(void **state)
{
    (void)state;
    static char row[1024 * 1024];
    memset(row, 'r', sizeof row);
    row[sizeof row - 1] = '\n';
    for (size_t i = 0; i < RUN_DIR_MEMORY_MAX / sizeof row; i++) {
        (void)run_dir_append_row(&run, row, sizeof row);
        assert_int_equal(run.lost_rows, 0);
    }
    assert_int_equal(run_dir_append_row(&run, row, sizeof row), -ENOMEM);
    assert_int_equal(run_dir_append_row(&run, "x\n", 2), -ENOMEM);
    assert_int_equal(run.lost_rows, 2);
    struct bytes rows;
    bytes_init(&rows, RUN_DIR_MEMORY_MAX);
    assert_int_equal(run_dir_load_rows(&run, &rows), 0);
    assert_int_equal(rows.len, RUN_DIR_MEMORY_MAX);
    bytes_done(&rows);
}

static bool limit_files(rlim_t bytes)
{
    struct rlimit limit = {bytes, RLIM_INFINITY};
    return setrlimit(RLIMIT_FSIZE, &limit) == 0;
}

static bool text_is_in(const char *file, const char *expected)
{
    char        name[FOLDER_PATH];
    const char *text = folder_read(&folder, in_run(file, name));
    return strcmp(text, expected) == 0;
}

/* A disk that takes 20 bytes of a file, then no more, then everything again. */
static void fill_the_disk(void *argument)
{
    struct bytes rows;
    (void)argument;
    CHILD_EXPECTS(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHILD_EXPECTS(run_dir_append_row(&run, "header\n", 7) == 0);
    CHILD_EXPECTS(run_dir_append_row(&run, "row 1\n", 6) == 0);
    CHILD_EXPECTS(limit_files(15));
    CHILD_EXPECTS(run_dir_append_row(&run, "row 2\n", 6) == -EFBIG);
    CHILD_EXPECTS(text_is_in("metrics.csv", "header\nrow 1\n")); /* what fitted of it is taken back */
    CHILD_EXPECTS(run_dir_append_row(&run, "row 3\n", 6) == -EFBIG);
    CHILD_EXPECTS(text_is_in("metrics.csv", "header\nrow 1\n"));
    bytes_init(&rows, 1000);
    CHILD_EXPECTS(run_dir_load_rows(&run, &rows) == 0);
    CHILD_EXPECTS(strcmp(rows.data, "header\nrow 1\nrow 2\nrow 3\n") == 0);
    bytes_done(&rows);
    CHILD_EXPECTS(run_dir_append_state(&run, "{\"a\":\"0123456789\"}", 18) == -EFBIG);
    CHILD_EXPECTS(text_is_in("run.jsonl", ""));
    CHILD_EXPECTS(limit_files(RLIM_INFINITY));
    CHILD_EXPECTS(run_dir_append_row(&run, "row 4\n", 6) == 0);
    CHILD_EXPECTS(text_is_in("metrics.csv", "header\nrow 1\nrow 2\nrow 3\nrow 4\n"));
    CHILD_EXPECTS(run_dir_append_row(&run, "row 5\n", 6) == 0);
    CHILD_EXPECTS(text_is_in("metrics.csv", "header\nrow 1\nrow 2\nrow 3\nrow 4\nrow 5\n"));
    CHILD_EXPECTS(run.lost_rows == 0);
}

static void rows_wait_in_memory_while_the_disk_is_full(void **state)
{
    (void)state;
    create("m");
    assert_true(child_succeeds(fill_the_disk, NULL));
}

/* A disk that takes 15 bytes of a file: the first line does not fit, the next would. */
static void begin_on_a_full_disk(void *argument)
{
    (void)argument;
    CHILD_EXPECTS(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHILD_EXPECTS(limit_files(15));
    run_dir_append_fact(&run, "{\"a\":\"0123456789\"}", 18);
    run_dir_append_fact(&run, "{\"b\":1}", 7);
    CHILD_EXPECTS(run_dir_append_state(&run, "{\"c\":1}", 7) == -EFBIG); /* said again later, or not at all */
    CHILD_EXPECTS(text_is_in("run.jsonl", ""));
    CHILD_EXPECTS(run_dir_append_row(&run, "row 1\n", 6) == 0); /* no room for the lines yet */
    CHILD_EXPECTS(text_is_in("run.jsonl", ""));
    CHILD_EXPECTS(limit_files(RLIM_INFINITY));
    CHILD_EXPECTS(run_dir_append_row(&run, "row 2\n", 6) == 0);
    CHILD_EXPECTS(text_is_in("run.jsonl", "{\"a\":\"0123456789\"}\n{\"b\":1}\n"));
    CHILD_EXPECTS(run_dir_append_state(&run, "{\"c\":2}", 7) == 0);
    CHILD_EXPECTS(text_is_in("run.jsonl", "{\"a\":\"0123456789\"}\n{\"b\":1}\n{\"c\":2}\n"));
}

static void what_is_said_once_waits_for_room_and_keeps_its_place(void **state)
{
    (void)state;
    create("m");
    assert_true(child_succeeds(begin_on_a_full_disk, NULL));
}

/* So long that memory is full too; then the disk has room again. */
static void outlast_memory(void *argument)
{
    static char row[1024 * 1024];
    struct stat info;
    (void)argument;
    memset(row, 'r', sizeof row);
    row[sizeof row - 1] = '\n';
    CHILD_EXPECTS(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHILD_EXPECTS(limit_files(100));
    for (int i = 0; i < 18; i++)
        CHILD_EXPECTS(run_dir_append_row(&run, row, sizeof row) < 0);
    CHILD_EXPECTS(run.lost_rows == 2);
    CHILD_EXPECTS(limit_files(RLIM_INFINITY));
    (void)run_dir_append_row(&run, row, sizeof row);
    (void)run_dir_append_row(&run, row, sizeof row);
    CHILD_EXPECTS(fstat(run.rows, &info) == 0);
    CHILD_EXPECTS(info.st_size >= 17 * (off_t)sizeof row);
    CHILD_EXPECTS(run.lost_rows <= 3);
}

static void a_disk_that_has_room_again_is_used_even_when_memory_was_full(void **state)
{
    (void)state;
    create("m");
    assert_true(child_succeeds(outlast_memory, NULL));
}

static void rows_are_loaded_whole_and_within_the_limit(void **state)
{
    (void)state;
    struct bytes rows;
    create("m");
    append("header\n");
    append("row\n");
    assert_int_equal(write(run.rows, "torn", 4), 4);
    assert_rows("header\nrow\n");
    bytes_init(&rows, 15);
    assert_int_equal(run_dir_load_rows(&run, &rows), 0);
    bytes_done(&rows);
    bytes_init(&rows, 5);
    assert_int_equal(run_dir_load_rows(&run, &rows), -EFBIG);
    bytes_done(&rows);
}

static void a_run_without_rows_loads_none(void **state)
{
    (void)state;
    create("m");
    assert_rows("");
    assert_int_equal(write(run.rows, "torn", 4), 4);
    assert_rows("");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_run_is_private_and_complete),
        TEST(a_log_that_is_left_out_is_made_later_or_by_who_opens_the_run),
        TEST(odd_machine_names_stay_in_the_folder),
        TEST(a_taken_name_gets_a_number),
        TEST(a_blank_folder_is_no_run_and_is_swept_unless_it_is_held),
        TEST(a_folder_in_which_something_stands_is_never_swept),
        TEST(without_a_folder_the_run_still_has_a_name),
        TEST(lines_are_appended_whole),
        TEST(a_run_is_opened_again_where_it_stopped),
        TEST(a_torn_last_line_is_cut_before_the_next),
        TEST(one_process_at_a_time_works_on_a_run),
        TEST(a_torn_line_of_a_run_at_work_is_not_cut),
        TEST(names_that_are_no_names_are_refused),
        TEST(a_run_that_is_a_link_or_a_file_is_refused),
        TEST(a_run_of_somebody_else_is_refused),
        TEST(planted_files_are_refused_and_left_alone),
        TEST(a_run_in_memory_has_all_its_rows),
        TEST(memory_has_an_end_and_losses_are_counted),
        TEST(rows_wait_in_memory_while_the_disk_is_full),
        TEST(what_is_said_once_waits_for_room_and_keeps_its_place),
        TEST(a_disk_that_has_room_again_is_used_even_when_memory_was_full),
        TEST(rows_are_loaded_whole_and_within_the_limit),
        TEST(a_run_without_rows_loads_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
