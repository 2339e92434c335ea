/* The library's ELF file is checked, renamed and searched for imports, before ld.so sees it. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/gpu/nvml_image.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#if defined(__x86_64__)
enum { MACHINE = EM_X86_64, JUMP = R_X86_64_JUMP_SLOT, DATA = R_X86_64_GLOB_DAT, WORD = R_X86_64_64 };
#elif defined(__aarch64__)
enum { MACHINE = EM_AARCH64, JUMP = R_AARCH64_JUMP_SLOT, DATA = R_AARCH64_GLOB_DAT, WORD = R_AARCH64_ABS64 };
#else /* NVIDIA has no library for it */
enum { MACHINE = EM_NONE, JUMP = -1, DATA = -2, WORD = -3 };
#endif

enum { SEGMENTS_MAX = 32, SONAME_PREFIX = 3 };

struct file {
    unsigned char *data;
    size_t         size;
    Elf64_Phdr     segments[SEGMENTS_MAX];
    size_t         segment_count;
    uint64_t       strings, strings_size, symbols; /* addresses */
    uint64_t       relocations, relocations_size, jumps, jumps_size;
    uint64_t       soname; /* offset in strings; 0: none */
    nvml_choose   *choose;
};

static bool in_file(const struct file *f, uint64_t offset, uint64_t size)
{
    return offset <= f->size && size <= f->size - offset;
}

/* Returns `size` bytes at an address, all of them in the file; NULL otherwise. */
static unsigned char *at(const struct file *f, uint64_t address, uint64_t size)
{
    for (size_t i = 0; i < f->segment_count; i++) {
        const Elf64_Phdr *s = &f->segments[i];
        if (s->p_type == PT_LOAD && address >= s->p_vaddr && address - s->p_vaddr <= s->p_filesz &&
            size <= s->p_filesz - (address - s->p_vaddr))
            return f->data + s->p_offset + (address - s->p_vaddr);
    }
    return NULL;
}

/* ld.so maps what the headers speak of: a byte that is missing would be a SIGBUS. */
static int read_segments(struct file *f, struct nvml_image *ret)
{
    Elf64_Ehdr head;
    if (f->size < sizeof head)
        return -ENOEXEC;
    memcpy(&head, f->data, sizeof head);
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
        head.e_ident[EI_DATA] != ELFDATA2LSB || head.e_type != ET_DYN || head.e_machine != MACHINE ||
        head.e_phentsize != sizeof(Elf64_Phdr) || head.e_phnum == 0 || head.e_phnum > SEGMENTS_MAX ||
        !in_file(f, head.e_phoff, (uint64_t)head.e_phnum * sizeof(Elf64_Phdr)))
        return -ENOEXEC;
    f->segment_count = head.e_phnum;
    memcpy(f->segments, f->data + head.e_phoff, f->segment_count * sizeof(Elf64_Phdr));
    ret->first = UINT64_MAX;
    for (size_t i = 0; i < f->segment_count; i++) {
        const Elf64_Phdr *s = &f->segments[i];
        if (s->p_type == PT_GNU_RELRO) {
            ret->relro = s->p_vaddr;
            ret->relro_size = s->p_memsz;
        }
        if (s->p_type != PT_LOAD)
            continue;
        if (!in_file(f, s->p_offset, s->p_filesz) || s->p_filesz > s->p_memsz || s->p_vaddr + s->p_memsz < s->p_vaddr)
            return -ENOEXEC;
        ret->first = s->p_vaddr < ret->first ? s->p_vaddr : ret->first;
        ret->end = s->p_vaddr + s->p_memsz > ret->end ? s->p_vaddr + s->p_memsz : ret->end;
    }
    bool relro_inside = ret->relro_size == 0 || (ret->relro >= ret->first && ret->relro <= ret->end &&
                                                 ret->relro_size <= ret->end - ret->relro);
    return ret->first < ret->end && relro_inside ? 0 : -ENOEXEC;
}

/* False for a property that a library loaded beside a running program should not have. */
static bool take_entry(struct file *f, const Elf64_Dyn *entry)
{
    uint64_t value = entry->d_un.d_val;
    switch (entry->d_tag) {
    case DT_STRTAB:
        f->strings = value;
        break;
    case DT_STRSZ:
        f->strings_size = value;
        break;
    case DT_SYMTAB:
        f->symbols = value;
        break;
    case DT_RELA:
        f->relocations = value;
        break;
    case DT_RELASZ:
        f->relocations_size = value;
        break;
    case DT_JMPREL:
        f->jumps = value;
        break;
    case DT_PLTRELSZ:
        f->jumps_size = value;
        break;
    case DT_SONAME:
        f->soname = value;
        break;
    case DT_FLAGS:
        return (value & (DF_STATIC_TLS | DF_TEXTREL)) == 0;
    case DT_TEXTREL:
        return false;
    default:
        break;
    }
    return true;
}

