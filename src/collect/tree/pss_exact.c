/* Exact readings: each member's smaps_rollup is read and noted. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/pss_exact.h"

#include <errno.h>

#include "base/clock.h"
#include "base/number.h"
#include "collect/tree/process_stat.h"

bool pss_exact_is_readable(const struct process *p)
{
    return !p->waits && !p->pss.denied;
}

/* Kernels before 5.4 tell the sum alone: then files keep the figure that they were thought to have. */
static void split(const struct process *p, struct process_rollup *rollup)
{
    double anonymous = (double)p->pss.anonymous;
    double pss = (double)rollup->pss;
    if (rollup->has_kinds)
        return;
    rollup->pss_anonymous = (uint64_t)least(anonymous, pss - least(pss, p->pss.file_pss));
    rollup->pss_file = rollup->pss - rollup->pss_anonymous;
    rollup->pss_shared_memory = 0;
}

/* PSS of the files and shared memory that were counted. A process may have mapped more since, or less: what the kernel
 * says of those of now is a ratio for these. */
static double file_of(const struct pss_member *m, const struct process_rollup *rollup)
{
    double file = (double)m->file;
    double pss = (double)rollup->pss_file + (double)rollup->pss_shared_memory;
    double rss = rollup->rss > rollup->anonymous ? (double)(rollup->rss - rollup->anonymous) : 0;
    return rss > 0 ? least(1, pss / rss) * file : least(pss, file);
}

static void take(const struct pss_now *now, struct process *p, const struct process_rollup *rollup)
{
    struct pss_member *m = &p->pss;
    double             file = file_of(m, rollup);
    double             vague = m->vague * (double)m->file;
    m->own = (float)least((double)rollup->private_dirty, (double)m->anonymous);
    m->has_huge = rollup->huge > m->anonymous / 16;
    m->hugetlb = rollup->hugetlb;
    m->own_hugetlb = rollup->own_hugetlb;
    m->hugetlb_doubt = 0;
    /* A survey in this reading left one thing open: the worth of a page that others than the tree's map too. Now it is
     * known. */
    if (m->file_known && m->file_row == now->row && vague > 0) {
        double outside = m->guess + (file - m->file_pss) / vague;
        m->outside = (float)(outside < 0.01 ? 0.01 : least(outside, 1));
    }
    m->file_pss = (float)file;
    m->file_doubt = 0;
    m->file_known = true;
    /* Until a survey tells, every shared page is taken to have one more user. If a glance disagrees, a survey follows.
     */
    if (m->file_row != now->row)
        m->file_own = m->file > 0 ? (float)most(0, 2 * file / (double)m->file - 1) : -1;
    m->file_row = now->row;
}

/* Of pages that two map, each has a half in its PSS. */
static double alone(const struct process_rollup *rollup)
{
    return 2 * (double)rollup->pss_anonymous - (double)rollup->anonymous;
}

void pss_exact_read(struct pss_families *families, struct pss_family *family, struct process_table *table,
                    const struct pss_now *now, struct pss_exact *ret)
{
    *ret = (struct pss_exact){0};
    for (struct process *p = NULL; (p = pss_family_next(family, table, p));) {
        struct process_rollup rollup;
        double                anonymous = (double)p->pss.anonymous;
        int64_t               start = clock_thread_cpu();
        int                   error = -EACCES;
        if (pss_exact_is_readable(p)) {
            error = process_rollup_read(now->proc, p->memory_of, &rollup);
            p->pss.denied = error == -EACCES || error == -EPERM || error == -ENOENT;
        }
        if (error) { /* the process is perhaps just ending, or between two programs */
            ret->unread += anonymous;
            continue;
        }
        ret->nanoseconds += clock_thread_cpu() - start;
        ret->walked += anonymous + (double)p->pss.file;
        split(p, &rollup);
        if (pss_family_is_alias(family, table, now, p, alone(&rollup),
                                now->page * (rollup.huge > 0 ? PSS_HUGE_PAGES : 1))) {
            pss_family_make_alias(family, p);
            continue;
        }
        take(now, p, &rollup);
        pss_kind_learn(families, p);
        ret->anonymous += (double)rollup.pss_anonymous;
        ret->resident += anonymous;
        ret->touched += family->count > 1 ? pss_family_read_again(now, p) : 0;
        ret->count++;
    }
}
