// SPDX-License-Identifier: Apache-2.0
// The budget of PSS, with readings that cost what the test says; and the sample of a process's pages.
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "collect/pss.h"
#include "collect/pss_sample.h"

#define MILLISECOND ((double)CLOCK_MILLISECOND)
#define GIB         (UINT64_C(1) << 20) /* in KiB */

enum { INCOME = 300000, PAGE = 4096 };

static struct {
    int64_t  cpu;
    double   ns_per_kib, ns_per_sample; /* what readings really cost */
    int64_t  dearest;
    unsigned exact, sampled;
    int      sample_error;
    unsigned own, shared, zeros; /* of each sample */
    unsigned alone;              /* samples of processes without a family */
} fake;

static struct process_table table;
static struct pss           pss;

int64_t __wrap_clock_thread_cpu(void);
int     __wrap_process_pss_read(int proc, pid_t pid, uint64_t *ret_kib);
int     __wrap_pss_sample_read(int proc, pid_t pid, uint64_t page_bytes, uint32_t seed, bool is_alone,
                               struct pss_sample *ret);
int     __real_pss_sample_read(int proc, pid_t pid, uint64_t page_bytes, uint32_t seed, bool is_alone,
                               struct pss_sample *ret);

static void spend(double ns)
{
    fake.cpu += (int64_t)ns;
    fake.dearest = (int64_t)ns > fake.dearest ? (int64_t)ns : fake.dearest;
}

int64_t __wrap_clock_thread_cpu(void)
{
    return fake.cpu;
}

int __wrap_process_pss_read(int proc, pid_t pid, uint64_t *ret_kib)
{
    (void)proc;
    const struct process *p = process_table_find_present(&table, pid);
    spend(13000 + (double)p->resident_kib * fake.ns_per_kib);
    *ret_kib = p->resident_kib / 2;
    fake.exact++;
    return 0;
}

int __wrap_pss_sample_read(int proc, pid_t pid, uint64_t page_bytes, uint32_t seed, bool is_alone,
                           struct pss_sample *ret)
{
    (void)proc;
    (void)pid;
    (void)page_bytes;
    (void)seed;
    spend(fake.ns_per_sample);
    *ret = (struct pss_sample){.own = fake.own, .shared = fake.shared, .zeros = fake.zeros};
    fake.sampled++;
    fake.alone += is_alone;
    return fake.sample_error;
}

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    fake.ns_per_kib = 5e6 / (double)GIB;
    fake.ns_per_sample = 400000;
    fake.own = 100;
    pss_init(&pss, PAGE);
    return process_table_init(&table);
}

static int tear_down(void **state)
{
    (void)state;
    process_table_done(&table);
    return 0;
}

static struct process *add(pid_t pid, uint64_t resident_kib)
{
    struct process *p = process_table_add(&table, pid);
    assert_non_null(p);
    p->read_yet = true;
    p->resident_kib = resident_kib;
    p->stack = (uint64_t)pid;
    return p;
}

/* So many rows, in each of which every RSS changes: never more is spent than has come in, but for one surprise. */
static void keep_the_average(int rows, double surprise)
{
    for (int row = 1; row <= rows; row++) {
        for (size_t i = 0; i < table.count; i++)
            table.list[i].resident_kib += row % 2 ? 64 : (uint64_t)-64;
        (void)pss_read(&pss, -1, &table, 0);
        assert_true((double)fake.cpu <= (double)row * INCOME + surprise);
    }
}

static void on_average_no_more_is_spent_than_a_third_of_a_millisecond(void **state)
{
    static const double ms_per_gib[] = {0.1, 2.7, 5, 7.8};
    static const double gib[] = {0.001, 0.1, 1, 2, 4, 16, 64};
    for (size_t price = 0; price < sizeof ms_per_gib / sizeof *ms_per_gib; price++)
        for (size_t size = 0; size < sizeof gib / sizeof *gib; size++) {
            (void)tear_down(state);
            assert_int_equal(set_up(state), 0);
            fake.ns_per_kib = ms_per_gib[price] * MILLISECOND / (double)GIB;
            (void)add(100, (uint64_t)(gib[size] * (double)GIB));
            keep_the_average(240, 0);
            assert_true(fake.exact + fake.sampled > 0);
            assert_true(fake.dearest <= 10 * CLOCK_MILLISECOND);
        }
}

static void two_thousand_processes_share_the_budget(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++)
        (void)add(100 + i, 4096);
    keep_the_average(300, 0);
    assert_true(fake.exact >= 1500);
}

static void a_reading_that_is_dearer_than_thought_is_made_up_for(void **state)
{
    (void)state;
    fake.ns_per_kib = 40 * MILLISECOND / (double)GIB; /* five times the first guess */
    (void)add(100, GIB);
    keep_the_average(300, 40 * MILLISECOND);
    assert_true((double)fake.cpu <= 300.0 * INCOME + MILLISECOND);
}

