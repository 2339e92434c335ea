/* The next definition of a name behind ours, as dlsym(RTLD_NEXT) gives it. Before glibc 2.34 dlsym stands in libdl,
 * which a program need not have; then the dynamic symbol tables of the loaded objects are read directly. */
// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>

#include "hook/hook.h"

struct quest {
    const char *name;
    bool        past_us;
    void       *found;
};

struct tables {
    const ElfW(Sym) * symbols;
    const char *strings;
    const ElfW(Half) * versions;
    size_t count;
};

/* Nothing but the hash tables tells the number of symbols. */
static size_t count_by_gnu_hash(const uint32_t *table)
{
    uint32_t        buckets = table[0];
    uint32_t        first = table[1];
    const uint32_t *bucket = table + 4 + table[2] * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
    const uint32_t *chain = bucket + buckets;
    uint32_t        last = 0;
    for (uint32_t i = 0; i < buckets; i++)
        last = bucket[i] > last ? bucket[i] : last;
    if (last < first)
        return first;
    while (!(chain[last - first] & 1))
        last++;
    return (size_t)last + 1;
}

/* Addresses in the dynamic section are relocated in place by glibc, but not by musl or in the vDSO. */
static const void *address_of(ElfW(Addr) base, ElfW(Addr) value)
{
    return (const void *)(value < base ? base + value : value); // NOLINT(performance-no-int-to-ptr)
}

static bool tables_of(const struct dl_phdr_info *object, struct tables *ret)
{
    const ElfW(Dyn) *dynamic = NULL;
    *ret = (struct tables){0};
    for (size_t i = 0; i < object->dlpi_phnum; i++)
        if (object->dlpi_phdr[i].p_type == PT_DYNAMIC)
            dynamic = (const void *)(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr); // NOLINT
    for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
        const void *at = address_of(object->dlpi_addr, dynamic->d_un.d_ptr);
        if (dynamic->d_tag == DT_SYMTAB)
            ret->symbols = at;
        else if (dynamic->d_tag == DT_STRTAB)
            ret->strings = at;
        else if (dynamic->d_tag == DT_VERSYM)
            ret->versions = at;
        else if (dynamic->d_tag == DT_HASH)
            ret->count = ((const uint32_t *)at)[1];
        else if (dynamic->d_tag == DT_GNU_HASH && ret->count == 0)
            ret->count = count_by_gnu_hash(at);
    }
    return ret->symbols && ret->strings;
}

static int look_into(struct dl_phdr_info *object, size_t size, void *data)
{
    (void)size;
    struct quest *quest = data;
    struct tables t;
    if (!quest->past_us) {
        for (size_t i = 0; i < object->dlpi_phnum; i++) {
            const ElfW(Phdr) *part = &object->dlpi_phdr[i];
            uintptr_t offset = (uintptr_t)&hook - (object->dlpi_addr + part->p_vaddr);
            quest->past_us |= part->p_type == PT_LOAD && offset < part->p_memsz;
        }
        return 0;
    }
    if (!tables_of(object, &t))
        return 0;
    for (size_t i = 1; i < t.count; i++) {
        const ElfW(Sym) *symbol = &t.symbols[i];
        bool hidden = t.versions && (t.versions[i] & 0x8000);
        if (symbol->st_shndx == SHN_UNDEF || hidden || ELF64_ST_TYPE(symbol->st_info) != STT_FUNC ||
            !string_equal(t.strings + symbol->st_name, quest->name))
            continue;
        quest->found = (void *)(object->dlpi_addr + symbol->st_value); // NOLINT(performance-no-int-to-ptr)
        return 1;
    }
    return 0;
}

void *next_symbol(const char *name)
{
    if (dlsym) {
        void *found = dlsym(RTLD_NEXT, name);
        __asm__ volatile("" ::: "memory"); /* no tail call: RTLD_NEXT is judged by the return address */
        if (found)
            return found;
        if (dlerror) /* the program's first dlerror must not tell of ours */
            (void)dlerror();
    }
    struct quest quest = {.name = name};
    (void)dl_iterate_phdr(look_into, &quest);
    return quest.found;
}
