/* JSON text: written straight into bytes, checked and taken apart in place. Bodies can be tens of MiB and numbers
 * must not pass through printf or the locale, so nothing is built as a tree here; cJSON only reads (answer.c,
 * request_repair.c), and only what json_check has passed.
 * Pure. Source: RFC 8259. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SENTINEL_JSON_H
#define PILLION_SENTINEL_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/text.h"

enum {
    JSON_DEPTH_MAX = 32,    /* the readers recurse, on a stack of 256 KiB */
    JSON_VALUES_MAX = 4096, /* a tree takes some 80 bytes a value */
};

/* Writers. json_key: a comma unless it follows a brace, then "key":. json_string: quoted and escaped; what is not
 * UTF-8, and NUL (which databases refuse in text), goes out as U+FFFD. */
void   json_key(struct bytes *b, const char *key);
void   json_string(struct bytes *b, const char *data, size_t len);
size_t json_string_size(const char *data, size_t len); /* bytes that json_string will add */
/* At most `max` bytes of the value, before escaping; a longer one ends in an ellipsis. */
void json_string_cut(struct bytes *b, const char *value, size_t max);

/* One JSON value and nothing behind it, strictly by the grammar; -EBADMSG also when it nests deeper than
 * JSON_DEPTH_MAX, holds more than `values_max` values, a NUL byte or an escaped NUL (which a C string would end at). */
int json_check(struct text t, size_t values_max);

/* Checked text without the white space between its parts: one line, valid UTF-8. */
void json_minify(struct text t, struct bytes *b);

/* Walks the members of a checked object: json_enter moves behind its brace (false: not an object), json_member takes
 * the next one off, the key without its quotes, key and value as written. */
bool json_enter(struct text *t);
bool json_member(struct text *t, struct text *ret_key, struct text *ret_value);

#endif
