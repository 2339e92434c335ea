// SPDX-License-Identifier: Apache-2.0
#include "base/environment.h"

#include <stdlib.h>

const char *environment_value(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

bool environment_names_relative(void)
{
    static const char *const names[] = {"PILLION_DIR",
                                        "AWS_CA_BUNDLE",
                                        "CURL_CA_BUNDLE",
                                        "SSL_CERT_FILE",
                                        "AWS_CONFIG_FILE",
                                        "AWS_SHARED_CREDENTIALS_FILE",
                                        "AWS_WEB_IDENTITY_TOKEN_FILE",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = environment_value(names[i]);
        if (value && *value != '/')
            return true;
    }
    return false;
}

const char *environment_proxy(const char *name, const char *upper_name)
{
    const char *value = environment_value(name);
    if (!value && upper_name)
        value = environment_value(upper_name);
    return value ? value : "";
}
