/* JSON text, checked and taken apart in place. Pure, no allocation. Source: RFC 8259. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_JSON_READ_H
#define PILLION_BASE_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/text.h"

enum {
    JSON_DEPTH_MAX = 32,    /* the readers recurse, on a stack of 256 KiB */
    JSON_VALUES_MAX = 4096, /* a tree takes some 80 bytes a value */
};

/* Checks for a single JSON value and nothing behind it, strictly by the grammar. -EBADMSG also when it nests deeper
 * than JSON_DEPTH_MAX, holds more than `values_max` values, a NUL byte or an escaped NUL (which a C string would end
 * at). */
int json_check(struct text t, size_t values_max);

/* Appends checked text without the white space between its parts: one line, valid UTF-8. */
void json_minify(struct text t, struct bytes *b);

/* Walks the members of a checked object. json_enter moves behind its brace (false: not an object). json_member takes
 * the next one off: the key without its quotes, key and value as written. */
bool json_enter(struct text *t);
bool json_member(struct text *t, struct text *ret_key, struct text *ret_value);

/* The same for the values of a checked array. */
bool json_enter_array(struct text *t);
bool json_value(struct text *t, struct text *ret_value);

/* Finds the first member of that name in a checked object, as written; false: there is none, or it is no object. */
bool json_find(struct text object, const char *key, struct text *ret_value);

#endif
