// SPDX-License-Identifier: Apache-2.0
// The next definition of a name: through dlsym, and through the symbol tables where there is no dlsym.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>

#include "hook/hook.h"

struct hook hook;

/* The same file once more, as on a system whose dlsym stands in a library that the program has not loaded. */
void *missing_dlsym(void *handle, const char *name) __attribute__((weak));
void *walked_symbol(const char *name);
#define dlsym       missing_dlsym
#define next_symbol walked_symbol
#include "hook/next_symbol.c" // NOLINT(bugprone-suspicious-include)
#undef dlsym
#undef next_symbol

static const char *const wrapped[] = {"exit",    "_exit", "_Exit",  "quick_exit", "__libc_start_main",
                                      "unshare", "setns", "capset", "prctl"};

static void dlsym_finds_what_comes_next(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrapped / sizeof *wrapped; i++) {
        assert_non_null(next_symbol(wrapped[i]));
        assert_ptr_equal(next_symbol(wrapped[i]), dlsym(RTLD_NEXT, wrapped[i]));
    }
}

static void the_symbol_tables_say_the_same(void **state)
{
    (void)state;
    assert_null(missing_dlsym);
    for (size_t i = 0; i < sizeof wrapped / sizeof *wrapped; i++) {
        void *expected = dlsym(RTLD_NEXT, wrapped[i]);
        void *walked = walked_symbol(wrapped[i]);
        assert_non_null(walked);
        assert_ptr_equal(walked, expected);
    }
}

static void what_nobody_has_is_not_found(void **state)
{
    (void)state;
    assert_null(next_symbol("pillion_is_nowhere"));
    assert_null(walked_symbol("pillion_is_nowhere"));
    assert_null(walked_symbol(""));
    assert_null(walked_symbol("main"));   /* ours comes before, not behind */
    assert_null(walked_symbol("stdout")); /* no function */
}

static void what_was_found_can_be_called(void **state)
{
    (void)state;
    typedef int absolute(int value);
    absolute   *found = (absolute *)walked_symbol("abs");
    assert_non_null(found);
    assert_int_equal(found(-7), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dlsym_finds_what_comes_next),
        cmocka_unit_test(the_symbol_tables_say_the_same),
        cmocka_unit_test(what_nobody_has_is_not_found),
        cmocka_unit_test(what_was_found_can_be_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
