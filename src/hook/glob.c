/* Patterns of PILLION_EXCLUDE and PILLION_INCLUDE. libc's fnmatch reads the locale and may allocate. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "hook/hook.h"

/* Matches one bracket expression at p, which is behind its '['; *ret_end is behind its ']', NULL when it has none. */
static bool bracket_matches(const char *p, const char *end, char c, const char **ret_end)
{
    bool        negated = p < end && (*p == '!' || *p == '^');
    const char *first = p += negated;
    bool        found = false;
    *ret_end = NULL;
    for (; p < end; p++) {
        if (*p == ']' && p > first) {
            *ret_end = p + 1;
            break;
        }
        if (p + 2 < end && p[1] == '-' && p[2] != ']') {
            found |= c >= p[0] && c <= p[2];
            p += 2;
        } else {
            found |= *p == c;
        }
    }
    return found != negated;
}

/* The search is iterative, with one level of backtracking: linear in pattern times text, and no recursion on a foreign
 * stack. */
bool glob_matches(const char *pattern, size_t len, const char *text)
{
    const char *p = pattern;
    const char *end = pattern + len;
    const char *star = NULL;
    const char *retry = NULL;
    while (*text) {
        const char *next = p + 1;
        bool        hit = p < end && (*p == '?' || *p == *text);
        if (p < end && *p == '*') {
            star = next;
            retry = text;
            p = next;
            continue;
        }
        if (p < end && *p == '[') {
            const char *close = NULL;
            bool        inside = bracket_matches(next, end, *text, &close);
            if (close) {
                hit = inside;
                next = close;
            }
        } else if (p < end && *p == '\\' && next < end) {
            hit = *next == *text;
            next++;
        }
        if (hit) {
            p = next;
            text++;
        } else if (star) {
            p = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (p < end && *p == '*')
        p++;
    return p == end;
}

bool glob_in_list(const char *list, const char *path)
{
    while (list && *list) {
        const char *colon = strchr(list, ':');
        size_t      len = colon ? (size_t)(colon - list) : strlen(list);
        bool        whole = memchr(list, '/', len) != NULL;
        if (len > 0 && glob_matches(list, len, whole ? path : string_base_name(path)))
            return true;
        list = colon ? colon + 1 : NULL;
    }
    return false;
}
