// SPDX-License-Identifier: Apache-2.0
// The names of a run's objects in a bucket of the user's own.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "delivery/object_key.h"

#define START 1795968600 /* 2026-11-29T16:10:00Z */

static struct object_key made(const char *machine)
{
    struct object_key key;
    object_key_make(START, machine, "7ed146a0-f43c-4bf6-bd3c-f5db241889d8", 4242, &key);
    return key;
}

static void it_is_start_machine_process_and_chance(void **state)
{
    (void)state;
    struct object_key key = made("node7");
    assert_int_equal(strlen(key.key), strlen("20261129T161000Z-node7-4242-0123456789abcdef"));
    assert_memory_equal(key.key, "20261129T161000Z-node7-4242-", 28);
    assert_string_equal(key.date, "2026-11-29");
    assert_string_not_equal(made("node7").key, key.key);
}

/* printf %s 7ed146a0-f43c-4bf6-bd3c-f5db241889d8 | sha256sum */
static void without_consent_the_machine_is_a_hash_of_its_boot(void **state)
{
    (void)state;
    assert_memory_equal(made(NULL).key, "20261129T161000Z-372c9302-4242-", 31);
}

static void a_machines_name_is_fit_for_a_key(void **state)
{
    (void)state;
    assert_memory_equal(made("a/b c\xc3\xa4.d_e").key, "20261129T161000Z-a-b-c--.d_e-4242-", 34);
    struct object_key taken;
    struct object_key longest = made(
        "a-name-that-is-much-longer-than-any-name-that-a-machine-has-ever-had-on-this-earth");
    assert_true(object_key_take(longest.key, longest.date, &taken));
}

static void what_a_journal_has_is_checked(void **state)
{
    (void)state;
    struct object_key key;
    struct object_key good = made("m");
    assert_true(object_key_take(good.key, good.date, &key));
    assert_memory_equal(&key.key, &good.key, strlen(good.key) + 1);
    assert_false(object_key_take(NULL, good.date, &key));
    assert_false(object_key_take(good.key, NULL, &key));
    assert_false(object_key_take("", good.date, &key));
    assert_false(object_key_take("20261129T161000Z/../x", good.date, &key));
    assert_false(object_key_take("20261129T161000Z-a b", good.date, &key));
    assert_false(object_key_take(good.key, "2026-11-2", &key));
    assert_false(object_key_take(good.key, "2026-13-29", &key));
    assert_false(object_key_take(good.key, "2026/11/29", &key));
    assert_int_equal(key.key[0], 0);
}

static void a_clock_that_was_wrong_is_corrected_in_both(void **state)
{
    (void)state;
    struct object_key key = made("m");
    char              before[OBJECT_KEY_SIZE];
    memcpy(before, key.key, sizeof before);
    object_key_correct(&key, 86400 + 3600 * 8);
    assert_memory_equal(key.key, "20261201T001000Z-m-4242-", 24);
    assert_string_equal(key.date, "2026-12-01");
    assert_string_equal(key.key + 16, before + 16);
    object_key_correct(&key, -86400 - 3600 * 8);
    assert_string_equal(key.key, before);
}

static void its_objects_stand_below_the_place(void **state)
{
    (void)state;
    struct object_key key;
    char              uri[128];
    assert_true(object_key_take("20261129T161000Z-m-1-0123456789abcdef", "2026-11-29", &key));
    assert_int_equal(object_key_uri(&key, OBJECT_STARTED, "s3://b/p", uri, sizeof uri), 0);
    assert_string_equal(uri, "s3://b/p/started/date=2026-11-29/20261129T161000Z-m-1-0123456789abcdef.json");
    assert_int_equal(object_key_uri(&key, OBJECT_METRICS, "s3://b", uri, sizeof uri), 0);
    assert_string_equal(uri, "s3://b/metrics/date=2026-11-29/run=20261129T161000Z-m-1-0123456789abcdef");
    assert_int_equal(object_key_uri(&key, OBJECT_ENDED, "s3://b/p", uri, sizeof uri), 0);
    assert_string_equal(uri, "s3://b/p/runs/date=2026-11-29/20261129T161000Z-m-1-0123456789abcdef.json");
    assert_int_equal(object_key_uri(&key, OBJECT_ENDED, "s3://b/p", uri, 40), -ENAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_start_machine_process_and_chance),
        cmocka_unit_test(without_consent_the_machine_is_a_hash_of_its_boot),
        cmocka_unit_test(a_machines_name_is_fit_for_a_key),
        cmocka_unit_test(what_a_journal_has_is_checked),
        cmocka_unit_test(a_clock_that_was_wrong_is_corrected_in_both),
        cmocka_unit_test(its_objects_stand_below_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
