/* How a test is left out, in place of cmocka's skip(): with a reason, and with CI set only for one that tests/skips.txt
 * has, whole or as its beginning. Each unit test has this by the compiler's command line. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_TESTS_SKIP_H
#define PILLION_TESTS_SKIP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_source, *skip_ci;

/* A test may clear its environment. */
__attribute__((constructor)) static void skip_begin(void)
{
    skip_source = getenv("PILLION_SOURCE");
    skip_ci = getenv("CI");
}

static inline bool skip_is_listed(const char *reason)
{
    char        line[512];
    bool        listed = false;
    (void)snprintf(line, sizeof line, "%s/tests/skips.txt", skip_source ? skip_source : ".");
    FILE *file = fopen(line, "r");
    while (file && !listed && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        listed = line[0] != '\0' && line[0] != '#' && strncmp(reason, line, strlen(line)) == 0;
    }
    if (file)
        (void)fclose(file);
    return listed;
}

static inline bool skip_is_allowed(const char *what, const char *reason)
{
    bool may = !skip_ci || !skip_ci[0] || skip_is_listed(reason);
    print_message("%s: %s: %s\n", may ? "skipped" : "not in tests/skips.txt", what, reason);
    return may;
}

/* The root is no mount, or only a folder of one. */
static inline bool skip_is_in_chroot(void)
{
    char  line[4096], root[1024], place[1024];
    bool  is_whole = false;
    FILE *file = fopen("/proc/self/mountinfo", "r");
    while (file && fgets(line, sizeof line, file))
        is_whole |= sscanf(line, "%*s %*s %*s %1023s %1023s", root, place) == 2 && !strcmp(root, "/") && !strcmp(place, "/");
    if (!file)
        return false;
    (void)fclose(file);
    return !is_whole;
}

/* For main: all tests of the program. */
static inline int skip_program(const char *reason)
{
    return skip_is_allowed("all of it", reason) ? 0 : 1;
}

static inline void skip_test(const char *test, const char *reason)
{
    if (!skip_is_allowed(test, reason))
        fail();
    _skip(__FILE__, __LINE__);
}

#undef skip
#define skip(reason) skip_test(__func__, reason)

#endif
