// SPDX-License-Identifier: Apache-2.0
// Memory of a tree whose kernel the test plays: counters move as they do in the events that are told, and readings say
// what the test knows to be true, for a price that it sets.
#include "fixture.h"

#include <errno.h>

#include "base/array.h"
#include "base/clock.h"
#include "collect/tree/process_stat.h"
#include "collect/tree/pss.h"
#include "collect/tree/pss_survey.h"

#define MIB 1024.0 /* in KiB */

enum { PAGE = 4096, PEOPLE = 6000, PAGES = 256 /* of a MiB */ };

/* What the kernel knows of a process; MiB. */
struct truth {
    double anonymous, file;         /* resident */
    double anonymous_pss, file_pss; /* what smaps_rollup says */
    double vague;                   /* part of its anonymous pages of which a survey finds no sharer */
    double vague_files;
    double mixed; /* what a survey takes for shared by more than share it */
    double own;   /* and what it finds that nobody shares */
    double hugetlb, own_hugetlb;
    double huge;
    bool   unmapped; /* since its counters were read */
    bool   ended;    /* the same */
    double since;    /* of such files, mapped or given up since then */
    double late;     /* faults, in MiB, that the counters did not have yet */
    int    error;    /* of all readings */
};

static struct {
    int64_t  cpu;
    double   ns_per_mib, ns_per_survey; /* what readings really cost */
    int64_t  dearest;
    unsigned statm, exact, surveys, files;
} fake;

static struct truth         truth[PEOPLE];
static struct process_table table;
static struct pss           pss;
static int64_t              monotonic;
static uint64_t             hugetlb;

int64_t __wrap_clock_thread_cpu(void);
int     __wrap_process_statm_read(int proc, pid_t pid, uint64_t *ret_resident, uint64_t *ret_shared);
int     __wrap_process_stat_read(int proc, pid_t pid, struct process_stat *ret);
int     __wrap_process_hugetlb_read(int proc, pid_t pid, uint64_t *ret_kib);
int     __wrap_process_rollup_read(int proc, pid_t pid, struct process_rollup *ret);
int     __wrap_pss_survey_run(struct pss_survey *survey, struct pss_surveyed *list, unsigned count);

static void spend(double ns)
{
    fake.cpu += (int64_t)ns;
    fake.dearest = (int64_t)ns > fake.dearest ? (int64_t)ns : fake.dearest;
}

int64_t __wrap_clock_thread_cpu(void)
{
    return fake.cpu;
}

int __wrap_process_statm_read(int proc, pid_t pid, uint64_t *ret_resident, uint64_t *ret_shared)
{
    (void)proc;
    const struct truth *t = &truth[pid];
    fake.statm++;
    fake.cpu += 5000;
    *ret_resident = *ret_shared = 0;
    if (t->ended)
        return 0;
    *ret_resident = (uint64_t)((t->anonymous + t->file) * PAGES);
    *ret_shared = (uint64_t)(t->file * PAGES);
    return 0;
}

int __wrap_process_stat_read(int proc, pid_t pid, struct process_stat *ret)
{
    (void)proc;
    const struct process *p = process_table_find_present(&table, pid);
    if (!p || truth[pid].ended)
        return -ESRCH;
    *ret = (struct process_stat){
        .faults = p->faults + (uint64_t)(truth[pid].late * PAGES), .size = p->size, .threads = 1};
    return 0;
}

int __wrap_process_hugetlb_read(int proc, pid_t pid, uint64_t *ret_kib)
{
    (void)proc;
    *ret_kib = (uint64_t)(truth[pid].hugetlb * MIB);
    return 0;
}

int __wrap_process_rollup_read(int proc, pid_t pid, struct process_rollup *ret)
{
    (void)proc;
    const struct truth *t = &truth[pid];
    if (t->error || t->ended)
        return t->error ? t->error : -ESRCH;
    spend(30000 + (t->anonymous + t->file) * fake.ns_per_mib);
    fake.exact++;
    double file_pss = t->file > 0 ? t->file_pss * (t->file + t->since) / t->file : 0;
    *ret = (struct process_rollup){.pss = (uint64_t)((t->anonymous_pss + file_pss) * MIB),
                                   .rss = (uint64_t)((t->anonymous + t->file + t->since) * MIB),
                                   .anonymous = (uint64_t)(t->anonymous * MIB),
                                   .pss_anonymous = (uint64_t)(t->anonymous_pss * MIB),
                                   .pss_file = (uint64_t)(file_pss * MIB),
                                   .huge = (uint64_t)(t->huge * MIB),
                                   .hugetlb = (uint64_t)(t->hugetlb * MIB),
                                   .own_hugetlb = (uint64_t)(t->own_hugetlb * MIB),
                                   .has_kinds = true};
    return 0;
}

