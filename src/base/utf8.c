// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <stdbool.h>

static bool is_continuation(const char *at)
{
    return ((unsigned char)*at & 0xc0) == 0x80;
}

/* The range of the second byte decides on overlong forms, surrogates and the end of Unicode. */
static bool second_fits(unsigned char first, unsigned char second)
{
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    return second >= low && second <= high;
}

size_t utf8_character(const char *at, const char *end)
{
    if (at >= end)
        return 0;
    unsigned char first = (unsigned char)*at;
    if (first < 0x80)
        return 1;
    size_t need = first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3 : 4;
    if (first < 0xc2 || first > 0xf4 || (size_t)(end - at) < need || !second_fits(first, (unsigned char)at[1]))
        return 0;
    for (size_t i = 2; i < need; i++)
        if (!is_continuation(at + i))
            return 0;
    return need;
}

size_t utf8_cut(const char *data, size_t len, size_t max)
{
    if (len <= max)
        return len;
    size_t cut = max;
    for (size_t back = 0; back < 3 && cut > 0 && is_continuation(data + cut); back++)
        cut--;
    return utf8_character(data + cut, data + len) > max - cut ? cut : max;
}
