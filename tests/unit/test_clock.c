// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static void dates_agree_with_gmtime(void **state)
{
    (void)state;
    /* Every 11 days and some, from 1970 to 9999. */
    for (int64_t t = 0; t < INT64_C(253402300800); t += 998877) {
        time_t    seconds = (time_t)t;
        struct tm tm;
        char      ours[21];
        char      theirs[32];
        char      compact[17];
        assert_non_null(gmtime_r(&seconds, &tm));
        clock_format_utc(t, ours);
        assert_true(strftime(theirs, sizeof theirs, "%Y-%m-%dT%H:%M:%SZ", &tm) == 20);
        assert_string_equal(ours, theirs);
        clock_format_compact(t, compact);
        assert_true(strftime(theirs, sizeof theirs, "%Y%m%dT%H%M%SZ", &tm) == 16);
        assert_string_equal(compact, theirs);
        int64_t back = -1;
        assert_int_equal(clock_parse_utc(ours, &back), 0);
        assert_true(back == t);
    }
}

static void dates_beyond_the_range_are_clamped(void **state)
{
    (void)state;
    char text[21];
    clock_format_utc(-5, text);
    assert_string_equal(text, "1970-01-01T00:00:00Z");
    clock_format_utc(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59Z");
    clock_format_utc(INT64_C(253402300799), text);
    assert_string_equal(text, "9999-12-31T23:59:59Z");
}

static void zones_and_fractions_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t     seconds;
    } dates[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-22T10:45:00Z", 1795344300},
        {"2026-11-22T10:45:00", 1795344300},
        {"2026-11-22 10:45:00z", 1795344300},
        {"2026-11-22t10:45:00.123456789Z", 1795344300},
        {"2026-11-22T10:45:00.5+00:00", 1795344300},
        {"2026-11-22T12:15:00+01:30", 1795344300},
        {"2026-11-22T02:45:00-0800", 1795344300},
        {"2026-11-22T11:45:00+01", 1795344300},
        {"2024-02-29T00:00:00Z", 1709164800},
        {"2000-02-29T23:59:60Z", 951868800},
    };
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
        int64_t seconds = -1;
        assert_int_equal(clock_parse_utc(dates[i].text, &seconds), 0);
        assert_true(seconds == dates[i].seconds);
    }
}

static void what_is_no_date_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "2026", "2026-11-22", "2026-11-22T10:45", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-11-31T00:00:00Z", "2026-11-00T00:00:00Z",
        "2026-11-22T24:00:00Z", "2026-11-22T10:60:00Z", "2026-11-22T10:45:00ZZ", "2026-11-22T10:45:00.Z",
        "2026-11-22T10:45:00+", "2026-11-22T10:45:00+1", "2026-11-22T10:45:00+01:", "2026-11-22T10:45:00+01:3",
        "2026-11-22T10:45:00 Z", "+026-11-22T10:45:00Z", "1969-12-31T23:59:59Z", "2026-11-22T10:45:00+99:99"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t seconds = -1;
        if (clock_parse_utc(bad[i], &seconds) != -EINVAL)
            fail_msg("taken for a date: %s", bad[i]);
        assert_true(seconds == -1);
    }
}

static void http_dates_are_understood(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "Sun", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Now 1994 08:49:37 GMT",
                                      "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
                                      "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 No"};
    int64_t                  seconds = 0;
    assert_int_equal(clock_parse_http("Sun, 06 Nov 1994 08:49:37 GMT", &seconds), 0);
    assert_true(seconds == 784111777);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(clock_parse_http(bad[i], &seconds), -EINVAL);
}

static void months_are_whole_names(void **state)
{
    (void)state;
    int64_t seconds = 0;
    assert_int_equal(clock_parse_http("Sun, 06 anF 1994 08:49:37 GMT", &seconds), -EINVAL);
}

/* Clocks that move by so much from one reading to the next; 0: the machine's. */
static int64_t moves, moved;

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
    if (moves == 0)
        return __real_clock_gettime(clock, ret);
    int64_t at = 1000 * CLOCK_SECOND + (clock == CLOCK_BOOTTIME ? 60 * CLOCK_SECOND : 0) + moved;
    moved += moves;
    *ret = (struct timespec){.tv_sec = at / CLOCK_SECOND, .tv_nsec = at % CLOCK_SECOND};
    return 0;
}

static void the_time_between_two_readings_is_no_sleep(void **state)
{
    (void)state;
    moves = 2 * CLOCK_SECOND; /* a machine that is busy */
    int64_t slept = clock_suspended();
    assert_true(slept > 0 && slept <= 60 * CLOCK_SECOND);
    moves = 100 * CLOCK_SECOND;
    assert_true(clock_suspended() == 0);
    moves = 1000;
    assert_true(clock_suspended() / CLOCK_MILLISECOND == 59999);
    moves = 0;
}

static void clocks_run_forward(void **state)
{
    (void)state;
    int64_t monotonic = clock_monotonic();
    int64_t cpu = clock_thread_cpu();
    int64_t real = clock_real();
    (void)usleep(2000);
    assert_true(clock_monotonic() - monotonic >= 2 * CLOCK_MILLISECOND);
    assert_true(clock_thread_cpu() >= cpu);
    assert_true(real / CLOCK_SECOND >= time(NULL) - 2 && real / CLOCK_SECOND <= time(NULL) + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_agree_with_gmtime),
        cmocka_unit_test(dates_beyond_the_range_are_clamped),
        cmocka_unit_test(zones_and_fractions_are_understood),
        cmocka_unit_test(what_is_no_date_is_refused),
        cmocka_unit_test(http_dates_are_understood),
        cmocka_unit_test(months_are_whole_names),
        cmocka_unit_test(the_time_between_two_readings_is_no_sleep),
        cmocka_unit_test(clocks_run_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
