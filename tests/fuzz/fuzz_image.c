// SPDX-License-Identifier: Apache-2.0
// A program's file as anything: scripts' first lines, ELF headers, segments, the dynamic section, versions.
#include <errno.h>
#include <sys/mman.h>

#include "fuzz.h"

#include "../../tools/pillion/image.c" // NOLINT(bugprone-suspicious-include)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int   file = -1;
    struct image image;
    char         name[IMAGE_NAME_MAX];
    if (file < 0)
        file = memfd_create("fuzz", MFD_CLOEXEC);
    HOLDS(file >= 0 && ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size);
    int error = image_read(file, &image);
    HOLDS(error == 0 || error == -ENOEXEC);
    HOLDS(memchr(image.interpreter, '\0', sizeof image.interpreter));
    HOLDS(memchr(image.argument, '\0', sizeof image.argument));
    HOLDS(memchr(image.libc, '\0', sizeof image.libc));
    HOLDS(error < 0 || (image.kind == IMAGE_SCRIPT) == (size >= 2 && data[0] == '#' && data[1] == '!'));
    HOLDS(image.kind != IMAGE_SCRIPT || image.interpreter[0] != '\0');
    HOLDS(image.kind == IMAGE_ELF || (image.glibc == 0 && !image.needs_sanitizer));
    image_machine_name(&image, name);
    HOLDS(name[0] != '\0');
    return 0;
}
