/* The table of processes: a list in the order of finding, with a hash by pid. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/process_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_FIRST = 64 };

static size_t slot_of(const struct process_table *table, pid_t pid)
{
    /* Knuth's multiplicative hash; the number of slots is a power of two. */
    uint32_t hash = (uint32_t)pid * UINT32_C(2654435761);
    return (hash >> 8) & (table->slot_count - 1);
}

int process_table_init(struct process_table *table)
{
    *table = (struct process_table){.list = malloc(TABLE_FIRST * sizeof *table->list),
                                    .capacity = TABLE_FIRST,
                                    .slots = calloc((size_t)2 * TABLE_FIRST, sizeof *table->slots),
                                    .slot_count = (size_t)2 * TABLE_FIRST};
    if (table->list && table->slots)
        return 0;
    process_table_done(table);
    return -ENOMEM;
}

void process_table_done(struct process_table *table)
{
    free(table->list);
    free(table->slots);
    *table = (struct process_table){0};
}

static void enter(struct process_table *table, size_t index)
{
    size_t slot = slot_of(table, table->list[index].pid);
    while (table->slots[slot])
        slot = (slot + 1) & (table->slot_count - 1);
    table->slots[slot] = (uint32_t)index + 1;
}

static void enter_all(struct process_table *table)
{
    memset(table->slots, 0, table->slot_count * sizeof *table->slots);
    for (size_t i = 0; i < table->count; i++)
        enter(table, i);
}

struct process *process_table_find(const struct process_table *table, pid_t pid, uint64_t start)
{
    for (size_t slot = slot_of(table, pid); table->slots[slot]; slot = (slot + 1) & (table->slot_count - 1)) {
        struct process *p = &table->list[table->slots[slot] - 1];
        if (p->pid == pid && p->read_yet && p->start == start)
            return p;
    }
    return NULL;
}

struct process *process_table_find_present(const struct process_table *table, pid_t pid)
{
    for (size_t slot = slot_of(table, pid); table->slots[slot]; slot = (slot + 1) & (table->slot_count - 1)) {
        struct process *p = &table->list[table->slots[slot] - 1];
        if (p->pid == pid && !p->gone)
            return p;
    }
    return NULL;
}

static bool resize(struct process_table *table, size_t capacity)
{
    struct process *list = capacity > PROCESSES_MAX ? NULL : realloc(table->list, capacity * sizeof *list);
    if (!list)
        return false;
    table->list = list;
    if (table->capacity > capacity)
        table->capacity = capacity;
    uint32_t *slots = realloc(table->slots, 2 * capacity * sizeof *slots);
    if (!slots)
        return false;
    table->slots = slots;
    table->capacity = capacity;
    table->slot_count = 2 * capacity;
    enter_all(table);
    return true;
}

struct process *process_table_add(struct process_table *table, pid_t pid)
{
    if (table->count == table->capacity && !resize(table, table->capacity * 2))
        return NULL;
    struct process *p = &table->list[table->count];
    *p = (struct process){.pid = pid, .memory_of = pid, .stat_fd = -1, .io_fd = -1};
    enter(table, table->count++);
    return p;
}

/* The room is halved at most, so that a table that grows and shrinks by turns is not moved each time. */
static void give_back(struct process_table *table)
{
    if (table->capacity > TABLE_FIRST && table->count < table->capacity / 8)
        (void)resize(table, table->capacity / 2);
}

void process_table_compact(struct process_table *table)
{
    size_t kept = 0;
    for (size_t i = 0; i < table->count; i++) {
        if (table->list[i].gone)
            continue;
        if (kept != i)
            table->list[kept] = table->list[i];
        kept++;
    }
    if (kept < table->count) {
        table->count = kept;
        enter_all(table);
    }
    give_back(table);
}
