/* The calls of the public library for runs: register, refresh, finish. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/client_session.h"
#include "sentinel/answers.h"

enum { REPAIRS_MAX = 2 /* tags have a second form */ };

/* Returns 0 for success, else the error that goes to the caller. */
static int check_status(const struct session *s, struct http_answer *answer, struct sentinel_api_error *reterr)
{
    return answer->status >= 200 && answer->status <= 299 ? 0 : session_refused(s, NULL, answer, reterr);
}

static int fail_nonsense(struct sentinel_api_error *reterr, int error)
{
    return session_fail(reterr, error,
                        error == -ENOMEM ? "out of memory" : "the API said yes, but the rest makes no sense");
}

static int register_once(struct session *s, const struct bytes *body, struct http_answer *ret,
                         struct sentinel_api_error *reterr)
{
    struct http_request request;
    int                 error = request_register(&s->api, body->data, body->len, &request);
    return error == 0 ? session_ask(s, &request, ret, reterr) : session_fail_arguments(reterr, error);
}

/* Sends the body. A 422 that names optional fields is answered by leaving them out, rather than by losing the run. */
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
            (void)session_fail_arguments(reterr, error);
    }
    if (error == 0)
        error = register_with_repairs(&s, &body, &answer, reterr);
    if (error == 0)
        error = check_status(&s, &answer, reterr);
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
        error = error == 0 ? session_ask(&s, &request, &answer, reterr) : session_fail_arguments(reterr, error);
    }
    if (error == 0)
        error = check_status(&s, &answer, reterr);
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
    return error == 0 ? session_ask(s, &request, ret, reterr) : session_fail_arguments(reterr, error);
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
            (void)session_fail_arguments(reterr, error);
    }
    if (error == 0)
        error = finish_once(&s, run_id, &body, false, &answer, reterr);
    if (error == 0 && answer.status == 413) {
        http_answer_done(&answer);
        error = finish_once(&s, run_id, &body, true, &answer, reterr);
    }
    if (error == 0)
        error = check_status(&s, &answer, reterr);
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
