// SPDX-License-Identifier: Apache-2.0
// A library's file as anything, before ld.so sees it: nothing outside of it is read, and nothing is changed but the tags
// of what would run at the end, and the soname's first letters.
#include <elf.h>
#include <errno.h>
#include <stdbool.h>

#include "fuzz.h"

#include "collect/gpu/nvml_image.h"
#include "collect/gpu/nvml_stand_ins.h"

/* As the headers of the input say; the image's own reading is what is under test. */
struct input {
    const uint8_t *data;
    size_t         size;
    Elf64_Ehdr     head;
};

static bool part(const struct input *in, uint64_t offset, uint64_t size, void *ret)
{
    if (offset > in->size || size > in->size - offset)
        return false;
    memcpy(ret, in->data + offset, size);
    return true;
}

static bool segment(const struct input *in, size_t i, Elf64_Phdr *ret)
{
    return i < in->head.e_phnum && part(in, in->head.e_phoff + i * sizeof *ret, sizeof *ret, ret);
}

/* Where an address stands in the file; beyond its end when it has no place there. */
static uint64_t place_of(const struct input *in, uint64_t address, uint64_t size)
{
    Elf64_Phdr s;
    for (size_t i = 0; segment(in, i, &s); i++)
        if (s.p_type == PT_LOAD && address >= s.p_vaddr && address - s.p_vaddr <= s.p_filesz &&
            size <= s.p_filesz - (address - s.p_vaddr))
            return s.p_offset + (address - s.p_vaddr);
    return UINT64_MAX;
}

/* The file as it is to be: DT_FINI, DT_FINI_ARRAY and DT_FINI_ARRAYSZ are DT_DEBUG, and with `renamed` "lib" of the
 * soname is "pil". */
static void prepare(const struct input *in, bool renamed, uint8_t *ret)
{
    Elf64_Phdr s, dynamic = {0};
    for (size_t i = 0; segment(in, i, &s); i++)
        if (s.p_type == PT_DYNAMIC)
            dynamic = s;
    uint64_t  place = place_of(in, dynamic.p_vaddr, dynamic.p_filesz);
    uint64_t  strings = 0, strings_size = 0, soname = 0;
    Elf64_Dyn entry;
    memcpy(ret, in->data, in->size);
    for (uint64_t i = 0; place < in->size && i + sizeof entry <= dynamic.p_filesz; i += sizeof entry) {
        if (!part(in, place + i, sizeof entry, &entry) || entry.d_tag == DT_NULL)
            break;
        strings = entry.d_tag == DT_STRTAB ? entry.d_un.d_ptr : strings;
        strings_size = entry.d_tag == DT_STRSZ ? entry.d_un.d_val : strings_size;
        soname = entry.d_tag == DT_SONAME ? entry.d_un.d_val : soname;
        if (entry.d_tag == DT_FINI || entry.d_tag == DT_FINI_ARRAY || entry.d_tag == DT_FINI_ARRAYSZ)
            memcpy(ret + place + i, &(Elf64_Sxword){DT_DEBUG}, sizeof(Elf64_Sxword));
    }
    place = place_of(in, strings, strings_size);
    if (renamed && soname && place < in->size && soname < in->size - place && in->size - place - soname >= 3)
        memcpy(ret + place + soname, "pil", 3);
}

/* Where it is refused it keeps its name, and a part of the rest may have been done. */
static void check_changes(const uint8_t *data, const unsigned char *copy, size_t size, int error)
{
    struct input in = {.data = data, .size = size};
    uint8_t     *expected = (uint8_t *)fuzz_text(data, size);
    if (part(&in, 0, sizeof in.head, &in.head))
        prepare(&in, error == 0, expected);
    HOLDS(error < 0 || memcmp(copy, expected, size) == 0);
    for (size_t i = 0; i < size; i++)
        HOLDS(copy[i] == data[i] || copy[i] == expected[i]);
    free(expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nvml_image image;
    unsigned char    *copy = (unsigned char *)fuzz_text(data, size);
    int               error = nvml_image_prepare(copy, size, nvml_stand_in, &image);
    HOLDS(error == 0 || error == -ENOEXEC);
    check_changes(data, copy, size, error);
    HOLDS(image.slot_count <= NVML_SLOTS_MAX);
    for (size_t i = 0; error == 0 && i < image.slot_count; i++) {
        HOLDS(image.slots[i].offset >= image.first && image.slots[i].offset + sizeof(void *) <= image.end);
        HOLDS(nvml_stand_in_address(image.slots[i].stand_in) != NULL);
    }
    HOLDS(error < 0 || image.first < image.end);
    free(copy);
    return 0;
}