/* Nothing of the library may run at the end, on a thread of the program's, where its descriptors are other files.
 * DT_DEBUG takes the entry's place: ld.so reads it in no library. */
static void leave_out_the_end(unsigned char *place, Elf64_Dyn *entry)
{
    if (entry->d_tag != DT_FINI && entry->d_tag != DT_FINI_ARRAY && entry->d_tag != DT_FINI_ARRAYSZ)
        return;
    entry->d_tag = DT_DEBUG;
    memcpy(place, entry, sizeof *entry);
}

static int read_dynamic(struct file *f)
{
    const Elf64_Phdr *dynamic = NULL;
    for (size_t i = 0; i < f->segment_count; i++)
        if (f->segments[i].p_type == PT_DYNAMIC)
            dynamic = &f->segments[i];
    unsigned char *data = dynamic ? at(f, dynamic->p_vaddr, dynamic->p_filesz) : NULL;
    if (!data)
        return -ENOEXEC;
    for (uint64_t i = 0; i + sizeof(Elf64_Dyn) <= dynamic->p_filesz; i += sizeof(Elf64_Dyn)) {
        Elf64_Dyn entry;
        memcpy(&entry, data + i, sizeof entry);
        if (entry.d_tag == DT_NULL)
            break;
        if (!take_entry(f, &entry))
            return -ENOEXEC;
        leave_out_the_end(data + i, &entry);
    }
    const unsigned char *strings = at(f, f->strings, f->strings_size);
    return strings && f->strings_size > 0 && strings[f->strings_size - 1] == '\0' ? 0 : -ENOEXEC;
}

static int scan_relocation(const struct file *f, const Elf64_Rela *relocation, struct nvml_image *ret)
{
    uint32_t  type = ELF64_R_TYPE(relocation->r_info);
    uint64_t  index = ELF64_R_SYM(relocation->r_info);
    size_t    stand_in = 0;
    Elf64_Sym symbol;
    if ((type != (uint32_t)JUMP && type != (uint32_t)DATA && type != (uint32_t)WORD) || index == 0)
        return 0;
    uint64_t             place = f->symbols + index * sizeof symbol;
    const unsigned char *data = place >= f->symbols ? at(f, place, sizeof symbol) : NULL;
    if (!data)
        return -ENOEXEC;
    memcpy(&symbol, data, sizeof symbol);
    if (symbol.st_name >= f->strings_size)
        return -ENOEXEC;
    /* The name would be changed with the soname. */
    if (f->soname && symbol.st_name >= f->soname && symbol.st_name < f->soname + SONAME_PREFIX)
        return -ENOEXEC;
    const char *name = (const char *)at(f, f->strings, f->strings_size) + symbol.st_name;
    if (symbol.st_shndx != SHN_UNDEF || !f->choose(name, &stand_in))
        return 0;
    uint64_t offset = relocation->r_offset;
    if (ret->slot_count == NVML_SLOTS_MAX || offset % sizeof(uint64_t) != 0 || offset < ret->first ||
        ret->end - ret->first < sizeof(uint64_t) || offset > ret->end - sizeof(uint64_t))
        return -ENOEXEC;
    ret->slots[ret->slot_count++] = (struct nvml_slot){.offset = offset, .stand_in = stand_in};
    return 0;
}

static int scan(const struct file *f, uint64_t table, uint64_t size, struct nvml_image *ret)
{
    const unsigned char *data = at(f, table, size);
    if (size == 0)
        return 0;
    if (!data)
        return -ENOEXEC;
    for (uint64_t i = 0; i + sizeof(Elf64_Rela) <= size; i += sizeof(Elf64_Rela)) {
        Elf64_Rela relocation;
        memcpy(&relocation, data + i, sizeof relocation);
        int error = scan_relocation(f, &relocation, ret);
        if (error < 0)
            return error;
    }
    return 0;
}

/* The bytes of the soname may be the end of a longer name: then they belong to that one, and stay. */
static int rename_it(const struct file *f)
{
    if (f->soname == 0)
        return 0;
    char *strings = (char *)at(f, f->strings, f->strings_size);
    if (f->soname > f->strings_size - 1 || f->strings_size - f->soname <= SONAME_PREFIX ||
        strings[f->soname - 1] != '\0' || memcmp(strings + f->soname, "lib", SONAME_PREFIX) != 0)
        return -ENOEXEC;
    memcpy(strings + f->soname, "pil", SONAME_PREFIX);
    return 0;
}

int nvml_image_prepare(unsigned char *data, size_t size, nvml_choose *choose, struct nvml_image *ret)
{
    struct file f = {.data = data, .size = size, .choose = choose};
    *ret = (struct nvml_image){0};
    int error = read_segments(&f, ret);
    if (error == 0)
        error = read_dynamic(&f);
    if (error == 0)
        error = scan(&f, f.relocations, f.relocations_size, ret);
    if (error == 0)
        error = scan(&f, f.jumps, f.jumps_size, ret);
    return error == 0 ? rename_it(&f) : error;
}
