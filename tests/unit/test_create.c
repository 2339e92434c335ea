// SPDX-License-Identifier: Apache-2.0
// What root makes before its run begins, and what it leaves out where the program has ended already.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/dir.h"
#include "engine/run.h"
#include "folder.h"

static struct folder folder;
static struct run    run;
static struct link   link_words;
static char          marker[FOLDER_PATH];

static int make(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    if (!folder_make(&folder) || setenv("PILLION_DIR", folder_path(&folder, "state", path), 1) != 0)
        return -1;
    (void)folder_path(&folder, "1-2-3", marker);
    memset(&run, 0, sizeof run);
    atomic_store(&link_words.request, LINK_NONE);
    run.link = &link_words;
    run.is_the_program = true;
    run.marker = marker;
    run.home.dir = run.home.runs = run.output.fd = -1;
    log_init(&run.log, LOG_WARN);
    run_dir_init(&run.dir);
    run_dir_init(&run.ahead);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    run_dir_close(&run.ahead);
    state_dir_close(&run.home);
    folder_remove(&folder);
    return 0;
}

static void need_root(void)
{
    if (geteuid() != 0)
        skip("only root can become somebody else");
}

/* Entries that begin so; -1: the folder is not there. */
static int count(const char *below, const char *beginning)
{
    struct dir  list;
    char        path[FOLDER_PATH];
    const char *name = NULL;
    int         found = 0;
    if (dir_open(&list, AT_FDCWD, folder_path(&folder, below, path)) < 0)
        return -1;
    while ((name = dir_next(&list)))
        found += strncmp(name, beginning, strlen(beginning)) == 0;
    dir_close(&list);
    return found;
}

static void root_makes_a_folder_and_its_mark(void **state)
{
    (void)state;
    need_root();
    create_ahead(&run);
    marker_make_by_number(&run);
    assert_true(run.ahead.dir >= 0 && run.ahead.rows >= 0 && run.ahead.log >= 0);
    assert_int_equal(count("state/runs", ""), 1);
    assert_int_equal(count("state", CREATE_AHEAD_MARK), 1);
    assert_true(folder_has(&folder, "1-2"));
}

/* The folder is that of its run in a moment. */
static void one_that_has_ended_already_makes_no_mark(void **state)
{
    (void)state;
    need_root();
    atomic_store(&link_words.request, LINK_END);
    create_ahead(&run);
    marker_make_by_number(&run);
    assert_true(run.ahead.dir >= 0);
    assert_int_equal(count("state/runs", ""), 1);
    assert_int_equal(count("state", CREATE_AHEAD_MARK), 0);
    assert_false(folder_has(&folder, "1-2"));
}

/* The exec came between the folder and its first file. */
static void the_empty_folder_of_an_image_before_goes(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    char name[64];
    need_root();
    create_ahead(&run);
    run_dir_suspend(&run.ahead);
    assert_true(run_dir_sweep(&run.home, run.ahead.id));
    (void)snprintf(name, sizeof name, "state/runs/20260101T000000Z-m-%d", (int)getpid());
    assert_int_equal(mkdir(folder_path(&folder, name, path), 0700), 0);
    run_dir_init(&run.ahead);
    run.origin = ORIGIN_SOUGHT;
    create_ahead(&run);
    assert_false(folder_has(&folder, name));
    assert_int_equal(count("state/runs", ""), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(root_makes_a_folder_and_its_mark, make, drop),
        cmocka_unit_test_setup_teardown(one_that_has_ended_already_makes_no_mark, make, drop),
        cmocka_unit_test_setup_teardown(the_empty_folder_of_an_image_before_goes, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
