/* The last values of processes that are gone are looked for in their ancestors, or kept. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/process_lost.h"

/* An orphan's values are looked for in so many readings: the process that took it may have been read before it did. */
enum { ORPHAN_READINGS = 2 };

static struct process *parent_of(const struct process_table *table, const struct process *p)
{
    return p->parent ? process_table_find(table, p->parent, p->parent_start) : NULL;
}

/* Children stand behind their parents, so going backwards gathers a whole branch that is gone at its nearest ancestor
 * that is left. The process that reaped the top of the branch got all of it, but for children that outlived their
 * parent. */
static void gather(struct process_table *table, uint64_t retained[static CONSERVED])
{
    for (size_t i = table->count; i > 0; i--) {
        struct process *p = &table->list[i - 1];
        if (!p->gone || !p->read_yet)
            continue;
        struct process *parent = parent_of(table, p);
        bool            is_behind = parent && parent >= p;
        bool            has_heir = parent && !(parent->gone && is_behind);
        uint64_t       *heir = has_heir ? parent->lost : retained;
        for (int k = 0; k < CONSERVED; k++)
            heir[k] += p->value[k] + p->owed[k] + p->lost[k];
        if (has_heir && (parent->gone || p->orphans || p->owed[FAULTS] > 0))
            parent->orphans = ORPHAN_READINGS;
    }
}

static uint64_t take(uint64_t *from, uint64_t most)
{
    uint64_t taken = *from < most ? *from : most;
    *from -= taken;
    return taken;
}

/* Returns the part of `missing` that no one got. Orphans come to an ancestor (a subreaper, the first of a PID
 * namespace). An orphan that ended between two readings was never seen there. Ancestors stand before p, so their own
 * missing values are settled already. */
static uint64_t search(const struct process_table *table, struct process *p, int kind, uint64_t missing)
{
    missing -= take(&p->rise[kind], missing);
    if (!p->orphans && !p->dead) /* a zombie has no children any more */
        return missing;
    const struct process *child = p;
    struct process       *q = parent_of(table, p);
    for (; missing > 0 && q && q < child && !q->gone; child = q, q = parent_of(table, q))
        missing -= take(&q->rise[kind], missing);
    return missing;
}

/* A parent is read before its children, so a child may have been reaped between the two. Then its values are missing in
 * the parent's now, and there in the next reading. Values that are missing even then were never handed on. */
static void settle_one(const struct process_table *table, struct process *p, int kind,
                       uint64_t retained[static CONSERVED])
{
    retained[kind] += search(table, p, kind, p->owed[kind]);
    p->owed[kind] = search(table, p, kind, p->lost[kind]);
    p->lost[kind] = 0;
}

static void settle(const struct process_table *table, struct process *p, uint64_t retained[static CONSERVED])
{
    /* A rise of I/O proves nothing, since it is one number for the parent itself and its reaped children. Page faults,
     * of which every process has some, are kept apart: they tell whether the children were reaped. */
    uint64_t faults = p->owed[FAULTS] + p->lost[FAULTS];
    uint64_t kept = retained[FAULTS];
    settle_one(table, p, FAULTS, retained);
    bool reaped = faults > 0 && p->owed[FAULTS] == 0 && retained[FAULTS] == kept;
    for (int k = 0; k < FAULTS; k++) {
        bool is_io = k == READ || k == WRITTEN;
        if (is_io && p->io_denied) {
            retained[k] += p->owed[k] + p->lost[k]; /* the process has them, but does not show them */
            p->owed[k] = p->lost[k] = 0;
        } else if ((is_io && reaped) || (k == REST && (reaped || faults == 0))) {
            p->owed[k] = p->lost[k] = 0;
        } else {
            settle_one(table, p, k, retained);
        }
    }
    if (p->orphans > 0)
        p->orphans--;
}

void process_lost_settle(struct process_table *table, uint64_t retained[static CONSERVED])
{
    gather(table, retained);
    for (size_t i = 0; i < table->count; i++)
        if (!table->list[i].gone)
            settle(table, &table->list[i], retained);
}
