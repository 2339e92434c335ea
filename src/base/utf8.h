/* UTF-8, as far as JSON needs it: argument lists and the environment hold any bytes. Pure. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_UTF8_H
#define PILLION_BASE_UTF8_H

#include <stddef.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
#define UTF8_ELLIPSIS    "\xe2\x80\xa6" /* U+2026 */

/* Returns the bytes of the well-formed character at `at`, 1 to 4; 0 when it is malformed (overlong, surrogate, beyond
 * U+10FFFF, cut off) or at == end. Source: the Unicode standard, table 3-7. */
size_t utf8_character(const char *at, const char *end);

/* Returns the longest prefix of at most `max` bytes that does not cut a well-formed character. */
size_t utf8_cut(const char *data, size_t len, size_t max);

#endif
