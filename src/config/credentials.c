// SPDX-License-Identifier: Apache-2.0
#include "config/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/bytes.h"
#include "base/environment.h"
#include "base/file.h"

#define FILE_VARIABLE "SENTINEL_API_TOKEN_FILE"

enum { FILE_LOOKED_AT = TOKEN_SIZE + 1024 /* white space around */ };

static bool is_white(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

int credentials_accept(const char *source, struct text given, char ret[static TOKEN_SIZE],
                       char reterr[static TOKEN_REASON_SIZE])
{
    const char *fault = NULL;
    while (text_len(given) > 0 && is_white(*given.at))
        given.at++;
    while (text_len(given) > 0 && is_white(given.end[-1]))
        given.end--;
    if (text_len(given) == 0)
        fault = "it is empty";
    else if (!text_copy(given, ret, TOKEN_SIZE))
        fault = "it is too long";
    else if (strlen(ret) != text_len(given) || !api_token_is_fine(ret))
        fault = "it holds a space, a control character or one that is not ASCII";
    if (!fault)
        return 0;
    ret[0] = '\0';
    (void)snprintf(reterr, TOKEN_REASON_SIZE, "%.300s is no token: %s", source, fault);
    return -EINVAL;
}

/* A pipe is refused, for what is read from one is gone for the program. */
static int read_file(const char *path, char ret[static TOKEN_SIZE], char reterr[static TOKEN_REASON_SIZE])
{
    char        content[FILE_LOOKED_AT];
    char        source[TOKEN_REASON_SIZE];
    struct text line = {0};
    size_t      len = 0;
    int         error = file_read(AT_FDCWD, path, content, sizeof content, &len);
    if (error == -EFBIG && memchr(content, '\n', sizeof content)) { /* the first line is all that is wanted */
        len = sizeof content;
        error = 0;
    }
    if (error < 0) {
        (void)snprintf(reterr, TOKEN_REASON_SIZE, FILE_VARIABLE "=%.200s cannot be read (%s)", path, strerror(-error));
        return -EINVAL;
    }
    struct text rest = text_span(content, len);
    (void)text_skip(&rest, "\xef\xbb\xbf"); /* some editors begin a file so: Unicode, "byte order mark" */
    (void)text_line(&rest, &line);
    (void)snprintf(source, sizeof source, "the first line of " FILE_VARIABLE "=%.200s", path);
    error = credentials_accept(source, line, ret, reterr);
    bytes_wipe(content, sizeof content); /* the stack is the program's main thread's */
    return error;
}

const char *credentials_variable(void)
{
    static const char *const names[] = {"SENTINEL_API_TOKEN", "SENTINEL_API_KEY", FILE_VARIABLE};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (environment_value(names[i]))
            return names[i];
    return NULL;
}

int credentials_token(char ret[static TOKEN_SIZE], char reterr[static TOKEN_REASON_SIZE])
{
    const char *name = credentials_variable();
    ret[0] = '\0';
    if (!name)
        return 0;
    const char *value = environment_value(name);
    if (strcmp(name, FILE_VARIABLE) == 0)
        return read_file(value, ret, reterr);
    return credentials_accept(name, text_of(value), ret, reterr);
}
