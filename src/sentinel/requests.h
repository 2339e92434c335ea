/* The Sentinel API's requests as data. Pure: no clock, no environment, no I/O.
 * Source: the Sentinel API, `POST /runs`, `/runs/{id}/refresh-credentials`, `/runs/{id}/finish`. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SENTINEL_REQUESTS_H
#define PILLION_SENTINEL_REQUESTS_H

#include <pillion/sentinel.h>

#include "base/bytes.h"
#include "sentinel/http_message.h"

/* The API's address, and the token for it. */
struct api {
    const char *base_url; /* no trailing slash */
    const char *token;
};

/* Checks a base URL. 0 when it is https, or http to a loopback host; -EINVAL when it is no http(s) URL; -EACCES for
 * plain http to another host (a token never goes out in the clear). Writes the URL without trailing slashes. */
int api_check_url(const char *url, char *ret, size_t size);

enum { API_TOKEN_MAX = 8 * 1024 };

/* What may go into a header or a URL: a token of visible ASCII, API_TOKEN_MAX at most; a run ID of
 * [A-Za-z0-9_-]{1,128}. NULL is not fine. */
bool api_token_is_fine(const char *token);
bool api_run_id_is_fine(const char *run_id);

/* Compose bodies, JSON text without a trailing newline. *ret is initialised here and is the caller's in any case
 * (bytes_done). -ENOMEM, -EINVAL (arguments that the API would refuse).
 * register: at most 1 MiB; values longer than 64 KiB, arguments longer than 16 KiB and commands longer than 64 KiB end
 * in an ellipsis; at most 256 tags; the last of two equal tags stands; bytes that are not UTF-8 become U+FFFD.
 * finish: any size, in one allocation of the size needed. */
int request_register_body(const struct sentinel_run *run, struct bytes *ret);
int request_finish_body(const struct sentinel_finish *finish, struct bytes *ret);

/* Adds to a body of request_register_body's the members that it would have made of the texts and numbers of `more`. 0,
 * -EINVAL when `body` is none of its, -ENOMEM; the body is whole in any case. */
int request_register_add(const struct sentinel_run *more, struct bytes *body);

/* Repairs a body after a 422 to register that names fields (`detail[].loc`). The first time that it names tags, the new
 * body has them as an object {"k": "v"}; otherwise the named optional fields are left out. -ENODATA when nothing
 * changes, -EINVAL when `body` is none of ours; *ret is initialised here and the caller's in any case. So there are at
 * most two useful repairs of a body: tags as an object, then without. */
int request_register_repair(const char *body, const char *answer, struct bytes *ret);

/* Renews a body that waits on disk from when tags were an object: the same with the list. Returns as the repair does.
 */
int request_register_renew(const char *body, struct bytes *ret);

/* Compose whole requests, with all headers. `body` is copied, *ret is the caller's on success (http_request_done),
 * empty otherwise. -ENOMEM; -EINVAL for a token, a run ID or a URL that cannot be put into a request. */
int request_register(const struct api *api, const char *body, size_t len, struct http_request *ret);
int request_refresh(const struct api *api, const char *run_id, struct http_request *ret);
/* gzip: with Content-Encoding, after a 413. */
int request_finish(const struct api *api, const char *run_id, const char *body, size_t len, bool gzip,
                   struct http_request *ret);

#endif
