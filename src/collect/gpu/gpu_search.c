/* Descriptors of DRM nodes are searched for in /proc/PID/fd, within a budget of links read. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/gpu/gpu_search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dir.h"
#include "base/text.h"
#include "collect/tree/process_stat.h"

/* In links read: about 1 us each. A listing costs as much as some of them, and each name in it a small part of one. */
enum { INCOME = 256, PURSE_MAX = 2048, LISTING = 16, NAMES_A_LINK = 8 };
#define WAIT_LONGEST (30 * CLOCK_SECOND) /* where readings are rare */
enum { WAIT_MAX = 5, WINDOW = 1024, NAMES_MAX = 65536, MEMBERS_FIRST = 64, FOUND_FIRST = 16 };

struct gpu_member {
    pid_t    pid;
    uint64_t start;
    uint64_t activity; /* when last looked through */
    int64_t  at;       /* ns, when that was completed */
    uint32_t row;      /* and the reading */
    uint32_t next;     /* the descriptor where the next part begins */
    uint8_t  wait;     /* readings until the next look, as a power of two */
    bool     is_young; /* began since the last reading */
    bool     is_searched, is_denied, has_kfd;
};

void gpu_search_init(struct gpu_search *search)
{
    *search = (struct gpu_search){.purse = PURSE_MAX};
}

void gpu_search_done(struct gpu_search *search)
{
    free(search->members);
    free(search->found);
    gpu_search_init(search);
}

void gpu_search_drop(struct gpu_search *search, size_t index)
{
    search->found[index] = search->found[--search->found_count];
}

static bool make_room(struct gpu_search *search, size_t members)
{
    size_t capacity = search->capacity ? search->capacity : MEMBERS_FIRST;
    while (capacity < members)
        capacity *= 2;
    if (capacity == search->capacity)
        return true;
    struct gpu_member *list = realloc(search->members, capacity * sizeof *list);
    if (!list)
        return false;
    search->members = list;
    search->capacity = capacity;
    return true;
}

/* The table keeps its order and new processes stand at its end: one walk along both lists finds who stayed. */
static void follow(struct gpu_search *search, const struct process_table *table, uint64_t before)
{
    size_t kept = 0;
    size_t at = 0;
    if (!make_room(search, table->count)) {
        search->count = 0;
        return;
    }
    for (size_t i = 0; i < table->count; i++) {
        const struct process *p = &table->list[i];
        while (at < search->count && (search->members[at].pid != p->pid || search->members[at].start != p->start))
            at++;
        search->members[kept++] = at < search->count ? search->members[at++]
                                                     : (struct gpu_member){.pid = p->pid,
                                                                           .start = p->start,
                                                                           .is_young = before && p->start >= before};
    }
    search->count = kept;
}

static void drop_gone(struct gpu_search *search, const struct process_table *table)
{
    for (size_t i = search->found_count; i > 0; i--) {
        const struct gpu_descriptor *d = &search->found[i - 1];
        const struct process        *p = process_table_find(table, d->pid, d->start);
        if (!p || p->gone || p->dead)
            gpu_search_drop(search, i - 1);
    }
}

/* "/dev/dri/renderD128", "/dev/dri/card0", below another root too. */
static bool is_drm_node(struct text target)
{
    static const char folder[] = "/dev/dri/";
    struct text       name = target;
    if (!text_after_last(&name, '/') || (size_t)(name.at - target.at) < sizeof folder - 1)
        return false;
    return memcmp(name.at - (sizeof folder - 1), folder, sizeof folder - 1) == 0 &&
           (text_starts(name, "renderD") || text_starts(name, "card"));
}

static void remember(struct gpu_search *search, struct gpu_member *m, uint32_t fd)
{
    unsigned each = 0;
    for (size_t i = 0; i < search->found_count; i++) {
        const struct gpu_descriptor *d = &search->found[i];
        bool                         is_its = d->pid == m->pid && d->start == m->start;
        if (is_its && d->fd == fd)
            return;
        each += is_its;
    }
    if (each >= GPU_DESCRIPTORS_EACH || search->found_count == GPU_DESCRIPTORS_MAX)
        return;
    if (search->found_count == search->found_capacity) {
        size_t                 capacity = search->found_capacity ? search->found_capacity * 2 : FOUND_FIRST;
        struct gpu_descriptor *found = realloc(search->found, capacity * sizeof *found);
        if (!found)
            return;
        search->found = found;
        search->found_capacity = capacity;
    }
    bool was_searched = m->is_searched && m->row + 1 == search->row;
    search->found[search->found_count++] = (struct gpu_descriptor){.pid = m->pid,
                                                                   .start = m->start,
                                                                   .fd = fd,
                                                                   .client = GPU_NO_CLIENT,
                                                                   .is_new = was_searched ||
                                                                             (!m->is_searched && m->is_young)};
    m->wait = 0; /* who has begun to open devices may open more */
}

