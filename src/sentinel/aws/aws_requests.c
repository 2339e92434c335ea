// SPDX-License-Identifier: Apache-2.0
#include "sentinel/aws/aws_requests.h"

#include <cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/json_read.h"
#include "sentinel/answers.h"
#include "sentinel/requests.h"
#include "sentinel/sigv4.h"

#define ECS           "http://169.254.170.2"
#define IMDS          "http://169.254.169.254/latest/"
#define IMDS_ROLES    IMDS "meta-data/iam/security-credentials/"
#define IMDS_LIFETIME "60" /* s, of the token: it serves for two questions */
#define ROLE_NAME     TEXT_ALPHANUMERIC "+=,.@_-"

enum {
    URL_MAX = 2 * 1024,
    FORM_MAX = 128 * 1024, /* an encoded token */
    ANSWER_MAX = 64 * 1024,
    STS_CONNECT_MS = 5 * 1000,
    STS_MS = 10 * 1000,
    CONTAINER_CONNECT_MS = 1000,
    CONTAINER_MS = 2 * 1000, /* as the SDKs wait */
};

static int put_url(struct text url, char **ret)
{
    *ret = strndup(url.at, text_len(url));
    return *ret ? 0 : -ENOMEM;
}

static bool is_plain(struct text url)
{
    for (const char *p = url.at; p < url.end; p++)
        if (*p <= ' ' || *p >= 0x7f || strchr("\\\"<>#", *p))
            return false;
    return text_len(url) < URL_MAX;
}

/* The addresses of ECS and EKS, of which no other machine can be the owner; as they are written, port or not. */
static bool is_of_aws(struct text url)
{
    static const char *const hosts[] = {ECS, "http://169.254.170.23", "http://[fd00:ec2::23]"};
    for (size_t i = 0; i < ARRAY_LENGTH(hosts); i++) {
        struct text rest = url;
        uint64_t    port = 1;
        if (!text_skip(&rest, hosts[i]))
            continue;
        if (text_skip(&rest, ":") && (text_len(rest) == 0 || !ascii_is_digit(*rest.at) || !text_unsigned(&rest, &port)))
            return false;
        if (port >= 1 && port <= 65535 && (text_len(rest) == 0 || *rest.at == '/' || *rest.at == '?'))
            return true;
    }
    return false;
}

/* Checks the part before path and query, as an API's address is. */
static int check_address(struct text url)
{
    char        address[URL_MAX];
    char        checked[URL_MAX];
    struct text rest = url;
    if (!text_skip(&rest, "http://") && !text_skip(&rest, "https://"))
        return -EINVAL;
    size_t len = 0;
    while (len < text_len(rest) && rest.at[len] != '/' && rest.at[len] != '?')
        len++;
    if (!text_copy((struct text){url.at, rest.at + len}, address, sizeof address))
        return -EINVAL;
    return api_check_url(address, checked, sizeof checked);
}

int aws_container_url(const char *relative, const char *full, char **ret)
{
    struct text url = text_of(relative ? relative : full ? full : "");
    *ret = NULL;
    if (!is_plain(url) || text_len(url) == 0)
        return -EINVAL;
    if (!relative) {
        int error = is_of_aws(url) ? 0 : check_address(url);
        return error < 0 ? error : put_url(url, ret);
    }
    if (*url.at != '/')
        return -EINVAL;
    struct bytes whole;
    bytes_init(&whole, URL_MAX + sizeof ECS);
    bytes_text(&whole, ECS);
    bytes_add(&whole, url.at, text_len(url));
    *ret = bytes_take(&whole);
    return *ret ? 0 : -ENOMEM;
}

