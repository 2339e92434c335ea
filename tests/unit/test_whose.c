/* Whose runs are read: what a caller has in hand where nothing was opened. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../tools/pillion/whose.c"
#include "../../tools/pillion/bucket.h"

bool bucket_is_read(void)
{
    return false;
}

static const char *nothing(const char *name)
{
    (void)name;
    return NULL;
}

static void a_folder_that_was_not_opened_can_be_closed(void **state)
{
    (void)state;
    static struct run_folder folder;
    int                      ours[2];
    assert_int_equal(pipe(ours), 0);
    folder.home.dir = ours[0]; /* as a stack might have it */
    folder.home.runs = ours[1];
    asked.name = "nobody has this name";
    assert_int_equal(whose_open(nothing, &folder), -ENOENT);
    state_dir_close(&folder.home);
    assert_int_equal(write(ours[1], "x", 1), 1);
    (void)close(ours[0]);
    (void)close(ours[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_folder_that_was_not_opened_can_be_closed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