int __wrap_pss_survey_run(struct pss_survey *survey, struct pss_surveyed *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct truth *t = &truth[list[i].pid];
        double              guess = list[i].outside > 0 ? list[i].outside : 1.0 / 3; /* of a half */
        double              seen = t->file_pss + t->vague_files * t->file * (guess - 0.5);
        list[i].error = t->ended ? -ESRCH : t->error;
        list[i].anonymous = (struct pss_share){.ratio = t->anonymous > 0 ? (t->anonymous_pss - t->mixed) / t->anonymous
                                                                         : 1,
                                               .error = 0.01,
                                               .own = t->anonymous > 0 ? t->own / t->anonymous : 0,
                                               .vague = t->vague,
                                               .pages = 1000,
                                               .present = t->anonymous * MIB};
        list[i].file = (struct pss_share){.ratio = t->file > 0 ? seen / t->file : 1,
                                          .error = 0.005,
                                          .vague = t->vague_files,
                                          .own = 1 - t->vague_files,
                                          .guess = guess,
                                          .pages = 500};
        if (t->unmapped)
            list[i].file = (struct pss_share){0};
    }
    bool is_glance = survey->windows < 100;
    fake.surveys += !survey->by_file;
    fake.files += survey->by_file && !is_glance;
    spend(is_glance ? fake.ns_per_survey / 16 : fake.ns_per_survey);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    memset(truth, 0, sizeof truth);
    fake.ns_per_mib = 10000; /* 10 ms per GiB */
    fake.ns_per_survey = 2e6;
    monotonic = 0;
    hugetlb = 0;
    pss_init(&pss, PAGE, 0);
    return process_table_init(&table);
}

static int tear_down(void **state)
{
    (void)state;
    pss_done(&pss);
    process_table_done(&table);
    return 0;
}

static struct process *find(pid_t pid)
{
    struct process *p = process_table_find_present(&table, pid);
    assert_non_null(p);
    return p;
}

/* Brings the counters of stat to the truth. */
static void look(pid_t pid)
{
    find(pid)->resident_kib = (uint64_t)((truth[pid].anonymous + truth[pid].file) * MIB);
}

/* A program: `stack` is another for each that is executed. */
static void begin(pid_t pid, double anonymous, double file)
{
    struct process *p = process_table_add(&table, pid);
    assert_non_null(p);
    p->read_yet = true;
    p->start = 1;
    p->name = (uint32_t)pid;
    p->stack = (uint64_t)pid << 12;
    p->code = 1 << 20;
    p->size = UINT64_C(1) << 32;
    p->faults = (uint64_t)(anonymous * PAGES);
    truth[pid] = (struct truth){.anonymous = anonymous, .file = file, .anonymous_pss = anonymous, .file_pss = file / 2};
    look(pid);
}

static void fork_from(pid_t parent, pid_t pid)
{
    struct process *p = process_table_add(&table, pid);
    assert_non_null(p);
    struct process from = *find(parent);
    p->read_yet = true;
    p->start = 2;
    p->parent = parent;
    p->parent_start = from.start;
    p->name = from.name;
    p->stack = from.stack;
    p->code = from.code;
    p->size = from.size;
    p->faults = 100;
    truth[parent].anonymous_pss /= 2; /* the sum stays */
    truth[parent].own = 0;
    truth[pid] = truth[parent];
    look(pid);
}

/* It writes to so many MiB that were there: minor faults tell, nothing else does. */
static void fault(pid_t pid, double mib)
{
    find(pid)->faults += (uint64_t)(mib * PAGES);
}

static void grow(pid_t pid, double mib)
{
    truth[pid].anonymous += mib;
    truth[pid].anonymous_pss += mib;
    fault(pid, mib);
    look(pid);
}

/* MiB. */
static double reading(void)
{
    monotonic += CLOCK_SECOND;
    double mib = (double)pss_read(&pss, -1, &table, monotonic, hugetlb) / MIB;
    process_table_compact(&table);
    return mib;
}

static unsigned readings_bought(void)
{
    return fake.exact + fake.surveys + fake.files;
}

#define assert_near(value, expected, tolerance)                               \
    do {                                                                      \
        double is_ = (value);                                                 \
        if (is_ < (expected) - (tolerance) || is_ > (expected) + (tolerance)) \
            fail_msg("%f is not near %f", is_, (double)(expected));           \
    } while (0)

