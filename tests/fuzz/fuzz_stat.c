// SPDX-License-Identifier: Apache-2.0
// /proc/PID/stat as anything, and patterns as anything: what runs on the program's own threads.
#include "fuzz.h"
#include "hook/hook.h"

struct hook hook;

#include "hook/procfs.c" // NOLINT(bugprone-suspicious-include)
#include "hook/strbuf.c"    // NOLINT(bugprone-suspicious-include)
#include "hook/syscalls.c"    // NOLINT(bugprone-suspicious-include)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char          *text = fuzz_text(data, size);
    struct process p = {0};
    char          *line = memchr(text, '\n', size);
    (void)parse_stat(text, &p);
    if (line) {
        *line = '\0';
        (void)word_in_patterns(text, line + 1);
        (void)word_matches(text, strlen(text), line + 1);
        HOLDS(word_matches("*", 1, line + 1));
    }
    free(text);
    return 0;
}
