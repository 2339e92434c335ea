// SPDX-License-Identifier: Apache-2.0
// The engine's allocator. This program is linked with it: malloc here is the one of src/libc/heap.c.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "libc/heap.h"

enum { STOCK = 8 * HEAP_SLAB_SIZE }; /* mapped in advance */

/* Bytes of the whole process, as the kernel counts them. */
static size_t mapped(void)
{
    char    text[64] = "";
    int     file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t len = read(file, text, sizeof text - 1);
    assert_true(len > 0);
    (void)close(file);
    return (size_t)strtoul(text, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 1664525U + 1013904223U;
    return (uint32_t)(((uint64_t)random_state * limit) >> 32);
}

/* The first test of all: later there is no room left among the first blocks. */
static void the_first_blocks_stand_side_by_side_whatever_their_size(void **state)
{
    char *small = malloc(10), *middle = malloc(200), *last = malloc(1000);
    (void)state;
    assert_true(middle > small && middle - small < 256 && last > middle && last - middle < 512);
    memset(small, 1, 10);
    memset(middle, 2, 200);
    memset(last, 3, 1000);
    assert_ptr_equal(realloc(middle, 208), middle);
    char *moved = realloc(middle, 5000);
    assert_ptr_not_equal(moved, middle);
    for (int i = 0; i < 200; i++)
        assert_int_equal(moved[i], 2);
    free(last);
    char *again = calloc(1, 1000);
    assert_ptr_equal(again, last);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(again[i], 0);
    assert_int_equal(small[9], 1);
    free(again);
    free(moved);
    free(small);
}

static void malloc_aligns_every_size_to_sixteen_bytes(void **state)
{
    (void)state;
    for (size_t size = 0; size < 20000; size += 7) {
        char *block = malloc(size);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 16, 0);
        memset(block, 0xA5, size);
        free(block);
    }
}

static void malloc_never_hands_out_a_byte_twice(void **state)
{
    enum { BLOCKS = 2000 };
    static unsigned char *blocks[BLOCKS];
    static size_t         sizes[BLOCKS];
    (void)state;
    for (int turn = 0; turn < 60000; turn++) {
        uint32_t i = random_below(BLOCKS);
        if (blocks[i]) {
            for (size_t at = 0; at < sizes[i]; at++)
                assert_int_equal(blocks[i][at], (unsigned char)i);
            free(blocks[i]);
            blocks[i] = NULL;
            continue;
        }
        sizes[i] = random_below(20) == 0 ? random_below(100000) : random_below(700);
        blocks[i] = malloc(sizes[i]);
        assert_non_null(blocks[i]);
        memset(blocks[i], (int)i, sizes[i]);
    }
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
}

static void freed_memory_goes_back_to_the_kernel(void **state)
{
    enum { BLOCKS = 5000 };
    static void *blocks[BLOCKS];
    size_t       before = mapped();
    (void)state;
    for (int i = 0; i < BLOCKS; i++)
        assert_non_null(blocks[i] = malloc(500));
    assert_true(mapped() + STOCK >= before + (size_t)BLOCKS * 500);
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    assert_true(mapped() <= before + HEAP_SLAB_SIZE);
}

static void a_block_taken_and_given_for_ever_maps_no_more(void **state)
{
    (void)state;
    free(malloc(100));
    size_t before = mapped();
    for (int i = 0; i < 100000; i++)
        free(malloc(100));
    assert_int_equal(mapped(), before);
}

static void calloc_clears_reused_memory(void **state)
{
    (void)state;
    char *dirty = malloc(300);
    memset(dirty, 0xFF, 300);
    free(dirty);
    char *clean = calloc(3, 100);
    assert_ptr_equal(clean, dirty);
    for (int i = 0; i < 300; i++)
        assert_int_equal(clean[i], 0);
    free(clean);
}

static void realloc_keeps_the_content_across_all_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {10, 100, 100000, 3000000, 200000, 8192, 8193, 50, 0x800000, 1};
    unsigned char      *block = NULL;
    size_t              filled = 0;
    size_t              before = mapped();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        block = realloc(block, sizes[i]);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 16, 0);
        for (size_t at = 0; at < filled && at < sizes[i]; at++)
            assert_int_equal(block[at], (unsigned char)(at * 31));
        for (size_t at = 0; at < sizes[i]; at++)
            block[at] = (unsigned char)(at * 31);
        filled = sizes[i];
    }
    free(block);
    assert_true(mapped() <= before + HEAP_SLAB_SIZE);
}

