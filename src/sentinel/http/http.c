/* libcurl's multi interface: calls are started, driven and taken off. */
// SPDX-License-Identifier: Apache-2.0
#include "sentinel/http/http.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/registers.h"
#include "sentinel/http/http_call.h"

enum { CONNECTIONS_MAX = 4, EXTRA_MAX = 16 };

/* libcurl is never cleaned up: the engine stays until the program ends, and libcurl's own count makes a second call
 * harmless. */
static bool initialise(void)
{
    static atomic_bool done;
    if (!atomic_load(&done))
        atomic_store(&done, curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    return atomic_load(&done);
}

/* A multi handle takes over "no signals" from the handles added to it. Before the first one it would touch the
 * process's SIGPIPE even to clean up. So it gets to know one at once. */
static int prime(CURLM *multi)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        return -ENOMEM;
    int error = http_setup_silence(easy);
    if (error == 0 &&
        (curl_multi_add_handle(multi, easy) != CURLM_OK || curl_multi_remove_handle(multi, easy) != CURLM_OK))
        error = -EIO;
    curl_easy_cleanup(easy);
    return error;
}

int http_open(const struct http_options *options, struct http **ret)
{
    *ret = NULL;
    if (!initialise())
        return -EIO;
    struct http *http = calloc(1, sizeof *http);
    if (!http)
        return -ENOMEM;
    http->http_proxy = strdup(options->http_proxy ? options->http_proxy : "");
    http->https_proxy = strdup(options->https_proxy ? options->https_proxy : "");
    http->no_proxy = strdup(options->no_proxy ? options->no_proxy : "");
    http->trust = options->trust;
    http->waits = options->waits;
    http->multi = curl_multi_init();
    int error = http->multi && http->http_proxy && http->https_proxy && http->no_proxy ? prime(http->multi) : -ENOMEM;
    if (error == 0 && curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX) != CURLM_OK)
        error = -EIO;
    if (error == 0)
        *ret = http;
    else
        http_close(http);
    return error;
}

static void call_free(struct http *http, struct http_call *call)
{
    if (call->easy) {
        (void)curl_multi_remove_handle(http->multi, call->easy);
        curl_easy_cleanup(call->easy);
    }
    curl_slist_free_all(call->headers);
    http_request_done(&call->request);
    http_answer_done(&call->answer);
    free(call);
}

void http_cancel(struct http *http, struct http_call *call)
{
    for (struct http_call **at = &http->calls; *at; at = &(*at)->next) {
        if (*at != call)
            continue;
        *at = call->next;
        call_free(http, call);
        return;
    }
}

bool http_has_connected(const struct http_call *call)
{
    return call->sendings > 0;
}

void http_close(struct http *http)
{
    if (!http)
        return;
    while (http->calls)
        http_cancel(http, http->calls);
    if (http->multi)
        (void)curl_multi_cleanup(http->multi);
    free(http->http_proxy);
    free(http->https_proxy);
    free(http->no_proxy);
    free(http);
}

void http_use_trust(struct http *http, struct http_trust *trust)
{
    http->trust = trust;
}

/* Returns 0; -EKEYREJECTED, and the call has ended; -ENOMEM. */
static int find_trust(struct http *http, struct http_call *call)
{
    if (!http_url_is_https(call->request.url) && !(http_url_is_https(http->http_proxy) && http->trust))
        return 0;
    int error = http->trust ? http_trust_read(http->trust) : -EKEYREJECTED;
    if (error == -EKEYREJECTED)
        http_answer_fail(call, error,
                         http->trust ? "the CA bundle cannot be read"
                                     : "no CA certificates were found, and without them no server can be trusted");
    return error;
}

static int launch(struct http *http, struct http_call *call)
{
    int trust = find_trust(http, call);
    if (trust != 0)
        return trust == -EKEYREJECTED ? 0 : trust;
    call->easy = curl_easy_init();
    if (!call->easy)
        return -ENOMEM;
    int error = http_setup(http, call);
    if (error != 0)
        return error;
    return curl_multi_add_handle(http->multi, call->easy) == CURLM_OK ? 0 : -EIO;
}

