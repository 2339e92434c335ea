/* Text in buffers on the stack, patterns, and numbers. Nothing is allocated. */
// SPDX-License-Identifier: Apache-2.0
#include "hook/hook.h"

#include <string.h>
#include <unistd.h>

struct word word_in(char *buffer, size_t size)
{
    buffer[0] = '\0';
    return (struct word){.text = buffer, .size = size};
}

void word_add(struct word *w, const char *text)
{
    size_t len = strlen(text);
    if (w->cut || len >= w->size - w->len) {
        w->cut = true;
        return;
    }
    memcpy(w->text + w->len, text, len + 1);
    w->len += len;
}

void word_number(struct word *w, uint64_t value)
{
    char  digits[21];
    char *at = digits + 20;
    *at = '\0';
    do
        *--at = (char)('0' + value % 10);
    while (value /= 10);
    word_add(w, at);
}

bool word_equal(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

bool word_among(const char *word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (word_equal(word, list[i]))
            return true;
    return false;
}

static bool equal_any_case(const char *value, const char *lower)
{
    for (; *value && *lower; value++, lower++) {
        char c = *value >= 'A' && *value <= 'Z' ? (char)(*value - 'A' + 'a') : *value;
        if (c != *lower)
            return false;
    }
    return *value == *lower;
}

bool word_is_no(const char *value)
{
    return equal_any_case(value, "0") || equal_any_case(value, "false") || equal_any_case(value, "no") ||
           equal_any_case(value, "off");
}

const char *word_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

uint64_t word_parse(const char **at)
{
    uint64_t value = 0;
    while (**at >= '0' && **at <= '9' && value < UINT64_MAX / 10 - 1)
        value = value * 10 + (uint64_t)(*(*at)++ - '0');
    return value;
}

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
bool word_matches(const char *pattern, size_t len, const char *text)
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

bool word_in_patterns(const char *list, const char *path)
{
    while (list && *list) {
        const char *colon = strchr(list, ':');
        size_t      len = colon ? (size_t)(colon - list) : strlen(list);
        bool        whole = memchr(list, '/', len) != NULL;
        if (len > 0 && word_matches(list, len, whole ? path : word_base_name(path)))
            return true;
        list = colon ? colon + 1 : NULL;
    }
    return false;
}

/* bash exports a getenv of its own: environ is walked here. */
const char *word_environment(const char *name)
{
    size_t len = strlen(name);
    for (char **entry = environ; entry && *entry; entry++)
        if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=')
            return *entry + len + 1;
    return NULL;
}
