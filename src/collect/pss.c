// SPDX-License-Identifier: Apache-2.0
#include "collect/pss.h"

#include <errno.h>

#include "base/clock.h"
#include "collect/process_stat.h"
#include "collect/pss_sample.h"

#define PSS_INCOME    (CLOCK_MILLISECOND * 3 / 10)
#define PSS_PURSE_MAX (50 * CLOCK_MILLISECOND)
#define PSS_DEAR      (10 * CLOCK_MILLISECOND)
#define PSS_SMALL     CLOCK_MILLISECOND /* many small readings are not made up for in one row */
#define PSS_FIXED_NS  13000.0
/* 8 ms per GiB: 2.7 to 7.1 were measured with 4 KiB pages, and a first guess must not overdraw the purse. */
#define PSS_FIRST_NS_PER_KIB (8e6 / 1048576)
#define PSS_FIRST_SAMPLE_NS  (CLOCK_MILLISECOND / 2)

/* A Pss may change while the RSS does not, when others begin or stop to share the pages. */
enum { PSS_OLD_ROWS = 30, PSS_OLD_DEAR_ROWS = 300, PSS_PRICED_FROM_KIB = 16 * 1024 };

void pss_init(struct pss *pss, uint64_t page_bytes)
{
    *pss = (struct pss){.page_bytes = page_bytes, .ns_per_kib = PSS_FIRST_NS_PER_KIB, .sample_ns = PSS_FIRST_SAMPLE_NS};
}

/* Whatever a stat that is none says, it is a number. */
static uint64_t whole(double value)
{
    return value < (double)(INT64_MAX / 2) ? (uint64_t)value : INT64_MAX / 2;
}

static int64_t exact_price_of(const struct pss *pss, const struct process *p)
{
    return (int64_t)whole(PSS_FIXED_NS + (double)p->resident_kib * pss->ns_per_kib);
}

/* Who had too few pages for a sample may have more by now. */
static bool is_sampled(const struct pss *pss, const struct process *p)
{
    return (!p->pss_whole || p->resident_kib / 2 > p->pss_resident) && exact_price_of(pss, p) > PSS_DEAR;
}

static int64_t price_of(const struct pss *pss, const struct process *p)
{
    return is_sampled(pss, p) ? pss->sample_ns : exact_price_of(pss, p);
}

/* A sample tells a fraction, which does not change with every page. */
static bool has_changed(const struct pss *pss, const struct process *p)
{
    uint64_t change = p->resident_kib > p->pss_resident ? p->resident_kib - p->pss_resident
                                                        : p->pss_resident - p->resident_kib;
    return change > (is_sampled(pss, p) ? p->pss_resident / 16 : 0);
}

static bool is_wanted(const struct pss *pss, const struct process *p, pid_t except)
{
    if (p->gone || p->dead || p->waits || p->pss_denied || p->resident_kib == 0 || p->pid == except)
        return false;
    uint32_t old = price_of(pss, p) <= PSS_SMALL ? PSS_OLD_ROWS : PSS_OLD_DEAR_ROWS;
    return !p->pss_read || has_changed(pss, p) || pss->row - p->pss_row >= old;
}

/* A price too low breaks the budget, one too high only makes figures rarer: up at once, down slowly. */
static void learn(struct pss *pss, const struct process *p, int64_t cost)
{
    if (p->resident_kib < PSS_PRICED_FROM_KIB)
        return;
    double price = ((double)cost - PSS_FIXED_NS) / (double)p->resident_kib;
    if (price > pss->ns_per_kib)
        pss->ns_per_kib = price;
    else
        pss->ns_per_kib += (price - pss->ns_per_kib) * 0.3;
    if (pss->ns_per_kib < 0)
        pss->ns_per_kib = 0;
}

static void note(struct pss *pss, struct process *p, double ratio)
{
    p->pss_ratio = (float)ratio;
    p->pss_read = true;
    p->pss_resident = p->resident_kib;
    p->pss_row = pss->row;
}

/* Those that share pages with p, p among them: forked, not executed, since, and not much smaller. Whatever is shared is
 * so with somebody. */
static unsigned count_family(const struct process_table *table, const struct process *p)
{
    unsigned count = 0;
    for (size_t i = 0; i < table->count && p->stack; i++) {
        const struct process *other = &table->list[i];
        count += !other->gone && !other->dead && other->stack == p->stack && other->resident_kib >= p->resident_kib / 4;
    }
    return count > 2 ? count : 2;
}

