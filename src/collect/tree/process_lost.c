// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/process_lost.h"

/* For so many readings what went with orphans is looked for: one who took it may have been read before he did. */
enum { ORPHAN_READINGS = 2 };

static struct process *parent_of(const struct process_table *table, const struct process *p)
{
    return p->parent ? process_table_find(table, p->parent, p->parent_start) : NULL;
}

/* Children stand behind their parents, so going backwards a whole branch that is gone is gathered at the nearest
 * ancestor that is left: whoever reaped the top of the branch got all of it, but for those who outlived their parent.
 */
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

/* Returns what of `missing` no one got. Orphans come to an ancestor (a subreaper, the first of a PID namespace); one
 * that was orphaned and has ended between two readings was never seen there. Ancestors stand before p, so what they
 * miss themselves is settled already. */
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

/* A parent is read before its children, so a child may have been reaped between the two: then its values are missing
 * in the parent's now and there in the next reading. What is missing even then was never handed on. */
static void settle_one(const struct process_table *table, struct process *p, int kind,
                       uint64_t retained[static CONSERVED])
{
    retained[kind] += search(table, p, kind, p->owed[kind]);
    p->owed[kind] = search(table, p, kind, p->lost[kind]);
    p->lost[kind] = 0;
}

static void settle(const struct process_table *table, struct process *p, uint64_t retained[static CONSERVED])
{
    /* I/O is one number for the parent itself and its reaped children, so a rise of it proves nothing. Page faults,
     * of which every process has some, are kept apart: they tell whether the children were reaped. */
    uint64_t faults = p->owed[FAULTS] + p->lost[FAULTS];
    uint64_t kept = retained[FAULTS];
    settle_one(table, p, FAULTS, retained);
    bool reaped = faults > 0 && p->owed[FAULTS] == 0 && retained[FAULTS] == kept;
    for (int k = 0; k < FAULTS; k++) {
        bool is_io = k == READ || k == WRITTEN;
        if (is_io && p->io_denied) {
            retained[k] += p->owed[k] + p->lost[k]; /* it has them, but does not show them */
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
