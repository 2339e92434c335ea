/* A request to the receiver of OTLP, for the rows and for doctor; and its headers, which are secrets. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/arguments.h"
#include "config/otel.h"
#include "engine/otlp_export.h"
#include "sentinel/requests.h"
#include "sentinel/secrets.h"

enum { ANSWER_MAX = 64 * 1024, TIMEOUT_MS = 10 * 1000 /* the specification's OTEL_EXPORTER_OTLP_TIMEOUT */ };

static int add_headers(const struct config *config, struct http_request *request)
{
    struct text list = text_of(config->otlp_headers ? config->otlp_headers : "");
    struct text key;
    struct text value;
    int         error = http_request_header(request, "Content-Type", "application/json");
    while (error == 0 && otel_pair(&list, &key, &value)) {
        struct bytes name;
        struct bytes text;
        bytes_init(&name, CONFIG_TEXT_MAX);
        bytes_init(&text, CONFIG_TEXT_MAX);
        bytes_add(&name, key.at, text_len(key));
        otel_decode(value, &text);
        error = name.failed || text.failed || !name.data
                    ? -ENOMEM
                    : http_request_header(request, name.data, text.data ? text.data : "");
        bytes_done(&name);
        bytes_done(&text);
    }
    return error;
}

void otlp_url(const struct config *config, char ret[static OTLP_URL_SIZE])
{
    struct text base = text_of(config->otlp);
    while (text_len(base) > 0 && base.end[-1] == '/')
        base.end--;
    (void)snprintf(ret, OTLP_URL_SIZE, "%.*s/v1/metrics", (int)text_len(base), base.at);
}

/* What goes to this machine goes past proxies: it may hold a key, and is in the clear. */
int otlp_request(const struct config *config, struct bytes *body, struct http_request *ret)
{
    char url[OTLP_URL_SIZE];
    char checked[OTLP_URL_SIZE];
    otlp_url(config, url);
    *ret = (struct http_request){.method = HTTP_POST,
                                 .url = strdup(url),
                                 .timeout_ms = TIMEOUT_MS,
                                 .answer_max = ANSWER_MAX,
                                 .no_proxy_at_all = !http_url_is_https(url) &&
                                                    api_check_url(url, checked, sizeof checked) == 0};
    int error = ret->url ? add_headers(config, ret) : -ENOMEM;
    if (error < 0) {
        http_request_done(ret);
        return error;
    }
    ret->body = *body;
    *body = (struct bytes){.max = body->max};
    return 0;
}

/* Calls for each header's value, and for what stands behind its last space ("Bearer KEY"). */
static void for_each_secret(const struct config *config, void (*call)(const char *secret, void *data), void *data)
{
    struct text list = text_of(config->otlp_headers ? config->otlp_headers : "");
    struct text key;
    struct text value;
    while (otel_pair(&list, &key, &value)) {
        struct bytes text;
        bytes_init(&text, CONFIG_TEXT_MAX);
        otel_decode(value, &text);
        const char *space = text.data ? strrchr(text.data, ' ') : NULL;
        if (space)
            call(space + 1, data);
        if (text.data)
            call(text.data, data);
        bytes_done(&text);
    }
}

static void hide_in_words(const char *secret, void *words)
{
    struct secrets secrets = {.count = 0};
    secrets_add(&secrets, secret);
    (void)secrets_hide(&secrets, words);
}

static void hide_in_arguments(const char *secret, void *arguments)
{
    if (strlen(secret) >= BYTES_SECRET_MIN)
        arguments_hide(arguments, secret);
}

/* What the receiver says may repeat what it was sent. */
void otlp_hide_headers(const struct config *config, struct bytes *words)
{
    for_each_secret(config, hide_in_words, words);
}

void otlp_hide_in_arguments(const struct config *config, char *const *arguments)
{
    for_each_secret(config, hide_in_arguments, (void *)(uintptr_t)arguments);
}
