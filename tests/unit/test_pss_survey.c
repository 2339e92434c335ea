// SPDX-License-Identifier: Apache-2.0
// Who shares a process's pages, by its maps and pagemap: of files that the test writes, and of real children.
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "collect/tree/pss_survey.h"

enum { PAGE = 4096, PAGES = 65536 };

#define PRESENT (UINT64_C(1) << 63)
#define FILED   (UINT64_C(1) << 61)
#define OWN     (UINT64_C(1) << 56)
#define SWAPPED (UINT64_C(1) << 62)

static struct fixture f;
static uint64_t      *pages;

static int set_up(void **state)
{
    (void)state;
    fixture_open(&f);
    pages = calloc(PAGES, sizeof *pages);
    return pages ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_close(&f);
    free(pages);
    return 0;
}

/* A process of files: its mappings, and `pages` as its page map from address 0 on. */
static void put(pid_t pid, const char *maps)
{
    char path[64];
    (void)snprintf(path, sizeof path, "proc/%d/maps", pid);
    fixture_write(&f, path, "%s", maps);
    (void)snprintf(path, sizeof path, "proc/%d/pagemap", pid);
    fixture_write_bytes(&f, path, (const char *)pages, PAGES * sizeof *pages);
}

/* Of ten pieces of 64 pages each, so many with these flags, then so many with those; the rest is swapped out. */
static void fill(unsigned first, uint64_t with, unsigned second, uint64_t with_second)
{
    for (size_t i = 0; i < PAGES; i++) {
        unsigned tenth = (unsigned)(i / 64 * 7 % 10);
        pages[i] = tenth < first ? with : tenth < first + second ? with_second : SWAPPED | OWN;
    }
}

static int survey(struct pss_surveyed *list, unsigned count, bool by_file)
{
    struct pss_survey s = {.proc = open(f.proc, O_RDONLY | O_DIRECTORY),
                           .page_bytes = PAGE,
                           .seed = 5,
                           .windows = 256 * count,
                           .members = count,
                           .by_file = by_file};
    for (unsigned i = 0; i < count; i++)
        list[i] = (struct pss_surveyed){.pid = 100 + (pid_t)i, .weight = 1, .outside = 0.25};
    int error = pss_survey_run(&s, list, count);
    close(s.proc);
    return error;
}

