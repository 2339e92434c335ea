// SPDX-License-Identifier: Apache-2.0
// The mark of an API: for how long it stands, who tries when it has run out, and what is no mark.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "delivery/api_mark.h"
#include "folder.h"

static struct folder    folder;
static const char      *url, *token;
static struct state_dir nowhere = {.dir = -1, .runs = -1};

static int make(void **state)
{
    (void)state;
    url = "http://127.0.0.1:1";
    token = "a token";
    return folder_make(&folder) ? 0 : -1;
}

static int drop(void **state)
{
    (void)state;
    folder_remove(&folder);
    return 0;
}

/* The mark as a process sees it, in this test's folder. */
static struct api_mark opened(void)
{
    static struct config config;
    struct api_mark      m;
    (void)snprintf(config.api_url, sizeof config.api_url, "%s", url);
    (void)snprintf(config.token, sizeof config.token, "%s", token);
    api_mark_open(&m, &config, &nowhere);
    if (m.folder >= 0)
        close(m.folder);
    m.folder = folder_open(&folder);
    assert_true(m.folder >= 0);
    return m;
}

static enum api_mark_answer asked(void)
{
    struct api_mark      m = opened();
    enum api_mark_answer answer = api_mark_ask(&m);
    api_mark_close(&m);
    return answer;
}

static void note(const struct api_mark_end *end)
{
    struct api_mark m = opened();
    (void)api_mark_ask(&m);
    api_mark_note(&m, end);
    api_mark_close(&m);
}

/* Sets the mark's times as if it had been set so many seconds ago. */
static void age(int64_t seconds, int64_t pause)
{
    struct api_mark m = opened();
    int64_t         then = time(NULL) - seconds;
    struct timespec times[2] = {{.tv_sec = then}, {.tv_sec = then + pause}};
    assert_int_equal(utimensat(m.folder, m.name, times, AT_SYMLINK_NOFOLLOW), 0);
    api_mark_close(&m);
}

static int64_t pause_of_mark(void)
{
    struct api_mark m = opened();
    struct stat     info;
    int             error = fstatat(m.folder, m.name, &info, AT_SYMLINK_NOFOLLOW);
    api_mark_close(&m);
    return error == 0 ? info.st_mtime - info.st_atime : -1;
}

#define SECONDS(s)   ((int64_t)((s) * (double)CLOCK_SECOND))
#define FAILED(s)    (&(struct api_mark_end){.took = SECONDS(s), .failed = true, .retry_after_s = -1})
#define DELIVERED(s) (&(struct api_mark_end){.took = SECONDS(s), .delivered = true, .retry_after_s = -1})

static void a_long_end_sets_it_for_a_time_that_doubles_up_to_ten_minutes(void **state)
{
    (void)state;
    static const int64_t pauses[] = {10, 20, 40, 80, 160, 320, 600, 600};
    int64_t              before = 0;
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        assert_int_equal(api_mark_pause(FAILED(5), before), pauses[i]);
        assert_int_equal(api_mark_pause(DELIVERED(1.001), before), pauses[i]);
        before = pauses[i];
    }
}

static void a_quick_failure_sets_it_for_ten_seconds_however_often(void **state)
{
    (void)state;
    assert_int_equal(api_mark_pause(FAILED(0.01), 0), 10);
    assert_int_equal(api_mark_pause(FAILED(1), 320), 10);
}

static void a_delivery_within_a_second_takes_it_away(void **state)
{
    (void)state;
    assert_int_equal(api_mark_pause(DELIVERED(0.01), 0), -1);
    assert_int_equal(api_mark_pause(DELIVERED(1), 600), -1);
}

static void a_failure_of_the_run_itself_says_nothing_of_the_api(void **state)
{
    (void)state;
    struct api_mark_end end = {.took = SECONDS(0.1), .retry_after_s = -1};
    assert_int_equal(api_mark_pause(&end, 0), 0);
}

