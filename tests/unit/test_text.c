// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/text.h"

static void lines_come_without_their_end_and_the_last_may_lack_one(void **state)
{
    (void)state;
    struct text t = text_of("one\n\nthree");
    struct text line;
    assert_true(text_line(&t, &line) && text_is(line, "one"));
    assert_true(text_line(&t, &line) && text_is(line, ""));
    assert_true(text_line(&t, &line) && text_is(line, "three"));
    assert_false(text_line(&t, &line));
    t = text_of("");
    assert_false(text_line(&t, &line));
    t = text_of("\n");
    assert_true(text_line(&t, &line) && text_is(line, ""));
    assert_false(text_line(&t, &line));
}

static void words_stand_between_blanks(void **state)
{
    (void)state;
    struct text t = text_of("  one\ttwo  \nthree");
    struct text word;
    assert_true(text_word(&t, &word) && text_is(word, "one"));
    assert_true(text_word(&t, &word) && text_is(word, "two"));
    assert_false(text_word(&t, &word));
    assert_int_equal(*t.at, '\n');
}

static void a_piece_ends_where_the_stop_is_or_the_text_does(void **state)
{
    (void)state;
    struct text t = text_of("a:b:");
    struct text piece;
    assert_true(text_until(&t, ':', &piece) && text_is(piece, "a"));
    assert_true(text_until(&t, ':', &piece) && text_is(piece, "b"));
    assert_false(text_until(&t, ':', &piece));
    t = text_of("abc");
    assert_true(text_until(&t, ':', &piece) && text_is(piece, "abc"));
}

static bool number(const char *string, uint64_t *ret)
{
    struct text t = text_of(string);
    return text_unsigned(&t, ret);
}

static void numbers_are_read_up_to_their_limit(void **state)
{
    (void)state;
    uint64_t n = 7;
    assert_true(number("0", &n) && n == 0);
    assert_true(number(" \t12 kB", &n) && n == 12);
    assert_true(number("18446744073709551615", &n) && n == UINT64_MAX);
    n = 7;
    assert_false(number("18446744073709551616", &n));
    assert_false(number("99999999999999999999999", &n));
    assert_false(number("", &n));
    assert_false(number("-1", &n));
    assert_false(number("x1", &n));
    assert_int_equal(n, 7);
}

static void a_number_that_is_none_leaves_the_cursor(void **state)
{
    (void)state;
    struct text t = text_of("  x");
    const char *at = t.at;
    uint64_t    n = 0;
    assert_false(text_unsigned(&t, &n));
    assert_ptr_equal(t.at, at);
    t = text_of("5x");
    assert_true(text_unsigned(&t, &n));
    assert_int_equal(*t.at, 'x');
}

static void hexadecimal_digits_of_either_case_are_a_number(void **state)
{
    (void)state;
    struct text t = text_of("7fA0-x");
    uint64_t    value = 0;
    assert_true(text_hexadecimal(&t, &value));
    assert_int_equal(value, 0x7fa0);
    assert_true(text_is(t, "-x"));
    assert_false(text_hexadecimal(&t, &value));
    t = text_of("123456789abcdef01");
    assert_true(text_hexadecimal(&t, &value));
    assert_true(value == UINT64_C(0x123456789abcdef0) && text_is(t, "1"));
}

static void white_space_at_either_end_goes(void **state)
{
    (void)state;
    struct text t = text_of("\r\n \tone two\t \r\n");
    text_trim(&t);
    assert_true(text_is(t, "one two"));
    t = text_of(" \n");
    text_trim(&t);
    assert_int_equal(text_len(t), 0);
}

static void a_text_of_other_characters_is_told(void **state)
{
    (void)state;
    assert_true(text_consists_of(text_of("eu-west-1"), TEXT_LOWER TEXT_DIGITS "-"));
    assert_false(text_consists_of(text_of("Eu"), TEXT_LOWER));
    assert_false(text_consists_of(text_of(""), TEXT_LOWER));
    assert_false(text_consists_of(text_span("a\0", 2), TEXT_LOWER));
}

static void a_prefix_in_either_case_is_found(void **state)
{
    (void)state;
    assert_true(text_starts_caseless(text_of("Retry-After: 1"), "retry-after"));
    assert_false(text_starts_caseless(text_of("Retry"), "retry-after"));
    assert_true(text_starts_caseless(text_of(""), ""));
}

