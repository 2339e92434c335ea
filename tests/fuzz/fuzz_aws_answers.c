// SPDX-License-Identifier: Apache-2.0
// What STS, a container's server and the machine's metadata may answer, and the addresses that a container is given:
// keys that come of it can go into a header, a role into a path, and no address is another host's than it looks.
#include <errno.h>

#include "fuzz.h"
#include "sentinel/aws/aws_requests.h"
#include "sentinel/requests.h"

static void keys(int error, struct sentinel_credentials *found)
{
    HOLDS(error == 0 || error == -EBADMSG);
    HOLDS((error == 0) == (found->access_key != NULL));
    if (error == 0)
        HOLDS(api_token_is_fine(found->access_key) && api_token_is_fine(found->secret_key) &&
              api_token_is_fine(found->session_token));
    sentinel_credentials_done(found);
}

static void is_clean(struct http_request *request)
{
    for (const char *p = request->url; *p; p++)
        HOLDS(*p > ' ' && *p < 0x7f && !strchr("#\\\"<>", *p));
    for (size_t i = 0; i < request->header_count; i++)
        HOLDS(!strpbrk(request->headers[i], "\r\n"));
    http_request_done(request);
}

static void machine(struct text body)
{
    struct aws_machine  m = {0};
    struct http_request request;
    for (int i = 0; i < 2; i++) {
        if (i == 1 && m.token[0] == '\0')
            (void)text_copy(text_of("token"), m.token, sizeof m.token);
        (void)aws_machine_hear(body, &m);
        if (aws_machine_request(&m, &request) != 0)
            continue;
        HOLDS(strncmp(request.url, "http://169.254.169.254/latest/", strlen("http://169.254.169.254/latest/")) == 0);
        is_clean(&request);
    }
}

static void address(const char *text)
{
    char               *url = NULL;
    struct http_request request;
    for (int i = 0; i < 2; i++) {
        int error = i == 0 ? aws_container_url(NULL, text, &url) : aws_container_url(text, NULL, &url);
        HOLDS(error == 0 || error == -EINVAL || error == -EACCES);
        HOLDS((error == 0) == (url != NULL));
        if (error != 0)
            continue;
        HOLDS(i == 0 || strncmp(url, "http://169.254.170.2/", strlen("http://169.254.170.2/")) == 0);
        const struct aws_source source = {.kind = AWS_CONTAINER, .url = url};
        if (aws_container_request(&source, text_of(text), &request) == 0)
            is_clean(&request);
        free(url);
        url = NULL;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                       *text = fuzz_text(data, size);
    struct text                 body = text_span(text, size);
    struct sentinel_credentials found;
    keys(aws_sts_answer(body, &found), &found);
    keys(aws_json_answer(body, &found), &found);
    (void)aws_sts_may_change(body);
    machine(body);
    address(text);
    free(text);
    return 0;
}
