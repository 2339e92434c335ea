/* Attribution: each process's own growth, and that of what it has reaped, to a name. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/commands.h"

#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/number.h"
#include "base/text.h"
#include "collect/tree/process.h"
#include "collect/tree/process_stat.h"

enum { OTHERS = COMMANDS_MAX - 1 };

#define SHORT_CHILDREN "'s short children"

static struct command *others(struct commands *commands)
{
    struct command *ret = &commands->list[OTHERS];
    memcpy(ret->name, "others", sizeof "others");
    return ret;
}

static uint64_t cpu_of(const struct command *command)
{
    return command->used[COMMAND_USER] + command->used[COMMAND_SYSTEM];
}

static void merge(const struct command *from, struct command *into)
{
    into->processes += from->processes;
    for (int use = 0; use < COMMAND_USES; use++) {
        into->used[use] += from->used[use];
        into->step[use] += from->step[use];
        into->pending[use] += from->pending[use];
    }
    into->gpu_us += from->gpu_us;
    into->memory_max = from->memory_max > into->memory_max ? from->memory_max : into->memory_max;
}

/* The smallest that no process has now makes room; NULL: each has one. */
static struct command *make_room(struct commands *commands)
{
    struct command *least = NULL;
    for (size_t i = 0; i < commands->count; i++) {
        struct command *c = &commands->list[i];
        if (c->live == 0 && (!least || cpu_of(c) < cpu_of(least)))
            least = c;
    }
    if (least)
        merge(least, others(commands));
    return least;
}

struct command *commands_add(struct commands *commands, const char *name)
{
    struct command *free = NULL;
    for (size_t i = 0; i < commands->count; i++)
        if (strcmp(commands->list[i].name, name) == 0)
            return &commands->list[i];
    if (strcmp(name, "others") == 0)
        return others(commands);
    free = commands->count < OTHERS ? &commands->list[commands->count++] : make_room(commands);
    if (!free)
        return NULL;
    *free = (struct command){.name = ""};
    (void)snprintf(free->name, sizeof free->name, "%s", name);
    return free;
}

/* Of `pillion run` itself: the program, if it was too short to be seen, or its children. */
static struct command *of_program(struct commands *commands, const char *program)
{
    struct command *ret = commands->count > 0 ? &commands->list[0] : commands_add(commands, program);
    return ret ? ret : others(commands);
}

static struct command *of_short_children(struct commands *commands, const struct command *parent)
{
    char   name[COMMAND_NAME_SIZE];
    size_t most = sizeof name - sizeof SHORT_CHILDREN;
    if (parent == &commands->list[OTHERS])
        return others(commands);
    (void)snprintf(name, sizeof name, "%.*s" SHORT_CHILDREN, (int)most, parent->name);
    struct command *ret = commands_add(commands, name);
    return ret ? ret : others(commands);
}

static struct command *command_of(struct commands *commands, const struct process *p)
{
    return p->command > 0 && p->command <= COMMANDS_MAX ? &commands->list[p->command - 1] : others(commands);
}

static void rename_to(struct commands *commands, struct process *p, struct command *command)
{
    if (p->command > 0)
        command_of(commands, p)->live--;
    p->command = (uint16_t)(command - commands->list + 1);
    command->live++;
    command->processes++;
}

/* A fork has its parent's name and places in memory, an exec others. */
static uint64_t image_of(const struct process *p)
{
    const uint64_t odd = 0x9e3779b97f4a7c15U;
    return ((p->name * odd + p->code) * odd + p->stack) * odd | 1;
}

/* A name is asked for once an image. */
static void name_it(struct commands *commands, const struct process_tree *tree, struct process *p)
{
    char     name[COMMAND_NAME_SIZE];
    uint64_t image = image_of(p);
    if (p->named == image || p->dead)
        return;
    bool is_program = tree->who.comm && p->pid == tree->who.root && p->name == process_stat_name(tree->who.comm);
    const struct process *parent = p->parent ? process_table_find(&tree->table, p->parent, p->parent_start) : NULL;
    if (parent && parent->command > 0 && parent->named == image && p->stack != 0) {
        rename_to(commands, p, command_of(commands, parent));
    } else if (is_program || command_name_read(tree->proc, p->pid, p->waits, name) == 0) {
        struct command *command = commands_add(commands, is_program ? tree->who.program : name);
        rename_to(commands, p, command ? command : others(commands));
    } else {
        return;
    }
    p->named = p->waits && !is_program ? 0 : image; /* 0: asked again, for its arguments are not known yet */
}