static void what_is_too_dear_to_be_read_whole_is_sampled(void **state)
{
    (void)state;
    struct process *p = add(100, 16 * GIB);
    fake.own = 75;
    fake.shared = 25; /* with somebody outside: half of each page is ours */
    for (int row = 0; row < 10; row++)
        (void)pss_read(&pss, -1, &table, 0);
    assert_int_equal(fake.exact, 0);
    assert_int_equal(fake.sampled, 1); /* and not again while it stays as it is */
    assert_true(p->pss_ratio > 0.874F && p->pss_ratio < 0.876F);
    assert_int_equal(pss_read(&pss, -1, &table, 0) / GIB, 14);
    p->resident_kib = 20 * GIB;
    (void)pss_read(&pss, -1, &table, 0);
    assert_int_equal(fake.sampled, 2);
    assert_int_equal(fake.alone, 2);
}

static void a_sample_of_zeros_alone_tells_that_nothing_is_shared(void **state)
{
    (void)state;
    struct process *p = add(100, 16 * GIB);
    fake.own = 0;
    fake.zeros = 100;
    for (int row = 0; row < 10; row++)
        (void)pss_read(&pss, -1, &table, 0);
    assert_int_equal(fake.exact, 0); /* it would walk over all of them */
    assert_true(p->pss_ratio > 0.999F && p->pss_ratio < 1.001F);
}

static void the_pages_of_a_family_are_counted_once(void **state)
{
    (void)state;
    fake.own = 0;
    fake.shared = 100;
    for (int i = 0; i < 4; i++)
        add(100 + i, 16 * GIB)->stack = 7;
    add(200, 1024)->stack = 7; /* has let go of what it got */
    add(201, 16 * GIB)->stack = 8;
    add(202, 1024)->stack = 8;
    for (int row = 0; row < 60; row++)
        (void)pss_read(&pss, -1, &table, 0);
    for (int i = 0; i < 4; i++)
        assert_true(table.list[i].pss_ratio > 0.249F && table.list[i].pss_ratio < 0.251F);
    assert_int_equal(fake.alone, 0);
    assert_true(table.list[5].pss_ratio > 0.499F && table.list[5].pss_ratio < 0.501F);
}

static void without_a_sample_a_figure_is_saved_for_up_to_fifty_milliseconds(void **state)
{
    (void)state;
    fake.sample_error = -ENOENT;
    struct process *p = add(100, 4 * GIB);
    for (int row = 0; row < 160; row++)
        (void)pss_read(&pss, -1, &table, 0);
    assert_int_equal(fake.sampled, 1);
    assert_true(p->pss_whole && p->pss_read);
    assert_true(p->pss_ratio > 0.49F && p->pss_ratio < 0.51F);
    p = add(101, 16 * GIB);
    for (int row = 0; row < 400; row++)
        (void)pss_read(&pss, -1, &table, 0);
    assert_false(p->pss_read);
    assert_true(fake.dearest <= 50 * CLOCK_MILLISECOND);
}

/* A process of files: its mappings, and the pages of an array as its page map from address 0 on. */
static struct fixture f;

static int sample_of(const char *maps, const uint64_t *pages, size_t count, struct pss_sample *ret)
{
    fixture_open(&f);
    fixture_write(&f, "proc/100/smaps_rollup", "Pss: 1 kB\n");
    fixture_write(&f, "proc/100/maps", "%s", maps);
    fixture_write_bytes(&f, "proc/100/pagemap", (const char *)pages, count * sizeof *pages);
    int proc = open(f.proc, O_RDONLY | O_DIRECTORY);
    int error = __real_pss_sample_read(proc, 100, PAGE, 5, false, ret);
    close(proc);
    fixture_close(&f);
    return error;
}

enum { PAGES = 65536 };

static uint64_t *pages_of(unsigned own_of_ten, unsigned shared_of_ten)
{
    uint64_t *pages = calloc(PAGES, sizeof *pages);
    assert_non_null(pages);
    for (size_t i = 0; i < PAGES; i++) {
        unsigned tenth = (unsigned)(i / 64 * 7 % 10);
        if (tenth < own_of_ten)
            pages[i] = UINT64_C(1) << 63 | UINT64_C(1) << 56 | i;
        else if (tenth < own_of_ten + shared_of_ten)
            pages[i] = UINT64_C(1) << 63 | i;
        else
            pages[i] = UINT64_C(1) << 62 | UINT64_C(1) << 56; /* swapped out */
    }
    return pages;
}

static void a_sample_tells_own_pages_from_shared_ones(void **state)
{
    (void)state;
    struct pss_sample sample;
    uint64_t         *pages = pages_of(5, 3);
    static const char maps[] = "00000000-08000000 rw-p 00000000 00:00 0 \n"
                               "08000000-0fff0000 rw-s 00000000 00:00 0   /a b\\012c\n"
                               "7f0000000000-7fff00000000 ---p 00000000 00:00 0 \n"
                               "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0   [vsyscall]\n";
    assert_int_equal(sample_of(maps, pages, PAGES, &sample), 0);
    double present = sample.own + sample.shared;
    assert_true(present > 0.75 * 2048 && present < 0.85 * 2048);
    assert_true(sample.own / present > 0.58 && sample.own / present < 0.67);
    free(pages);
}

