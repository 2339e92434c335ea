/* Headers and bodies are taken from libcurl, and its results become errors, steps and sentences. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/text.h"
#include "sentinel/http/http_call.h"

enum { HEADER_BYTES_MAX = 256 * 1024, HEADER_TEXT_MAX = 64 };

/* Reads "Name: value\r\n": the value, when the line has that (lower case) name and the value fits. */
static bool header_is(struct text line, const char *name, char ret[static HEADER_TEXT_MAX])
{
    struct text key;
    if (!text_until(&line, ':', &key) || text_len(key) != strlen(name) || !text_starts_caseless(key, name))
        return false;
    text_trim(&line);
    return text_len(line) > 0 && text_copy(line, ret, HEADER_TEXT_MAX);
}

static void read_retry_after(struct http_call *call, const char *value)
{
    struct text t = text_of(value);
    uint64_t    seconds = 0;
    if (text_unsigned(&t, &seconds) && text_len(t) == 0)
        call->answer.retry_after_s = seconds < INT_MAX ? (int)seconds : INT_MAX;
    else if (clock_parse_http(value, &call->retry_date) != 0)
        call->retry_date = 0;
}

static void read_region(struct http_call *call, const char *value)
{
    for (const char *p = value; *p; p++)
        if ((*p < 'a' || *p > 'z') && (*p < '0' || *p > '9') && *p != '-')
            return;
    (void)text_copy(text_of(value), call->answer.bucket_region, sizeof call->answer.bucket_region);
}

static void forget_headers(struct http_call *call)
{
    call->answer.retry_after_s = -1;
    call->answer.date = 0;
    call->answer.bucket_region[0] = call->answer.metadata_flavor[0] = '\0';
    call->retry_date = 0;
}

size_t http_answer_header(char *data, size_t size, size_t count, void *pointer)
{
    struct http_call *call = pointer;
    struct text       line = text_span(data, size * count);
    char              value[HEADER_TEXT_MAX];
    call->header_bytes += text_len(line);
    if (call->header_bytes > HEADER_BYTES_MAX) {
        call->refused = -EMSGSIZE;
        return 0;
    }
    if (text_starts(line, "HTTP/"))
        forget_headers(call);
    else if (header_is(line, "retry-after", value))
        read_retry_after(call, value);
    else if (header_is(line, "date", value) && clock_parse_http(value, &call->answer.date) != 0)
        call->answer.date = 0;
    else if (header_is(line, "x-amz-bucket-region", value))
        read_region(call, value);
    else if (header_is(line, "metadata-flavor", value))
        (void)text_copy(text_of(value), call->answer.metadata_flavor, sizeof call->answer.metadata_flavor);
    return size * count;
}

size_t http_answer_body(char *data, size_t size, size_t count, void *pointer)
{
    struct http_call *call = pointer;
    struct bytes     *body = &call->answer.body;
    size_t            len = size * count;
    if (len > body->max - body->len)
        call->refused = -EMSGSIZE;
    else
        bytes_add(body, data, len);
    if (call->refused == 0 && body->failed)
        call->refused = -ENOMEM;
    return call->refused == 0 ? len : 0;
}

struct outcome {
    CURLcode code;
    int      error;
    char     message[48]; /* "": libcurl's own */
    bool     has_detail;  /* libcurl's own words add to it, unless a proxy's password may be in them */
};

static const struct outcome outcomes[] = {
    {CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH, "host name not found", true},
    {CURLE_COULDNT_RESOLVE_PROXY, -EHOSTUNREACH, "name of the proxy not found or not understood", false},
    {CURLE_COULDNT_CONNECT, -ECONNREFUSED, "cannot connect", true},
    {CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT, "no answer in time", true},
    {CURLE_PEER_FAILED_VERIFICATION, -EKEYREJECTED, "certificate refused", true},
    {CURLE_SSL_CACERT_BADFILE, -EKEYREJECTED, "the CA bundle cannot be read", true},
    {CURLE_SSL_CONNECT_ERROR, -EPROTO, "TLS handshake failed", true},
    {CURLE_GOT_NOTHING, -ECONNRESET, "connection closed without an answer", false},
    {CURLE_SEND_ERROR, -ECONNRESET, "connection lost while sending", true},
    {CURLE_RECV_ERROR, -ECONNRESET, "connection lost while receiving", true},
    {CURLE_PARTIAL_FILE, -ECONNRESET, "answer cut off", false},
    {CURLE_WEIRD_SERVER_REPLY, -EPROTO, "answer is not HTTP", true},
    {CURLE_UNSUPPORTED_PROTOCOL, -EPROTO, "answer is not HTTP that is understood", false},
    {CURLE_BAD_CONTENT_ENCODING, -EPROTO, "answer in an encoding that was not asked for", false},
    {CURLE_TOO_LARGE, -EMSGSIZE, "answer larger than allowed", false},
    {CURLE_URL_MALFORMAT, -EINVAL, "URL not understood", false},
    {CURLE_OUT_OF_MEMORY, -ENOMEM, "out of memory", false},
};