static uint64_t tick_of(const struct process_tree *tree)
{
    return MICROSECONDS / (uint64_t)tree->units.clock_ticks;
}

/* Of the process itself; of its reaped children in I/O too, which is one number. */
static void own_use(const struct process_tree *tree, const struct process *p, uint64_t ret[static COMMAND_USES])
{
    uint64_t user = saturating_subtract(p->value[USER], p->reaped_value[USER]);
    uint64_t system = saturating_subtract(p->value[SYSTEM], p->reaped_value[SYSTEM]);
    bool     is_user = user >= system;
    ret[COMMAND_USER] = user * tick_of(tree) + (is_user ? p->value[REST] : 0);
    ret[COMMAND_SYSTEM] = system * tick_of(tree) + (is_user ? 0 : p->value[REST]);
    ret[COMMAND_READ] = p->value[READ];
    ret[COMMAND_WRITTEN] = p->value[WRITTEN];
}

static uint64_t take(uint64_t *from, uint64_t most)
{
    uint64_t taken = *from < most ? *from : most;
    *from -= taken;
    return taken;
}

/* What was there when it came into the tree is not the tree's; but for the root, of whose use before the run's begin
 * is known, and for what began later. */
static bool has_past(const struct process_tree *tree, const struct commands *commands, const struct process *p)
{
    const struct tree_begin *begin = &tree->who.begin;
    if (commands->begun)
        return p->adopted;
    return !begin->known || (p->pid != tree->who.root && p->start < begin->boot_ticks);
}

static void count_first(const struct process_tree *tree, const struct commands *commands, struct process *p,
                        uint64_t now[static COMMAND_USES], uint64_t ret[static COMMAND_USES])
{
    bool     is_root = p->pid == tree->who.root && !commands->begun;
    uint64_t before[COMMAND_USES] = {0};
    if (is_root) {
        before[COMMAND_USER] = tree->who.begin.cpu;
        before[COMMAND_READ] = tree->who.begin.read;
        before[COMMAND_WRITTEN] = tree->who.begin.written;
    }
    for (int use = 0; use < COMMAND_USES; use++)
        ret[use] = has_past(tree, commands, p) ? 0 : saturating_subtract(now[use], before[use]);
    uint64_t over = saturating_subtract(before[COMMAND_USER], now[COMMAND_USER]);
    ret[COMMAND_SYSTEM] = saturating_subtract(ret[COMMAND_SYSTEM], is_root ? over : 0);
}

/* The growth since the last reading. What its gone children had is in its I/O now, and stands under their names. */
static void grow(const struct process_tree *tree, const struct commands *commands, struct process *p,
                 uint64_t ret[static COMMAND_USES])
{
    uint64_t now[COMMAND_USES];
    own_use(tree, p, now);
    if (!p->counted_yet) {
        count_first(tree, commands, p, now, ret);
    } else {
        for (int use = 0; use < COMMAND_USES; use++)
            ret[use] = saturating_subtract(now[use], p->counted[use]);
        ret[COMMAND_READ] -= take(&p->heirloom[0], ret[COMMAND_READ]);
        ret[COMMAND_WRITTEN] -= take(&p->heirloom[1], ret[COMMAND_WRITTEN]);
    }
    for (int use = 0; use < COMMAND_USES; use++)
        p->counted[use] = now[use] > p->counted[use] || !p->counted_yet ? now[use] : p->counted[use];
    if (p->owed[FAULTS] == 0) /* else they may come with the next reading */
        p->heirloom[0] = p->heirloom[1] = 0;
}

/* Cores that it uses: since the last reading, or since it began. */
static float pace_of(const struct process_tree *tree, const struct process *p, uint64_t used, int64_t elapsed)
{
    int64_t age = (int64_t)(saturating_subtract(tree->boot_ticks[0], p->start) + 1) * CLOCK_SECOND /
                  (int64_t)tree->units.clock_ticks;
    int64_t time = elapsed > 0 && elapsed < age ? elapsed : age;
    return (float)((double)used * 1000 / (double)time);
}