static void a_program_that_grows_is_right_at_once_and_buys_nothing(void **state)
{
    (void)state;
    begin(100, 0.5, 2);
    assert_near(reading(), 1.5, 0.1); /* half of its files are shared with other programs */
    unsigned bought = readings_bought();
    grow(100, 300);
    assert_near(reading(), 301.5, 0.1);
    grow(100, 16384);
    assert_near(reading(), 16685.5, 1);
    truth[100].anonymous = truth[100].anonymous_pss = 7;
    look(100);
    assert_near(reading(), 8, 0.1);
    assert_true(bought <= 1);
    assert_int_equal(readings_bought(), bought);
}

static void what_was_known_of_a_program_is_not_carried_to_the_next_image(void **state)
{
    (void)state;
    begin(100, 400, 0);
    for (pid_t pid = 101; pid < 105; pid++)
        fork_from(100, pid);
    assert_near(reading(), 400, 3);
    truth[101] = (struct truth){.anonymous = 300, .anonymous_pss = 300};
    find(101)->stack = 1 << 30;
    look(101);
    assert_near(reading(), 700, 5);
}

static void a_fork_conserves_the_sum(void **state)
{
    (void)state;
    begin(100, 600, 0);
    assert_near(reading(), 600, 1);
    for (pid_t pid = 101; pid < 105; pid++)
        fork_from(100, pid);
    for (int row = 0; row < 60; row++)
        assert_near(reading(), 600, 8);
    assert_int_equal(readings_bought(), 0);
}

static void the_last_one_of_a_family_owns_all_that_it_maps(void **state)
{
    (void)state;
    begin(100, 600, 0);
    for (pid_t pid = 101; pid < 105; pid++)
        fork_from(100, pid);
    (void)reading();
    for (pid_t pid = 101; pid < 105; pid++)
        find(pid)->gone = true;
    truth[100].anonymous_pss = 600;
    for (int row = 0; row < 20; row++)
        assert_near(reading(), 600, 8);
    find(100)->dead = true;
    assert_near(reading(), 0, 0.01);
}

static void who_is_left_over_is_asked_whether_others_share_its_pages(void **state)
{
    (void)state;
    begin(100, 400, 0);
    fork_from(100, 101);
    (void)reading();
    find(100)->gone = true; /* and a daemon that it left, outside of the tree, has its pages too */
    truth[101].anonymous_pss = 200;
    (void)reading();
    assert_near(reading(), 200, 8);
    assert_true(fake.exact > 0);
    grow(101, 50);
    assert_near(reading(), 250, 8);
}

static void who_is_still_ending_does_not_share(void **state)
{
    (void)state;
    begin(100, 400, 0);
    fork_from(100, 101);
    (void)reading();
    find(101)->gone = true;
    truth[100].anonymous_pss = 200; /* for as long as its page tables are being taken down */
    assert_near(reading(), 400, 8);
    truth[100].anonymous_pss = 400;
    for (int row = 0; row < 5; row++)
        assert_near(reading(), 400, 8);
}

static void a_sharer_outside_of_the_tree_that_ends_is_missed_for_some_rows_only(void **state)
{
    (void)state;
    begin(100, 400, 0);
    fork_from(100, 101);
    (void)reading();
    find(100)->gone = true;
    truth[101].anonymous_pss = 200;
    for (int row = 0; row < 5; row++)
        (void)reading();
    assert_near(reading(), 200, 8);
    truth[101].anonymous_pss = 400;
    for (int row = 0; row < 6; row++)
        (void)reading();
    assert_near(reading(), 400, 8);
}

/* Four children write to all that they have, MiB by MiB: RSS stays as it is. */
static void copies_on_write_are_seen_by_their_faults(void **state)
{
    (void)state;
    begin(100, 200, 0);
    for (pid_t pid = 101; pid < 105; pid++)
        fork_from(100, pid);
    (void)reading();
    double sum = 200;
    for (int row = 0; row < 20; row++) {
        sum = 200;
        for (pid_t pid = 100; pid < 105; pid++)
            truth[pid].anonymous_pss = (200 - (row + 1) * 10) / 5.0;
        for (pid_t pid = 101; pid < 105; pid++) {
            fault(pid, 10);
            truth[pid].anonymous_pss += (row + 1) * 10;
            sum += (row + 1) * 10;
        }
        truth[100].anonymous_pss += (row + 1) * 10; /* all others have let go of these */
        sum = truth[100].anonymous_pss + 4 * truth[101].anonymous_pss;
        assert_near(reading(), sum, 0.05 * sum + 8);
    }
    assert_near(reading(), 1000, 50);
    assert_true(fake.cpu < 140 * CLOCK_MILLISECOND);
}

