/* What exec and ld.so would make of a file, told from its bytes: somebody else's, so nothing in them is believed. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_IMAGE_H
#define PILLION_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

enum image_kind {
    IMAGE_OTHER, /* neither of these: shells run it as a script of theirs */
    IMAGE_SCRIPT,
    IMAGE_ELF,
};

enum { IMAGE_PATH_MAX = 4096, IMAGE_NAME_MAX = 64, IMAGE_LINE_MAX = 256 };

struct image {
    enum image_kind kind;
    char            interpreter[IMAGE_PATH_MAX]; /* a script's, or the loader of an ELF file; "": none */
    char            argument[IMAGE_LINE_MAX];    /* of a script's interpreter, as the kernel passes it; "": none */
    /* ELF; gABI, "ELF header", "Program header", "Dynamic section" */
    uint8_t  bits;                 /* 32, 64 */
    bool     swapped;              /* big endian */
    uint16_t machine;              /* e_machine */
    bool     is_loader;            /* ld.so itself: what it loads is its argument */
    bool     needs_sanitizer;      /* libasan is among the libraries that it needs */
    char     libc[IMAGE_NAME_MAX]; /* the libc that it needs, "": none is named */
    unsigned glibc;                /* N of the newest GLIBC_2.N that it defines; 0: none */
};

/* Reads an open file by pread. 0; -ENOEXEC: an ELF file that makes no sense; -errno. */
int image_read(int fd, struct image *ret);

/* "x86-64", "aarch64" …; "machine 22" for those without a name here. */
void image_machine_name(const struct image *image, char ret[static IMAGE_NAME_MAX]);

#endif
