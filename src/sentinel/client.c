// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sentinel/answer.h"
#include "sentinel/client_environment.h"
#include "sentinel/request.h"

enum { URL_MAX = 4 * 1024, TIMEOUT_MS = 30 * 1000, REPAIRS_MAX = 2 /* tags have a second form */ };

/* One call: where to, as whom, and the connection. */
struct session {
    struct api   api;
    char         url[URL_MAX];
    struct bytes token;
    struct bytes ca_bundle;
    struct http *http;
    int          connect_timeout_ms;
    int          timeout_ms;
};

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

static int fail(struct sentinel_api_error *reterr, int error, const char *reason)
{
    fill_error(reterr, 0, reason, strlen(reason));
    return error;
}

static int fail_arguments(struct sentinel_api_error *reterr, int error)
{
    return fail(reterr, error, error == -ENOMEM ? "out of memory" : "arguments that the API would refuse");
}

static int find_token(const struct sentinel_client *client, struct session *s, struct sentinel_api_error *reterr)
{
    int error = 0;
    if (client && client->token) {
        bytes_init(&s->token, strlen(client->token));
        bytes_text(&s->token, client->token);
        error = s->token.failed ? -ENOMEM : 0;
    } else {
        error = client_environment_token(&s->token);
    }
    if (error == -ENOMEM)
        return fail(reterr, error, "out of memory");
    if (error != 0)
        return fail(reterr, -EINVAL, "no token: SENTINEL_API_TOKEN is not set, or its file cannot be read");
    if (!api_token_is_fine(s->token.data))
        return fail(reterr, -EINVAL, "the token is empty, too long or has characters that no token has");
    s->api.token = s->token.data;
    return 0;
}

static int find_url(const struct sentinel_client *client, struct session *s, struct sentinel_api_error *reterr)
{
    const char *url = client && client->base_url ? client->base_url : client_environment("SENTINEL_API_URL");
    int         error = api_check_url(url ? url : SENTINEL_DEFAULT_URL, s->url, sizeof s->url);
    s->api.base_url = s->url;
    if (error == -EACCES)
        return fail(reterr, error, "the base URL must be https: a token goes over plain http to this machine only");
    return error == 0 ? 0 : fail(reterr, error, "the base URL is not understood");
}

static int session_open(const struct sentinel_client *client, struct session *s, struct sentinel_api_error *reterr)
{
    memset(s, 0, sizeof *s);
    if (reterr)
        *reterr = (struct sentinel_api_error){0};
    s->connect_timeout_ms = client ? client->connect_timeout_ms : 0;
    s->timeout_ms = client && client->timeout_ms > 0 ? client->timeout_ms : TIMEOUT_MS;
    int error = find_token(client, s, reterr);
    if (error == 0)
        error = find_url(client, s, reterr);
    if (error != 0)
        return error;
    /* Without a bundle https ends with the reason; plain http needs none. */
    if (strncmp(s->url, "https:", strlen("https:")) == 0)
        (void)http_find_ca_bundle(client_environment, &s->ca_bundle);
    const struct http_options options = {
        .ca_bundle = s->ca_bundle.data,
        .ca_bundle_len = s->ca_bundle.len,
        .http_proxy = client_environment_proxy("http_proxy", NULL),
        .https_proxy = client_environment_proxy("https_proxy", "HTTPS_PROXY"),
        .no_proxy = client_environment_proxy("no_proxy", "NO_PROXY"),
    };
    error = http_open(&options, &s->http);
    return error == 0 ? 0 : fail(reterr, error, "the network library cannot be started");
}

static void session_close(struct session *s)
{
    http_close(s->http);
    bytes_done(&s->ca_bundle);
    bytes_done(&s->token);
}

/* Takes the request. 0 when an answer came, whatever its status; -errno with *reterr filled when none did. */
static int ask(struct session *s, struct http_request *request, struct http_answer *ret,
               struct sentinel_api_error *reterr)
{
    request->connect_timeout_ms = s->connect_timeout_ms;
    request->timeout_ms = s->timeout_ms;
    int error = http_perform(s->http, request, clock_monotonic() + s->timeout_ms * CLOCK_MILLISECOND, ret);
    http_request_done(request);
    if (error != 0)
        return fail(reterr, error, "the request cannot be made");
    return ret->error == 0 ? 0 : fail(reterr, ret->error, ret->message);
}

/* 0 for success, else the error that goes to the caller. */
static int check_status(const struct http_answer *answer, struct sentinel_api_error *reterr)
{
    if (answer->status >= 200 && answer->status <= 299)
        return 0;
    fill_error(reterr, answer->status, answer->body.data, answer->body.len);
    return -EREMOTEIO;
}

static int fail_nonsense(struct sentinel_api_error *reterr, int error)
{
    return fail(reterr, error, error == -ENOMEM ? "out of memory" : "the API said yes, but the rest makes no sense");
}