static void look_at(struct gpu_search *search, struct gpu_member *m, int dir, const char *name, uint32_t fd)
{
    char    target[256];
    ssize_t len = readlinkat(dir, name, target, sizeof target);
    if (len <= 0 || (size_t)len >= sizeof target)
        return;
    struct text t = text_span(target, (size_t)len);
    if (is_drm_node(t))
        remember(search, m, fd);
    else if (text_is(t, "/dev/kfd"))
        m->has_kfd = true;
}

/* Looks through a part of a process: at most WINDOW numbers from m->next on. Returns the price. */
static int look_through(struct gpu_search *search, struct gpu_member *m, struct dir *dir)
{
    const char *name;
    int         names = 0;
    int         links = 0;
    uint64_t    end = (uint64_t)m->next + WINDOW;
    uint64_t    rest = UINT64_MAX; /* the first number beyond */
    if (m->next == 0)
        m->has_kfd = false;
    while (names < NAMES_MAX && (name = dir_next(dir))) {
        struct text t = text_of(name);
        uint64_t    fd = 0;
        names++;
        if (!text_unsigned(&t, &fd) || text_len(t) > 0 || fd < m->next)
            continue;
        if (fd >= end) {
            rest = fd < rest ? fd : rest;
            continue;
        }
        links++;
        look_at(search, m, dir->fd, name, (uint32_t)fd);
    }
    m->next = rest < INT32_MAX ? (uint32_t)rest : 0;
    return links + names / NAMES_A_LINK;
}

static int search_one(struct gpu_search *search, struct gpu_member *m, int proc, uint64_t activity)
{
    struct dir dir;
    char       path[PROCESS_PATH_SIZE];
    process_path(path, m->pid, 0, "fd");
    int  error = dir_open(&dir, proc, path);
    bool is_first = m->next == 0;
    if (error) {
        m->is_denied = error == -EACCES || error == -EPERM;
        return LISTING;
    }
    uint8_t wait = m->wait;
    int     price = LISTING + look_through(search, m, &dir);
    dir_close(&dir);
    if (is_first)
        m->activity = activity; /* what it does during the parts counts as done after them */
    if (m->next > 0)
        return price;
    m->wait = m->wait == wait && wait < WAIT_MAX && m->is_searched ? wait + 1 : m->wait;
    m->is_searched = true;
    m->row = search->row;
    m->at = search->now;
    return price;
}

/* Any number that changes when the process does something. */
static uint64_t activity_of(const struct process *p)
{
    return p->value[FAULTS] + p->value[USER] + p->value[SYSTEM] + p->resident_kib * 1024;
}

static bool is_due(const struct gpu_search *search, const struct gpu_member *m, uint64_t activity)
{
    if (m->is_denied)
        return false;
    if (!m->is_searched || m->next > 0)
        return true;
    bool is_time = search->row - m->row >= UINT32_C(1) << m->wait || search->now - m->at >= WAIT_LONGEST;
    return activity != m->activity && is_time;
}

static void spend(struct gpu_search *search, int proc, const struct process_table *table)
{
    for (int round = 0; round < 2; round++) {
        size_t begin = round ? search->turn : 0;
        for (size_t n = 0; n < search->count && search->purse > 0; n++) {
            size_t                i = (begin + n) % search->count;
            struct gpu_member    *m = &search->members[i];
            const struct process *p = &table->list[i];
            if ((round == 0 && m->is_searched) || p->dead || m->row == search->row ||
                !is_due(search, m, activity_of(p)))
                continue;
            search->purse -= search_one(search, m, proc, activity_of(p));
            if (round)
                search->turn = i + 1;
        }
    }
}

void gpu_search_run(struct gpu_search *search, int proc, const struct process_table *table, uint64_t before,
                    int64_t now)
{
    search->row++;
    search->now = now;
    search->purse = search->purse + INCOME < PURSE_MAX ? search->purse + INCOME : PURSE_MAX;
    follow(search, table, before);
    drop_gone(search, table);
    spend(search, proc, table);
    search->is_known = search->has_kfd = false;
    for (size_t i = 0; i < search->count; i++) {
        struct gpu_member *m = &search->members[i];
        search->is_known = search->is_known || m->is_searched;
        search->has_kfd = search->has_kfd || m->has_kfd;
        m->is_young = false;
    }
}
