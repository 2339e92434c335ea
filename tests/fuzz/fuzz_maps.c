// SPDX-License-Identifier: Apache-2.0
// Any bytes as a process's mappings: the sample looks at a bounded number of pages.
#include <stdbool.h>

#include "collect/pss_sample.h"
#include "folder.h"

enum { PID = 42, PAGES = 4096, PLACES_TIMES_PAGES = 256 * 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint64_t   pages[PAGES];
    static bool       begun;
    struct pss_sample sample;
    if (!begun) {
        for (size_t i = 0; i < PAGES; i++)
            pages[i] = UINT64_C(1) << 63 | (uint64_t)(i % 3 == 0) << 56;
        folder_write("42/pagemap", pages, sizeof pages);
        folder_write("42/smaps_rollup", "", 0);
        begun = true;
    }
    folder_write("42/maps", data, size);
    (void)pss_sample_read(folder_open(), PID, 4096, (uint32_t)size, size % 2, &sample);
    HOLDS(sample.own + sample.shared <= PLACES_TIMES_PAGES);
    return 0;
}
