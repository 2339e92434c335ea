/* JSON text, written straight into bytes; base/json_read.h reads it. Bodies can be tens of MiB, and numbers must not
 * pass through printf or the locale: so nothing is built as a tree here. cJSON parses
 * only text that json_check has passed, and prints one small tree (delivery/delivery.c).
 * Pure. Source: RFC 8259. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_JSON_WRITE_H
#define PILLION_BASE_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/json_read.h"
#include "base/text.h"

/* Writers. json_key puts a comma unless it follows a brace, then "key":. json_string quotes and escapes; bytes that are
 * not UTF-8, and NUL (which databases refuse in text), go out as U+FFFD. */
void   json_key(struct bytes *b, const char *key);
void   json_string(struct bytes *b, const char *data, size_t len);
size_t json_string_size(const char *data, size_t len); /* bytes that json_string will add */
/* Writes at most `max` bytes of the value, before escaping; a longer one ends in an ellipsis. */
void json_string_cut(struct bytes *b, const char *value, size_t max);

#endif
