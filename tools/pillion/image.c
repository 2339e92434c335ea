// SPDX-License-Identifier: Apache-2.0
#include "image.h"

#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEGMENTS_MAX = 128, ENTRIES_MAX = 1024, VERSIONS_MAX = 512, NEEDED_MAX = 256 };

struct reader {
    int           fd;
    struct image *image;
    bool          wide; /* 64 bits */
    bool          big;
    bool          failed; /* a read went beyond the file: what was read since is 0 */
    uint64_t      segments;
    unsigned      segment_count, segment_size;
    uint64_t      strings; /* offset in the file, 0: unknown */
};

static bool read_at(struct reader *r, uint64_t offset, void *ret, size_t len)
{
    if (offset <= INT64_MAX - len && pread(r->fd, ret, len, (off_t)offset) == (ssize_t)len)
        return true;
    memset(ret, 0, len);
    r->failed = true;
    return false;
}

static uint64_t number(struct reader *r, uint64_t offset, size_t len)
{
    unsigned char bytes[8];
    uint64_t      value = 0;
    (void)read_at(r, offset, bytes, len);
    for (size_t i = 0; i < len; i++)
        value = value << 8 | bytes[r->big ? i : len - 1 - i];
    return value;
}

/* A field whose place and width depend on the class. */
static uint64_t field(struct reader *r, uint64_t base, unsigned at32, unsigned at64)
{
    return number(r, base + (r->wide ? at64 : at32), r->wide ? 8 : 4);
}

/* A string of the file, "" when it is not there or too long. */
static void text(struct reader *r, uint64_t offset, char *ret, size_t size)
{
    ssize_t n = offset <= INT64_MAX ? pread(r->fd, ret, size, (off_t)offset) : -1;
    if (n <= 0 || !memchr(ret, '\0', (size_t)n))
        ret[0] = '\0';
}

struct segment {
    uint64_t type, offset, address, size;
};

static struct segment segment(struct reader *r, unsigned index)
{
    uint64_t base = r->segments + (uint64_t)index * r->segment_size;
    return (struct segment){.type = number(r, base, 4),
                            .offset = field(r, base, offsetof(Elf32_Phdr, p_offset), offsetof(Elf64_Phdr, p_offset)),
                            .address = field(r, base, offsetof(Elf32_Phdr, p_vaddr), offsetof(Elf64_Phdr, p_vaddr)),
                            .size = field(r, base, offsetof(Elf32_Phdr, p_filesz), offsetof(Elf64_Phdr, p_filesz))};
}

/* Where in the file the bytes of an address are; 0: in no segment. */
static uint64_t offset_of(struct reader *r, uint64_t address)
{
    for (unsigned i = 0; i < r->segment_count; i++) {
        struct segment s = segment(r, i);
        if (s.type == PT_LOAD && address >= s.address && address - s.address < s.size)
            return s.offset + (address - s.address);
    }
    return 0;
}

static bool begins(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

static void take_needed(struct reader *r, uint64_t name_at)
{
    char name[IMAGE_NAME_MAX];
    text(r, r->strings + name_at, name, sizeof name);
    if (begins(name, "libasan.so") || begins(name, "libclang_rt.asan"))
        r->image->needs_sanitizer = true;
    else if (begins(name, "libc.so") || begins(name, "libc.musl"))
        memcpy(r->image->libc, name, sizeof name);
}

/* The versions that a libc defines: gABI extensions of Sun and GNU, "Symbol versioning". */
static void take_versions(struct reader *r, uint64_t at, uint64_t count)
{
    for (uint64_t i = 0; at && i < count && i < VERSIONS_MAX && !r->failed; i++) {
        char     name[IMAGE_NAME_MAX];
        uint64_t auxiliary = number(r, at + offsetof(Elf64_Verdef, vd_aux), 4);
        uint64_t next = number(r, at + offsetof(Elf64_Verdef, vd_next), 4);
        text(r, r->strings + number(r, at + auxiliary, 4), name, sizeof name);
        unsigned long minor = begins(name, "GLIBC_2.") ? strtoul(name + strlen("GLIBC_2."), NULL, 10) : 0;
        if (minor < 1000 && minor > r->image->glibc)
            r->image->glibc = (unsigned)minor;
        if (next == 0)
            break;
        at += next;
    }
}

/* What the dynamic section says; addresses, and offsets into the strings. */
struct dynamic {
    uint64_t strings, versions, version_count, own_name;
    uint64_t needed[NEEDED_MAX];
    unsigned needed_count;
};

static void note_entry(struct dynamic *d, uint64_t tag, uint64_t value)
{
    if (tag == DT_STRTAB)
        d->strings = value;
    else if (tag == DT_VERDEF)
        d->versions = value;
    else if (tag == DT_VERDEFNUM)
        d->version_count = value;
    else if (tag == DT_SONAME)
        d->own_name = value;
    else if (tag == DT_NEEDED && d->needed_count < NEEDED_MAX)
        d->needed[d->needed_count++] = value;
}

static void read_dynamic(struct reader *r, const struct segment *section)
{
    struct dynamic d = {0};
    unsigned       size = r->wide ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn);
    uint64_t       count = section->size / size < ENTRIES_MAX ? section->size / size : ENTRIES_MAX;
    for (uint64_t i = 0; i < count && !r->failed; i++) {
        uint64_t tag = field(r, section->offset + i * size, 0, 0);
        if (tag == DT_NULL)
            break;
        note_entry(&d, tag, field(r, section->offset + i * size, size / 2, size / 2));
    }
    r->strings = d.strings ? offset_of(r, d.strings) : 0;
    if (!r->strings)
        return;
    for (unsigned i = 0; i < d.needed_count; i++)
        take_needed(r, d.needed[i]);
    char name[IMAGE_NAME_MAX] = "";
    if (d.own_name)
        text(r, r->strings + d.own_name, name, sizeof name);
    r->image->is_loader = begins(name, "ld-") || begins(name, "ld.so") || begins(name, "ld64");
    take_versions(r, d.versions ? offset_of(r, d.versions) : 0, d.version_count);
}

