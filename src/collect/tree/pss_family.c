/* The account: families are found, counters are read, and their changes become memory and doubt. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/pss_family.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "collect/tree/process_stat.h"

enum {
    FAMILIES_FIRST = 64,
    FAULT_AROUND = 16,
    KID_ROWS = 5,
    MIXED_ELDERS = 3,
    ALIAS_GROWTH = 1024 /* KiB */,
    ALIAS_NEAR = 256 /* pages */,
    ALIAS_ALONE = 4096 /* KiB */
};

/* Sums stay numbers, whatever a file says. */
#define PAGES_MAX (UINT64_C(1) << 40)

/* At first, three of four faults that growth does not explain count as copies. */
#define COPIED_FIRST       0.75F
#define COPIED_DOUBT_FIRST 0.4F
/* Half of the mapped files counts as mapped by another as well; it may be none, or all of it. */
#define MAPPED_FIRST 0.5F
/* Half of an unread program's files count: libraries have other users. */
#define FILE_FIRST   0.5F
#define KIND_ERROR   0.15F
#define KIND_CERTAIN 0.02F
/* A process that ends holds its pages for a while yet: whether they are shared with others is asked later. */
#define ENDED_SECONDS 0.5F
/* A process left over that shares its pages with others outside the tree may stop doing so without a sign. By so much a
 * second it becomes doubtful, by half of that each time that it was seen to be so. */
#define LEAKY_AGES 0.06

/* Files change users without a sign, by so much a second; faster where others outside the tree are known to be among
 * them. */
#define FILE_AGES         0.0005
#define FILE_AGES_OUTSIDE 0.01

static uint64_t least_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void pss_families_done(struct pss_families *families)
{
    free(families->list);
    free(families->slots);
    *families = (struct pss_families){0};
}

/* ---- the table of families ---- */

/* The beginning of the stack is chosen at random for each program that is executed, and kept by a fork. A process that
 * may not be looked into is a family of its own. */
static uint64_t key_of(const struct process *p)
{
    uint64_t key = p->stack ? p->stack * UINT64_C(0x9e3779b97f4a7c15) ^ p->code
                            : ((uint64_t)p->pid << 32 ^ p->start) * UINT64_C(0xbf58476d1ce4e5b9);
    return key ? key : 1;
}

static size_t slot_of(const struct pss_families *families, uint64_t key)
{
    return (size_t)((key ^ key >> 32) * UINT64_C(0x94d049bb133111eb) >> 24) & (families->slot_count - 1);
}

static void enter(struct pss_families *families, size_t index)
{
    size_t slot = slot_of(families, families->list[index].key);
    while (families->slots[slot])
        slot = (slot + 1) & (families->slot_count - 1);
    families->slots[slot] = (uint32_t)index + 1;
}

/* Families end at any time. They are not taken out of the slots; these are filled anew when a process joins. */
static void enter_all(struct pss_families *families)
{
    memset(families->slots, 0, families->slot_count * sizeof *families->slots);
    for (size_t i = 0; i < families->count; i++)
        if (families->list[i].key)
            enter(families, i);
}

static bool grow(struct pss_families *families)
{
    size_t             capacity = families->capacity ? families->capacity * 2 : FAMILIES_FIRST;
    struct pss_family *list = realloc(families->list, capacity * sizeof *list);
    if (!list)
        return false;
    families->list = list;
    uint32_t *slots = realloc(families->slots, 2 * capacity * sizeof *slots);
    if (!slots)
        return false;
    families->slots = slots;
    families->slot_count = 2 * capacity;
    families->capacity = capacity;
    enter_all(families);
    return true;
}

/* Gives back room after there were many families: the rest moves together, by halves. */
static void give_back(struct pss_families *families, struct process_table *table)
{
    size_t kept = 0;
    if (families->capacity <= FAMILIES_FIRST || families->used >= families->capacity / 8)
        return;
    for (size_t i = 0; i < families->count; i++) {
        if (!families->list[i].key)
            continue;
        families->list[i].first = (uint32_t)kept + 1; /* its new place */
        kept++;
    }
    for (size_t i = 0; i < table->count; i++) {
        uint32_t *family = &table->list[i].pss.family;
        *family = *family ? families->list[*family - 1].first : 0;
    }
    kept = 0;
    for (size_t i = 0; i < families->count; i++)
        if (families->list[i].key)
            families->list[kept++] = families->list[i];
    families->count = kept;
    size_t             capacity = families->capacity / 2;
    struct pss_family *list = realloc(families->list, capacity * sizeof *list);
    uint32_t          *slots = realloc(families->slots, 2 * capacity * sizeof *slots);
    families->list = list ? list : families->list;
    families->slots = slots ? slots : families->slots;
    families->capacity = capacity;
    families->slot_count = 2 * capacity;
}

