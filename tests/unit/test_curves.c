/* The curves of a report as bytes: what a page reads back is what the rows said, and no bucket hides a peak. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../tools/pillion/curves.c"
#include "../../tools/pillion/curves_encode.c"

enum { VALUES_MAX = 1 << 18 };

static int64_t read_back[VALUES_MAX];

/* Undoes base64, deflate and varints as the page does; the number of values. */
static size_t undo(const struct bytes *text)
{
    static unsigned char packed[1 << 20], raw[1 << 22];
    size_t               len = 0, count = 0;
    z_stream             stream = {.next_in = packed, .next_out = raw, .avail_out = sizeof raw};
    assert_int_equal(mbedtls_base64_decode(packed, sizeof packed, &len, (unsigned char *)text->data, text->len), 0);
    stream.avail_in = (uInt)len;
    assert_int_equal(inflateInit(&stream), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t raw_len = stream.total_out;
    inflateEnd(&stream);
    for (size_t i = 0; i < raw_len && count < VALUES_MAX; count++) {
        uint64_t zigzag = 0;
        int      shift = 0;
        for (; raw[i] & 0x80; i++, shift += 7)
            zigzag |= (uint64_t)(raw[i] & 0x7f) << shift;
        zigzag |= (uint64_t)raw[i++] << shift;
        read_back[count] = zigzag & 1 ? -(int64_t)(zigzag / 2) - 1 : (int64_t)(zigzag / 2);
    }
    return count;
}

/* Value `at` of the list that begins at `from`: the sum of its deltas. */
static int64_t value_of(size_t from, size_t at)
{
    int64_t sum = 0;
    for (size_t i = 0; i <= at; i++)
        sum += read_back[from + i];
    return sum;
}

static void add_row(struct curves *curves, double user, double system, double read)
{
    double value[PILLION_COLUMN_COUNT] = {0};
    bool   known[PILLION_COLUMN_COUNT] = {false};
    value[PILLION_COLUMN_process_utime] = user;
    value[PILLION_COLUMN_process_stime] = system;
    value[PILLION_COLUMN_process_disk_read_bytes] = read;
    known[PILLION_COLUMN_process_utime] = known[PILLION_COLUMN_process_stime] = true;
    known[PILLION_COLUMN_process_disk_read_bytes] = read >= 0;
    curves_row(curves, value, known, 1, (double)curves->rows + 1);
}

static void what_is_read_back_is_what_the_rows_said(void **state)
{
    (void)state;
    struct curves curves;
    struct bytes  text;
    size_t        per = 0;
    curves_init(&curves);
    bytes_init(&text, 1 << 20);
    add_row(&curves, 0.5, 0.25, 1000000);
    add_row(&curves, 1.5, 0, -1);
    add_row(&curves, 0, 0, 0);
    curves_close(&curves);
    assert_int_equal(curves_encode(&curves, 1 << 20, &text, &per), 0);
    assert_int_equal(per, 1);
    assert_int_equal(undo(&text), 3 * 4 + 1); /* times, user, system, read, and the end */
    assert_int_equal(value_of(0, 2), 3000);
    assert_int_equal(value_of(3, 0), 500);
    assert_int_equal(value_of(3, 1), 1500);
    assert_int_equal(value_of(6, 0), 250);
    assert_true(fabs(exp2((double)value_of(9, 0) / 64) - 1 - 1e6) < 0.0055 * 1e6);
    assert_int_equal(value_of(9, 1), -1); /* not known */
    assert_int_equal(value_of(9, 2), 0);
    bytes_done(&text);
    curves_done(&curves);
}

static void where_rows_become_one_the_sums_of_a_stack_keep_their_highest(void **state)
{
    (void)state;
    enum { ROWS = 20000, PEAK = 12345 };
    struct curves curves;
    struct bytes  text;
    size_t        per = 0;
    uint32_t      seed = 16;
    curves_init(&curves);
    bytes_init(&text, 1 << 20);
    for (int i = 0; i < ROWS; i++) {
        seed = seed * 1664525 + 1013904223;
        double noise = (double)(seed >> 8) / (1 << 24);
        /* The two are never high at once: the highest of each added up would be 2. */
        add_row(&curves, i == PEAK ? 7 : noise, 1 - noise, -1);
    }
    curves_close(&curves);
    assert_int_equal(curves_encode(&curves, 30000, &text, &per), 0);
    assert_true(per > 1);
    assert_true(text.len <= 30000);
    size_t points = (ROWS + per - 1) / per;
    assert_int_equal(undo(&text), 5 * points + 1); /* times, user low and high, sums low and high */
    for (size_t i = 0; i < points; i++) {
        int64_t low = value_of(3 * points, i), high = value_of(4 * points, i);
        bool    has_peak = i == PEAK / per;
        assert_in_range(low, 999, 1001);
        assert_in_range(high, has_peak ? 7000 : 999, has_peak ? 8001 : 1001);
    }
    assert_int_equal(value_of(2 * points, PEAK / per), 7000);
    bytes_done(&text);
    curves_done(&curves);
}

static void a_run_without_rows_has_bytes_too(void **state)
{
    (void)state;
    struct curves curves;
    struct bytes  text;
    size_t        per = 0;
    curves_init(&curves);
    curves_close(&curves);
    bytes_init(&text, 1 << 20);
    assert_int_equal(curves_encode(&curves, 1 << 20, &text, &per), 0);
    assert_int_equal(undo(&text), 1);
    bytes_done(&text);
    curves_done(&curves);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_back_is_what_the_rows_said),
        cmocka_unit_test(where_rows_become_one_the_sums_of_a_stack_keep_their_highest),
        cmocka_unit_test(a_run_without_rows_has_bytes_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
