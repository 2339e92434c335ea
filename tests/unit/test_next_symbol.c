// SPDX-License-Identifier: Apache-2.0
// The next definition of a name, as the loader's own dlsym gives it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>

#include "hook/hook.h"

struct hook hook;

static void what_the_wrappers_pass_on_to_is_what_dlsym_finds(void **state)
{
    (void)state;
    static const char *const wrapped[NEXT_COUNT] = {
        [NEXT_START_MAIN] = "__libc_start_main", [NEXT_EXIT] = "exit",           [NEXT__EXIT] = "_exit",
        [NEXT_QUICK_EXIT] = "quick_exit",        [NEXT_THRD_EXIT] = "thrd_exit", [NEXT_PTHREAD_EXIT] = "pthread_exit",
        [NEXT_SIGACTION] = "sigaction",          [NEXT_SIGNAL] = "signal",       [NEXT_STREAMS] = "_IO_list_all",
    };
    for (enum next i = 0; i < NEXT_COUNT; i++) {
        assert_non_null(wrapped[i]);
        assert_ptr_equal(next_of(i), dlsym(RTLD_NEXT, wrapped[i]));
    }
    next_look_up(); /* once more gives the same */
    assert_ptr_equal(next_of(NEXT_EXIT), dlsym(RTLD_NEXT, "exit"));
}

/* Of some libc has older versions (memcpy, realpath), some is chosen at the start (strlen), some is data (stdout). */
static void any_name_of_libcs_is_what_dlsym_finds(void **state)
{
    (void)state;
    static const char *const names[] = {"dlopen",   "dladdr", "on_exit", "unshare", "setns",  "capset", "prctl",
                                        "realpath", "memcpy", "strlen",  "time",    "stdout", "environ"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_ptr_equal(next_symbol(names[i]), dlsym(RTLD_NEXT, names[i]));
}

static void what_nobody_has_is_not_found(void **state)
{
    (void)state;
    assert_null(next_symbol("pillion_is_nowhere"));
    assert_null(next_symbol(""));
    assert_null(next_symbol("main")); /* ours comes before, not behind */
}

static void what_was_found_can_be_called(void **state)
{
    (void)state;
    typedef int    absolute(int value);
    typedef size_t length(const char *text);
    absolute      *abs = (absolute *)next_symbol("abs");
    length        *len = (length *)next_symbol("strlen");
    assert_non_null(abs);
    assert_int_equal(abs(-7), 7);
    assert_non_null(len);
    assert_int_equal(len("seven"), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_wrappers_pass_on_to_is_what_dlsym_finds),
        cmocka_unit_test(any_name_of_libcs_is_what_dlsym_finds),
        cmocka_unit_test(what_nobody_has_is_not_found),
        cmocka_unit_test(what_was_found_can_be_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
