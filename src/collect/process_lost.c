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

/* A parent is read before its children, so a child may have been reaped between the two: then its values are missing
 * in the parent's now and there in the next reading. What is missing even then was never handed on. */
static void settle_one(struct process *p, int kind, bool handed_on, uint64_t retained[static CONSERVED])
{
    if (handed_on) {
        p->owed[kind] = p->lost[kind] = 0;
        return;
    }
    uint64_t rise = p->rise[kind];
    uint64_t found = rise < p->owed[kind] ? rise : p->owed[kind];
    retained[kind] += p->owed[kind] - found;
    rise -= found;
    found = rise < p->lost[kind] ? rise : p->lost[kind];
    p->owed[kind] = p->lost[kind] - found;
    p->lost[kind] = 0;
}

static void settle(struct process *p, uint64_t retained[static CONSERVED])
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
            settle_one(p, k, (is_io && reaped) || (is_rest && (reaped || faults == 0)), retained);
        }
    }
}

void process_lost_settle(struct process_table *table, uint64_t retained[static CONSERVED])
{
    gather(table, retained);
    for (size_t i = 0; i < table->count; i++)
        if (!table->list[i].gone)
            settle(&table->list[i], retained);
}