/* It takes memory, forks and begins to write, all between two rows. */
static void what_is_taken_and_forked_in_one_row_is_shared(void **state)
{
    (void)state;
    begin(100, 2, 0);
    (void)reading();
    grow(100, 150);
    fork_from(100, 101);
    fork_from(100, 102);
    truth[100].anonymous_pss = truth[101].anonymous_pss = truth[102].anonymous_pss = 152 / 3.0;
    assert_near(reading(), 152, 8);
    for (int row = 1; row <= 10; row++) {
        fault(100, 15);
        truth[100].anonymous_pss = row * 15 + (152 - row * 15) / 3.0;
        truth[101].anonymous_pss = truth[102].anonymous_pss = (152 - row * 15) / 3.0 + row * 15 / 2.0;
        assert_near(reading(), 152 + row * 15, 0.05 * (152 + row * 15) + 8);
    }
}

/* A server forks a child that writes its memory to a disk, and goes on writing to it itself. */
static void what_is_copied_while_it_is_read_counts_once(void **state)
{
    (void)state;
    begin(100, 300, 0);
    (void)reading();
    fork_from(100, 101);
    (void)reading();
    pss.families.list[0].copied = 1; /* which it has learned */
    pss.families.list[0].copied_doubt = 0.1F;
    pss.families.list[0].doubt = 60 * MIB;
    fault(101, 30); /* of 100; the others between its counters and the reading of its pages */
    truth[101].anonymous_pss += 100;
    truth[101].late = 70;
    assert_near(reading(), 400, 12);
    truth[101].late = 0;
    fault(101, 70);
    pss.families.list[0].doubt = 0;
    assert_near(reading(), 400, 12);
}

static void copies_that_the_parent_makes_are_seen_as_well(void **state)
{
    (void)state;
    begin(100, 400, 0);
    (void)reading();
    fork_from(100, 101);
    (void)reading();
    for (int row = 1; row <= 10; row++) {
        fault(100, 30);
        truth[100].anonymous_pss = truth[101].anonymous_pss = 200 + row * 15;
        assert_near(reading(), 400 + row * 30, 25);
    }
}

static void faults_are_never_more_than_what_is_resident(void **state)
{
    (void)state;
    begin(100, 100, 0);
    fork_from(100, 101);
    truth[101].anonymous_pss = truth[100].anonymous_pss = 50;
    (void)reading();
    truth[100].error = truth[101].error = -ESRCH; /* nothing can be bought */
    for (int row = 0; row < 50; row++) {
        fault(100, 30);
        fault(101, 30);
        assert_true(reading() <= 200);
    }
}

static void what_a_member_had_alone_goes_with_it(void **state)
{
    (void)state;
    begin(100, 100, 0);
    for (pid_t pid = 101; pid < 104; pid++)
        fork_from(100, pid);
    (void)reading();
    for (pid_t pid = 101; pid < 104; pid++)
        grow(pid, 50);
    assert_near(reading(), 250, 8);
    find(102)->gone = true;
    truth[100].anonymous_pss += truth[102].anonymous_pss - 50; /* what they had in common is the others' */
    assert_near(reading(), 200, 8);
}

static void a_mapped_file_counts_whatever_the_machine_has_free(void **state)
{
    (void)state;
    begin(100, 5, 3000);
    truth[100].file_pss = 3000;
    assert_near(reading(), 3005, 40);
    assert_int_equal(fake.files, 1);
    for (int row = 0; row < 50; row++)
        assert_near(reading(), 3005, 40);
    assert_true(readings_bought() <= 5);
}

static void a_file_that_one_outside_of_the_tree_maps_too_is_read_and_looked_at_again(void **state)
{
    (void)state;
    begin(100, 5, 1000);
    truth[100].vague_files = 1;
    truth[100].file_pss = 500;
    assert_near(reading(), 505, 30);
    assert_int_equal(fake.exact, 1);
    for (int row = 0; row < 60; row++)
        assert_near(reading(), 505, 30);
    assert_true(fake.exact <= 3); /* a survey tells that nothing has changed */
    assert_true(fake.files >= 10);
    truth[100].vague_files = 0; /* it ends: no counter moves */
    truth[100].file_pss = 1000;
    for (int row = 0; row < 4; row++)
        (void)reading();
    assert_near(reading(), 1005, 30);
}

static void one_outside_of_the_tree_that_joins_a_file_or_ends_is_seen_in_the_next_row(void **state)
{
    (void)state;
    begin(100, 1, 300);
    truth[100].file_pss = 300;
    for (int row = 0; row < 5; row++)
        assert_near(reading(), 301, 8);
    unsigned bought = readings_bought();
    truth[100].file_pss = 150;
    truth[100].vague_files = 1;
    assert_near(reading(), 151, 8);
    assert_true(readings_bought() > bought);
    for (int row = 0; row < 3; row++)
        assert_near(reading(), 151, 8);
    truth[100].file_pss = 300;
    truth[100].vague_files = 0;
    assert_near(reading(), 301, 8);
}

