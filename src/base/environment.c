// SPDX-License-Identifier: Apache-2.0
#include "base/environment.h"

#include <stdlib.h>

const char *environment_value(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

const char *environment_proxy(const char *name, const char *upper_name)
{
    const char *value = environment_value(name);
    if (!value && upper_name)
        value = environment_value(upper_name);
    return value ? value : "";
}
