// SPDX-License-Identifier: Apache-2.0
// A library's file as anything, before ld.so sees it: nothing outside of it is read, and no more changed than a name.
#include <errno.h>

#include "fuzz.h"

#include "collect/nvml_image.h"
#include "collect/nvml_stand_ins.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nvml_image image;
    unsigned char    *copy = (unsigned char *)fuzz_text(data, size);
    size_t            changed = 0;
    int               error = nvml_image_prepare(copy, size, nvml_stand_in, &image);
    HOLDS(error == 0 || error == -ENOEXEC);
    for (size_t i = 0; i < size; i++)
        changed += copy[i] != data[i];
    HOLDS(changed == 0 || (error == 0 && changed == 2)); /* "lib" to "pil": the i stays */
    HOLDS(image.slot_count <= NVML_SLOTS_MAX);
    for (size_t i = 0; error == 0 && i < image.slot_count; i++) {
        HOLDS(image.slots[i].offset >= image.first && image.slots[i].offset + sizeof(void *) <= image.end);
        HOLDS(nvml_stand_in_address(image.slots[i].stand_in) != NULL);
    }
    HOLDS(error < 0 || image.first < image.end);
    free(copy);
    return 0;
}