static void one_outside_of_the_tree_that_joins_right_after_an_exact_reading_is_seen_too(void **state)
{
    (void)state;
    fake.ns_per_survey = 3e7; /* so that files are read exactly */
    begin(100, 1, 300);
    truth[100].file_pss = 290; /* it has begun to map */
    pss.ns_per_look = 1e5;
    assert_near(reading(), 291, 8);
    assert_int_equal(fake.files, 0);
    assert_int_equal(fake.exact, 1);
    pss.ns_per_look = 1500;
    fake.ns_per_survey = 2e6;
    truth[100].file_pss = 150;
    truth[100].vague_files = 1;
    assert_near(reading(), 151, 8);
}

static void a_shared_file_that_is_mapped_further_while_it_is_read_has_its_part_of_what_was_counted(void **state)
{
    (void)state;
    static const double since[] = {200, 20, 0, -60, -90};
    for (pid_t pid = 100; pid < 100 + (pid_t)ARRAY_LENGTH(since); pid++) {
        begin(pid, 1, 100);
        truth[pid].file_pss = 50;
        truth[pid].vague_files = 1;
        truth[pid].since = since[pid - 100];
        assert_near(reading(), 51, 4);
        assert_true(fake.exact >= 1);
        truth[pid].file += truth[pid].since;
        truth[pid].file_pss = truth[pid].file / 2;
        truth[pid].since = 0;
        look(pid);
        for (int row = 0; row < 8; row++)
            assert_near(reading(), 1 + truth[pid].file_pss, 8);
        find(pid)->gone = true;
        (void)reading();
        fake.exact = 0;
    }
}

static void the_end_of_a_sharer_adds_nothing(void **state)
{
    (void)state;
    begin(100, 5, 600);
    begin(101, 5, 600);
    truth[100].file_pss = truth[101].file_pss = 300;
    assert_near(reading(), 610, 30);
    assert_near(reading(), 610, 30);
    find(101)->gone = true;
    truth[100].file_pss = 600;
    truth[100].anonymous_pss = 5;
    assert_true(reading() <= 640);
    begin(102, 5, 600);
    begin(103, 5, 600);
    truth[100].file_pss = truth[102].file_pss = truth[103].file_pss = 200;
    assert_near(reading(), 615, 40);
    find(102)->gone = true;
    truth[100].file_pss = 600; /* read in the midst of it */
    truth[103].file_pss = 500;
    assert_true(reading() <= 660);
}

static void who_ends_after_its_counters_were_read_shares_nothing(void **state)
{
    (void)state;
    begin(100, 5, 600);
    for (pid_t pid = 101; pid < 104; pid++)
        begin(pid, 5, 600);
    for (pid_t pid = 100; pid < 104; pid++)
        truth[pid].file_pss = 150;
    assert_near(reading(), 620, 31);
    find(100)->faults++;
    truth[100].file = 700; /* so that a survey is wanted */
    look(100);
    truth[103].ended = true; /* its counters stand as they were */
    truth[100].file_pss = 300;
    truth[101].file_pss = truth[102].file_pss = 200;
    assert_near(reading(), 715, 36);
}

static void who_gives_up_a_file_in_the_midst_of_a_reading_is_read(void **state)
{
    (void)state;
    begin(100, 5, 600);
    begin(101, 5, 600);
    truth[100].file_pss = truth[101].file_pss = 300;
    assert_near(reading(), 610, 30);
    find(100)->faults++;
    truth[100].file = 700; /* so that a survey is wanted */
    truth[100].file_pss = 700;
    look(100);
    truth[101].unmapped = true;
    truth[101].file_pss = 0;
    assert_near(reading(), 710, 40);
}

/* Eight servers read one large cache, page by page: each has what another has, too. */
static void what_a_family_maps_together_is_learned(void **state)
{
    (void)state;
    enum { SERVERS = 8 };
    begin(100, 5, 0);
    for (pid_t pid = 101; pid < 101 + SERVERS; pid++)
        fork_from(100, pid);
    for (int row = 1; row <= 40; row++) {
        for (pid_t pid = 101; pid < 101 + SERVERS; pid++) {
            truth[pid].file = row * 8;
            truth[pid].file_pss = row;
            look(pid);
        }
        double mib = reading();
        if (row > 10)
            assert_near(mib, 5 + row * SERVERS, 0.05 * row * SERVERS + 8);
    }
    assert_true(fake.exact <= 20 * SERVERS && fake.cpu < 160 * CLOCK_MILLISECOND);
}