/* NULL without memory. */
static struct pss_family *family_for(struct pss_families *families, uint64_t key, size_t *ret_index)
{
    if (families->used == families->capacity && !grow(families))
        return NULL;
    size_t slot = slot_of(families, key);
    for (; families->slots[slot]; slot = (slot + 1) & (families->slot_count - 1)) {
        *ret_index = families->slots[slot] - 1;
        if (families->list[*ret_index].key == key)
            return &families->list[*ret_index];
    }
    size_t index = families->count;
    if (index == families->capacity) /* the place of one that ended is free */
        for (index = 0; families->list[index].key;)
            index++;
    else
        families->count++;
    families->used++;
    families->list[index] = (struct pss_family){.key = key,
                                                .copied = COPIED_FIRST,
                                                .copied_doubt = COPIED_DOUBT_FIRST,
                                                .mapped = MAPPED_FIRST,
                                                .mapped_doubt = MAPPED_FIRST};
    enter(families, index);
    *ret_index = index;
    return &families->list[index];
}

/* ---- programs of one name ---- */

static struct pss_kind *kind_of(const struct pss_families *families, const struct process *p)
{
    const struct pss_kind *kind = &families->kinds[p->name % PSS_KINDS];
    double                 file = (double)p->pss.file;
    bool                   fits = kind->name == p->name && file > 0.7 * kind->file && file < 1.4 * kind->file;
    return fits ? (struct pss_kind *)(uintptr_t)kind : NULL;
}

void pss_kind_learn(struct pss_families *families, const struct process *p)
{
    float            ratio = p->pss.file > 0 ? p->pss.file_pss / (float)p->pss.file : 0;
    struct pss_kind *kind = kind_of(families, p);
    float            error = KIND_ERROR;
    if (p->pss.file == 0 || (double)p->pss.file >= PSS_BIG)
        return;
    if (kind) {
        float off = ratio > kind->ratio ? ratio - kind->ratio : kind->ratio - ratio;
        error = (float)most(KIND_CERTAIN, least(KIND_ERROR, (kind->error + off) / 2));
    }
    families->kinds[p->name % PSS_KINDS] = (struct pss_kind){
        .name = p->name, .file = (float)p->pss.file, .ratio = ratio, .error = error};
}

void pss_kind_guess(const struct pss_families *families, struct process *p)
{
    float                  file = (float)p->pss.file;
    const struct pss_kind *kind = file < PSS_BIG ? kind_of(families, p) : NULL;
    p->pss.file_pss = file * (kind ? kind->ratio : FILE_FIRST);
    p->pss.file_doubt = (float)least(file * (kind ? kind->error : FILE_FIRST), p->pss.file_pss);
    p->pss.guessed = true;
}

/* ---- one reading ---- */

/* A growth of hugetlb pages is the process's own, unless a reading says otherwise. */
static void take_hugetlb(const struct pss_now *now, struct process *p)
{
    struct pss_member *m = &p->pss;
    uint64_t           kib = 0;
    if (m->is_alias || process_hugetlb_read(now->proc, p->memory_of, &kib))
        return;
    if (kib > m->hugetlb) {
        m->own_hugetlb += kib - m->hugetlb;
        m->hugetlb_doubt += (float)(kib - m->hugetlb);
    }
    m->hugetlb = kib;
    m->own_hugetlb = m->own_hugetlb < kib ? m->own_hugetlb : kib;
}

/* False for a process without memory: it is ending. */
static bool read_counters(const struct pss_now *now, struct process *p)
{
    struct pss_member *m = &p->pss;
    uint64_t           resident = 0;
    uint64_t           shared = 0;
    m->old_anonymous = m->anonymous;
    m->old_file = m->file;
    m->moved = !m->family || p->faults != m->faults || p->resident_kib != m->resident || p->size != m->size;
    if (!m->moved)
        return true;
    int error = process_statm_read(now->proc, p->memory_of, &resident, &shared);
    if (error == -ENOENT || error == -ESRCH || (error == 0 && resident == 0))
        return false;
    resident = least_of(resident, PAGES_MAX);
    shared = least_of(shared, resident);
    uint64_t page = (uint64_t)now->page;
    m->anonymous = error ? p->resident_kib : (resident - shared) * page;
    m->file = error ? 0 : shared * page;
    m->resident = p->resident_kib;
    if (now->hugetlb)
        take_hugetlb(now, p);
    return true;
}

