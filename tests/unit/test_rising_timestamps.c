// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "delivery/rising_timestamps.h"

static void assert_mended(const char *rows, const char *expected)
{
    struct bytes b;
    bytes_init(&b, 4096);
    bytes_text(&b, rows);
    assert_int_equal(rising_mend(&b), 0);
    assert_string_equal(b.data, expected);
    bytes_done(&b);
}

static void rows_that_rise_keep_their_bytes(void **state)
{
    (void)state;
    assert_mended("timestamp,a\n1.0,x\n1.001,\n9000,1\n", "timestamp,a\n1.0,x\n1.001,\n9000,1\n");
    assert_mended("timestamp,a\n", "timestamp,a\n");
    assert_mended("rubbish\n\n-1,2\n1e300,3\n", "rubbish\n\n-1,2\n1e300,3\n");
}

static void a_clock_that_was_set_back_is_made_up_for(void **state)
{
    (void)state;
    assert_mended("timestamp,a\n5000.000,1\n5001.000,2\n1402.000,3\n1403.000,4\n",
                  "timestamp,a\n5000.000,1\n5001.000,2\n5002.000,3\n5003.000,4\n");
    assert_mended("timestamp,a\n5000.000,1\n5000.200,2\n5000.200,3\n5000.400,4\n",
                  "timestamp,a\n5000.000,1\n5000.200,2\n5000.400,3\n5000.600,4\n");
    assert_mended("timestamp\n7.000\n6.000\n", "timestamp\n7.000\n8.000\n");
}

static void what_was_made_up_for_ends_when_the_clock_is_set_forward_again(void **state)
{
    (void)state;
    assert_mended("timestamp,a\n5000.000,1\n5001.000,2\n1402.000,3\n5003.000,4\n5004.000,5\n",
                  "timestamp,a\n5000.000,1\n5001.000,2\n5002.000,3\n5003.000,4\n5004.000,5\n");
}

static void parts_of_a_run_are_sent_as_the_whole_would_be(void **state)
{
    (void)state;
    const char   *first = "timestamp,a\n5000.000,1\n5001.000,2\n1402.000,3\n";
    const char   *second = "1403.000,4\n900.000,5\n";
    struct rising r = {0};
    struct bytes  b;
    bytes_init(&b, 4096);
    assert_true(rising_pass(&r, text_of(first)));
    rising_put(&r, text_of(second), &b);
    assert_string_equal(b.data, "5003.000,4\n5004.000,5\n");
    bytes_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_that_rise_keep_their_bytes),
        cmocka_unit_test(a_clock_that_was_set_back_is_made_up_for),
        cmocka_unit_test(what_was_made_up_for_ends_when_the_clock_is_set_forward_again),
        cmocka_unit_test(parts_of_a_run_are_sent_as_the_whole_would_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