int aws_sts_url(const char *region, const char *endpoint, char **ret)
{
    char checked[URL_MAX];
    *ret = NULL;
    struct bytes url;
    bytes_init(&url, URL_MAX + 1);
    if (endpoint) {
        int error = api_check_url(endpoint, checked, sizeof checked);
        if (error < 0)
            return error;
        bytes_text(&url, checked);
    } else {
        bytes_text(&url, "https://sts.");
        bytes_text(&url, region);
        bytes_text(&url, *region ? ".amazonaws.com" : "amazonaws.com");
        bytes_text(&url, strncmp(region, "cn-", strlen("cn-")) == 0 ? ".cn" : "");
    }
    bytes_char(&url, '/');
    *ret = bytes_take(&url);
    return *ret ? 0 : -ENOMEM;
}

static void put_field(struct bytes *form, const char *name, const char *value)
{
    bytes_char(form, '&');
    bytes_text(form, name);
    bytes_char(form, '=');
    sigv4_encode(value, false, form);
}

/* White space around a token is the file's. A copy of the caller's; NULL: it is none, or there is no memory. */
static char *take_token(struct text token)
{
    text_trim(&token);
    char *copy = text_len(token) > 0 && text_len(token) <= AWS_TOKEN_MAX ? strndup(token.at, text_len(token)) : NULL;
    for (const char *p = copy; p && *p; p++)
        if (*p < ' ' || *p >= 0x7f) {
            free(copy);
            return NULL;
        }
    return copy;
}

static void wipe(char *secret)
{
    if (secret)
        bytes_wipe(secret, strlen(secret));
    free(secret);
}

static int finish(struct http_request *request, int error)
{
    if (error == 0 && !request->url)
        error = -ENOMEM;
    if (error < 0)
        http_request_done(request);
    return error;
}

