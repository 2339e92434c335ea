// SPDX-License-Identifier: Apache-2.0
// The file of SENTINEL_API_TOKEN_FILE as anything: what is taken of it is its whole first line, or nothing.
#include "config/config.h"
#include "config/credentials.h"
#include "folder.h"
#include "fuzz.h"
#include "sentinel/requests.h"

static struct config config;

static void is_first_line(const char *token, const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);
    size_t         len = end ? (size_t)(end - data) : size;
    while (len > 0 && data[len - 1] == '\r')
        len--;
    HOLDS(strlen(token) == len && memcmp(token, data, len) == 0);
    for (; *token; token++)
        HOLDS(*token > ' ' && *token < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int   fd = -1;
    char         path[64];
    struct log   log;
    struct bytes token;
    fd = nameless_file(fd, data, size);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    (void)clearenv();
    HOLDS(setenv("SENTINEL_API_TOKEN_FILE", path, 1) == 0);
    log_init(&log, LOG_DEBUG);
    config = (struct config){0};
    config_read(&config, NULL, &log);
    if (config.token[0])
        is_first_line(config.token, data, size);
    log_done(&log);
    if (credentials_token(&token) == 0 && api_token_is_fine(token.data))
        HOLDS(token.len > 0 && memmem(data, size, token.data, token.len));
    bytes_done(&token);
    return 0;
}
