// SPDX-License-Identifier: Apache-2.0
// /proc/PID/stat as anything, and patterns as anything: what runs on the program's own threads.
#include "fuzz.h"
#include "hook/hook.h"

struct hook hook;

#include "hook/glob.c"        // NOLINT(bugprone-suspicious-include)
#include "hook/mapped_file.c" // NOLINT(bugprone-suspicious-include)
#include "hook/procfs.c"      // NOLINT(bugprone-suspicious-include)
#include "hook/strbuf.c"      // NOLINT(bugprone-suspicious-include)
#include "hook/syscalls.c"    // NOLINT(bugprone-suspicious-include)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char          *text = fuzz_text(data, size);
    struct process p = {0};
    char          *line = memchr(text, '\n', size);
    (void)parse_stat(text, strlen(text), &p);
    if (line) {
        *line = '\0';
        (void)glob_in_list(text, line + 1);
        (void)glob_matches(text, strlen(text), line + 1);
        HOLDS(glob_matches("*", 1, line + 1));
    }
    free(text);
    return 0;
}