int http_start(struct http *http, struct http_request *request, struct http_call **ret)
{
    *ret = NULL;
    if (!request->url || request->body.failed)
        return -EINVAL;
    struct http_call *call = calloc(1, sizeof *call);
    if (!call)
        return -ENOMEM;
    call->request = *request;
    call->answer.retry_after_s = -1;
    bytes_init(&call->answer.body, request->answer_max ? request->answer_max : HTTP_ANSWER_MAX);
    int error = launch(http, call);
    if (error != 0) {
        call->request = (struct http_request){0}; /* the body stays the caller's */
        call_free(http, call);
        return error;
    }
    *request = (struct http_request){0};
    call->next = http->calls;
    http->calls = call;
    *ret = call;
    return 0;
}

/* Moves all transfers as far as they go without waiting. */
static int drive(struct http *http, bool *ret_ended)
{
    CURLMcode code = curl_multi_perform(http->multi, &http->running);
    CURLMsg  *message;
    int       left = 0;
    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        char *call = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        if (curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call) == CURLE_OK && call)
            http_answer_end((struct http_call *)(void *)call, message->data.result);
        *ret_ended = true;
    }
    return code == CURLM_OK ? 0 : code == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO;
}

static bool is_any_under_way(const struct http *http)
{
    for (const struct http_call *call = http->calls; call; call = call->next)
        if (!call->ended)
            return true;
    return false;
}

/* True where one of them has not been told before. Once: whose answer nobody takes must not turn waiting into a spin.
 */
static bool tell_ended(struct http *http)
{
    bool is_new = false;
    for (struct http_call *call = http->calls; call; call = call->next) {
        is_new |= call->ended && !call->told;
        call->told = call->ended;
    }
    return is_new;
}

static int wait_for_network(struct http *http, const struct pollfd *extra, size_t count, int timeout_ms)
{
    struct curl_waitfd wait[EXTRA_MAX];
    for (size_t i = 0; i < count; i++) {
        int events = (extra[i].events & POLLIN ? CURL_WAIT_POLLIN : 0) |
                     (extra[i].events & POLLPRI ? CURL_WAIT_POLLPRI : 0) |
                     (extra[i].events & POLLOUT ? CURL_WAIT_POLLOUT : 0);
        wait[i] = (struct curl_waitfd){.fd = extra[i].fd, .events = (short)events};
    }
    registers_wipe();
    if (http->waits)
        http->waits(true);
    CURLMcode code = curl_multi_poll(http->multi, wait, (unsigned)count, timeout_ms, NULL);
    if (http->waits)
        http->waits(false);
    return code == CURLM_OK ? 0 : code == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO;
}

int http_poll(struct http *http, struct pollfd *extra, size_t extra_count, int timeout_ms)
{
    int  error = 0;
    bool ended = false;
    if (extra_count > EXTRA_MAX)
        return -EINVAL;
    if (timeout_ms < 0)
        timeout_ms = 0;
    if (tell_ended(http)) /* its answer is waited for */
        timeout_ms = 0;
    if (is_any_under_way(http)) {
        error = drive(http, &ended);
        if (error == 0 && !ended) {
            error = wait_for_network(http, extra, extra_count, timeout_ms);
            if (error == 0)
                error = drive(http, &ended);
        }
        (void)tell_ended(http);
        timeout_ms = 0;
    }
    registers_wipe(); /* this is where a core file finds the thread */
    /* The extra descriptors are polled also after libcurl has waited on them: it does not tell a hang-up. */
    if ((extra_count > 0 || timeout_ms > 0) && poll(extra, extra_count, timeout_ms) < 0) {
        for (size_t i = 0; i < extra_count; i++)
            extra[i].revents = 0;
        if (errno != EINTR && error == 0)
            error = -errno;
    }
    return error;
}

bool http_finished(struct http *http, struct http_call *call, struct http_answer *ret)
{
    if (!call->ended)
        return false;
    *ret = call->answer;
    call->answer = (struct http_answer){0};
    http_cancel(http, call);
    return true;
}

int http_perform(struct http *http, struct http_request *request, int64_t deadline, struct http_answer *ret)
{
    struct http_call *call = NULL;
    *ret = (struct http_answer){.retry_after_s = -1};
    int error = http_start(http, request, &call);
    if (error != 0)
        return error;
    while (!http_finished(http, call, ret)) {
        int64_t left_ms = (deadline - clock_monotonic() + CLOCK_MILLISECOND - 1) / CLOCK_MILLISECOND;
        if (left_ms <= 0)
            http_answer_fail(call, -ETIMEDOUT, "no answer in time");
        else
            error = http_poll(http, NULL, 0, left_ms < 3600000 ? (int)left_ms : 3600000);
        if (error != 0 && !call->ended)
            http_answer_fail(call, error, "waiting for the network failed");
    }
    return 0;
}
