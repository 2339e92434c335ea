/* The settings of a request to libcurl. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sentinel/http/http_call.h"

#ifndef PILLION_VERSION
#define PILLION_VERSION "0"
#endif

enum { CONNECT_TIMEOUT_MS = 10 * 1000, TIMEOUT_MS = 30 * 1000, BUFFER_BYTES = 16 * 1024, LOWEST_DESCRIPTOR = 3 };

/* A socket has a number of 3 or more: a program that closed its standard streams must not write into it. */
static curl_socket_t open_socket(void *unused, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)unused;
    (void)purpose;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0 || fd >= LOWEST_DESCRIPTOR)
        return fd;
    int higher = fcntl(fd, F_DUPFD_CLOEXEC, LOWEST_DESCRIPTOR);
    close(fd);
    return higher;
}

/* Settings are made one after the other; the first failure stays. */
struct settings {
    CURL    *easy;
    CURLcode code;
};

static void set_long(struct settings *s, CURLoption option, long value)
{
    if (s->code == CURLE_OK)
        s->code = curl_easy_setopt(s->easy, option, value);
}

static void set_pointer(struct settings *s, CURLoption option, const void *value)
{
    if (s->code == CURLE_OK)
        s->code = curl_easy_setopt(s->easy, option, value);
}

static void set_manners(struct settings *s)
{
    set_long(s, CURLOPT_NOSIGNAL, 1);
    set_long(s, CURLOPT_FOLLOWLOCATION, 0);
    set_pointer(s, CURLOPT_PROTOCOLS_STR, "http,https");
    set_long(s, CURLOPT_DISALLOW_USERNAME_IN_URL, 1);
    set_long(s, CURLOPT_PATH_AS_IS, 1);
    set_long(s, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    set_long(s, CURLOPT_TCP_KEEPALIVE, 1);
    set_long(s, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    set_long(s, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_BYTES);
    set_pointer(s, CURLOPT_USERAGENT, "pillion/" PILLION_VERSION);
    if (s->code == CURLE_OK)
        s->code = curl_easy_setopt(s->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
}

static void set_route(struct settings *s, const struct http *http, const struct http_call *call)
{
    const char *proxy = http_url_is_https(call->request.url) ? http->https_proxy : http->http_proxy;
    set_pointer(s, CURLOPT_PROXY, call->request.no_proxy_at_all ? "" : proxy);
    set_pointer(s, CURLOPT_NOPROXY, http->no_proxy);
    set_long(s, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1);
}

static void set_trust(struct settings *s, const struct http *http)
{
    set_long(s, CURLOPT_SSL_VERIFYPEER, 1);
    set_long(s, CURLOPT_SSL_VERIFYHOST, 2);
    set_long(s, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    if (!http->trust)
        return;
    if (s->code == CURLE_OK)
        s->code = curl_easy_setopt(s->easy, CURLOPT_SSL_CTX_FUNCTION, http_trust_apply);
    set_pointer(s, CURLOPT_SSL_CTX_DATA, http->trust);
}

static bool add_header(struct http_call *call, const char *line)
{
    struct curl_slist *longer = curl_slist_append(call->headers, line);
    if (longer)
        call->headers = longer;
    return longer != NULL;
}

static bool has_header(const struct http_call *call, const char *name)
{
    for (size_t i = 0; i < call->request.header_count; i++)
        if (strncmp(call->request.headers[i], name, strlen(name)) == 0)
            return true;
    return false;
}

/* A header with nothing behind its colon is one of libcurl's own, which it then leaves out. */
static void set_headers(struct settings *s, struct http_call *call)
{
    bool added = add_header(call, "Expect:");
    if (!has_header(call, "Content-Type:"))
        added = added && add_header(call, "Content-Type:");
    for (size_t i = 0; i < call->request.header_count; i++)
        added = added && add_header(call, call->request.headers[i]);
    if (!added)
        s->code = CURLE_OUT_OF_MEMORY;
    set_pointer(s, CURLOPT_HTTPHEADER, call->headers);
}

/* The body is always one block in memory, PUT's too. So libcurl can send it again on a fresh connection when the kept
 * one turns out to be closed. */
static void set_body(struct settings *s, const struct http_call *call)
{
    enum http_method method = call->request.method;
    if (method == HTTP_HEAD)
        set_long(s, CURLOPT_NOBODY, 1);
    if (method != HTTP_POST && method != HTTP_PUT)
        return;
    set_long(s, CURLOPT_POST, 1);
    set_pointer(s, CURLOPT_POSTFIELDS, call->request.body.data ? call->request.body.data : "");
    if (s->code == CURLE_OK)
        s->code = curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->request.body.len);
    if (method == HTTP_PUT)
        set_pointer(s, CURLOPT_CUSTOMREQUEST, "PUT");
}

/* libcurl quietly repeats a request whose kept connection died before the first byte of an answer. A POST may have
 * arrived all the same: the caller, who knows what it was, judges whether to repeat it. */
static int before_sending(void *data, char *remote, char *local, int remote_port, int local_port)
{
    struct http_call *call = data;
    (void)remote, (void)local, (void)remote_port, (void)local_port;
    if (call->sendings++ == 0 || call->request.method != HTTP_POST)
        return CURL_PREREQFUNC_OK;
    call->refused = -ECONNRESET;
    return CURL_PREREQFUNC_ABORT;
}

static void set_callbacks(struct settings *s, struct http_call *call)
{
    if (s->code == CURLE_OK)
        s->code = curl_easy_setopt(s->easy, CURLOPT_PREREQFUNCTION, before_sending);
    set_pointer(s, CURLOPT_PREREQDATA, call);
    if (s->code == CURLE_OK)
        s->code = curl_easy_setopt(s->easy, CURLOPT_HEADERFUNCTION, http_answer_header);
    if (s->code == CURLE_OK)
        s->code = curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, http_answer_body);
    set_pointer(s, CURLOPT_HEADERDATA, call);
    set_pointer(s, CURLOPT_WRITEDATA, call);
    set_pointer(s, CURLOPT_ERRORBUFFER, call->detail);
    set_pointer(s, CURLOPT_PRIVATE, call);
}

int http_setup(const struct http *http, struct http_call *call)
{
    const struct http_request *request = &call->request;
    struct settings            s = {.easy = call->easy};
    set_manners(&s);
    set_pointer(&s, CURLOPT_URL, request->url);
    set_route(&s, http, call);
    if (http_url_is_https(call->request.url) || http->trust)
        set_trust(&s, http);
    set_headers(&s, call);
    set_body(&s, call);
    set_callbacks(&s, call);
    set_long(&s, CURLOPT_CONNECTTIMEOUT_MS,
             request->connect_timeout_ms > 0 ? request->connect_timeout_ms : CONNECT_TIMEOUT_MS);
    set_long(&s, CURLOPT_FORBID_REUSE, request->no_reuse);
    set_long(&s, CURLOPT_TIMEOUT_MS, request->timeout_ms > 0 ? request->timeout_ms : TIMEOUT_MS);
    return s.code == CURLE_OK ? 0 : s.code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EIO;
}

int http_setup_silence(CURL *easy)
{
    return curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK ? 0 : -EIO;
}
