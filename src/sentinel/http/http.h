/* The only door to the network; no file but http*.c knows libcurl. Many requests may be under way at once on one
 * curl_multi. Nothing blocks but http_poll, and that never beyond its timeout.
 *
 * TLS is always verified against the bundle given. Redirects are never followed. Proxies are those of `struct
 * http_options`: the process environment is not read. Sockets are CLOEXEC and >= 3; there are no signals.
 * Thread: the one that called http_open. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SENTINEL_HTTP_HTTP_H
#define PILLION_SENTINEL_HTTP_HTTP_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sentinel/http_message.h"

/* The certificates by which servers are trusted, for any number of connections. */
struct http_trust;

struct http_options {
    struct http_trust *trust; /* kept by the caller while open; NULL: https fails closed */
    /* Proxy URLs as in the environment, "" or NULL for none; copied. */
    const char *http_proxy, *https_proxy, *no_proxy;
    /* Called before and after each wait for the network, NULL for nobody: a caller may let go of a lock meanwhile. */
    void (*waits)(bool begins);
};

struct http;
struct http_call;

/* 0, -ENOMEM, -EIO. libcurl is initialised on the first call and never cleaned up. */
int  http_open(const struct http_options *options, struct http **ret);
void http_close(struct http *http); /* cancels what is under way; NULL is allowed */
/* For calls that start from now on, as in struct http_options. */
void http_use_trust(struct http *http, struct http_trust *trust);

/* Starts a request. *request is taken over (moved out of the caller's struct) on success and untouched on failure:
 * -ENOMEM, -EINVAL (no URL, or a body that failed), -EIO. The answer tells what is wrong with the server or the URL
 * itself; https without a CA bundle ends at once with -EKEYREJECTED. */
int http_start(struct http *http, struct http_request *request, struct http_call **ret);
/* Drives all transfers, and waits for the network, for the extra descriptors (their revents are set; at most 16) or the
 * timeout, whatever is first. Does not wait when a call has ended since it returned. Without calls it is poll(2).
 * Returns 0 (a signal counts as nothing having happened) or -errno. */
int http_poll(struct http *http, struct pollfd *extra, size_t extra_count, int timeout_ms);
/* True once when the call has ended; the answer is then the caller's (http_answer_done) and the call is gone. */
bool http_finished(struct http *http, struct http_call *call, struct http_answer *ret);
void http_cancel(struct http *http, struct http_call *call);
/* Its connection stands, TLS and a proxy's consent included: the request goes out, and may have arrived. */
bool http_has_connected(const struct http_call *call);

/* Blocking: start, poll until finished or deadline (CLOCK_MONOTONIC ns). The answer's error says the rest. Returns
 * what http_start returns; *ret is the caller's in any case. */
int http_perform(struct http *http, struct http_request *request, int64_t deadline, struct http_answer *ret);

/* Finds and reads the CA bundle: the first readable of AWS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE (by `lookup`),
 * then the distributions' paths. *ret is initialised here, 4 MiB at most, and is the caller's (bytes_done). 0,
 * -ENOENT. Source: the places that curl's tool, the AWS tools and the distributions agree on. */
int http_find_ca_bundle(const char *(*lookup)(const char *name), struct bytes *ret);

/* Makes trust of PEM text, which is taken over, and read when it is first needed. When it is no bundle, the answers
 * tell that, with -EKEYREJECTED. 0, -ENOMEM. */
int http_trust_open(struct bytes *text, struct http_trust **ret);
/* Makes trust of the bundle that is found. 0, -ENOENT (an empty one too), -ENOMEM. */
int  http_trust_find(const char *(*lookup)(const char *name), struct http_trust **ret);
void http_trust_close(struct http_trust *trust); /* NULL is allowed */

#endif