static void retry_after_counts_where_it_is_longer_and_not_for_ever(void **state)
{
    (void)state;
    struct api_mark_end end = {.took = SECONDS(0.1), .failed = true, .retry_after_s = 5};
    assert_int_equal(api_mark_pause(&end, 0), 10);
    end.retry_after_s = 90;
    assert_int_equal(api_mark_pause(&end, 0), 90);
    end.took = SECONDS(2);
    assert_int_equal(api_mark_pause(&end, 80), 160);
    end.retry_after_s = INT32_MAX;
    assert_int_equal(api_mark_pause(&end, 0), API_MARK_ASKED_MAX_S);
}

static void without_a_mark_everybody_waits_and_with_one_nobody(void **state)
{
    (void)state;
    assert_int_equal(asked(), API_MARK_NONE);
    note(FAILED(5));
    assert_int_equal(asked(), API_MARK_STANDS);
    assert_int_equal(pause_of_mark(), 10);
    age(9, 10 + 2);
    assert_int_equal(asked(), API_MARK_STANDS);
}

static void one_tries_when_it_has_run_out_and_the_others_do_not_wait(void **state)
{
    (void)state;
    note(FAILED(5));
    age(11, 10);
    struct api_mark m = opened();
    assert_int_equal(api_mark_ask(&m), API_MARK_TO_TRY);
    assert_int_equal(asked(), API_MARK_IS_TRIED);
    api_mark_note(&m, FAILED(5));
    assert_int_equal(asked(), API_MARK_STANDS);
    assert_int_equal(pause_of_mark(), 20);
    api_mark_close(&m);
    assert_int_equal(asked(), API_MARK_STANDS);
}

static void one_that_dies_while_it_tries_leaves_it_to_the_next(void **state)
{
    (void)state;
    note(FAILED(5));
    age(100, 10);
    assert_int_equal(asked(), API_MARK_TO_TRY);
    assert_int_equal(asked(), API_MARK_TO_TRY);
}

static void it_is_gone_after_a_quick_delivery(void **state)
{
    (void)state;
    note(FAILED(5));
    age(11, 10);
    note(DELIVERED(0.2));
    assert_int_equal(asked(), API_MARK_NONE);
    assert_int_equal(pause_of_mark(), -1);
}

/* Of programs that end at the same moment each sets the mark: that is one failure, and not a hundred. */
static void who_did_not_try_does_not_double_it(void **state)
{
    (void)state;
    struct api_mark m[3] = {opened(), opened(), opened()};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(api_mark_ask(&m[i]), API_MARK_NONE);
    for (size_t i = 0; i < 3; i++) {
        api_mark_note(&m[i], FAILED(5));
        api_mark_close(&m[i]);
    }
    assert_int_equal(pause_of_mark(), 10);
}

static void a_longer_one_is_not_shortened(void **state)
{
    (void)state;
    struct api_mark late = opened();
    assert_int_equal(api_mark_ask(&late), API_MARK_NONE);
    note(FAILED(5));
    age(0, 300);
    api_mark_note(&late, FAILED(5));
    api_mark_close(&late);
    assert_int_equal(pause_of_mark(), 300);
}

static void another_url_and_another_token_have_marks_of_their_own(void **state)
{
    (void)state;
    note(FAILED(5));
    token = "another token";
    assert_int_equal(asked(), API_MARK_NONE);
    token = "a token";
    assert_int_equal(asked(), API_MARK_STANDS);
    url = "http://127.0.0.1:2";
    assert_int_equal(asked(), API_MARK_NONE);
}

static void its_name_tells_neither_url_nor_token(void **state)
{
    (void)state;
    struct api_mark m = opened();
    assert_null(strstr(m.name, "token"));
    assert_null(strstr(m.name, "127"));
    assert_int_equal(strlen(m.name), strlen("api-01234567-01234567"));
    api_mark_close(&m);
}