static void large_blocks_that_grow_stay_apart(void **state)
{
    (void)state;
    unsigned char *blocks[8];
    for (size_t i = 0; i < 8; i++)
        assert_non_null(blocks[i] = malloc(100000));
    for (size_t size = 200000; size <= 1600000; size *= 2)
        for (size_t i = 0; i < 8; i++) {
            assert_non_null(blocks[i] = realloc(blocks[i], size));
            assert_true((uintptr_t)blocks[i] > 65536);
            memset(blocks[i], (int)i + 1, size);
        }
    for (size_t i = 0; i < 8; i++) {
        for (size_t at = 0; at < 1600000; at++)
            assert_int_equal(blocks[i][at], i + 1);
        free(blocks[i]);
    }
}

static void impossible_sizes_answer_null_with_enomem(void **state)
{
    (void)state;
    volatile size_t huge = SIZE_MAX, half = SIZE_MAX / 2;
    errno = 0;
    assert_null(malloc(huge));
    assert_int_equal(errno, ENOMEM);
    assert_null(malloc(huge - 100));
    assert_null(calloc(half, 3));
    void *block = malloc(10);
    assert_null(realloc(block, huge - 4096));
    free(block);
}

static void exhausted_address_space_answers_null_and_recovers(void **state)
{
    (void)state;
    struct rlimit before, tight;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    tight = before;
    tight.rlim_cur = 64U << 20;
    assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
    void *too_large = malloc(256U << 20);
    void *kept = malloc(100000);
    void *grown = realloc(kept, 256U << 20);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_null(too_large);
    assert_non_null(kept);
    assert_null(grown);
    free(kept);
    void *block = malloc(256U << 20);
    assert_non_null(block);
    free(block);
}

static void free_keeps_errno_and_takes_null(void **state)
{
    (void)state;
    void *large = malloc(1000000);
    errno = E2BIG;
    free(large);
    free(NULL);
    assert_int_equal(errno, E2BIG);
}

static void free_leaves_nothing_of_a_block_behind(void **state)
{
    (void)state;
    static const size_t sizes[] = {16, 100, 1000, HEAP_SMALL_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *neighbour = malloc(sizes[i]); /* its slab stays */
        char *block = malloc(sizes[i]);
        assert_non_null(block);
        memset(block, 'S', sizes[i]);
        const char *volatile gone = block;
        free(block);
        for (size_t at = sizeof(void *); at < sizes[i]; at++) /* in front stands the next free block's address */
            assert_int_equal(gone[at], 0);
        block = malloc(sizes[i]);
        memset(block, 'S', sizes[i]);
        gone = block;
        char *larger = realloc(block, sizes[i] * 4);
        for (size_t at = sizeof(void *); at < sizes[i]; at++)
            assert_int_equal(gone[at], 0);
        free(larger);
        free(neighbour);
    }
}

/* The kernel's word: smaps, VmFlags, dd. proc.rst, "smaps". */
static void no_block_is_in_a_core_file(void **state)
{
    (void)state;
    static char text[256 * 1024];
    char       *blocks[] = {malloc(100), malloc(1000000)};
    blocks[1] = realloc(blocks[1], 3000000);
    int     file = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
    size_t  len = 0;
    ssize_t n;
    while ((n = read(file, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    (void)close(file);
    for (size_t i = 0; i < 2; i++) {
        bool found = false;
        for (char *line = text, *next; (next = strchr(line, '\n')); line = next + 1) {
            char         *end;
            unsigned long from = strtoul(line, &end, 16);
            unsigned long to = *end == '-' ? strtoul(end + 1, NULL, 16) : 0;
            if ((unsigned long)blocks[i] < from || (unsigned long)blocks[i] >= to)
                continue;
            char *flags = strstr(line, "VmFlags:");
            *strchr(flags, '\n') = '\0';
            found = strstr(flags, " dd") != NULL;
            break;
        }
        assert_true(found);
        free(blocks[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_leaves_nothing_of_a_block_behind),
        cmocka_unit_test(no_block_is_in_a_core_file),
        cmocka_unit_test(the_first_blocks_stand_side_by_side_whatever_their_size),
        cmocka_unit_test(malloc_aligns_every_size_to_sixteen_bytes),
        cmocka_unit_test(malloc_never_hands_out_a_byte_twice),
        cmocka_unit_test(freed_memory_goes_back_to_the_kernel),
        cmocka_unit_test(a_block_taken_and_given_for_ever_maps_no_more),
        cmocka_unit_test(calloc_clears_reused_memory),
        cmocka_unit_test(realloc_keeps_the_content_across_all_sizes),
        cmocka_unit_test(large_blocks_that_grow_stay_apart),
        cmocka_unit_test(impossible_sizes_answer_null_with_enomem),
        cmocka_unit_test(exhausted_address_space_answers_null_and_recovers),
        cmocka_unit_test(free_keeps_errno_and_takes_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