double pss_family_read_again(const struct pss_now *now, struct process *p)
{
    struct pss_member  *m = &p->pss;
    struct process_stat stat;
    uint64_t            resident = 0;
    uint64_t            shared = 0;
    if (!m->moved || process_statm_read(now->proc, p->memory_of, &resident, &shared) || resident <= shared ||
        process_stat_read(now->proc, p->pid, &stat) || stat.faults + stat.major < m->faults)
        return 0;
    double faults = (double)(stat.faults + stat.major - m->faults) * now->page;
    double anonymous = (double)least_of(resident - shared, PAGES_MAX) * now->page;
    double touched = most(faults, distance(anonymous, (double)m->anonymous));
    m->faults = stat.faults + stat.major;
    m->anonymous = (uint64_t)anonymous;
    return touched;
}

/* When a process leaves, its address space lives on in an alias of it. */
static struct process *heir_of(struct process_table *table, const struct process *p)
{
    for (size_t i = 0; i < table->count; i++) {
        struct process *other = &table->list[i];
        if (other != p && other->pss.family == p->pss.family && other->pss.is_alias && !other->gone && !other->dead)
            return other;
    }
    return NULL;
}

static void leave(struct pss_families *families, struct process_table *table, const struct pss_now *now,
                  struct process *p, struct pss_moved *moved)
{
    struct pss_family *family = &families->list[p->pss.family - 1];
    struct process    *heir = family->aliases > 0 && !p->pss.is_alias ? heir_of(table, p) : NULL;
    family->count -= !p->pss.is_alias && !heir;
    family->aliases -= p->pss.is_alias || heir;
    if (heir) {
        heir->pss.is_alias = false;
        heir->pss.own = p->pss.own;
        heir->pss.file_pss = p->pss.file_pss;
        heir->pss.file_doubt = p->pss.file_doubt;
    } else if (!p->pss.is_alias) {
        family->left_row = now->row;
        family->anonymous -= p->pss.own;
        family->doubt += p->pss.own * 0.1F;
        moved->files += (double)p->pss.file;
        moved->is_left = true;
        family->is_leaky = family->is_unchecked = family->is_leaky || family->count == 1;
        family->since_left = 0;
        family->agreed = 0;
    }
    if (family->count <= MIXED_ELDERS)
        family->mixed = 0;
    if (family->count == 0 && family->aliases == 0) {
        family->key = 0;
        families->used--;
    }
    p->pss = (struct pss_member){.denied = p->pss.denied};
}

static void join_family(struct pss_family *family, struct process_table *table, const struct pss_now *now,
                        struct process *p)
{
    /* A fork conserves the sum. A child's memory beyond its parent's is its own. Of the rest, it has written at most
     * its faults since. */
    struct pss_member *m = &p->pss;
    struct process    *parent = process_table_find(table, p->parent, p->parent_start);
    bool               is_known = parent && parent->pss.family == m->family;
    double             anonymous = (double)m->anonymous;
    double             growth = is_known ? most(0, anonymous - (double)parent->pss.anonymous) : 0;
    double             written = least(most(0, (double)p->faults * now->page - growth), anonymous - growth);
    m->own = (float)(growth + written * COPIED_FIRST);
    m->file_doubt = (float)m->file * 0.2F / (float)family->count; /* the more members there are, the less is its part */
    family->anonymous += m->own;
    family->doubt += (float)(written * 0.35 + growth * 0.02);
    if (is_known && anonymous - growth > (double)parent->pss.forked)
        parent->pss.forked = (float)(anonymous - growth);
    m->elder_faults = is_known && parent->pss.age > 0 ? parent->pss.faults : 0;
    m->own_hugetlb = 0;
    if (parent)
        parent->pss.own_hugetlb -= least_of(parent->pss.own_hugetlb, m->hugetlb);
}

static void join(struct pss_families *families, struct process_table *table, const struct pss_now *now,
                 struct process *p, struct pss_moved *moved)
{
    struct pss_member *m = &p->pss;
    size_t             index = 0;
    struct pss_family *family = family_for(families, key_of(p), &index);
    if (!family)
        return;
    m->family = (uint32_t)index + 1;
    m->faults = p->faults;
    m->size = p->size;
    moved->growth += (double)m->anonymous + (double)m->file;
    if (family->joined_row != now->row)
        family->elders = family->count;
    family->joined_row = now->row;
    if (family->count++ > 0) {
        join_family(family, table, now, p);
        return;
    }
    family->anonymous = (double)m->anonymous;
    m->own = (float)m->anonymous;
    pss_kind_guess(families, p);
    moved->files += (double)m->file;
}

