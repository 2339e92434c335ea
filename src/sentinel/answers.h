/* The Sentinel API's answers, parsed and checked. Pure. All that may later go into a URL, a path or a header is matched
 * against its alphabet here; the rest is -EBADMSG. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SENTINEL_ANSWERS_H
#define PILLION_SENTINEL_ANSWERS_H

#include <pillion/sentinel.h>

#include "base/bytes.h"
#include "base/text.h"
#include "sentinel/http_message.h"

/* Parse a registration, or credentials. 0, -EBADMSG (not JSON, nested or split up beyond measure, run_id missing or
 * odd, …), -ENOMEM; *ret is zeroed on errors. sentinel_registration_done, sentinel_credentials_done free. Of a
 * registration only the run ID must be right: a prefix or credentials that could not be used are left NULL. Credentials
 * have all three of key, secret and token. */
int answer_registration(const char *body, size_t len, struct sentinel_registration *ret);
int answer_credentials(const char *body, size_t len, struct sentinel_credentials *ret);
/* Gives the backend's statistics as one line of JSON text (minified). An empty body gives "{}". *ret is initialised
 * here and is the caller's in any case. 0, -EBADMSG, -ENOMEM. */
int answer_result(const char *body, size_t len, struct bytes *ret);

/* Finds the first such element of XML or HTML ("Code>"), which has neither attributes nor children. *ret is its
 * content, without white space around it. */
bool answer_element(struct text t, const char *open, struct text *ret);

/* Copies a result, one line of checked JSON, as it may be kept on disk: statistics are nobody's secret, and a server
 * may give back more. What looks like a key, or stands behind the name of one, becomes "***". *ret is initialised here
 * and is the caller's. */
void answer_keep(struct text result, struct bytes *ret);

/* Describes an answer in one line for a log or a person, cut to `size`: status and the start of the body, printable,
 * without secrets. Of a success there is no body, of a redirection, XML and HTML only code, message and title, of
 * the rest nothing that looks like a key. */
void answer_describe(const struct http_answer *answer, char *ret, size_t size);

#endif