/* Members fill one shared memory, each at once. */
static void what_was_learned_of_small_steps_is_not_believed_of_a_large_one(void **state)
{
    (void)state;
    begin(100, 600, 0);
    for (pid_t pid = 101; pid < 104; pid++)
        fork_from(100, pid);
    for (int row = 0; row < 10; row++)
        assert_near(reading(), 600, 30);
    for (pid_t pid = 101; pid < 104; pid++) {
        pss.families.list[0].mapped = 1; /* which it has learned */
        pss.families.list[0].mapped_doubt = 0.03F;
        truth[pid].file = 300;
        for (pid_t other = 101; other <= pid; other++)
            truth[other].file_pss = 300.0 / (pid - 100);
        look(pid);
        assert_near(reading(), 900, 45);
    }
}

static void hugetlb_pages_count_and_those_of_a_family_once(void **state)
{
    (void)state;
    begin(100, 1, 0);
    truth[100].hugetlb = truth[100].own_hugetlb = 160;
    hugetlb = 1 << 20;
    assert_near(reading(), 161, 0.1);
    fork_from(100, 101);
    truth[100].own_hugetlb = truth[101].own_hugetlb = 0;
    assert_near(reading(), 161, 2);
    hugetlb = METRIC_NONE;
    find(101)->gone = true;
    assert_near(reading(), 1, 1);
}

static void an_address_space_that_two_share_counts_once(void **state)
{
    (void)state;
    begin(100, 100, 1);
    (void)reading();
    fork_from(100, 101); /* CLONE_VM: what one touches, the other has */
    assert_near(reading(), 100.5, 8);
    truth[100].anonymous = truth[101].anonymous = 400;
    fault(101, 300);
    look(100);
    look(101);
    assert_near(reading(), 400.5, 8);
    truth[100].anonymous = truth[101].anonymous = 500;
    fault(101, 100);
    look(101); /* the other has not run, and was not looked at */
    assert_near(reading(), 500.5, 8);
    find(100)->gone = true;
    assert_near(reading(), 500.5, 8);
}

/* Readings, which are bought for a doubt, find all of it in both. */
static double read_with_all_in_both(double anonymous, double parents_faults)
{
    begin(100, anonymous, 0);
    (void)reading();
    fork_from(100, 101);
    fault(100, parents_faults);
    for (pid_t pid = 100; pid <= 101; pid++)
        truth[pid].anonymous_pss = truth[pid].own = anonymous;
    (void)reading();
    pss.families.list[0].doubt = (float)(anonymous * MIB);
    return reading();
}

static void an_address_space_that_two_share_counts_once_when_it_is_read(void **state)
{
    (void)state;
    assert_near(read_with_all_in_both(60, 1), 60, 1);
    assert_true(fake.exact > 0);
    assert_near(reading(), 60, 1);
    find(101)->gone = true;
    assert_near(reading(), 60, 1);
}

static void an_address_space_that_two_share_counts_once_when_it_is_surveyed(void **state)
{
    (void)state;
    assert_near(read_with_all_in_both(8000, 1), 8000, 80);
    assert_true(fake.surveys > 0);
    assert_near(reading(), 8000, 80);
}

/* The pages that it had are the child's alone then. */
static void a_child_whose_parent_has_written_all_anew_shares_no_address_space(void **state)
{
    (void)state;
    assert_near(read_with_all_in_both(60, 60), 120, 1);
    assert_true(fake.exact > 0);
    assert_near(reading(), 120, 1);
}

/* What a driver holds is copied when the process is forked, without a fault. */
static void a_child_that_has_a_little_more_than_its_parent_shares_no_address_space(void **state)
{
    (void)state;
    (void)read_with_all_in_both(60, 1);
    find(101)->gone = true;
    (void)reading();
    fork_from(100, 102);
    truth[100].anonymous_pss = truth[102].anonymous_pss = 60;
    truth[102].anonymous = 60.1;
    look(102);
    (void)reading();
    pss.families.list[0].doubt = 60 * MIB;
    assert_near(reading(), 120, 1);
}

/* As a userfaultfd handler fills it: without a fault of its own. */
static void a_child_that_another_fills_and_that_maps_more_shares_no_address_space(void **state)
{
    (void)state;
    begin(100, 100, 1);
    (void)reading();
    fork_from(100, 101);
    truth[101].anonymous = 50;
    look(101);
    assert_near(reading(), 100.5, 8);
    find(101)->size += 1 << 20;
    truth[101].anonymous = 100;
    look(101);
    assert_near(reading(), 150.5, 8);
}

