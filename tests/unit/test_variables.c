// SPDX-License-Identifier: Apache-2.0
// A misspelt variable is told, with the one that was meant.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/log.h"
#include "config/variables.h"

static struct log said;

static const char *check(const char *const *environment)
{
    log_done(&said);
    log_init(&said, LOG_WARN);
    variables_check(environment, &said);
    return said.early.data ? said.early.data : "";
}

static int done(void **state)
{
    (void)state;
    log_done(&said);
    return 0;
}

static void every_variable_of_the_table_is_known(void **state)
{
    (void)state;
#define ROW(name, ...) #name "=x",
    const char *const environment[] = {VARIABLES(ROW) NULL};
#undef ROW
    assert_string_equal(check(environment), "");
    assert_string_equal(variable_default("PILLION_INTERVAL"), "1");
    assert_string_equal(variable_default("PILLION"), "");
}

static void the_nearest_name_is_offered(void **state)
{
    (void)state;
    static const struct {
        const char *wrong, *right;
    } names[] = {{"PILLION_INTERVALL", "PILLION_INTERVAL"},     {"PILLION_INTERVAL_S", "PILLION_INTERVAL"},
                 {"PILLION_LOGLEVEL", "PILLION_LOG_LEVEL"},     {"PILLION_DISABLED", "PILLION_DISABLE"},
                 {"PILLION_SIGNAL", "PILLION_SIGNALS"},         {"PILLION_EXITTIMEOUT", "PILLION_EXIT_TIMEOUT"},
                 {"PILLION_S3_ENDPOIN", "PILLION_S3_ENDPOINT"}, {"PILLION_interval", "PILLION_"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char        entry[64] = "";
        char        offered[64] = "the nearest is ";
        const char *environment[] = {entry, NULL};
        strcat(entry, names[i].wrong);
        strcat(entry, "=some-value");
        strcat(offered, names[i].right);
        const char *text = check(environment);
        assert_non_null(strstr(text, names[i].wrong));
        assert_non_null(strstr(text, offered));
        assert_null(strstr(text, "some-value"));
    }
}

static void other_names_are_nobodys_business(void **state)
{
    (void)state;
    const char *const environment[] = {"PATH=/bin",        "PILLION=1",       "MY_PILLION_DIR=x",
                                       "pillion_dir=x",    "=C:=x",           "",
                                       "SENTINEL_FOO=bar", "PILLION_NOTHING", NULL};
    assert_string_equal(check(environment), "");
}

static void long_and_odd_names_are_cut_and_few_are_told(void **state)
{
    (void)state;
    static char huge[4096] = "PILLION_";
    memset(huge + 8, 'X', sizeof huge - 16);
    strcat(huge, "=1");
    const char *const one[] = {huge, "PILLION_=", "PILLION_\n\x1b[31m=1", NULL};
    const char       *text = check(one);
    assert_true(strlen(text) < 1024);
    assert_null(strchr(text, '\x1b'));

    const char *many[33] = {0};
    for (size_t i = 0; i < 32; i++)
        many[i] = "PILLION_WRONG=1";
    size_t lines = 0;
    for (const char *p = check(many); *p; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_variable_of_the_table_is_known),
        cmocka_unit_test(the_nearest_name_is_offered),
        cmocka_unit_test(other_names_are_nobodys_business),
        cmocka_unit_test(long_and_odd_names_are_cut_and_few_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
