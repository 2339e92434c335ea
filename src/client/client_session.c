/* The session of a call: its turn, token, URL and connection. */
// SPDX-License-Identifier: Apache-2.0
#include "client/client_session.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/environment.h"
#include "sentinel/secrets.h"

enum { TIMEOUT_MS = 30 * 1000 };

/* A single thread at a time is in a call, but for threads that wait for the network. mbedTLS keeps keys and random
 * numbers in one place for the whole process, and no library here is built with locks. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void give_turn(bool gives)
{
    (void)(gives ? pthread_mutex_unlock(&turn) : pthread_mutex_lock(&turn));
}

static void fill_error(struct sentinel_api_error *reterr, long status, const char *body, size_t len)
{
    if (!reterr)
        return;
    reterr->status_code = status;
    reterr->body = malloc(len + 1);
    if (!reterr->body)
        return;
    if (len > 0)
        memcpy(reterr->body, body, len);
    reterr->body[len] = '\0';
}

int session_fail(struct sentinel_api_error *reterr, int error, const char *reason)
{
    fill_error(reterr, 0, reason, strlen(reason));
    return error;
}

int session_fail_arguments(struct sentinel_api_error *reterr, int error)
{
    return session_fail(reterr, error, error == -ENOMEM ? "out of memory" : "arguments that the API would refuse");
}

static int find_token(const struct sentinel_client *client, struct session *s, struct sentinel_api_error *reterr)
{
    char reason[TOKEN_REASON_SIZE] = "no token: SENTINEL_API_TOKEN is not set";
    int  error = client && client->token
                     ? credentials_accept("sentinel_client.token", text_of(client->token), s->token, reason)
                     : credentials_token(s->token, reason);
    s->api.token = s->token;
    return error == 0 && s->token[0] ? 0 : session_fail(reterr, -EINVAL, reason);
}

static int find_url(const struct sentinel_client *client, struct session *s, struct sentinel_api_error *reterr)
{
    const char *url = client && client->base_url ? client->base_url : environment_value("SENTINEL_API_URL");
    int         error = api_check_url(url ? url : SENTINEL_DEFAULT_URL, s->url, sizeof s->url);
    s->api.base_url = s->url;
    if (error == -EACCES)
        return session_fail(reterr, error,
                            "the base URL must be https: a token goes over plain http to this machine only");
    return error == 0 ? 0 : session_fail(reterr, error, "the base URL is not understood");
}

void session_begin(const struct sentinel_client *client, int timeout_ms, struct session *s,
                   struct sentinel_api_error *reterr)
{
    give_turn(false);
    memset(s, 0, sizeof *s);
    if (reterr)
        *reterr = (struct sentinel_api_error){0};
    s->connect_timeout_ms = client ? client->connect_timeout_ms : 0;
    s->timeout_ms = client && client->timeout_ms > 0 ? client->timeout_ms : timeout_ms;
}

int session_connect(struct session *s, const char *url, struct sentinel_api_error *reterr)
{
    /* https without a bundle ends with the reason; plain http needs none. */
    if (http_url_is_https(url))
        (void)http_trust_find(environment_value, &s->trust);
    const struct http_options options = {
        .trust = s->trust,
        .http_proxy = environment_proxy("http_proxy", NULL),
        .https_proxy = environment_proxy("https_proxy", "HTTPS_PROXY"),
        .no_proxy = environment_proxy("no_proxy", "NO_PROXY"),
        .waits = give_turn,
    };
    int error = http_open(&options, &s->http);
    return error == 0 ? 0 : session_fail(reterr, error, "the network library cannot be started");
}

int session_open(const struct sentinel_client *client, struct session *s, struct sentinel_api_error *reterr)
{
    session_begin(client, TIMEOUT_MS, s, reterr);
    int error = find_token(client, s, reterr);
    if (error == 0)
        error = find_url(client, s, reterr);
    return error == 0 ? session_connect(s, s->url, reterr) : error;
}

void session_close(struct session *s)
{
    http_close(s->http);
    http_trust_close(s->trust);
    bytes_wipe(s->token, sizeof s->token);
    give_turn(true);
}

static int shorter(int own, int limit)
{
    return own > 0 && (limit <= 0 || own < limit) ? own : limit;
}

int session_ask(struct session *s, struct http_request *request, struct http_answer *ret,
                struct sentinel_api_error *reterr)
{
    request->connect_timeout_ms = shorter(request->connect_timeout_ms, s->connect_timeout_ms);
    request->timeout_ms = shorter(request->timeout_ms, s->timeout_ms);
    int error = http_perform(s->http, request, clock_monotonic() + request->timeout_ms * CLOCK_MILLISECOND, ret);
    http_request_done(request);
    if (error != 0)
        return session_fail(reterr, error, "the request cannot be made");
    return ret->error == 0 ? 0 : session_fail(reterr, ret->error, ret->message);
}

/* The API and S3 give back what they refuse: all secrets are hidden. */
int session_refused(const struct session *s, const struct sentinel_credentials *credentials, struct http_answer *answer,
                    struct sentinel_api_error *reterr)
{
    struct secrets secrets = {0};
    secrets_add(&secrets, s->token);
    if (credentials)
        secrets_add_credentials(&secrets, credentials);
    (void)secrets_hide(&secrets, &answer->body);
    fill_error(reterr, answer->status, answer->body.data, answer->body.len);
    return -EREMOTEIO;
}
