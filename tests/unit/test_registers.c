// SPDX-License-Identifier: Apache-2.0
// Vector registers: nothing of what was copied through them is left, whoever has told which of them there are.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/registers.h"

#if defined(__x86_64__)

static const unsigned char text[32] = "a secret of thirty-two letters..";

__attribute__((target("avx"), noinline)) static void fill_then_wipe(unsigned char ret[static 32])
{
    __asm__ volatile("vmovdqu %0, %%ymm7" : : "m"(text) : "xmm7");
    registers_wipe();
    __asm__ volatile("vmovdqu %%ymm7, %0" : "=m"(*(unsigned char(*)[32])ret));
}

__attribute__((noinline)) static void fill_then_wipe_half(unsigned char ret[static 32])
{
    memset(ret, 0, 32);
    __asm__ volatile("movdqu %0, %%xmm7" : : "m"(text) : "xmm7");
    registers_wipe();
    __asm__ volatile("movdqu %%xmm7, %0" : "=m"(*(unsigned char(*)[16])ret));
}

static void assert_wiped(void)
{
    unsigned char       left[32];
    const unsigned char nothing[32] = {0};
    if (__builtin_cpu_supports("avx"))
        fill_then_wipe(left);
    else
        fill_then_wipe_half(left);
    assert_memory_equal(left, nothing, sizeof left);
}

#else

static void assert_wiped(void)
{
    registers_wipe();
}

#endif

static void nothing_is_left_once_the_processor_was_asked(void **state)
{
    (void)state;
    assert_wiped();
}

static void nothing_is_left_once_libc_was_asked(void **state)
{
    (void)state;
    registers_ask_libc();
    assert_wiped();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_left_once_the_processor_was_asked),
        cmocka_unit_test(nothing_is_left_once_libc_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
