/* A shared library's file, as bytes in memory, before it is loaded. A check says whether ld.so can map the file at all.
 * The file gets another soname, and loses its destructors; and the places of imported functions' addresses are noted.
 * Foreign bytes: every offset is checked. Allocates: no. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_GPU_NVML_IMAGE_H
#define PILLION_COLLECT_GPU_NVML_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NVML_SLOTS_MAX = 256 };

/* A word of the loaded library that ld.so fills with the address of an imported function. */
struct nvml_slot {
    uint64_t offset;   /* from where the library is loaded */
    size_t   stand_in; /* the number that `choose` gave */
};

struct nvml_image {
    struct nvml_slot slots[NVML_SLOTS_MAX];
    size_t           slot_count;
    uint64_t         first;             /* address of the lowest byte, as the file counts them */
    uint64_t         end;               /* and behind the highest */
    uint64_t         relro, relro_size; /* the part that is made read-only after relocation */
};

/* Tells which imports are wanted: true, and *ret_stand_in, for a name of interest. */
typedef bool nvml_choose(const char *name, size_t *ret_stand_in);

/* Looks through the file, makes the soname begin with "pil" where it began with "lib", and takes its destructors away.
 * 0, or -ENOEXEC: not a library of this machine, cut short, or of a kind that is not understood; then it must not be
 * loaded. */
int nvml_image_prepare(unsigned char *data, size_t size, nvml_choose *choose, struct nvml_image *ret);

#endif