static void it_is_an_empty_file_for_its_user_alone(void **state)
{
    (void)state;
    struct api_mark m = opened();
    struct stat     info;
    mode_t          before = umask(0777); /* which decides nothing */
    for (int i = 0; i < 5; i++)
        note(FAILED(5));
    (void)umask(before);
    assert_int_equal(fstatat(m.folder, m.name, &info, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(info.st_size, 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    api_mark_close(&m);
}

static void times_that_cannot_be_are_no_reason_not_to_wait(void **state)
{
    (void)state;
    note(FAILED(5));
    static const int64_t odd[][2] = {{-100, 10}, {10, 100000}, {0, 0}, {0, -50}};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        age(odd[i][0], odd[i][1]);
        assert_int_equal(asked(), API_MARK_TO_TRY);
    }
}

static void a_link_or_a_file_of_another_is_no_mark(void **state)
{
    (void)state;
    struct api_mark m = opened();
    char            path[FOLDER_PATH];
    assert_int_equal(symlink("victim", folder_path(&folder, m.name, path)), 0);
    note(FAILED(5));
    assert_false(folder_has(&folder, "victim"));
    assert_int_equal(asked(), API_MARK_NONE);
    assert_int_equal(unlink(path), 0);
    if (geteuid() == 0) {
        note(FAILED(5));
        assert_int_equal(asked(), API_MARK_STANDS);
        assert_int_equal(chown(path, 54321, (gid_t)-1), 0);
        assert_int_equal(asked(), API_MARK_NONE);
        int64_t before = pause_of_mark();
        age(0, 77);
        note(FAILED(5));
        assert_int_equal(pause_of_mark(), 77);
        assert_int_equal(before, 10);
    }
    api_mark_close(&m);
}

static void without_a_place_for_it_everybody_waits(void **state)
{
    (void)state;
    struct api_mark m = opened();
    close(m.folder);
    m.folder = -1;
    assert_int_equal(api_mark_ask(&m), API_MARK_NONE);
    api_mark_note(&m, FAILED(5));
    api_mark_note(&m, DELIVERED(0.1));
    assert_int_equal(api_mark_ask(&m), API_MARK_NONE);
    api_mark_close(&m);
}

static void marks_of_long_ago_are_swept_and_nothing_else(void **state)
{
    (void)state;
    struct api_mark m = opened();
    struct timespec then[2] = {{.tv_sec = time(NULL) - 90000}, {.tv_sec = time(NULL) - 90000}};
    note(FAILED(5));
    assert_true(folder_write_text(&folder, "api-old", "") && folder_write_text(&folder, "4026531836-1-2", ""));
    assert_int_equal(utimensat(m.folder, "api-old", then, 0), 0);
    assert_int_equal(utimensat(m.folder, "4026531836-1-2", then, 0), 0);
    api_mark_sweep(&m);
    assert_false(folder_has(&folder, "api-old"));
    assert_true(folder_has(&folder, "4026531836-1-2"));
    assert_true(folder_has(&folder, m.name));
    api_mark_close(&m);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_long_end_sets_it_for_a_time_that_doubles_up_to_ten_minutes),
        TEST(a_quick_failure_sets_it_for_ten_seconds_however_often),
        TEST(a_delivery_within_a_second_takes_it_away),
        TEST(a_failure_of_the_run_itself_says_nothing_of_the_api),
        TEST(retry_after_counts_where_it_is_longer_and_not_for_ever),
        TEST(without_a_mark_everybody_waits_and_with_one_nobody),
        TEST(one_tries_when_it_has_run_out_and_the_others_do_not_wait),
        TEST(one_that_dies_while_it_tries_leaves_it_to_the_next),
        TEST(it_is_gone_after_a_quick_delivery),
        TEST(who_did_not_try_does_not_double_it),
        TEST(a_longer_one_is_not_shortened),
        TEST(another_url_and_another_token_have_marks_of_their_own),
        TEST(its_name_tells_neither_url_nor_token),
        TEST(it_is_an_empty_file_for_its_user_alone),
        TEST(times_that_cannot_be_are_no_reason_not_to_wait),
        TEST(a_link_or_a_file_of_another_is_no_mark),
        TEST(without_a_place_for_it_everybody_waits),
        TEST(marks_of_long_ago_are_swept_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