static void prefixes_are_skipped_only_when_whole(void **state)
{
    (void)state;
    struct text t = text_of("MemTotal");
    assert_false(text_skip(&t, "MemTotal:"));
    assert_true(text_starts(t, "Mem"));
    assert_true(text_skip(&t, "Mem"));
    assert_true(text_is(t, "Total"));
    assert_false(text_is(t, "Tota"));
    assert_false(text_is(t, "Totals"));
    assert_true(text_skip(&t, ""));
}

static void the_last_of_many_is_found(void **state)
{
    (void)state;
    struct text t = text_of("1 (a) b) S");
    assert_true(text_after_last(&t, ')'));
    assert_true(text_is(t, " S"));
    assert_false(text_after_last(&t, ')'));
    assert_true(text_is(t, " S"));
    t = text_of("x)");
    assert_true(text_after_last(&t, ')'));
    assert_int_equal(text_len(t), 0);
    assert_false(text_after_last(&t, ')'));
}

static void decimals_need_a_digit_and_nothing_else(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ".", "1.2.3", "1e3", "-1", " 1", "1 ", "1,5", "nan", "inf", "0x1",
                                      "99999999999999999999"};
    double                   d = 0;
    assert_true(text_decimal(text_of("12"), &d) && d > 11.999 && d < 12.001);
    assert_true(text_decimal(text_of("0.05"), &d) && d > 0.0499 && d < 0.0501);
    assert_true(text_decimal(text_of(".5"), &d) && d > 0.499 && d < 0.501);
    assert_true(text_decimal(text_of("5."), &d) && d > 4.999 && d < 5.001);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(text_decimal(text_of(bad[i]), &d));
}

static void many_decimals_are_still_a_number(void **state)
{
    (void)state;
    double d = 0;
    assert_true(text_decimal(text_of("0.0500000000000000000000000000000"), &d) && d > 0.0499 && d < 0.0501);
    char zeros[600] = "0.";
    memset(zeros + 2, '0', 500);
    assert_true(text_decimal(text_of(zeros), &d) && d < 1e-9);
}

static void a_copy_fits_or_is_empty(void **state)
{
    (void)state;
    char copy[4] = "zzz";
    assert_true(text_copy(text_of("abc"), copy, sizeof copy));
    assert_string_equal(copy, "abc");
    assert_false(text_copy(text_of("abcd"), copy, sizeof copy));
    assert_string_equal(copy, "");
    assert_false(text_copy(text_of(""), copy, 0));
    assert_true(text_copy(text_span("abc", 2), copy, sizeof copy));
    assert_string_equal(copy, "ab");
}

static void nothing_at_all_is_a_text_too(void **state)
{
    (void)state;
    struct text t = {NULL, NULL};
    struct text piece;
    uint64_t    n = 0;
    assert_int_equal(text_len(t), 0);
    assert_false(text_line(&t, &piece));
    assert_false(text_word(&t, &piece));
    assert_false(text_unsigned(&t, &n));
    assert_false(text_after_last(&t, 'x'));
    assert_false(text_starts(t, "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_without_their_end_and_the_last_may_lack_one),
        cmocka_unit_test(words_stand_between_blanks),
        cmocka_unit_test(a_piece_ends_where_the_stop_is_or_the_text_does),
        cmocka_unit_test(numbers_are_read_up_to_their_limit),
        cmocka_unit_test(a_number_that_is_none_leaves_the_cursor),
        cmocka_unit_test(hexadecimal_digits_of_either_case_are_a_number),
        cmocka_unit_test(white_space_at_either_end_goes),
        cmocka_unit_test(a_text_of_other_characters_is_told),
        cmocka_unit_test(a_prefix_in_either_case_is_found),
        cmocka_unit_test(prefixes_are_skipped_only_when_whole),
        cmocka_unit_test(the_last_of_many_is_found),
        cmocka_unit_test(decimals_need_a_digit_and_nothing_else),
        cmocka_unit_test(many_decimals_are_still_a_number),
        cmocka_unit_test(a_copy_fits_or_is_empty),
        cmocka_unit_test(nothing_at_all_is_a_text_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