static struct process *heir_of(const struct process_tree *tree, const struct process *p)
{
    struct process *heir = NULL;
    do
        heir = p->parent ? process_table_find(&tree->table, p->parent, p->parent_start) : NULL;
    while (heir && heir->gone && (p = heir));
    return heir;
}

/* First pass: what the gone can have used since they were seen last, gathered at who has it now. */
static void note_gone(struct commands *commands, struct process_tree *tree, int64_t elapsed)
{
    for (size_t i = 0; i < tree->table.count; i++) {
        struct process *p = &tree->table.list[i];
        if (!p->gone || !p->read_yet)
            continue;
        struct process *heir = heir_of(tree, p);
        if (heir) {
            heir->tails += (uint64_t)((double)p->pace * (double)elapsed / 1000);
            heir->heirloom[0] += p->counted[COMMAND_READ];
            heir->heirloom[1] += p->counted[COMMAND_WRITTEN];
        }
        if (p->command > 0)
            command_of(commands, p)->live--;
    }
}

/* What a process has reaped beyond what was seen of it, in microseconds. */
static void unseen_of(const struct process_tree *tree, const struct commands *commands, const struct process *p,
                      uint64_t ret[static 2])
{
    bool is_first = !p->counted_yet;
    for (int kind = USER; kind <= SYSTEM; kind++) {
        uint64_t ticks = is_first ? p->reaped_value[kind] : p->rise[kind];
        ret[kind] = is_first && (!commands->begun || p->adopted) ? 0 : ticks * tick_of(tree);
    }
}

static void add_unseen(struct commands *commands, const struct process_tree *tree, struct process *p)
{
    uint64_t unseen[2];
    unseen_of(tree, commands, p, unseen);
    uint64_t whole = unseen[0] + unseen[1];
    uint64_t of_gone = p->tails < whole ? p->tails : whole;
    p->reaped_tails = p->tails > 0 ? (float)((double)of_gone / (double)p->tails) : 0; /* a part of each one's */
    p->reaped_user = whole > 0 ? (float)((double)unseen[0] / (double)whole) : 0;
    if (whole == of_gone)
        return;
    bool            is_ours = tree->who.root_is_ours && p->pid == tree->who.root;
    struct command *parent = is_ours && tree->who.program ? of_program(commands, tree->who.program)
                                                          : command_of(commands, p);
    struct command *command = is_ours && parent->processes == 0 ? parent : of_short_children(commands, parent);
    double          part = (double)(whole - of_gone) / (double)whole;
    command->pending[COMMAND_USER] += (uint64_t)((double)unseen[0] * part);
    command->pending[COMMAND_SYSTEM] += (uint64_t)((double)unseen[1] * part);
}

static void add_tails(struct commands *commands, struct process_tree *tree, int64_t elapsed)
{
    for (size_t i = 0; i < tree->table.count; i++) {
        const struct process *p = &tree->table.list[i];
        const struct process *heir = p->gone && p->read_yet ? heir_of(tree, p) : NULL;
        if (!heir)
            continue;
        double          tail = (double)p->pace * (double)elapsed / 1000 * (double)heir->reaped_tails;
        struct command *command = command_of(commands, p);
        command->pending[COMMAND_USER] += (uint64_t)(tail * (double)heir->reaped_user);
        command->pending[COMMAND_SYSTEM] += (uint64_t)(tail * (1 - (double)heir->reaped_user));
    }
    for (size_t i = 0; i < tree->table.count; i++) {
        tree->table.list[i].tails = 0;
        tree->table.list[i].reaped_tails = 0;
    }
}

static void add_process(struct commands *commands, struct process_tree *tree, struct process *p, int64_t elapsed)
{
    uint64_t step[COMMAND_USES];
    bool     is_ours = tree->who.root_is_ours && p->pid == tree->who.root;
    if (p->gone || !p->read_yet)
        return;
    if (!is_ours)
        name_it(commands, tree, p);
    p->gpu = 0;
    grow(tree, commands, p, step);
    p->pace = pace_of(tree, p, step[COMMAND_USER] + step[COMMAND_SYSTEM], p->counted_yet ? elapsed : 0);
    struct command *command = command_of(commands, p);
    for (int use = 0; use < COMMAND_USES; use++)
        command->pending[use] += step[use];
    add_unseen(commands, tree, p);
    p->counted_yet = true;
}

