// SPDX-License-Identifier: Apache-2.0
// A command line, an argument a line, the executable first: the job is named by a piece of it, never by code or by what
// stands behind the script. Variables too: PILLION_OUTPUT and patterns, of the last two lines.
#include <fnmatch.h>

#include "config/config.h"
#include "base/program_name.h"
#include "fuzz.h"
#include "hook/hook.h"

struct hook hook;

#include "hook/glob.c"   // NOLINT(bugprone-suspicious-include)
#include "hook/strbuf.c" // NOLINT(bugprone-suspicious-include)

enum { ARGUMENTS_MAX = 64 };

static void check_name(const char *const *lines, size_t count)
{
    const char *name = program_name(lines[0], lines);
    bool        inside = false;
    for (size_t i = 0; i < count; i++)
        inside |= name >= lines[i] && name <= lines[i] + strlen(lines[i]);
    HOLDS(inside);
}

/* On what both call a pattern we are as good as libc. */
static void check_pattern(const char *pattern, const char *text)
{
    size_t stars = 0;
    bool   ours = glob_matches(pattern, strlen(pattern), text);
    HOLDS(glob_matches("*", 1, text) && glob_matches(pattern, strlen(pattern), pattern) >= !strpbrk(pattern, "[\\"));
    for (const char *p = pattern; *p; p++) {
        stars += *p == '*';
        if (*p == '[' || *p == '\\' || (unsigned char)*p >= 0x80)
            return;
    }
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p >= 0x80)
            return;
    if (stars <= 4 && strlen(text) < 200)
        HOLDS(ours == (fnmatch(pattern, text, 0) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char       *text = fuzz_text(data, size);
    char       *rest = NULL;
    const char *lines[ARGUMENTS_MAX + 1] = {0};
    size_t      count = 0;
    char        output[128];
    for (char *line = strtok_r(text, "\n", &rest); line && count < ARGUMENTS_MAX; line = strtok_r(NULL, "\n", &rest))
        lines[count++] = line;
    if (count > 0) {
        check_name(lines, count);
        if (config_output(lines[count - 1], 42, "machine", "run", output, sizeof output) == 0)
            HOLDS(strlen(output) > 0 && strlen(output) < sizeof output);
        check_pattern(lines[count - 1], lines[0]);
        (void)glob_in_list(lines[count - 1], lines[0]);
    }
    free(text);
    return 0;
}
