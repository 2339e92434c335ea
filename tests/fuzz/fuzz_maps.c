// SPDX-License-Identifier: Apache-2.0
// Any bytes as a process's mappings: the survey looks at a bounded number of pages, and what it says is a part.
#include <stdbool.h>

#include "collect/tree/pss_survey.h"
#include "folder.h"

enum { PID = 42, PAGES = 4096, WINDOWS = 256, WINDOW = 8 };

static bool is_part(double value)
{
    return value >= 0 && value <= 1.000001;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint64_t     pages[PAGES];
    static bool         begun;
    struct pss_survey   survey = {.proc = folder_open(),
                                  .page_bytes = 4096,
                                  .seed = (uint32_t)size,
                                  .windows = WINDOWS,
                                  .members = 2,
                                  .by_file = size % 2};
    struct pss_surveyed list[2] = {{.pid = PID, .weight = 1, .outside = 0.5}, {.pid = PID, .weight = 1, .outside = 1}};
    if (!begun) {
        for (size_t i = 0; i < PAGES; i++)
            pages[i] = UINT64_C(1) << 63 | (uint64_t)(i % 3 == 0) << 56 | (uint64_t)(i % 5 == 0) << 61;
        folder_write("42/pagemap", pages, sizeof pages);
        begun = true;
    }
    folder_write("42/maps", data, size);
    (void)pss_survey_run(&survey, list, 2);
    for (int i = 0; i < 2; i++) {
        HOLDS(list[i].anonymous.pages + list[i].file.pages <= WINDOWS * WINDOW);
        HOLDS(is_part(list[i].anonymous.ratio) && is_part(list[i].file.ratio));
        HOLDS(is_part(list[i].file.vague) && is_part(list[i].file.own));
    }
    HOLDS(survey.looks <= 2 * WINDOWS * 6);
    return 0;
}
