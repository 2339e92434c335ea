/* A request and an answer of HTTP as data: composed and judged by the pure code of this room, sent by sentinel/http. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SENTINEL_HTTP_MESSAGE_H
#define PILLION_SENTINEL_HTTP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT };

enum { HTTP_HEADERS_MAX = 16, HTTP_ANSWER_MAX = 1024 * 1024 };

/* A whole request as data. Freed by http_request_done. */
struct http_request {
    enum http_method method;
    char            *url;
    char            *headers[HTTP_HEADERS_MAX]; /* "Name: value"; the User-Agent is added by http.c */
    size_t           header_count;
    struct bytes     body;
    int              connect_timeout_ms; /* 0: 10 s */
    int              timeout_ms;         /* whole request; 0: 30 s */
    size_t           answer_max;         /* bytes of its body; 0: HTTP_ANSWER_MAX */
    bool             no_proxy_at_all;
    bool             no_reuse; /* its connection is closed with it */
};

bool http_url_is_https(const char *url);

/* 0, -ENOMEM, -E2BIG (too many, or longer than 32 KiB), -EINVAL (a control character in the value). */
int  http_request_header(struct http_request *request, const char *name, const char *value);
void http_request_done(struct http_request *request);

/* The steps of a request, in their order; what a proxy needs is in CONNECT. */
enum http_step { HTTP_STEP_NAME, HTTP_STEP_CONNECT, HTTP_STEP_TLS, HTTP_STEP_EXCHANGE };

struct http_answer {
    int error;                   /* 0: an HTTP answer came, whatever its status. Else -errno: -ETIMEDOUT,
                                    -ECONNREFUSED, -EHOSTUNREACH (name not found), -ECONNRESET (cut off),
                                    -EPROTO (TLS or garbage), -EKEYREJECTED (certificate refused), -EMSGSIZE (answer
                                    beyond what the request allows), -ECANCELED, -EIO */
    char           message[160]; /* one sentence for the log when error; no secret in it */
    enum http_step step;         /* the one that failed, when error */
    bool           sent;         /* the request may have reached the server (false: surely not) */
    long           status;
    struct bytes   body;
    int            retry_after_s; /* seconds; -1: none given; a date in the header is turned into seconds from now */
    int64_t        date;          /* seconds since 1970 from the Date header, 0: none */
    char           bucket_region[32];   /* x-amz-bucket-region, "" : none */
    char           metadata_flavor[16]; /* Metadata-Flavor, "": none */
};

void http_answer_done(struct http_answer *answer);

#endif
