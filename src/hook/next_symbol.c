/* The next definition of a name behind ours, as dlsym(RTLD_NEXT) gives it. But that takes 600 instructions a name, and
 * before glibc 2.34 it stands in libdl, which a program need not have. So the symbol tables of the objects behind us
 * are read here, once for all names that every process needs. */
// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>

#include "hook/hook.h"

/* Texts in the table itself: pointers would have to be relocated. */
static const char names[NEXT_COUNT][18] = {
    [NEXT_START_MAIN] = "__libc_start_main", [NEXT_EXIT] = "exit",           [NEXT__EXIT] = "_exit",
    [NEXT_QUICK_EXIT] = "quick_exit",        [NEXT_THRD_EXIT] = "thrd_exit", [NEXT_PTHREAD_EXIT] = "pthread_exit",
    [NEXT_SIGACTION] = "sigaction",          [NEXT_SIGNAL] = "signal",       [NEXT_STREAMS] = "_IO_list_all",
};

/* A function that is looked for, by its name's hash as GNU_HASH has it. */
struct quest {
    const char *name;
    uint32_t    hash;
    bool        is_over;
    void       *found; /* NULL, though it is over: of a function that is not chosen yet */
};

struct tables {
    ElfW(Addr) base;
    const ElfW(Sym) * symbols;
    const char *strings;
    const ElfW(Half) * versions;
    const uint32_t *gnu_hash;
    size_t          count; /* without a GNU_HASH */
};

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 5381;
    for (; *name; name++)
        hash = hash * 33 + (unsigned char)*name;
    return hash;
}

static struct quest quest_for(const char *name)
{
    return (struct quest){.name = name, .hash = hash_of(name)};
}

/* Addresses in the dynamic section are relocated in place by glibc, but not by musl or in the vDSO. */
static const void *address_of(ElfW(Addr) base, ElfW(Addr) value)
{
    return (const void *)(value < base ? base + value : value); // NOLINT(performance-no-int-to-ptr)
}

static bool tables_of(ElfW(Addr) base, const ElfW(Dyn) * dynamic, struct tables *ret)
{
    *ret = (struct tables){.base = base};
    for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
        const void *at = address_of(base, dynamic->d_un.d_ptr);
        if (dynamic->d_tag == DT_SYMTAB)
            ret->symbols = at;
        else if (dynamic->d_tag == DT_STRTAB)
            ret->strings = at;
        else if (dynamic->d_tag == DT_VERSYM)
            ret->versions = at;
        else if (dynamic->d_tag == DT_HASH)
            ret->count = ((const uint32_t *)at)[1];
        else if (dynamic->d_tag == DT_GNU_HASH)
            ret->gnu_hash = at;
    }
    return ret->symbols && ret->strings;
}

/* True when the search is over. */
static bool is_sought(const struct tables *t, size_t i, struct quest *quest)
{
    const ElfW(Sym) *symbol = &t->symbols[i];
    if (symbol->st_shndx == SHN_UNDEF || (t->versions && (t->versions[i] & 0x8000)) ||
        !string_equal(t->strings + symbol->st_name, quest->name))
        return false;
    if (ELF64_ST_TYPE(symbol->st_info) != STT_GNU_IFUNC)
        quest->found = (void *)(t->base + symbol->st_value); // NOLINT(performance-no-int-to-ptr)
    return true;
}

/* The table begins with the number of buckets, the first symbol that is in one, and size and shift of a filter, which
 * knows most of the names that are not there. A bucket's chain ends with an odd hash. */
