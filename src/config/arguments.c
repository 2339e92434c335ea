// SPDX-License-Identifier: Apache-2.0
#include "config/arguments.h"

#include <string.h>

#include "base/text.h"
#include "sentinel/secrets.h"

/* "scheme://user:password@host": what stands before the @ goes. */
static void hide_user(char *argument)
{
    for (char *at = argument; (at = strstr(at, "://"));) {
        at += strlen("://");
        char *host = at + strcspn(at, "/?#\"' \t\n,");
        char *user_end = memrchr(at, '@', (size_t)(host - at));
        for (; user_end && at < user_end; at++)
            *at = '*';
    }
}

/* An argument that spells the token in some other way shows nothing of itself. */
static void hide_token(char *argument, const struct secrets *token)
{
    struct bytes copy;
    size_t       len = strlen(argument);
    struct bytes itself = {.data = argument, .len = len};
    if (len < BYTES_SECRET_MIN)
        return;
    for (size_t i = 0; i < token->count; i++)
        (void)bytes_hide(&itself, token->known[i]);
    bytes_init(&copy, len);
    bytes_add(&copy, argument, len);
    if (copy.failed || secrets_hide(token, &copy))
        memset(argument, '*', len);
    bytes_done(&copy);
}

void arguments_hide(char *const *arguments, const char *token)
{
    struct secrets secrets = {0};
    secrets_add(&secrets, token);
    for (; arguments && *arguments; arguments++) {
        hide_user(*arguments);
        if (secrets.count > 0)
            hide_token(*arguments, &secrets);
    }
}
