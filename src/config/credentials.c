// SPDX-License-Identifier: Apache-2.0
#include "config/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/environment.h"
#include "base/file.h"
#include "base/text.h"

enum { TOKEN_FILE_MAX = 64 * 1024 };

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static int read_token_file(const char *path, struct bytes *ret)
{
    struct bytes content;
    struct text  line = {0};
    bytes_init(&content, TOKEN_FILE_MAX);
    int error = file_load(AT_FDCWD, path, &content);
    if (error == 0 && content.len > 0) {
        struct text t = text_span(content.data, content.len);
        (void)text_line(&t, &line);
        while (text_len(line) > 0 && is_white(*line.at))
            line.at++;
        while (text_len(line) > 0 && is_white(line.end[-1]))
            line.end--;
        bytes_add(ret, line.at, text_len(line));
    }
    bytes_done(&content);
    return error != 0 ? error : ret->failed ? -ENOMEM : ret->len == 0 ? -ENOENT : 0;
}

int credentials_token(struct bytes *ret)
{
    bytes_init(ret, TOKEN_FILE_MAX);
    const char *token = environment_value("SENTINEL_API_TOKEN");
    if (!token)
        token = environment_value("SENTINEL_API_KEY");
    if (token) {
        bytes_text(ret, token);
        return ret->failed ? -ENOMEM : 0;
    }
    const char *path = environment_value("SENTINEL_API_TOKEN_FILE");
    return path ? read_token_file(path, ret) : -ENOENT;
}
