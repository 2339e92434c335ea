// SPDX-License-Identifier: Apache-2.0
// Dates as anything: what is read can be written, and reads as the same again.
#include "base/clock.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char   *text = fuzz_text(data, size);
    int64_t seconds = 0;
    int64_t again = 0;
    char    when[21];
    if (clock_parse_utc(text, &seconds) == 0 && seconds >= 0 && seconds < INT64_C(253402300800)) {
        clock_format_utc(seconds, when);
        HOLDS(clock_parse_utc(when, &again) == 0 && again == seconds);
    }
    (void)clock_parse_http(text, &seconds);
    free(text);
    return 0;
}