/* Faults are asked last: they may be ahead of the memory, but never behind, except for one fault of each thread that is
 * not counted yet. */
static bool has_grown_by_others(const struct pss_now *now, const struct process *p, uint64_t *ret_size)
{
    struct process_stat stat;
    uint64_t            resident = 0;
    uint64_t            shared = 0;
    if (process_statm_read(now->proc, p->memory_of, &resident, &shared) || process_stat_read(now->proc, p->pid, &stat))
        return false;
    double anonymous = (double)resident - (double)shared;
    double faults = (double)stat.faults + (double)stat.major - (double)p->pss.faults + (double)stat.threads;
    *ret_size = stat.size;
    return (anonymous - faults * PSS_HUGE_PAGES) * now->page > (double)p->pss.old_anonymous + ALIAS_GROWTH;
}

static bool is_between(uint64_t value, uint64_t a, uint64_t b, uint64_t slack)
{
    uint64_t least = least_of(a, b);
    uint64_t most = a > b ? a : b;
    return value + slack >= least && value <= most + slack;
}

/* The other is asked between two looks at the one, which may be growing. slack: pages. */
static bool has_same_memory(const struct pss_now *now, const struct process *p, const struct process *other,
                            uint64_t slack)
{
    uint64_t resident[3];
    uint64_t shared[3];
    return process_statm_read(now->proc, p->memory_of, &resident[0], &shared[0]) == 0 &&
           process_statm_read(now->proc, other->memory_of, &resident[1], &shared[1]) == 0 &&
           process_statm_read(now->proc, p->memory_of, &resident[2], &shared[2]) == 0 &&
           is_between(resident[1], resident[0], resident[2], slack) &&
           is_between(shared[1], shared[0], shared[2], slack);
}

/* Memory that grew without a fault of its own was touched by another process that shares the address space, and has the
 * same pages now. All other ways to tell (kcmp) may be forbidden, and kill the asker. Only exec ends it, or the end. */
static bool has_become_alias(const struct pss_family *family, struct process_table *table, const struct pss_now *now,
                             struct process *p)
{
    struct pss_member *m = &p->pss;
    uint64_t           growth = saturating_subtract(m->anonymous, m->old_anonymous);
    double             faults = (double)(p->faults - m->faults) * now->page;
    uint64_t           size = 0;
    if (!m->moved || family->count < 2 || growth < ALIAS_GROWTH || faults * PSS_HUGE_PAGES >= (double)growth ||
        !has_grown_by_others(now, p, &size))
        return false;
    for (size_t i = 0; i < table->count; i++) {
        struct process     *other = &table->list[i];
        struct process_stat its;
        if (other == p || other->pss.family != m->family || other->pss.is_alias ||
            process_stat_read(now->proc, other->pid, &its) || its.size != size ||
            !has_same_memory(now, p, other, ALIAS_NEAR))
            continue;
        other->pss.own += m->own;
        return true;
    }
    return false;
}

void pss_family_make_alias(struct pss_family *family, struct process *p)
{
    struct pss_member *m = &p->pss;
    family->count--;
    family->aliases++;
    m->is_alias = true;
    m->own = m->file_pss = m->file_doubt = 0;
    m->hugetlb = m->own_hugetlb = 0;
}

/* Faults so far are asked for only where those of the counters are too few. */
bool pss_family_is_alias(const struct pss_family *family, const struct process_table *table, const struct pss_now *now,
                         const struct process *p, double alone, double per_fault)
{
    const struct process *parent = process_table_find(table, p->parent, p->parent_start);
    struct process_stat   mine;
    struct process_stat   its;
    double                most_of = (alone - ALIAS_ALONE) / per_fault / 1.25; /* the faults that would explain it */
    if (family->count < 2 || !parent || parent->pss.family != p->pss.family ||
        (double)p->faults + (double)saturating_subtract(parent->faults, p->pss.elder_faults) >= most_of ||
        process_stat_read(now->proc, p->pid, &mine) || process_stat_read(now->proc, parent->pid, &its))
        return false;
    double faults = (double)(mine.faults + mine.major) +
                    (double)saturating_subtract(its.faults + its.major, p->pss.elder_faults);
    return faults < most_of && mine.size == its.size && has_same_memory(now, p, parent, 0);
}

