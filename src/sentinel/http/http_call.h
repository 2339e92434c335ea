/* A request on its way, and the settings that libcurl gets for it. Inside http*.c only. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SENTINEL_HTTP_HTTP_CALL_H
#define PILLION_SENTINEL_HTTP_HTTP_CALL_H

#include <curl/curl.h>

#include "sentinel/http/http.h"

struct http {
    CURLM             *multi;
    char              *http_proxy, *https_proxy, *no_proxy; /* "" for none, never NULL: NULL makes curl ask getenv */
    struct http_trust *trust;                               /* the caller's; NULL: none */
    struct http_call  *calls;
    int                running;
    void (*waits)(bool begins);
};

struct http_call {
    struct http_call   *next;
    CURL               *easy;
    struct curl_slist  *headers;
    struct http_request request;
    struct http_answer  answer;
    bool                ended;
    bool                told;     /* http_poll has returned since */
    unsigned            sendings; /* times that libcurl was about to send the request */
    size_t              header_bytes;
    int                 refused;    /* -errno with which a callback stopped the transfer; 0: none did */
    int64_t             retry_date; /* Retry-After as a date, 0: none */
    char                detail[CURL_ERROR_SIZE];
};

/* http_setup.c. 0, -ENOMEM, -EIO (this libcurl refuses a setting without which it must not run). */
int http_setup(const struct http *http, struct http_call *call);
/* Sets what keeps libcurl away from SIGPIPE, on a bare handle. */
int http_setup_silence(CURL *easy);

/* http_trust.c. Reads the bundle before the first call that needs it: 0, -ENOMEM, -EKEYREJECTED (it is none). */
int http_trust_read(struct http_trust *trust);
/* libcurl's callback for each new connection by TLS, to a proxy too. */
CURLcode http_trust_apply(CURL *easy, void *config, void *trust);

/* http_answer.c. */
size_t http_answer_header(char *data, size_t size, size_t count, void *call);
size_t http_answer_body(char *data, size_t size, size_t count, void *call);
/* Fills answer from what the transfer left, and marks the call as ended. */
void http_answer_end(struct http_call *call, CURLcode code);
/* The same for a call that never ran or is cut short: `message` says why. */
void http_answer_fail(struct http_call *call, int error, const char *message);

#endif
