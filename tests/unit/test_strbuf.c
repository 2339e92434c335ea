// SPDX-License-Identifier: Apache-2.0
// Text on the stack: what is put together, patterns, words of the environment.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "hook/hook.h"

struct hook hook;

static bool matches(const char *pattern, const char *text)
{
    return glob_matches(pattern, strlen(pattern), text);
}

static void words_are_added_until_they_do_not_fit(void **state)
{
    (void)state;
    char          buffer[8];
    struct strbuf w = strbuf_in(buffer, sizeof buffer);
    assert_string_equal(buffer, "");
    strbuf_add(&w, "abc");
    strbuf_number(&w, 1234);
    assert_string_equal(buffer, "abc1234");
    assert_false(w.cut);
    strbuf_add(&w, "");
    assert_false(w.cut);
    strbuf_add(&w, "x");
    assert_true(w.cut);
    assert_string_equal(buffer, "abc1234");
    w = strbuf_in(buffer, sizeof buffer);
    strbuf_add(&w, "12345678");
    assert_true(w.cut);
    strbuf_add(&w, "1");
    assert_string_equal(buffer, "");
}

static void numbers_are_written_and_read_whole(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {0, 9, 10, 4294967296, INT64_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char          buffer[24];
        struct strbuf w = strbuf_in(buffer, sizeof buffer);
        strbuf_number(&w, numbers[i]);
        const char *at = buffer;
        assert_int_equal(string_number(&at), numbers[i]);
        assert_int_equal(*at, '\0');
    }
    char          buffer[24];
    struct strbuf w = strbuf_in(buffer, sizeof buffer);
    strbuf_number(&w, UINT64_MAX);
    assert_string_equal(buffer, "18446744073709551615");
}

static void reading_stops_where_the_number_does(void **state)
{
    (void)state;
    const char *at = "42-7";
    assert_int_equal(string_number(&at), 42);
    assert_string_equal(at, "-7");
    assert_int_equal(string_number(&at), 0);
    assert_string_equal(at, "-7");
    at = "99999999999999999999999999";
    (void)string_number(&at); /* no overflow, and the rest is seen by the caller */
    assert_int_not_equal(*at, '\0');
}

static void no_has_four_words(void **state)
{
    (void)state;
    static const char *const no[] = {"0", "false", "no", "off", "FALSE", "No", "oFF"};
    static const char *const other[] = {"", "1", "yes", "true", "on", "00", "offf", "of", "n", "nope", " no"};
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_true(string_is_no(no[i]));
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        assert_false(string_is_no(other[i]));
}

static void a_base_name_is_behind_the_last_slash(void **state)
{
    (void)state;
    assert_string_equal(string_base_name("/usr/bin/x"), "x");
    assert_string_equal(string_base_name("x"), "x");
    assert_string_equal(string_base_name("/x/"), "");
    assert_string_equal(string_base_name(""), "");
}

static void plain_patterns_match_themselves(void **state)
{
    (void)state;
    assert_true(matches("", ""));
    assert_true(matches("abc", "abc"));
    assert_false(matches("abc", "abcd"));
    assert_false(matches("abc", "ab"));
    assert_false(matches("", "a"));
    assert_false(matches("a", ""));
    assert_true(glob_matches("abcdef", 3, "abc"));
    assert_false(glob_matches("abcdef", 3, "abcdef"));
}

static void stars_and_marks_stand_for_anything(void **state)
{
    (void)state;
    assert_true(matches("*", ""));
    assert_true(matches("*", "/usr/bin/x"));
    assert_true(matches("/usr/*/x", "/usr/local/bin/x"));
    assert_true(matches("**x", "x"));
    assert_true(matches("a*", "a"));
    assert_true(matches("*.py", "a.b.py"));
    assert_false(matches("*.py", "a.pyc"));
    assert_true(matches("a*b*c", "aXbYbZc"));
    assert_false(matches("a*b*c", "aXbYbZ"));
    assert_true(matches("?", "/"));
    assert_true(matches("a?c", "abc"));
    assert_false(matches("a?c", "ac"));
    assert_false(matches("?", ""));
    assert_true(matches("*?", "x"));
    assert_false(matches("*?", ""));
}