/* Faults beyond the growth are copies of pages that were shared, or pages that another had copied already. */
static void take_anonymous(struct pss_family *family, const struct process *p, struct pss_member *m, double page)
{
    double now = (double)m->anonymous;
    double before = (double)m->old_anonymous;
    double growth = most(0, now - before);
    double files = most(0, (double)m->file - (double)m->old_file);
    double faults = (double)(p->faults - m->faults) * page - growth - files / FAULT_AROUND;
    double copies = most(0, least(faults, now - growth - m->own));
    if (family->count == 1 && !family->is_leaky) {
        family->anonymous += now - before;
        m->own = (float)now;
        return;
    }
    family->anonymous += growth + copies * family->copied;
    family->doubt += (float)(copies * family->copied_doubt);
    family->unexplained += (float)copies;
    m->own += (float)(growth + copies * family->copied);
    if (now < before) {
        double own = least(1, m->own / before);
        family->anonymous -= (before - now) * own;
        family->doubt += (float)((before - now) * (own > 0.9 ? 0.1 : 0.5));
        m->own = (float)most(0, m->own - (before - now) * own);
    }
}

/* What the family has learned of small steps need not hold for a member that maps more at once than it had: it may be
 * what all the others have. */
static bool is_unlike_before(const struct pss_member *m, double by)
{
    return by >= PSS_BIG && by > 2 * (double)m->old_file;
}

static void take_file(struct pss_family *family, struct pss_member *m, double seconds)
{
    double by = (double)m->file - (double)m->old_file;
    if (by > 0) {
        bool is_kid = family->count > 1 && m->age < KID_ROWS; /* its parent had mapped these as well */
        m->file_pss += is_kid ? 0 : (float)by * family->mapped;
        m->file_doubt += (float)by * (is_unlike_before(m, by) ? MAPPED_FIRST : family->mapped_doubt);
        family->mapping += is_kid ? 0 : (float)by;
    } else if (by < 0) {
        double ratio = m->file_pss / (double)m->old_file;
        m->file_pss = (float)most(0, m->file_pss + by * ratio);
        m->file_doubt += (float)(-by * least(ratio, 0.5));
    }
    if ((double)m->file >= PSS_BIG)
        m->file_doubt += (float)(m->file_pss * seconds * (m->vague > 0.02F ? FILE_AGES_OUTSIDE : FILE_AGES));
}

/* Returns the growth at most. */
static double growth_of(const struct process *p, double page)
{
    const struct pss_member *m = &p->pss;
    double                   faults = (double)saturating_subtract(p->faults, m->faults) * page;
    return faults + most(0, (double)m->anonymous - (double)m->old_anonymous) +
           most(0, (double)m->file - (double)m->old_file);
}

/* Memory that a forked child got is no longer its parent's alone, nor is what the parent took in this row before the
 * fork. If two elders share the page that it was copied from, one address stands for two pages of two users. */
static void share_with_child(struct pss_family *family, struct pss_member *m)
{
    float own = (float)least(m->own, most(0, (double)m->anonymous - m->forked));
    if (family->elders >= MIXED_ELDERS)
        family->mixed += m->own - own;
    m->own = own;
    m->forked = 0;
}

static void take_one(struct pss_families *families, struct process_table *table, const struct pss_now *now,
                     struct process *p, struct pss_moved *moved)
{
    struct pss_member *m = &p->pss;
    struct pss_family *family = &families->list[m->family - 1];
    if (m->age > 0 && !m->is_alias && has_become_alias(family, table, now, p))
        pss_family_make_alias(family, p);
    uint64_t by = m->file > m->old_file ? m->file - m->old_file : m->old_file - m->file;
    bool     is_new = m->age == 0;
    m->age = (uint8_t)(m->age + (m->age < KID_ROWS));
    if (!is_new && !m->is_alias) {
        moved->growth += growth_of(p, now->page);
        if (m->moved)
            take_anonymous(family, p, m, now->page);
        take_file(family, m, now->seconds);
        if (family->count == 1 && family->is_leaky && !family->is_unchecked)
            family->doubt += (float)((double)m->anonymous * LEAKY_AGES * now->seconds / (1 << family->agreed));
        /* The family learns by itself what it maps more. */
        if ((double)by >= PSS_BIG / 2 && (family->count == 1 || m->file < m->old_file))
            moved->files += (double)by;
    }
    share_with_child(family, m);
    m->faults = p->faults;
    m->size = p->size;
}