/* The tree's figures leave out for now what would be more than the machine could do (process.c): that stays pending.
 * The two accounts differ by a tick here and there, so the parts are made to fit the whole. */
static void settle(struct commands *commands, enum command_use use, uint64_t rise, uint64_t left)
{
    double          whole = 0;
    uint64_t        given = 0;
    struct command *largest = others(commands);
    for (size_t i = 0; i < COMMANDS_MAX; i++) {
        struct command *c = &commands->list[i];
        whole += (double)c->pending[use];
        largest = c->pending[use] > largest->pending[use] ? c : largest;
    }
    for (size_t i = 0; i < COMMANDS_MAX; i++) {
        struct command *c = &commands->list[i];
        double          part = whole > 0 ? (double)c->pending[use] / whole : 0;
        c->step[use] = c == largest ? 0 : (uint64_t)(part * (double)rise);
        c->pending[use] = (uint64_t)(part * (double)left);
        given += c->step[use];
    }
    if (whole <= 0 && commands->count > 0)
        largest = &commands->list[0]; /* the program itself was named first */
    largest->step[use] = saturating_subtract(rise, given);
    for (size_t i = 0; i < COMMANDS_MAX; i++)
        commands->list[i].used[use] += commands->list[i].step[use];
}

static void settle_all(struct commands *commands, const struct process_tree *tree)
{
    static const enum conserved kinds[COMMAND_USES] = {USER, SYSTEM, READ, WRITTEN};
    for (int use = 0; use < COMMAND_USES; use++) {
        uint64_t now = tree->reported[kinds[use]];
        uint64_t left = use <= COMMAND_SYSTEM ? tree->unreported[use] : 0;
        if (commands->begun) /* before the first row all is pending */
            settle(commands, (enum command_use)use, saturating_subtract(now, commands->reported[use]), left);
        commands->reported[use] = now;
    }
}

void commands_read(struct commands *commands, struct process_tree *tree, int64_t elapsed)
{
    note_gone(commands, tree, elapsed);
    for (size_t i = 0; i < tree->table.count; i++)
        add_process(commands, tree, &tree->table.list[i], elapsed);
    add_tails(commands, tree, elapsed);
    settle_all(commands, tree);
    commands->begun = true;
}

void commands_read_memory(struct commands *commands, const struct process_tree *tree, uint64_t memory)
{
    double sum = 0;
    double part[COMMANDS_MAX] = {0};
    for (size_t i = 0; i < tree->table.count; i++) {
        const struct process *p = &tree->table.list[i];
        if (p->gone || !p->pss.is_there)
            continue;
        part[command_of(commands, p) - commands->list] += (double)p->pss.share;
        sum += (double)p->pss.share;
    }
    for (size_t i = 0; i < COMMANDS_MAX; i++) {
        struct command *c = &commands->list[i];
        c->memory = sum > 0 ? (uint64_t)(part[i] / sum * (double)memory + 0.5) : 0;
        c->memory_max = c->memory > c->memory_max ? c->memory : c->memory_max;
    }
}

void commands_read_gpu(struct commands *commands, const struct process_tree *tree, uint64_t usage)
{
    double sum = 0;
    double part[COMMANDS_MAX] = {0};
    for (size_t i = 0; i < tree->table.count; i++) {
        const struct process *p = &tree->table.list[i];
        part[command_of(commands, p) - commands->list] += (double)p->gpu;
        sum += (double)p->gpu;
    }
    if (sum <= 0) { /* the driver tells the tree's use, and no process's */
        part[OTHERS] = sum = 1;
    }
    for (size_t i = 0; i < COMMANDS_MAX; i++)
        commands->list[i].gpu = (uint64_t)(part[i] / sum * (double)usage + 0.5);
}

void commands_begin_again(struct commands *commands)
{
    for (size_t i = 0; i < COMMANDS_MAX; i++) {
        struct command *c = &commands->list[i];
        memset(c->used, 0, sizeof c->used);
        c->gpu_us = 0;
        c->processes = c->live;
        c->memory_max = c->memory;
    }
}