static int read_elf(struct reader *r)
{
    struct segment dynamic = {0};
    r->image->kind = IMAGE_ELF;
    r->image->machine = (uint16_t)number(r, offsetof(Elf64_Ehdr, e_machine), 2);
    r->segments = field(r, 0, offsetof(Elf32_Ehdr, e_phoff), offsetof(Elf64_Ehdr, e_phoff));
    uint64_t size_at = r->wide ? offsetof(Elf64_Ehdr, e_phentsize) : offsetof(Elf32_Ehdr, e_phentsize);
    r->segment_size = (unsigned)number(r, size_at, 2);
    r->segment_count = (unsigned)number(r, size_at + 2, 2);
    if (r->segment_size < (r->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) || r->segment_count == 0 ||
        r->segment_count > SEGMENTS_MAX)
        return -ENOEXEC;
    for (unsigned i = 0; i < r->segment_count && !r->failed; i++) {
        struct segment s = segment(r, i);
        if (s.type == PT_DYNAMIC)
            dynamic = s;
        if (s.type == PT_INTERP)
            text(r, s.offset, r->image->interpreter, sizeof r->image->interpreter);
    }
    if (r->failed)
        return -ENOEXEC;
    read_dynamic(r, &dynamic);
    return 0;
}

/* "#! interpreter argument": the argument is one, blanks inside it stay; the kernel's fs/binfmt_script.c. */
static int read_script(struct image *ret, char *line)
{
    char *end = line + strcspn(line, "\n");
    *end = '\0';
    while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = '\0';
    line += strspn(line, " \t");
    size_t len = strcspn(line, " \t");
    if (len == 0)
        return -ENOEXEC;
    const char *argument = line + len + strspn(line + len, " \t");
    (void)snprintf(ret->interpreter, sizeof ret->interpreter, "%.*s", (int)len, line);
    (void)snprintf(ret->argument, sizeof ret->argument, "%s", argument);
    ret->kind = IMAGE_SCRIPT;
    return 0;
}

int image_read(int fd, struct image *ret)
{
    char    head[IMAGE_LINE_MAX + 1] = "";
    ssize_t n = pread(fd, head, IMAGE_LINE_MAX, 0);
    *ret = (struct image){.kind = IMAGE_OTHER};
    if (n < 0)
        return -errno;
    if (n >= 2 && memcmp(head, "#!", 2) == 0)
        return read_script(ret, head + 2);
    if (n < EI_NIDENT || memcmp(head, ELFMAG, SELFMAG) != 0)
        return 0;
    struct reader r = {
        .fd = fd, .image = ret, .wide = head[EI_CLASS] == ELFCLASS64, .big = head[EI_DATA] == ELFDATA2MSB};
    ret->bits = r.wide ? 64 : 32;
    ret->swapped = r.big;
    return read_elf(&r);
}

void image_machine_name(const struct image *image, char ret[static IMAGE_NAME_MAX])
{
    static const struct {
        uint16_t    machine;
        const char *name;
    } names[] = {{EM_X86_64, "x86-64"},    {EM_386, "i386"},     {EM_AARCH64, "aarch64"}, {EM_ARM, "ARM"},
                 {EM_PPC64, "POWER"},      {EM_RISCV, "RISC-V"}, {EM_S390, "s390"},       {EM_MIPS, "MIPS"},
                 {EM_SPARCV9, "SPARC 64"}, {EM_PPC, "PowerPC"}};
    (void)snprintf(ret, IMAGE_NAME_MAX, "machine %u", image->machine);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].machine == image->machine)
            (void)snprintf(ret, IMAGE_NAME_MAX, "%s", names[i].name);
}
