/* The variables that a test says its surroundings have, and what a field that they fill must be. After cmocka.h. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_TESTS_SURROUNDINGS_H
#define PILLION_TESTS_SURROUNDINGS_H

#include <string.h>

static const char *const *environment; /* "NAME=value", NULL-terminated */

static const char *lookup(const char *name)
{
    size_t len = strlen(name);
    for (const char *const *variable = environment; *variable; variable++)
        if (strncmp(*variable, name, len) == 0 && (*variable)[len] == '=')
            return *variable + len + 1;
    return NULL;
}

/* NULL is expected where nothing may be filled in. */
__attribute__((unused)) static void assert_text(const char *given, const char *expected)
{
    if (!expected)
        assert_null(given);
    else if (!given)
        fail_msg("nothing, not %s", expected);
    else
        assert_string_equal(given, expected);
}

#endif
