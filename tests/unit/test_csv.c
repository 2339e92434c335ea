/* Cells of CSV, written and taken back. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/csv.h"

static char cell[16];

static void assert_takes(const char *line, const char *first, const char *rest)
{
    struct text t = text_of(line);
    assert_true(csv_take(&t, cell, sizeof cell));
    assert_string_equal(cell, first);
    assert_int_equal(text_len(t), strlen(rest));
    assert_memory_equal(t.at, rest, strlen(rest));
}

static void what_is_put_is_taken_again(void **state)
{
    (void)state;
    static const char *const words[] = {"make", "a,b", "say \"hi\"", "", "\",\"", "=1+1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct bytes b;
        bytes_init(&b, 100);
        csv_put(&b, words[i]);
        bytes_text(&b, ",7");
        assert_takes(b.data, words[i], "7");
        bytes_done(&b);
    }
}

static void blanks_around_a_cell_are_padding(void **state)
{
    (void)state;
    assert_takes("make      ,  3", "make", "  3");
    assert_takes("   12.5,", "12.5", "");
    assert_takes("\"awk, the first\"   ,x", "awk, the first", "x");
}

static void a_cell_is_cut_and_a_torn_one_ends_with_its_line(void **state)
{
    (void)state;
    struct text none = text_of("");
    assert_false(csv_take(&none, cell, sizeof cell));
    assert_takes("01234567890123456789,x", "012345678901234", "x");
    assert_takes("\"torn, and", "torn, and", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_taken_again),
        cmocka_unit_test(blanks_around_a_cell_are_padding),
        cmocka_unit_test(a_cell_is_cut_and_a_torn_one_ends_with_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
