// SPDX-License-Identifier: Apache-2.0
#include "sentinel/requests.h"

#include <errno.h>
#include <string.h>

#include "sentinel/gzip.h"

enum { URL_MAX = 8 * 1024, AUTHORIZATION_MAX = 16 * 1024 };

static int put_url(const struct api *api, const char *run_id, const char *action, struct http_request *ret)
{
    struct bytes url;
    bytes_init(&url, URL_MAX);
    bytes_text(&url, api->base_url);
    bytes_text(&url, "/runs");
    if (run_id) {
        bytes_char(&url, '/');
        bytes_text(&url, run_id);
        bytes_text(&url, action);
    }
    bool too_long = url.failed && url.len + 1024 > URL_MAX;
    ret->url = bytes_take(&url);
    return ret->url ? 0 : too_long ? -EINVAL : -ENOMEM;
}

static int put_authorization(const struct api *api, struct http_request *ret)
{
    struct bytes value;
    bytes_init(&value, AUTHORIZATION_MAX);
    bytes_text(&value, "Bearer ");
    bytes_text(&value, api->token);
    int error = value.failed ? -ENOMEM : http_request_header(ret, "Authorization", value.data);
    bytes_done(&value);
    return error;
}

/* A POST without its body. */
static int begin(const struct api *api, const char *run_id, const char *action, struct http_request *ret)
{
    *ret = (struct http_request){.method = HTTP_POST};
    bytes_init(&ret->body, SIZE_MAX / 4);
    if (!api->base_url || !api_token_is_fine(api->token) || (run_id && !api_run_id_is_fine(run_id)))
        return -EINVAL;
    /* Plain http is for loopback only, and there a proxy would be handed the token in the clear. */
    ret->no_proxy_at_all = strncmp(api->base_url, "http://", strlen("http://")) == 0;
    int error = put_url(api, run_id, action, ret);
    if (error == 0)
        error = put_authorization(api, ret);
    if (error == 0)
        error = http_request_header(ret, "Content-Type", "application/json");
    if (error == 0)
        error = http_request_header(ret, "Accept", "application/json");
    return error;
}

static int end(int error, struct http_request *ret)
{
    if (error == 0 && ret->body.failed)
        error = -ENOMEM;
    if (error != 0)
        http_request_done(ret);
    return error;
}

int request_register(const struct api *api, const char *body, size_t len, struct http_request *ret)
{
    int error = begin(api, NULL, NULL, ret);
    if (error == 0)
        bytes_add(&ret->body, body, len);
    return end(error, ret);
}

int request_refresh(const struct api *api, const char *run_id, struct http_request *ret)
{
    return end(begin(api, run_id ? run_id : "", "/refresh-credentials", ret), ret);
}

int request_finish(const struct api *api, const char *run_id, const char *body, size_t len, bool gzip,
                   struct http_request *ret)
{
    int error = begin(api, run_id ? run_id : "", "/finish", ret);
    if (error == 0 && gzip) {
        error = http_request_header(ret, "Content-Encoding", "gzip");
        if (error == 0)
            error = gzip_compress(body, len, &ret->body);
    } else if (error == 0) {
        bytes_add(&ret->body, body, len);
    }
    return end(error, ret);
}