static bool search_gnu_hash(const struct tables *t, struct quest *quest)
{
    enum { BITS = 8 * sizeof(ElfW(Addr)) };
    const uint32_t *head = t->gnu_hash;
    const ElfW(Addr) *filter = (const void *)(head + 4);
    const uint32_t *buckets = (const void *)(filter + head[2]);
    const uint32_t *chains = buckets + head[0];
    if (head[0] == 0 || head[2] == 0)
        return false;
    ElfW(Addr) word = filter[quest->hash / BITS % head[2]];
    if (!(word >> (quest->hash % BITS) & word >> ((quest->hash >> head[3]) % BITS) & 1))
        return false;
    uint32_t i = buckets[quest->hash % head[0]];
    if (i < head[1])
        return false;
    for (uint32_t hash = 0; !(hash & 1); i++) {
        hash = chains[i - head[1]];
        if ((hash | 1) == (quest->hash | 1) && is_sought(t, i, quest))
            return true;
    }
    return false;
}

static bool search(const struct tables *t, struct quest *quest)
{
    if (t->gnu_hash)
        return search_gnu_hash(t, quest);
    for (size_t i = 1; i < t->count; i++)
        if (is_sought(t, i, quest))
            return true;
    return false;
}

/* ---- the objects behind us, in the order in which the loader searches them ---- */

struct walk {
    struct quest *quests;
    size_t        count;
    bool          past_us;
};

static int look_into(struct dl_phdr_info *object, size_t size, void *data)
{
    (void)size;
    struct walk *walk = data;
    const ElfW(Dyn) *dynamic = NULL;
    struct tables t;
    size_t        left = walk->count;
    bool          was_past_us = walk->past_us;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        uintptr_t offset = (uintptr_t)&hook - (object->dlpi_addr + part->p_vaddr);
        walk->past_us |= part->p_type == PT_LOAD && offset < part->p_memsz;
        if (part->p_type == PT_DYNAMIC)
            dynamic = (const void *)(object->dlpi_addr + part->p_vaddr); // NOLINT(performance-no-int-to-ptr)
    }
    if (!was_past_us || !tables_of(object->dlpi_addr, dynamic, &t))
        return 0;
    for (size_t i = 0; i < walk->count; i++) {
        struct quest *quest = &walk->quests[i];
        quest->is_over = quest->is_over || search(&t, quest);
        left -= quest->is_over;
    }
    return left == 0;
}

static void walk_behind_us(struct quest *quests, size_t count)
{
    struct walk walk = {.quests = quests, .count = count};
    (void)dl_iterate_phdr(look_into, &walk);
}

/* A function that is chosen while programs start (STT_GNU_IFUNC): dlsym chooses. */
static void *chosen_by_loader(const char *name)
{
    typedef void *symbol_function(void *library, const char *name);
    struct quest  quest = quest_for("dlsym");
    walk_behind_us(&quest, 1);
    void *found = quest.found ? ((symbol_function *)quest.found)(RTLD_NEXT, name) : NULL;
    __asm__ volatile("" ::: "memory"); /* no tail call: RTLD_NEXT is judged by the return address */
    return found;
}

/* ---- what is asked for ---- */

static void *found_by(const struct quest *quest)
{
    return quest->is_over && !quest->found ? chosen_by_loader(quest->name) : quest->found;
}

void *next_symbol(const char *name)
{
    struct quest quest = quest_for(name);
    walk_behind_us(&quest, 1);
    return found_by(&quest);
}

static void *_Atomic next[NEXT_COUNT];

void next_look_up(void)
{
    struct quest quests[NEXT_COUNT];
    for (size_t i = 0; i < NEXT_COUNT; i++)
        quests[i] = quest_for(names[i]);
    walk_behind_us(quests, NEXT_COUNT);
    for (size_t i = NEXT_COUNT; i-- > 0;) /* the first, which next_of asks for, is the last to be there */
        atomic_store(&next[i], found_by(&quests[i]));
}

void *next_known(enum next which)
{
    return atomic_load(&next[which]);
}

void *next_of(enum next which)
{
    if (!atomic_load(&next[NEXT_START_MAIN])) /* a library's constructor may call one of the wrappers */
        next_look_up();
    return atomic_load(&next[which]);
}
