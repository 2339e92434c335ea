/* Lists of OpenTelemetry's variables, "key=value,key2=value2" with %XX for any byte. Pure; nothing is copied but by
 * otel_decode.
 * Source: opentelemetry-specification, protocol/exporter.md, "Specifying headers", and resource/sdk.md, "Specifying
 * resource information via an environment variable". */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_CONFIG_OTEL_H
#define PILLION_CONFIG_OTEL_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/text.h"

enum { OTEL_PAIRS_MAX = 64, OTEL_HEADERS_MAX = 12 };

/* Takes the next pair that is not empty off the list, as it is written; of one without a = the key is empty. False:
 * there is none. */
bool otel_pair(struct text *list, struct text *ret_key, struct text *ret_value);
/* Appends the text with its %XX as bytes. */
void otel_decode(struct text written, struct bytes *ret);

/* Each pair has a key and a value, and each % two digits. */
bool otel_attributes_are_fine(const char *list);
/* The same, and each may become a header of a request: a token, then visible ASCII and spaces; none that the request
 * has itself. */
bool otel_headers_are_fine(const char *list);

#endif
