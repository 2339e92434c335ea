/* Text in buffers on the stack, and numbers. Nothing is allocated. A passenger comes here before main, so its way calls
 * no function of libc: each is looked up when it is called first, which costs more than a few bytes are worth. */
// SPDX-License-Identifier: Apache-2.0
#include "hook/hook.h"

#include <string.h>
#include <unistd.h>

struct strbuf strbuf_in(char *buffer, size_t size)
{
    buffer[0] = '\0';
    return (struct strbuf){.text = buffer, .size = size};
}

void strbuf_add(struct strbuf *w, const char *text)
{
    size_t len = w->len;
    if (w->cut)
        return;
    for (; *text && len + 1 < w->size; text++)
        w->text[len++] = *text;
    w->cut = *text != '\0'; /* then nothing of it is there */
    w->len = w->cut ? w->len : len;
    w->text[w->len] = '\0';
}

void strbuf_number(struct strbuf *w, uint64_t value)
{
    char  digits[21];
    char *at = digits + 20;
    *at = '\0';
    do
        *--at = (char)('0' + value % 10);
    while (value /= 10);
    strbuf_add(w, at);
}

bool string_equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

bool string_among(const char *word, const char (*list)[STRING_WORD_SIZE], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (string_equal(word, list[i]))
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

bool string_is_no(const char *value)
{
    return equal_any_case(value, "0") || equal_any_case(value, "false") || equal_any_case(value, "no") ||
           equal_any_case(value, "off");
}

const char *string_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

uint64_t string_number(const char **at)
{
    uint64_t value = 0;
    while (**at >= '0' && **at <= '9' && value < UINT64_MAX / 10 - 1)
        value = value * 10 + (uint64_t)(*(*at)++ - '0');
    return value;
}

const char *variable_named(const char *entry, const char *name)
{
    while (*name && *entry == *name)
        entry++, name++;
    return !*name && *entry == '=' ? entry + 1 : NULL;
}

/* bash exports a getenv of its own: environ is walked here. */
const char *environment_of(const char *name)
{
    const char *value = NULL;
    for (char **entry = environ; !value && entry && *entry; entry++)
        value = variable_named(*entry, name);
    return value;
}