static int register_once(struct session *s, const struct bytes *body, struct http_answer *ret,
                         struct sentinel_api_error *reterr)
{
    struct http_request request;
    int                 error = request_register(&s->api, body->data, body->len, &request);
    return error == 0 ? ask(s, &request, ret, reterr) : fail_arguments(reterr, error);
}

/* Sends the body; a 422 that names optional fields is answered by leaving them out rather than by losing the run. */
static int register_with_repairs(struct session *s, struct bytes *body, struct http_answer *ret,
                                 struct sentinel_api_error *reterr)
{
    int error = register_once(s, body, ret, reterr);
    for (int repairs = 0; error == 0 && ret->status == 422 && repairs < REPAIRS_MAX; repairs++) {
        struct bytes repaired;
        if (request_register_repair(body->data, ret->body.data ? ret->body.data : "", &repaired) != 0) {
            bytes_done(&repaired);
            break;
        }
        bytes_done(body);
        *body = repaired;
        http_answer_done(ret);
        error = register_once(s, body, ret, reterr);
    }
    return error;
}

int sentinel_register_run(const struct sentinel_client *client, const struct sentinel_run *run,
                          struct sentinel_registration *ret, struct sentinel_api_error *reterr)
{
    static const struct sentinel_run nothing_known;
    struct session                   s;
    struct bytes                     body = {0};
    struct http_answer               answer = {0};
    *ret = (struct sentinel_registration){0};
    int error = session_open(client, &s, reterr);
    if (error == 0) {
        error = request_register_body(run ? run : &nothing_known, &body);
        if (error != 0)
            (void)fail_arguments(reterr, error);
    }
    if (error == 0)
        error = register_with_repairs(&s, &body, &answer, reterr);
    if (error == 0)
        error = check_status(&answer, reterr);
    if (error == 0) {
        error = answer_registration(answer.body.data, answer.body.len, ret);
        if (error != 0)
            (void)fail_nonsense(reterr, error);
    }
    http_answer_done(&answer);
    bytes_done(&body);
    session_close(&s);
    return error;
}

int sentinel_refresh_credentials(const struct sentinel_client *client, const char *run_id,
                                 struct sentinel_credentials *ret, struct sentinel_api_error *reterr)
{
    struct session      s;
    struct http_request request = {0};
    struct http_answer  answer = {0};
    *ret = (struct sentinel_credentials){0};
    int error = session_open(client, &s, reterr);
    if (error == 0) {
        error = request_refresh(&s.api, run_id, &request);
        error = error == 0 ? ask(&s, &request, &answer, reterr) : fail_arguments(reterr, error);
    }
    if (error == 0)
        error = check_status(&answer, reterr);
    if (error == 0) {
        error = answer_credentials(answer.body.data, answer.body.len, ret);
        if (error != 0)
            (void)fail_nonsense(reterr, error);
    }
    http_answer_done(&answer);
    session_close(&s);
    return error;
}

static int finish_once(struct session *s, const char *run_id, const struct bytes *body, bool gzip,
                       struct http_answer *ret, struct sentinel_api_error *reterr)
{
    struct http_request request;
    int                 error = request_finish(&s->api, run_id, body->data, body->len, gzip, &request);
    return error == 0 ? ask(s, &request, ret, reterr) : fail_arguments(reterr, error);
}

static int take_result(const struct http_answer *answer, char **ret_result, struct sentinel_api_error *reterr)
{
    struct bytes result;
    int          error = answer_result(answer->body.data, answer->body.len, &result);
    if (error != 0)
        (void)fail_nonsense(reterr, error);
    else if (ret_result)
        *ret_result = bytes_take(&result);
    bytes_done(&result);
    return error;
}

int sentinel_finish_run(const struct sentinel_client *client, const char *run_id, const struct sentinel_finish *finish,
                        char **ret_result, struct sentinel_api_error *reterr)
{
    static const struct sentinel_finish defaults;
    struct session                      s;
    struct bytes                        body = {0};
    struct http_answer                  answer = {0};
    if (ret_result)
        *ret_result = NULL;
    int error = session_open(client, &s, reterr);
    if (error == 0) {
        error = request_finish_body(finish ? finish : &defaults, &body);
        if (error != 0)
            (void)fail_arguments(reterr, error);
    }
    if (error == 0)
        error = finish_once(&s, run_id, &body, false, &answer, reterr);
    if (error == 0 && answer.status == 413) {
        http_answer_done(&answer);
        error = finish_once(&s, run_id, &body, true, &answer, reterr);
    }
    if (error == 0)
        error = check_status(&answer, reterr);
    if (error == 0)
        error = take_result(&answer, ret_result, reterr);
    http_answer_done(&answer);
    bytes_done(&body);
    session_close(&s);
    return error;
}

void sentinel_api_error_done(struct sentinel_api_error *error)
{
    free(error->body);
    *error = (struct sentinel_api_error){0};
}

void sentinel_free(void *text)
{
    free(text);
}
