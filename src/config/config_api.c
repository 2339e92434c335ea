// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "config/config_parts.h"
#include "sentinel/requests.h"
#include "sentinel/s3.h"

static bool token_is_clean(const char *token)
{
    for (; *token; token++)
        if (*token <= ' ' || *token > '~')
            return false;
    return true;
}

/* The first line, in c->token; NULL when there is none. */
static const char *read_token_file(struct config *c, const char *file, struct log *log)
{
    char        text[CONFIG_TOKEN_MAX];
    struct text line = text_of("");
    size_t      len = 0;
    int         error = file_read(AT_FDCWD, file, text, sizeof text, &len);
    if (error == -EFBIG && memchr(text, '\n', sizeof text)) { /* the first line is all that is wanted */
        len = sizeof text;
        error = 0;
    }
    if (error < 0) {
        log_line(log, LOG_ERROR, "SENTINEL_API_TOKEN_FILE=%.200s cannot be read (%s); the run stays local", file,
                 strerror(-error));
        return NULL;
    }
    for (size_t i = 0; i < len; i++)
        text[i] = text[i] ? text[i] : ' '; /* no better than a space, and no end */
    struct text t = text_span(text, len);
    if (text_line(&t, &line) && text_len(line) > 0 && line.end[-1] == '\r')
        line.end--;
    if (text_copy(line, c->token, sizeof c->token) && c->token[0])
        return c->token;
    c->token[0] = '\0';
    log_line(log, LOG_ERROR, "the first line of SENTINEL_API_TOKEN_FILE=%.200s is no token; the run stays local", file);
    return NULL;
}

/* The value itself is never logged. */
static void read_token(struct config *c, struct log *log)
{
    const char *token = config_set("SENTINEL_API_TOKEN");
    const char *file = config_set("SENTINEL_API_TOKEN_FILE");
    if (!token)
        token = config_set("SENTINEL_API_KEY");
    if (!token && file)
        token = read_token_file(c, file, log);
    if (!token)
        return;
    if (!token_is_clean(token) || strlen(token) >= sizeof c->token) {
        log_line(log, LOG_ERROR,
                 "the API token holds spaces or control characters, or is too long; the run stays "
                 "local: set SENTINEL_API_TOKEN to the token alone");
        c->token[0] = '\0';
    } else if (token != c->token) {
        memcpy(c->token, token, strlen(token) + 1);
    }
}

static void read_s3_endpoint(struct config *c, struct log *log)
{
    const char *url = config_set("PILLION_S3_ENDPOINT");
    if (!url || s3_check_endpoint(url, c->s3_endpoint, sizeof c->s3_endpoint) == 0)
        return;
    c->s3_endpoint[0] = '\0';
    config_invalid(log, "PILLION_S3_ENDPOINT", strchr(url, '@') ? "(…)" : url, "an http or https URL", "AWS");
}

/* A token is for the server that its owner named: with an unusable URL it goes nowhere. */
void config_read_api(struct config *c, struct log *log)
{
    const char *url = config_set("SENTINEL_API_URL");
    int         error = api_check_url(url ? url : SENTINEL_DEFAULT_URL, c->api_url, sizeof c->api_url);
    read_token(c, log);
    read_s3_endpoint(c, log);
    if (error == 0)
        return;
    bool secret = !url || strchr(url, '@') != NULL; /* a password may stand in it */
    log_line(log, LOG_ERROR, "SENTINEL_API_URL=%.200s is not valid: %s; the run stays local", secret ? "(…)" : url,
             error == -EACCES ? "plain http goes to this machine alone, use https" : "an http or https URL");
    c->token[0] = c->api_url[0] = '\0';
}