static void a_line_may_be_cut_between_two_reads(void **state)
{
    (void)state;
    struct pss_sample sample;
    uint64_t         *pages = pages_of(10, 0);
    char             *maps = malloc((size_t)1 << 20);
    size_t            len = 0;
    assert_non_null(maps);
    for (unsigned i = 0; i < 400; i++)
        len += (size_t)sprintf(maps + len, "%08x-%08x rw-p 00000000 00:00 0 %*s\n", i * 163840, (i + 1) * 163840,
                               (int)(i % 97) * 3, "x");
    assert_int_equal(sample_of(maps, pages, PAGES, &sample), 0);
    assert_in_range(sample.own, 1500, 2048);
    assert_int_equal(sample.shared, 0);
    for (unsigned i = 0; len < (size_t)600 * 1024; i++)
        len += (size_t)sprintf(maps + len, "%08x-%08x rw-p 00000000 00:00 0\n", i * 4096, (i + 1) * 4096);
    assert_int_equal(sample_of(maps, pages, PAGES, &sample), -EFBIG);
    free(maps);
    free(pages);
}

static void too_few_pages_or_none_are_no_sample(void **state)
{
    (void)state;
    struct pss_sample sample;
    uint64_t         *pages = pages_of(0, 0);
    assert_int_equal(sample_of("00000000-10000000 rw-p 0 00:00 0\n", pages, PAGES, &sample), -ENODATA);
    assert_int_equal(sample_of("", pages, PAGES, &sample), -ENODATA);
    assert_int_equal(sample_of("no mapping\n10-\n-20\n30-20 rw-p\n", pages, PAGES, &sample), -ENODATA);
    assert_int_equal(__real_pss_sample_read(AT_FDCWD, 100, PAGE, 5, false, &sample), -ENOENT);
    free(pages);
}

static void mappings_beyond_all_bounds_end(void **state)
{
    (void)state;
    struct pss_sample sample;
    uint64_t         *pages = pages_of(10, 0);
    char             *maps = malloc((size_t)400 * 1024);
    size_t            len = 0;
    assert_non_null(maps);
    for (int i = 0; i < 4097; i++) /* together more pages than a number can hold */
        len += (size_t)sprintf(maps + len, "0-ffffffffffffffff rw-p 0 00:00 0\n");
    (void)sample_of(maps, pages, PAGES, &sample);
    assert_true(sample.own + sample.shared <= 2048);
    free(maps);
    free(pages);
}

static void a_real_child_shares_until_it_writes(void **state)
{
    (void)state;
    enum { SIZE = 32 << 20 };
    struct pss_sample sample;
    int               ends[2];
    char              byte = 0;
    char             *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
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
    int proc = open("/proc", O_RDONLY | O_DIRECTORY);
    int error = __real_pss_sample_read(proc, child, (uint64_t)sysconf(_SC_PAGESIZE), 1, false, &sample);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(proc);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(munmap(at, SIZE), 0);
    if (error == -ENODATA || error == -ENOENT)
        skip(error == -ENOENT ? "no smaps_rollup" : "a sanitizer maps terabytes");
    assert_int_equal(error, 0);
    double own = (double)sample.own / (sample.own + sample.shared);
    assert_true(own > 0.35 && own < 0.65);
}

static void pages_of_zeros_that_were_read_are_no_memory(void **state)
{
    (void)state;
    enum { SIZE = 256 << 20 }; /* that the libraries' pages, which others have too, are few among them */
    struct pss_sample sample;
    long              page = sysconf(_SC_PAGESIZE);
    char             *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    volatile char    *touched = at;
    int               first = 0;
    assert_ptr_not_equal(at, MAP_FAILED);
    for (size_t i = 0; i < SIZE; i += (size_t)page)
        first |= i < SIZE / 4 ? (touched[i] = 1) : touched[i];
    assert_int_equal(first, 1);
    int proc = open("/proc", O_RDONLY | O_DIRECTORY);
    int error = __real_pss_sample_read(proc, getpid(), (uint64_t)page, 1, true, &sample);
    close(proc);
    assert_int_equal(munmap(at, SIZE), 0);
    if (error == -ENODATA || error == -ENOENT)
        skip(error == -ENOENT ? "no smaps_rollup" : "a sanitizer maps terabytes");
    assert_int_equal(error, 0);
    assert_true(sample.own > 9 * sample.shared);
    assert_true(sample.zeros > sample.own);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(on_average_no_more_is_spent_than_a_third_of_a_millisecond),
        test(two_thousand_processes_share_the_budget),
        test(a_reading_that_is_dearer_than_thought_is_made_up_for),
        test(what_is_too_dear_to_be_read_whole_is_sampled),
        test(a_sample_of_zeros_alone_tells_that_nothing_is_shared),
        test(the_pages_of_a_family_are_counted_once),
        test(without_a_sample_a_figure_is_saved_for_up_to_fifty_milliseconds),
        test(a_sample_tells_own_pages_from_shared_ones),
        test(a_line_may_be_cut_between_two_reads),
        test(too_few_pages_or_none_are_no_sample),
        test(mappings_beyond_all_bounds_end),
        test(a_real_child_shares_until_it_writes),
        test(pages_of_zeros_that_were_read_are_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
