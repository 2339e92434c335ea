// SPDX-License-Identifier: Apache-2.0
#include "collect/process_lost.h"

/* Children stand behind their parents, so going backwards a whole branch that is gone is gathered at the nearest
 * ancestor that is left: whoever reaped the top of the branch got all of it. */
static void gather(struct process_table *table, uint64_t retained[static CONSERVED])
{
    for (size_t i = table->count; i > 0; i--) {
        struct process *p = &table->list[i - 1];
        if (!p->gone || !p->read_yet)
            continue;
        struct process *parent = p->parent ? process_table_find(table, p->parent, p->parent_start) : NULL;
        bool            is_behind = parent && parent >= p;
        uint64_t       *heir = parent && !(parent->gone && is_behind) ? parent->lost : retained;
        for (int k = 0; k < CONSERVED; k++)
            heir[k] += p->value[k] + p->owed[k] + p->lost[k];
    }
}

static uint64_t take(uint64_t *from, uint64_t most)
{
    uint64_t taken = *from < most ? *from : most;
    *from -= taken;
    return taken;
}

/* A parent is read before its children, so a child may have been reaped between the two: then its values are missing
 * in the parent's now and there in the next reading. What is missing even then was never handed on. Or it was to
 * `reaper`, to whom orphans come: one that was orphaned and has ended between two readings was never seen there. */
static void settle_one(struct process *p, int kind, bool handed_on, struct process *reaper,
                       uint64_t retained[static CONSERVED])
{
    uint64_t  nothing = 0;
    uint64_t *adopted = reaper && reaper != p ? &reaper->rise[kind] : &nothing;
    if (handed_on) {
        p->owed[kind] = p->lost[kind] = 0;
        return;
    }
    p->owed[kind] -= take(&p->rise[kind], p->owed[kind]);
    p->owed[kind] -= take(adopted, p->owed[kind]);
    retained[kind] += p->owed[kind];
    p->lost[kind] -= take(&p->rise[kind], p->lost[kind]);
    p->lost[kind] -= take(adopted, p->lost[kind]);
    p->owed[kind] = p->lost[kind];
    p->lost[kind] = 0;
}

static void settle(struct process *p, struct process *reaper, uint64_t retained[static CONSERVED])
{
    /* I/O is one number for the parent itself and its reaped children, so a rise of it proves nothing. Page faults,
     * of which every process has some, are kept apart: they tell whether the children were reaped. */
    uint64_t faults = p->owed[FAULTS] + p->lost[FAULTS];
    bool     reaped = faults > 0 && p->rise[FAULTS] >= faults;
    for (int k = 0; k < CONSERVED; k++) {
        bool is_io = k == READ || k == WRITTEN;
        bool is_rest = k == REST;
        if (is_io && p->io_denied) {
            retained[k] += p->owed[k] + p->lost[k]; /* it has them, but does not show them */
            p->owed[k] = p->lost[k] = 0;
        } else {
            settle_one(p, k, (is_io && reaped) || (is_rest && (reaped || faults == 0)), reaper, retained);
        }
    }
}

void process_lost_settle(struct process_table *table, bool root_adopts, uint64_t retained[static CONSERVED])
{
    struct process *reaper = root_adopts && table->count > 0 ? &table->list[0] : NULL;
    gather(table, retained);
    for (size_t i = 0; i < table->count; i++)
        if (!table->list[i].gone)
            settle(&table->list[i], reaper, retained);
}
