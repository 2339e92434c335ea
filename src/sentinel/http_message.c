/* Headers are added, and requests and answers freed. */
// SPDX-License-Identifier: Apache-2.0
#include "sentinel/http_message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { HEADER_MAX = 32 * 1024 };

bool http_url_is_https(const char *url)
{
    return strncmp(url, "https:", strlen("https:")) == 0;
}

int http_request_header(struct http_request *request, const char *name, const char *value)
{
    if (request->header_count == HTTP_HEADERS_MAX)
        return -E2BIG;
    for (const char *p = value; *p; p++)
        if (ascii_is_control(*p))
            return -EINVAL;
    if (strlen(name) + strlen(value) + 2 > HEADER_MAX)
        return -E2BIG;
    struct bytes line;
    bytes_init(&line, HEADER_MAX);
    bytes_text(&line, name);
    bytes_text(&line, ": ");
    bytes_text(&line, value);
    char *text = bytes_take(&line);
    if (!text)
        return -ENOMEM;
    request->headers[request->header_count++] = text;
    return 0;
}

/* The token is in a header, and so is what it signs. */
void http_request_done(struct http_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        bytes_wipe(request->headers[i], strlen(request->headers[i]));
        free(request->headers[i]);
    }
    free(request->url);
    bytes_done(&request->body);
    *request = (struct http_request){0};
}

/* Credentials come in bodies. */
void http_answer_done(struct http_answer *answer)
{
    if (answer->body.data)
        bytes_wipe(answer->body.data, answer->body.len);
    bytes_done(&answer->body);
    *answer = (struct http_answer){.retry_after_s = -1};
}
