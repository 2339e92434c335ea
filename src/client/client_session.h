/* A call of the public client: its settings, its connection, and its words to the caller. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_CLIENT_CLIENT_SESSION_H
#define PILLION_CLIENT_CLIENT_SESSION_H

#include <pillion/sentinel.h>

#include "config/credentials.h"
#include "sentinel/http/http.h"
#include "sentinel/requests.h"

enum { SESSION_URL_MAX = 4 * 1024 };

struct session {
    struct api         api;
    char               url[SESSION_URL_MAX];
    char               token[TOKEN_SIZE];
    struct http_trust *trust;
    struct http       *http;
    int                connect_timeout_ms;
    int                timeout_ms;
};

/* Waits for its turn among threads, and forgets the content of *reterr. Each returns 0, or the error for the caller,
 * with *reterr filled; session_close in any case after session_begin. */
void session_begin(const struct sentinel_client *client, int timeout_ms, struct session *s,
                   struct sentinel_api_error *reterr);
int  session_connect(struct session *s, const char *url, struct sentinel_api_error *reterr);
/* Does both, for the Sentinel API: with a token and a base URL. */
int  session_open(const struct sentinel_client *client, struct session *s, struct sentinel_api_error *reterr);
void session_close(struct session *s);

/* Takes the request. A time limit of its own counts where it is shorter than the session's. 0 when an answer came,
 * whatever its status. */
int session_ask(struct session *s, struct http_request *request, struct http_answer *ret,
                struct sentinel_api_error *reterr);

/* Each fills *reterr and returns the error. */
int session_fail(struct sentinel_api_error *reterr, int error, const char *reason);
int session_fail_arguments(struct sentinel_api_error *reterr, int error);
/* Without the secrets that the request had; `credentials` may be NULL. */
int session_refused(const struct session *s, const struct sentinel_credentials *credentials, struct http_answer *answer,
                    struct sentinel_api_error *reterr);

#endif