static bool is_alone(const struct process_table *table, const struct process *p)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct process *other = &table->list[i];
        if (other != p && !other->gone && !other->dead && other->stack == p->stack)
            return false;
    }
    return p->stack != 0;
}

/* Returns what it cost, in ns. */
static int64_t buy_sample(struct pss *pss, int proc, const struct process_table *table, struct process *p)
{
    struct pss_sample sample;
    int64_t           start = clock_thread_cpu();
    bool              alone = is_alone(table, p);
    p->pss_whole = pss_sample_read(proc, p->memory_of, pss->page_bytes, pss->row, alone, &sample) != 0;
    p->pss_resident = p->resident_kib;
    if (!p->pss_whole) {
        double present = (double)sample.own + sample.shared;
        double ours = sample.own + (double)sample.shared / count_family(table, p);
        note(pss, p, present > 0 ? ours / present : 1);
    }
    int64_t cost = clock_thread_cpu() - start;
    pss->purse -= cost;
    pss->sample_ns += cost > pss->sample_ns ? cost - pss->sample_ns : (cost - pss->sample_ns) / 4;
    return cost;
}

/* Returns what it cost, in ns. */
static int64_t buy_exact(struct pss *pss, int proc, struct process *p)
{
    uint64_t kib = 0;
    int64_t  start = clock_thread_cpu();
    int      error = process_pss_read(proc, p->memory_of, &kib);
    int64_t  cost = clock_thread_cpu() - start;
    pss->purse -= cost;
    if (error == -EACCES || error == -EPERM || error == -ENOENT) {
        p->pss_denied = true;
        p->pss_ratio = 1.0F;
    }
    if (error) /* anything else: it is just ending, or between two programs */
        return cost;
    /* The kernel's RSS is approximate (a counter per CPU), its Pss is exact: the ratio may exceed 1. */
    note(pss, p, (double)kib / (double)p->resident_kib);
    learn(pss, p, cost);
    return cost;
}

/* Is somebody waiting for a figure that the purse does not hold yet? */
static bool is_saving(const struct pss *pss, const struct process_table *table, pid_t except)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct process *p = &table->list[i];
        if (!is_wanted(pss, p, except))
            continue;
        int64_t price = price_of(pss, p);
        if (price > pss->purse && price <= PSS_PURSE_MAX)
            return true;
    }
    return false;
}

/* Reads p if the purse allows it; *small is what may still go to small ones. */
static bool try_to_buy(struct pss *pss, int proc, const struct process_table *table, struct process *p, int64_t *small)
{
    int64_t price = price_of(pss, p);
    bool    is_small = price <= PSS_SMALL;
    if (price > pss->purse || (is_small && price > *small))
        return false;
    int64_t cost = is_sampled(pss, p) ? buy_sample(pss, proc, table, p) : buy_exact(pss, proc, p);
    if (is_small)
        *small -= cost;
    return true;
}

static void spend(struct pss *pss, int proc, struct process_table *table, pid_t except)
{
    int64_t small = is_saving(pss, table, except) ? PSS_INCOME / 2 : PSS_SMALL;
    for (int round = 0; round < 2; round++) {
        size_t begin = round ? pss->turn : 0;
        for (size_t n = 0; n < table->count; n++) {
            size_t          i = (begin + n) % table->count;
            struct process *p = &table->list[i];
            if (!is_wanted(pss, p, except) || (round == 0 && p->pss_read))
                continue;
            if (try_to_buy(pss, proc, table, p, &small) && round)
                pss->turn = i + 1;
        }
    }
}

uint64_t pss_read(struct pss *pss, int proc, struct process_table *table, pid_t except)
{
    uint64_t kib = 0;
    pss->row++;
    pss->purse += PSS_INCOME;
    if (pss->purse > PSS_PURSE_MAX)
        pss->purse = PSS_PURSE_MAX;
    /* A price that was too high once would otherwise never be asked again. */
    pss->ns_per_kib += (PSS_FIRST_NS_PER_KIB - pss->ns_per_kib) * 0.001;
    if (table->count > 0)
        spend(pss, proc, table, except);
    for (size_t i = 0; i < table->count; i++) {
        const struct process *p = &table->list[i];
        if (!p->gone && !p->dead && p->pid != except)
            kib += whole((double)p->resident_kib * (double)p->pss_ratio + 0.5);
    }
    return kib;
}