#define assert_share(value, from, to)          \
    do {                                       \
        double is_ = (value);                  \
        if (is_ < (from) || is_ > (to))        \
            fail_msg("%s is %f", #value, is_); \
    } while (0)

static void own_pages_count_whole_and_those_of_files_by_themselves(void **state)
{
    (void)state;
    struct pss_surveyed list[1];
    fill(5, PRESENT | OWN, 3, PRESENT | FILED);
    put(100, "00000000-08000000 rw-p 00000000 00:00 0 \n"
             "08000000-0fff0000 rw-s 00000000 00:00 0   /a b\\012c\n"
             "7f0000000000-7fff00000000 ---p 00000000 00:00 0 \n"
             "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0   [vsyscall]\n");
    assert_int_equal(survey(list, 1, false), 0);
    assert_int_equal(list[0].error, 0);
    assert_share(list[0].anonymous.ratio, 1, 1);
    assert_share(list[0].anonymous.present, 0.44 * 262080, 0.56 * 262080);
    assert_share(list[0].file.ratio, 0.25, 0.25); /* of the weight that the caller knows */
    assert_share(list[0].file.vague, 1, 1);
    assert_share(list[0].file.guess, 0.25, 0.25);
    assert_share(list[0].file.pages, 0.2 * 2048, 0.4 * 2048);
}

static void what_a_family_has_in_common_is_divided_by_who_has_it(void **state)
{
    (void)state;
    struct pss_surveyed list[4];
    fill(2, PRESENT | OWN, 6, PRESENT);
    for (pid_t pid = 100; pid < 103; pid++)
        put(pid, "00000000-10000000 rw-p 00000000 00:00 0 \n");
    fill(0, 0, 0, 0); /* this one has let go of all of it */
    put(103, "00000000-10000000 rw-p 00000000 00:00 0 \n");
    assert_int_equal(survey(list, 4, false), 0);
    for (int i = 0; i < 3; i++) {
        assert_share(list[i].anonymous.ratio, (2 + 6 / 3.0) / 8 - 0.06, (2 + 6 / 3.0) / 8 + 0.06);
        assert_share(list[i].anonymous.own, 0.19, 0.31);
        assert_share(list[i].anonymous.vague, 0, 0);
        assert_share(list[i].anonymous.error, 0.001, 0.1);
    }
    assert_share(list[3].anonymous.pages, 0, 0);
}

static void a_file_is_shared_by_whoever_maps_the_same_place_of_it(void **state)
{
    (void)state;
    struct pss_surveyed list[3];
    for (size_t i = 0; i < PAGES; i++)
        pages[i] = PRESENT | FILED;
    put(100, "00000000-08000000 r--s 00000000 fd:01 77   /a\n08000000-0c000000 rw-p 00000000 00:00 0 \n");
    put(101, "04000000-0c000000 r--s 00000000 fd:01 77   /a\n");
    put(102, "04000000-08000000 r--s 04000000 fd:01 77   /a\n08000000-0c000000 r--s 0 fd:02 77   /b\n");
    assert_int_equal(survey(list, 3, true), 0);
    /* Half of the file is mapped by two, half by three. */
    assert_share(list[0].file.ratio, 0.39, 0.45);
    assert_share(list[1].file.ratio, 0.39, 0.45);
    assert_share(list[2].file.ratio, (1 / 3.0 + 0.25) / 2 - 0.02, (1 / 3.0 + 0.25) / 2 + 0.02);
    assert_share(list[2].file.vague, 0.4, 0.6);
    assert_share(list[0].anonymous.pages, 0, 0);
}

static void a_line_may_be_cut_between_two_reads(void **state)
{
    (void)state;
    struct pss_surveyed list[1];
    char               *maps = malloc((size_t)8 << 20);
    size_t              len = 0;
    assert_non_null(maps);
    fill(10, PRESENT | OWN, 0, 0);
    for (unsigned i = 0; i < 400; i++)
        len += (size_t)sprintf(maps + len, "%08x-%08x rw-p 00000000 00:00 0 %*s\n", i * 163840, (i + 1) * 163840,
                               (int)(i % 97) * 3, "x");
    put(100, maps);
    assert_int_equal(survey(list, 1, false), 0);
    assert_share(list[0].anonymous.pages, 1500, 2048);
    assert_share(list[0].anonymous.ratio, 1, 1);
    for (unsigned i = 0; len < (size_t)5 << 20; i++)
        len += (size_t)sprintf(maps + len, "%08x-%08x rw-p 00000000 00:00 0\n", i * 4096, (i + 1) * 4096);
    put(100, maps);
    assert_int_equal(survey(list, 1, false), 0);
    assert_int_equal(list[0].error, -EFBIG);
    free(maps);
}

static void too_many_mappings_and_none_at_all_are_told(void **state)
{
    (void)state;
    struct pss_surveyed list[2];
    char               *maps = malloc((size_t)1 << 20);
    size_t              len = 0;
    assert_non_null(maps);
    for (unsigned i = 0; i < 8193; i++)
        len += (size_t)sprintf(maps + len, "%08x-%08x rw-p 00000000 00:00 0\n", i * 12288, i * 12288 + 4096);
    put(100, maps);
    put(101, "no mapping\n10-\n-20\n30-20 rw-p\n10-20 rw-p\n");
    assert_int_equal(survey(list, 2, false), 0);
    assert_int_equal(list[0].error, -EFBIG);
    assert_int_equal(list[1].error, 0);
    assert_share(list[1].anonymous.pages + list[1].file.pages, 0, 0);
    fixture_process_gone(&f, 100);
    assert_int_equal(survey(list, 2, true), 0);
    assert_int_equal(list[0].error, -ENOENT);
    free(maps);
}

static void mappings_beyond_all_bounds_end(void **state)
{
    (void)state;
    struct pss_surveyed list[1];
    char               *maps = malloc((size_t)400 * 1024);
    size_t              len = 0;
    assert_non_null(maps);
    fill(10, PRESENT | OWN, 0, 0);
    for (int i = 0; i < 4097; i++) /* together more pages than a number can hold */
        len += (size_t)sprintf(maps + len, "0-7fffffffffffffff rw-p 0 00:00 0\n");
    put(100, maps);
    (void)survey(list, 1, false);
    assert_true(list[0].anonymous.pages <= 2048);
    free(maps);
}

static void real_children_share_until_they_write(void **state)
{
    (void)state;
    enum { SIZE = 32 << 20 };
    struct pss_surveyed list[2] = {{.pid = getpid(), .weight = 1}, {.weight = 1}};
    struct pss_survey   s = {.page_bytes = (uint64_t)sysconf(_SC_PAGESIZE), .windows = 512, .members = 2};
    int                 ends[2];
    char                byte = 0;
    char               *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(at, MAP_FAILED);
    memset(at, 1, SIZE);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        memset(at, 2, SIZE / 2);
        (void)!write(ends[1], "x", 1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    list[1].pid = child;
    s.proc = open("/proc", O_RDONLY | O_DIRECTORY);
    int error = pss_survey_run(&s, list, 2);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(s.proc);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(munmap(at, SIZE), 0);
    assert_int_equal(error, 0);
    if (list[0].anonymous.pages < 64)
        skip("a sanitizer maps terabytes");
    for (int i = 0; i < 2; i++) {
        assert_share(list[i].anonymous.own, 0.3, 0.7);
        assert_share(list[i].anonymous.ratio, 0.65, 0.85);
    }
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(own_pages_count_whole_and_those_of_files_by_themselves),
        test(what_a_family_has_in_common_is_divided_by_who_has_it),
        test(a_file_is_shared_by_whoever_maps_the_same_place_of_it),
        test(a_line_may_be_cut_between_two_reads),
        test(too_many_mappings_and_none_at_all_are_told),
        test(mappings_beyond_all_bounds_end),
        test(real_children_share_until_they_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
