// SPDX-License-Identifier: Apache-2.0
// The end of a run, by its state.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/run.h"
#include "folder.h"

static struct folder folder;
static struct run    run;
static struct link   link_words;

static int make(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    if (!folder_make(&folder) || mkdir(folder_path(&folder, "runs", path), 0700) != 0)
        return -1;
    memset(&run, 0, sizeof run);
    run.link = &link_words;
    run.roots = (struct roots){.proc = "/proc", .sys = "/sys"};
    run.home = (struct state_dir){.dir = folder_open(&folder), .runs = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    run.output.fd = -1;
    log_init(&run.log, LOG_WARN);
    run_dir_init(&run.dir);
    return run_dir_create(&run.home, 1795346661, "m", 1, &run.dir);
}

static int drop(void **state)
{
    (void)state;
    run_dir_close(&run.dir);
    state_dir_close(&run.home);
    folder_remove(&folder);
    return 0;
}

static off_t written(void)
{
    return lseek(run.dir.state, 0, SEEK_END);
}

static void a_run_is_ended_once(void **state)
{
    (void)state;
    run.state = RUN_MADE;
    finish_run(&run);
    assert_int_equal(run.state, RUN_ENDED);
    off_t once = written();
    assert_true(once > 0);
    finish_run(&run);
    assert_int_equal(written(), once);
}

static void a_run_that_rests_is_not_ended_once_more(void **state)
{
    (void)state;
    run.state = RUN_RESTS;
    finish_run(&run);
    assert_int_equal(run.state, RUN_RESTS);
    assert_int_equal(written(), 0);
}

static void one_that_is_too_young_leaves_nothing(void **state)
{
    (void)state;
    run.config.min_life = INT64_MAX;
    finish_run(&run);
    assert_int_equal(run.state, RUN_UNMADE);
    assert_int_equal(written(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_run_is_ended_once, make, drop),
        cmocka_unit_test_setup_teardown(a_run_that_rests_is_not_ended_once_more, make, drop),
        cmocka_unit_test_setup_teardown(one_that_is_too_young_leaves_nothing, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