static void equal_workers_that_grow_by_huge_pages_share_no_address_space(void **state)
{
    (void)state;
    begin(100, 100, 1);
    (void)reading();
    fork_from(100, 101);
    fork_from(100, 102);
    assert_near(reading(), 100.5, 8);
    for (pid_t pid = 101; pid <= 102; pid++) {
        truth[pid].anonymous += 64;
        truth[pid].anonymous_pss += 64;
        find(pid)->faults += 32; /* one for each 2 MiB */
        look(pid);
    }
    assert_near(reading(), 228.5, 8);
    for (pid_t pid = 101; pid <= 102; pid++) {
        truth[pid].anonymous += 64;
        truth[pid].anonymous_pss += 64;
        truth[pid].late = 64; /* between stat and statm */
        look(pid);
    }
    assert_near(reading(), 356.5, 8);
    for (pid_t pid = 101; pid <= 102; pid++) {
        truth[pid].late = 0;
        fault(pid, 64);
    }
    assert_near(reading(), 356.5, 8);
}

/* 240 MiB, of which each generation writes a quarter before it forks the next: the first two share the second quarter,
 * and so do the last two, at the same addresses. A survey takes these four for one. */
static void generations_share_different_pages_at_the_same_address(void **state)
{
    (void)state;
    fake.ns_per_mib = 30000; /* dear: a survey would be bought */
    begin(100, 240, 0);
    (void)reading();
    for (pid_t pid = 101; pid <= 103; pid++) {
        fork_from(pid - 1, pid);
        fault(pid, 60);
        truth[pid].anonymous_pss += 60;
        truth[pid].own = 60;
        assert_near(reading(), 240 + 60 * (pid - 100), 12);
        assert_near(reading(), 240 + 60 * (pid - 100), 12);
        monotonic += 5 * CLOCK_SECOND;
    }
    (void)reading();
    for (pid_t pid = 100; pid <= 103; pid++)
        truth[pid].mixed = 15;
    fork_from(102, 104);
    fault(104, 60);
    truth[104].anonymous_pss += 60;
    assert_near(reading(), 480, 12);
}

static void programs_of_one_name_are_not_read_one_by_one(void **state)
{
    (void)state;
    for (pid_t pid = 100; pid < 300; pid++) {
        begin(pid, 0.2, 1.5);
        find(pid)->name = 7;
        truth[pid].file_pss = 0.1;
    }
    assert_near(reading(), 200 * 0.3, 8);
    assert_true(fake.exact <= 20);
    for (int row = 0; row < 60; row++)
        assert_near(reading(), 200 * 0.3, 8);
    assert_true(fake.exact <= 20);
}

static void a_survey_that_cannot_tell_is_followed_by_an_exact_reading_in_the_same_row(void **state)
{
    (void)state;
    fake.ns_per_mib = 30000;
    begin(100, 300, 0);
    for (pid_t pid = 101; pid < 104; pid++)
        fork_from(100, pid);
    for (pid_t pid = 100; pid < 104; pid++) {
        truth[pid].vague = 0.8;
        truth[pid].anonymous_pss = 150;
    }
    (void)reading();
    for (pid_t pid = 100; pid < 104; pid++)
        fault(pid, 100);
    assert_near(reading(), 600, 10);
}

static void who_waits_or_may_not_be_read_is_not_asked(void **state)
{
    (void)state;
    begin(100, 10, 500);
    find(100)->waits = true;
    (void)reading();
    assert_int_equal(readings_bought(), 0);
    find(100)->waits = false;
    truth[100].error = -EACCES;
    for (int row = 0; row < 10; row++)
        assert_near(reading(), 260, 1);
    assert_true(fake.files <= 1);
    assert_true(find(100)->pss.denied);
}

static void a_process_whose_counters_stand_is_not_asked_for_more(void **state)
{
    (void)state;
    for (pid_t pid = 100; pid < 150; pid++)
        begin(pid, 1, 0.1);
    (void)reading();
    assert_int_equal(fake.statm, 50);
    for (int row = 0; row < 20; row++)
        (void)reading();
    assert_int_equal(fake.statm, 50);
    grow(120, 4);
    assert_near(reading(), 50 * 1.05 + 4, 0.1);
    assert_int_equal(fake.statm, 51);
}

static void shrink_and_grow(double by)
{
    for (size_t i = 0; i < table.count; i++) {
        pid_t pid = table.list[i].pid;
        truth[pid].anonymous += by;
        fault(pid, 20);
        look(pid);
    }
}