static struct outcome outcome_of(CURLcode code)
{
    for (size_t i = 0; i < ARRAY_LENGTH(outcomes); i++)
        if (outcomes[i].code == code)
            return outcomes[i];
    return (struct outcome){code, -EIO, "", false};
}

/* The system knows more of a failed connect. */
static int connect_error(CURL *easy)
{
    long number = 0;
    if (curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number) != CURLE_OK)
        return -ECONNREFUSED;
    switch (number) {
    case EHOSTUNREACH:
    case ENETUNREACH:
        return -EHOSTUNREACH;
    case ETIMEDOUT:
        return -ETIMEDOUT;
    case ECONNRESET:
        return -ECONNRESET;
    default:
        return -ECONNREFUSED;
    }
}

/* libcurl counts the bytes of the request behind DNS, TCP and TLS; a proxy's CONNECT is not among them. */
static bool was_sent(CURL *easy)
{
    long       head = 0;
    curl_off_t body = 0;
    if (!easy)
        return false;
    if (curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &head) != CURLE_OK ||
        curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &body) != CURLE_OK)
        return true;
    return head > 0 || body > 0;
}

static bool is_over(CURL *easy, CURLINFO clock)
{
    curl_off_t when = 0;
    return easy && curl_easy_getinfo(easy, clock, &when) == CURLE_OK && when > 0;
}

/* libcurl notes the time of each step that it has done. Without a transfer it was the trust that was missing. */
static enum http_step step_of(const struct http_call *call)
{
    bool tls = call->request.url && http_url_is_https(call->request.url);
    if (call->easy && !is_over(call->easy, CURLINFO_NAMELOOKUP_TIME_T))
        return HTTP_STEP_NAME;
    if (call->easy && !is_over(call->easy, CURLINFO_CONNECT_TIME_T))
        return HTTP_STEP_CONNECT;
    return tls && !is_over(call->easy, CURLINFO_APPCONNECT_TIME_T) ? HTTP_STEP_TLS : HTTP_STEP_EXCHANGE;
}

void http_answer_fail(struct http_call *call, int error, const char *message)
{
    forget_headers(call);
    call->answer.step = step_of(call);
    bytes_clear(&call->answer.body);
    call->answer.error = error;
    call->answer.status = 0;
    call->answer.sent = was_sent(call->easy);
    (void)snprintf(call->answer.message, sizeof call->answer.message, "%s", message);
    size_t len = strlen(call->answer.message);
    while (len > 0 && (unsigned char)call->answer.message[len - 1] <= ' ')
        call->answer.message[--len] = '\0'; /* the TLS library's sentences end their line */
    for (char *p = call->answer.message; *p; p++)
        if (*p < ' ' || *p == 0x7f)
            *p = '?';
    call->ended = true;
}

static void succeed(struct http_call *call)
{
    struct http_answer *answer = &call->answer;
    if (call->retry_date > 0) {
        int64_t now = answer->date > 0 ? answer->date : clock_real() / CLOCK_SECOND;
        int64_t wait = call->retry_date > now ? call->retry_date - now : 0;
        answer->retry_after_s = wait < INT_MAX ? (int)wait : INT_MAX;
    }
    answer->sent = true;
    call->ended = true;
}

/* The answer to a CONNECT is no answer of the server's. */
static bool proxy_refused(struct http_call *call)
{
    char message[sizeof call->answer.message];
    long status = 0;
    if (curl_easy_getinfo(call->easy, CURLINFO_HTTP_CONNECTCODE, &status) != CURLE_OK || status < 300)
        return false;
    (void)snprintf(message, sizeof message, "the proxy refuses to connect: HTTP %ld%s", status,
                   status == 407 ? ", it wants a user and a password" : "");
    http_answer_fail(call, -ECONNREFUSED, message);
    call->answer.step = HTTP_STEP_CONNECT;
    return true;
}

void http_answer_end(struct http_call *call, CURLcode code)
{
    if (call->refused != 0) {
        http_answer_fail(call, call->refused,
                         call->refused == -ENOMEM       ? "out of memory"
                         : call->refused == -ECONNRESET ? "connection closed without an answer"
                                                        : "answer larger than allowed");
        call->answer.sent |= call->sendings > 0;
        return;
    }
    if (code == CURLE_OK && curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &call->answer.status) == CURLE_OK &&
        call->answer.status > 0) {
        succeed(call);
        return;
    }
    if (proxy_refused(call))
        return;
    struct outcome outcome = outcome_of(code);
    char           message[sizeof call->answer.message];
    if (code == CURLE_COULDNT_CONNECT)
        outcome.error = connect_error(call->easy);
    if (!outcome.message[0])
        (void)snprintf(message, sizeof message, "transfer failed (libcurl error %u)", (unsigned)code);
    else if (outcome.has_detail && call->detail[0] && !strchr(call->detail, '@'))
        (void)snprintf(message, sizeof message, "%s: %.100s", outcome.message, call->detail);
    else
        (void)snprintf(message, sizeof message, "%s", outcome.message);
    http_answer_fail(call, outcome.error, message);
    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY)
        call->answer.step = HTTP_STEP_NAME;
}
