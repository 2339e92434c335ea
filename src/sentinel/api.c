/* The checks of URL, token and run ID that the API's requests need. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "sentinel/requests.h"

#define NAME_CHARACTERS TEXT_ALPHANUMERIC "-_"

enum { RUN_ID_MAX = 128 };

static bool is_same(struct text t, const char *string)
{
    return text_len(t) == strlen(string) && text_starts_caseless(t, string);
}

/* Only four decimal numbers count, the first 127: resolvers read shorter forms in their own ways. */
static bool is_loopback_v4(struct text host)
{
    for (int i = 0; i < 4; i++) {
        struct text part;
        uint64_t    value;
        if (!text_until(&host, '.', &part) || text_len(part) > 3 || !text_unsigned(&part, &value) ||
            text_len(part) != 0 || value > 255 || (i == 0 && value != 127) || (i == 3 && part.end != host.end))
            return false;
    }
    return true;
}

static bool is_loopback(struct text host)
{
    return is_same(host, "localhost") || text_is(host, "[::1]") || is_loopback_v4(host);
}

/* Reads "host", "host:port", "[v6]" or "[v6]:port", without user and password. */
static bool parse_authority(struct text t, struct text *ret_host)
{
    struct text rest = t;
    if (text_skip(&rest, "[")) {
        if (!text_until(&rest, ']', ret_host) || rest.at[-1] != ']' ||
            !text_consists_of(*ret_host, "0123456789abcdefABCDEF:."))
            return false;
        ret_host->at--;
        ret_host->end++;
    } else {
        const char *colon = memchr(t.at, ':', text_len(t));
        *ret_host = (struct text){t.at, colon ? colon : t.end};
        rest.at = ret_host->end;
        if (!text_consists_of(*ret_host, NAME_CHARACTERS "."))
            return false;
    }
    uint64_t port = 1;
    if (text_skip(&rest, ":") && (text_len(rest) == 0 || *rest.at == ' ' || !text_unsigned(&rest, &port)))
        return false;
    return text_len(rest) == 0 && port >= 1 && port <= 65535;
}

int api_check_url(const char *url, char *ret, size_t size)
{
    struct text t = text_of(url);
    struct text scheme;
    struct text host;
    while (text_len(t) > 0 && t.end[-1] == '/')
        t.end--;
    for (const char *p = t.at; p < t.end; p++)
        if (*p <= ' ' || *p == 0x7f || strchr("#?\\\"<>", *p))
            return -EINVAL;
    struct text rest = t;
    if (!text_until(&rest, ':', &scheme) || !text_skip(&rest, "//"))
        return -EINVAL;
    bool        plain = is_same(scheme, "http");
    struct text authority = {rest.at, rest.end};
    const char *slash = memchr(rest.at, '/', text_len(rest));
    if (slash)
        authority.end = slash;
    if ((!plain && !is_same(scheme, "https")) || !parse_authority(authority, &host))
        return -EINVAL;
    if (plain && !is_loopback(host))
        return -EACCES;
    size_t head = plain ? strlen("http") : strlen("https");
    if (text_len(t) >= size)
        return -EINVAL;
    memcpy(ret, plain ? "http" : "https", head);
    memcpy(ret + head, t.at + head, text_len(t) - head);
    ret[text_len(t)] = '\0';
    return 0;
}

/* A token is visible ASCII only: anything else could end the header that it is put into. */
bool api_token_is_fine(const char *token)
{
    size_t len = token ? strlen(token) : 0;
    for (size_t i = 0; i < len; i++)
        if (token[i] <= ' ' || token[i] >= 0x7f)
            return false;
    return len > 0 && len <= API_TOKEN_MAX;
}

bool api_run_id_is_fine(const char *run_id)
{
    return run_id && strlen(run_id) <= RUN_ID_MAX && text_consists_of(text_of(run_id), NAME_CHARACTERS);
}