/* At every price and size: 2 ms of CPU for each second and at most 100 ms ahead; no row above 50 ms. */
static void no_more_is_spent_than_has_come_in(void **state)
{
    static const double ms_per_gib[] = {0.5, 6, 16};
    static const double mib[] = {10, 300, 2000, 16000};
    for (size_t price = 0; price < sizeof ms_per_gib / sizeof *ms_per_gib; price++)
        for (size_t size = 0; size < sizeof mib / sizeof *mib; size++) {
            (void)tear_down(state);
            assert_int_equal(set_up(state), 0);
            fake.ns_per_mib = ms_per_gib[price] * 1e6 / 1024;
            begin(100, mib[size], 20);
            for (pid_t pid = 101; pid < 108; pid++)
                fork_from(100, pid);
            for (int row = 1; row <= 120; row++) {
                int64_t before = fake.cpu;
                shrink_and_grow(row % 2 ? 1 : -1);
                (void)reading();
                assert_true(fake.cpu - before <= 50 * CLOCK_MILLISECOND);
                assert_true(fake.cpu <= (102 + 2 * row) * CLOCK_MILLISECOND);
            }
        }
}

static void five_thousand_processes_are_within_the_budget(void **state)
{
    (void)state;
    for (pid_t pid = 100; pid < 5100; pid++)
        begin(pid, 1, 2);
    for (int row = 1; row <= 30; row++) {
        grow(100 + row, 1);
        (void)reading();
    }
    assert_true(fake.cpu <= 162 * CLOCK_MILLISECOND);
    assert_true(pss.families.count <= 5000);
    for (pid_t pid = 200; pid < 5100; pid++)
        find(pid)->gone = true;
    for (int row = 0; row < 8; row++)
        (void)reading();
    assert_in_range(pss.families.capacity, 100, 1600);
    assert_near(reading(), 100 * 2 + 30, 60);
}

static void families_come_and_go(void **state)
{
    (void)state;
    begin(100, 50, 1);
    for (int round = 0; round < 40; round++) {
        for (pid_t pid = 101; pid < 180; pid++) {
            if (pid % 3)
                begin(pid, 2, 0);
            else
                fork_from(100, pid);
        }
        (void)reading();
        for (pid_t pid = 101; pid < 180; pid++)
            find(pid)->gone = true;
        truth[100].anonymous_pss = 50;
        assert_near(reading(), 50.5, 8);
    }
    assert_true(pss.families.capacity <= 256);
    assert_int_equal(pss.families.used, 1);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_program_that_grows_is_right_at_once_and_buys_nothing),
        test(what_was_known_of_a_program_is_not_carried_to_the_next_image),
        test(a_fork_conserves_the_sum),
        test(the_last_one_of_a_family_owns_all_that_it_maps),
        test(who_is_left_over_is_asked_whether_others_share_its_pages),
        test(who_is_still_ending_does_not_share),
        test(a_sharer_outside_of_the_tree_that_ends_is_missed_for_some_rows_only),
        test(copies_on_write_are_seen_by_their_faults),
        test(what_is_taken_and_forked_in_one_row_is_shared),
        test(what_is_copied_while_it_is_read_counts_once),
        test(copies_that_the_parent_makes_are_seen_as_well),
        test(faults_are_never_more_than_what_is_resident),
        test(what_a_member_had_alone_goes_with_it),
        test(a_mapped_file_counts_whatever_the_machine_has_free),
        test(a_file_that_one_outside_of_the_tree_maps_too_is_read_and_looked_at_again),
        test(one_outside_of_the_tree_that_joins_a_file_or_ends_is_seen_in_the_next_row),
        test(one_outside_of_the_tree_that_joins_right_after_an_exact_reading_is_seen_too),
        test(a_shared_file_that_is_mapped_further_while_it_is_read_has_its_part_of_what_was_counted),
        test(the_end_of_a_sharer_adds_nothing),
        test(who_ends_after_its_counters_were_read_shares_nothing),
        test(who_gives_up_a_file_in_the_midst_of_a_reading_is_read),
        test(what_a_family_maps_together_is_learned),
        test(what_was_learned_of_small_steps_is_not_believed_of_a_large_one),
        test(hugetlb_pages_count_and_those_of_a_family_once),
        test(an_address_space_that_two_share_counts_once),
        test(an_address_space_that_two_share_counts_once_when_it_is_read),
        test(an_address_space_that_two_share_counts_once_when_it_is_surveyed),
        test(a_child_whose_parent_has_written_all_anew_shares_no_address_space),
        test(a_child_that_has_a_little_more_than_its_parent_shares_no_address_space),
        test(a_child_that_another_fills_and_that_maps_more_shares_no_address_space),
        test(equal_workers_that_grow_by_huge_pages_share_no_address_space),
        test(generations_share_different_pages_at_the_same_address),
        test(programs_of_one_name_are_not_read_one_by_one),
        test(a_survey_that_cannot_tell_is_followed_by_an_exact_reading_in_the_same_row),
        test(who_waits_or_may_not_be_read_is_not_asked),
        test(a_process_whose_counters_stand_is_not_asked_for_more),
        test(no_more_is_spent_than_has_come_in),
        test(five_thousand_processes_are_within_the_budget),
        test(families_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