/* Files that came, went or moved may be shared with any other process. */
static void doubt_files(struct process_table *table, const struct pss_now *now, double moved)
{
    for (size_t i = 0; i < table->count; i++) {
        struct pss_member *m = &table->list[i].pss;
        if (!m->family || m->is_alias)
            continue;
        double overlap = least((double)m->file, moved);
        bool   is_big = (double)m->file >= PSS_BIG && moved >= PSS_BIG;
        if (m->file_known && m->file_row < now->row && overlap > 0)
            m->file_doubt += (float)(is_big ? overlap * 0.5 : least(overlap, 2.0 * m->file_pss) * 0.1);
        m->file_doubt = (float)least(m->file_doubt, (double)m->file);
    }
}

static void link_up(struct pss_family *family, struct process_table *table, uint32_t index)
{
    struct process *p = &table->list[index];
    p->pss.next = 0;
    if (family->first) { /* the first stays the first */
        struct pss_member *first = &table->list[family->first - 1].pss;
        p->pss.next = first->next;
        first->next = index + 1;
    } else {
        family->first = index + 1;
    }
}

/* A process that ended, or became another program, leaves. True if a process is to join. */
static bool look_at_all(struct pss_families *families, struct process_table *table, const struct pss_now *now,
                        struct pss_moved *moved)
{
    bool is_joined = false;
    for (size_t i = 0; i < table->count; i++) {
        struct process *p = &table->list[i];
        bool            is_there = !p->gone && !p->dead && p->read_yet && p->resident_kib > 0 && p->pid != now->except;
        if (p->pss.family && (!is_there || families->list[p->pss.family - 1].key != key_of(p)))
            leave(families, table, now, p, moved);
        p->pss.is_there = is_there && read_counters(now, p);
        if (p->pss.family && !p->pss.is_there)
            leave(families, table, now, p, moved);
        is_joined = is_joined || (p->pss.is_there && !p->pss.family);
    }
    return is_joined;
}

static void join_all(struct pss_families *families, struct process_table *table, const struct pss_now *now,
                     struct pss_moved *moved)
{
    if (families->capacity > 0)
        enter_all(families);
    for (size_t i = 0; i < table->count; i++)
        if (table->list[i].pss.is_there && !table->list[i].pss.family)
            join(families, table, now, &table->list[i], moved);
}

void pss_families_update(struct pss_families *families, struct process_table *table, const struct pss_now *now,
                         struct pss_moved *ret_moved)
{
    *ret_moved = (struct pss_moved){0};
    for (size_t i = 0; i < families->count; i++)
        families->list[i].since_left += (float)now->seconds;
    if (look_at_all(families, table, now, ret_moved))
        join_all(families, table, now, ret_moved);
    give_back(families, table);
    for (size_t i = 0; i < families->count; i++)
        families->list[i].first = 0;
    for (size_t i = 0; i < table->count; i++) {
        struct process *p = &table->list[i];
        if (!p->pss.family)
            continue;
        take_one(families, table, now, p, ret_moved);
        link_up(&families->list[p->pss.family - 1], table, (uint32_t)i);
    }
    if (ret_moved->files > 0)
        doubt_files(table, now, ret_moved->files);
}

struct process *pss_family_next(const struct pss_family *family, struct process_table *table, struct process *p)
{
    uint32_t next = p ? p->pss.next : family->first;
    while (next && table->list[next - 1].pss.is_alias)
        next = table->list[next - 1].pss.next;
    return next ? &table->list[next - 1] : NULL;
}

void pss_family_bound(struct pss_family *family, struct process_table *table)
{
    double largest = 0;
    double sum = 0;
    for (struct process *p = NULL; (p = pss_family_next(family, table, p));) {
        sum += (double)p->pss.anonymous;
        largest = most(largest, (double)p->pss.anonymous);
    }
    if (family->count == 1 && family->is_unchecked) {
        family->anonymous = sum;
        family->doubt = family->since_left >= ENDED_SECONDS ? (float)(sum * 0.1) : 0;
    }
    if (family->count == 1 && !family->is_leaky) {
        family->anonymous = sum;
        family->doubt = 0;
    }
    if (family->anonymous < largest && !family->is_leaky && !family->is_ambiguous)
        family->anonymous = largest;
    family->anonymous = most(0, least(family->anonymous, sum));
    if (family->count > 1)
        family->doubt = (float)least(family->doubt, sum - largest);
}