static void brackets_stand_for_one_of_several(void **state)
{
    (void)state;
    assert_true(matches("[abc]", "b"));
    assert_false(matches("[abc]", "d"));
    assert_false(matches("[abc]", ""));
    assert_false(matches("[abc]", "ab"));
    assert_true(matches("python[0-9]", "python3"));
    assert_false(matches("python[0-9]", "pythonx"));
    assert_true(matches("[a-cx-z]", "y"));
    assert_true(matches("[!a-c]", "d"));
    assert_true(matches("[^a-c]", "d"));
    assert_false(matches("[!a-c]", "b"));
    assert_true(matches("[]]", "]"));
    assert_true(matches("[]a]", "a"));
    assert_true(matches("[!]]", "a"));
    assert_false(matches("[!]]", "]"));
    assert_true(matches("[a-]", "-"));
    assert_true(matches("[-a]", "-"));
    assert_true(matches("*[0-9].log", "a12.log"));
    assert_true(matches("[*]", "*"));
    assert_false(matches("[*]", "x"));
    assert_true(matches("[?]x", "?x"));
}

static void an_open_bracket_and_a_last_backslash_are_letters(void **state)
{
    (void)state;
    assert_true(matches("[abc", "[abc"));
    assert_false(matches("[abc", "a"));
    assert_true(matches("[", "["));
    assert_true(matches("[]", "[]"));
    assert_true(matches("[!", "[!"));
    assert_true(matches("a\\", "a\\"));
    assert_true(matches("\\*", "*"));
    assert_false(matches("\\*", "x"));
    assert_true(matches("\\[a]", "[a]"));
    assert_true(matches("a\\?b", "a?b"));
    assert_false(matches("a\\?b", "axb"));
}

/* With backtracking over every star these would take longer than the universe has. */
static void many_stars_take_no_time(void **state)
{
    (void)state;
    static char pattern[4096];
    static char text[8192];
    for (size_t i = 0; i + 2 < sizeof pattern; i += 2) {
        pattern[i] = 'a';
        pattern[i + 1] = '*';
    }
    memset(text, 'a', sizeof text - 1);
    pattern[sizeof pattern - 2] = 'b';
    assert_false(matches(pattern, text));
    text[sizeof text - 2] = 'b';
    assert_true(matches(pattern, text));
    for (size_t i = 0; i + 5 < 2000; i += 4)
        memcpy(pattern + i, "*[a]", 4);
    memcpy(pattern + 1996, "[c]", 4);
    assert_false(matches(pattern, text));
}

static void a_list_is_tried_on_the_name_or_on_the_path(void **state)
{
    (void)state;
    assert_true(glob_in_list("x:sort:y", "/usr/bin/sort"));
    assert_true(glob_in_list("sor*", "/usr/bin/sort"));
    assert_false(glob_in_list("bin", "/usr/bin/sort"));
    assert_true(glob_in_list("/usr/*", "/usr/bin/sort"));
    assert_true(glob_in_list("*/bin/*", "/usr/bin/sort"));
    assert_false(glob_in_list("/bin/*", "/usr/bin/sort"));
    assert_true(glob_in_list("::sort", "/usr/bin/sort"));
    assert_true(glob_in_list("sort:", "/usr/bin/sort"));
    assert_false(glob_in_list("", "/usr/bin/sort"));
    assert_false(glob_in_list(":", "/usr/bin/sort"));
    assert_false(glob_in_list(NULL, "/usr/bin/sort"));
    assert_false(glob_in_list("x/y:sor", "/usr/bin/sort"));
    assert_true(glob_in_list("*", "/usr/bin/sort"));
}

static void the_environment_is_read_by_whole_names(void **state)
{
    (void)state;
    assert_int_equal(setenv("PILLION_TEST_LONG", "long", 1), 0);
    assert_int_equal(setenv("PILLION_TEST", "a=b", 1), 0);
    assert_string_equal(environment_of("PILLION_TEST"), "a=b");
    assert_string_equal(environment_of("PILLION_TEST_LONG"), "long");
    assert_null(environment_of("PILLION_TES"));
    assert_int_equal(setenv("PILLION_TEST", "", 1), 0);
    assert_string_equal(environment_of("PILLION_TEST"), "");
    assert_int_equal(clearenv(), 0);
    assert_null(environment_of("PILLION_TEST"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_added_until_they_do_not_fit),
        cmocka_unit_test(numbers_are_written_and_read_whole),
        cmocka_unit_test(reading_stops_where_the_number_does),
        cmocka_unit_test(no_has_four_words),
        cmocka_unit_test(a_base_name_is_behind_the_last_slash),
        cmocka_unit_test(plain_patterns_match_themselves),
        cmocka_unit_test(stars_and_marks_stand_for_anything),
        cmocka_unit_test(brackets_stand_for_one_of_several),
        cmocka_unit_test(an_open_bracket_and_a_last_backslash_are_letters),
        cmocka_unit_test(many_stars_take_no_time),
        cmocka_unit_test(a_list_is_tried_on_the_name_or_on_the_path),
        cmocka_unit_test(the_environment_is_read_by_whole_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
