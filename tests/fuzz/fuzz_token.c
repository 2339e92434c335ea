// SPDX-License-Identifier: Apache-2.0
// The file of SENTINEL_API_TOKEN_FILE as anything: what is taken of it is its whole first line without
// white space around it and a byte order mark before it, or nothing.
#include <ctype.h>

#include "config/config.h"
#include "config/credentials.h"
#include "folder.h"
#include "fuzz.h"

static struct config config;

static void is_first_line(const char *token, const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);
    size_t         len = end ? (size_t)(end - data) : size;
    size_t         mark = len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    data += mark;
    len -= mark;
    while (len > 0 && isspace(data[len - 1]))
        len--;
    for (; len > 0 && isspace(*data); len--)
        data++;
    HOLDS(strlen(token) == len && memcmp(token, data, len) == 0);
    for (; *token; token++)
        HOLDS(*token > ' ' && *token < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    char       path[64];
    char       token[TOKEN_SIZE];
    char       reason[TOKEN_REASON_SIZE] = "";
    struct log log;
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
    HOLDS((credentials_token(token, reason) == 0) == (token[0] != '\0'));
    HOLDS(strcmp(token, config.token) == 0);
    HOLDS((reason[0] != '\0') == (token[0] == '\0'));
    return 0;
}