int aws_web_identity_request(const struct aws_source *source, struct text token, struct http_request *ret)
{
    char *word = take_token(token);
    *ret = (struct http_request){.method = HTTP_POST,
                                 .url = strdup(source->url),
                                 .connect_timeout_ms = STS_CONNECT_MS,
                                 .timeout_ms = STS_MS,
                                 .answer_max = ANSWER_MAX,
                                 .no_proxy_at_all = strncmp(source->url, "http:", strlen("http:")) == 0};
    bytes_init(&ret->body, FORM_MAX);
    int error = word ? 0 : -EINVAL;
    if (error == 0) {
        bytes_text(&ret->body, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15");
        put_field(&ret->body, "RoleArn", source->role_arn);
        put_field(&ret->body, "RoleSessionName", source->session);
        put_field(&ret->body, "WebIdentityToken", word);
        error = ret->body.failed ? -ENOMEM : 0;
    }
    if (error == 0)
        error = http_request_header(ret, "Content-Type", "application/x-www-form-urlencoded");
    wipe(word);
    return finish(ret, error);
}

int aws_container_request(const struct aws_source *source, struct text token, struct http_request *ret)
{
    char *word = take_token(token);
    *ret = (struct http_request){.method = HTTP_GET,
                                 .url = strdup(source->url),
                                 .connect_timeout_ms = CONTAINER_CONNECT_MS,
                                 .timeout_ms = CONTAINER_MS,
                                 .answer_max = ANSWER_MAX,
                                 .no_proxy_at_all = true};
    int error = http_request_header(ret, "Accept", "application/json");
    if (error == 0 && text_len(token) > 0)
        error = word ? http_request_header(ret, "Authorization", word) : -EINVAL;
    wipe(word);
    return finish(ret, error);
}

int aws_machine_request(const struct aws_machine *machine, struct http_request *ret)
{
    bool         first = machine->token[0] == '\0';
    struct bytes url;
    bytes_init(&url, sizeof IMDS_ROLES + AWS_ROLE_SIZE);
    bytes_text(&url, first ? IMDS "api/token" : IMDS_ROLES);
    bytes_text(&url, machine->role);
    *ret = (struct http_request){.method = first ? HTTP_PUT : HTTP_GET,
                                 .url = bytes_take(&url),
                                 .answer_max = ANSWER_MAX,
                                 .no_proxy_at_all = true};
    if (first)
        return finish(ret, http_request_header(ret, "X-aws-ec2-metadata-token-ttl-seconds", IMDS_LIFETIME));
    return finish(ret, http_request_header(ret, "X-aws-ec2-metadata-token", machine->token));
}

/* The token goes into a header, the role's name into a path. A machine has one role; the list is a line. */
bool aws_machine_hear(struct text body, struct aws_machine *machine)
{
    struct text line;
    if (!text_line(&body, &line))
        return false;
    text_trim(&line);
    if (machine->token[0] == '\0')
        return text_consists_of(line, TEXT_ALPHANUMERIC "+/=_-.") &&
               text_copy(line, machine->token, sizeof machine->token);
    return text_consists_of(line, ROLE_NAME) && text_copy(line, machine->role, sizeof machine->role) &&
           strcmp(machine->role, ".") != 0 && strcmp(machine->role, "..") != 0;
}

static int take(struct text access, struct text secret, struct text session, const char *expires,
                struct sentinel_credentials *ret)
{
    int64_t seconds = 0;
    *ret = (struct sentinel_credentials){.access_key = strndup(access.at, text_len(access)),
                                         .secret_key = strndup(secret.at, text_len(secret)),
                                         .session_token = strndup(session.at, text_len(session)),
                                         .expires_at = INT64_MAX};
    if (expires) /* one that cannot be read has come: the next answer will tell */
        ret->expires_at = clock_parse_utc(expires, &seconds) == 0 ? seconds : 0;
    int error = 0;
    if (!ret->access_key || !ret->secret_key || !ret->session_token)
        error = -ENOMEM;
    else if (!api_token_is_fine(ret->access_key) || !api_token_is_fine(ret->secret_key) ||
             !api_token_is_fine(ret->session_token))
        error = -EBADMSG;
    if (error < 0)
        sentinel_credentials_done(ret);
    return error;
}

int aws_sts_answer(struct text body, struct sentinel_credentials *ret)
{
    struct text access;
    struct text secret;
    struct text session;
    struct text expiration;
    char        expires[64];
    *ret = (struct sentinel_credentials){0};
    if (!answer_element(body, "/Credentials>", &expiration)) /* it is cut off */
        return -EBADMSG;
    if (!answer_element(body, "AccessKeyId>", &access) || !answer_element(body, "SecretAccessKey>", &secret) ||
        !answer_element(body, "SessionToken>", &session) || !answer_element(body, "Expiration>", &expiration) ||
        !text_copy(expiration, expires, sizeof expires))
        return -EBADMSG;
    return take(access, secret, session, expires, ret);
}

static const char *member(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

int aws_json_answer(struct text body, struct sentinel_credentials *ret)
{
    *ret = (struct sentinel_credentials){0};
    if (json_check(body, JSON_VALUES_MAX) != 0)
        return -EBADMSG;
    cJSON      *answer = cJSON_ParseWithLength(body.at, text_len(body));
    const char *access = member(answer, "AccessKeyId");
    const char *secret = member(answer, "SecretAccessKey");
    const char *session = member(answer, "Token");
    const char *code = member(answer, "Code"); /* IMDS says it with 200 */
    int         error = -EBADMSG;
    if (access && secret && session && (!code || strcmp(code, "Success") == 0))
        error = take(text_of(access), text_of(secret), text_of(session), member(answer, "Expiration"), ret);
    cJSON_Delete(answer);
    return error;
}

bool aws_sts_may_change(struct text body)
{
    static const char *const codes[] = {"IDPCommunicationError", "ExpiredTokenException", "ExpiredToken",
                                        "InvalidIdentityToken"};
    struct text              code;
    if (answer_element(body, "Code>", &code))
        for (size_t i = 0; i < ARRAY_LENGTH(codes); i++)
            if (text_is(code, codes[i]))
                return true;
    return false;
}
