// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static void decimal_is(double value, int decimals, const char *expected)
{
    struct bytes b;
    bytes_init(&b, 100);
    bytes_decimal(&b, value, decimals);
    assert_string_equal(b.data, expected);
    bytes_done(&b);
}

static void decimals_are_exact_and_rounded_half_up(void **state)
{
    (void)state;
    decimal_is(0, 0, "0");
    decimal_is(0, 4, "0.0000");
    decimal_is(1.5, 0, "2");
    decimal_is(0.25, 1, "0.3");
    decimal_is(12.345678, 6, "12.345678");
    decimal_is(0.00005, 4, "0.0001");
    decimal_is(0.999999, 3, "1.000");
    decimal_is(1e-12, 9, "0.000000000");
    decimal_is(1795346661.123, 3, "1795346661.123");
    decimal_is(123456789.987654321, 6, "123456789.987654");
}

static void a_decimal_is_never_negative_nor_no_number(void **state)
{
    (void)state;
    decimal_is(-0.0, 4, "0.0000");
    decimal_is(-5, 1, "0.0");
    decimal_is(-1e300, 0, "0");
    decimal_is((double)NAN, 2, "0.00");
    decimal_is((double)INFINITY, 0, "9200000000000000000");
    decimal_is(1e300, 9, "9200000000.000000000");
}

static void numbers_reach_their_limits(void **state)
{
    (void)state;
    struct bytes b;
    bytes_init(&b, 200);
    bytes_unsigned(&b, 0);
    bytes_char(&b, ' ');
    bytes_unsigned(&b, UINT64_MAX);
    bytes_char(&b, ' ');
    bytes_signed(&b, INT64_MIN);
    bytes_char(&b, ' ');
    bytes_signed(&b, INT64_MAX);
    bytes_format(&b, " %s-%d-%x", "text", -3, 255U);
    assert_string_equal(b.data, "0 18446744073709551615 -9223372036854775808 9223372036854775807 text--3-ff");
    assert_int_equal(b.len, strlen(b.data));
    bytes_done(&b);
    assert_null(b.data);
}

static void past_the_maximum_everything_is_refused_and_nothing_lost(void **state)
{
    (void)state;
    struct bytes b;
    bytes_init(&b, 5);
    bytes_text(&b, "abcde");
    assert_false(b.failed);
    bytes_char(&b, 'f');
    assert_true(b.failed);
    assert_string_equal(b.data, "abcde");
    bytes_add(&b, "", 0);
    bytes_format(&b, "%d", 1);
    assert_int_equal(b.len, 5);
    assert_null(bytes_take(&b));
    assert_null(b.data);
    assert_false(b.failed);
    bytes_text(&b, "again");
    assert_string_equal(b.data, "again");
    bytes_done(&b);
}

static void a_length_beyond_all_memory_does_not_overflow(void **state)
{
    (void)state;
    struct bytes b;
    bytes_init(&b, SIZE_MAX);
    bytes_text(&b, "x");
    bytes_add(&b, "y", SIZE_MAX - 1);
    assert_true(b.failed);
    assert_string_equal(b.data, "x");
    bytes_clear(&b);
    bytes_add(&b, "y", SIZE_MAX / 2 + 1);
    assert_true(b.failed);
    bytes_done(&b);
}

static void clearing_keeps_the_memory_and_forgets_the_failure(void **state)
{
    (void)state;
    struct bytes b;
    bytes_init(&b, 3);
    bytes_clear(&b);
    bytes_text(&b, "abcd");
    assert_true(b.failed);
    bytes_text(&b, "abc");
    assert_int_equal(b.len, 0);
    bytes_clear(&b);
    bytes_text(&b, "abc");
    const char *memory = b.data;
    bytes_clear(&b);
    assert_string_equal(b.data, "");
    bytes_text(&b, "xyz");
    assert_ptr_equal(b.data, memory);
    char *taken = bytes_take(&b);
    assert_string_equal(taken, "xyz");
    free(taken);
    assert_int_equal(b.capacity, 0);
}

static void zeros_within_are_kept_and_growth_keeps_the_content(void **state)
{
    (void)state;
    struct bytes b;
    bytes_init(&b, 100000);
    for (int i = 0; i < 10000; i++)
        bytes_add(&b, "a\0b", 3);
    assert_int_equal(b.len, 30000);
    assert_memory_equal(b.data + 29997, "a\0b", 4);
    assert_memory_equal(b.data, "a\0b", 3);
    bytes_done(&b);
}

static void what_is_wiped_is_zero(void **state)
{
    (void)state;
    char secret[] = "secret";
    bytes_wipe(secret, 3);
    assert_memory_equal(secret, "\0\0\0ret", sizeof secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_are_exact_and_rounded_half_up),
        cmocka_unit_test(a_decimal_is_never_negative_nor_no_number),
        cmocka_unit_test(numbers_reach_their_limits),
        cmocka_unit_test(past_the_maximum_everything_is_refused_and_nothing_lost),
        cmocka_unit_test(a_length_beyond_all_memory_does_not_overflow),
        cmocka_unit_test(clearing_keeps_the_memory_and_forgets_the_failure),
        cmocka_unit_test(zeros_within_are_kept_and_growth_keeps_the_content),
        cmocka_unit_test(what_is_wiped_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
