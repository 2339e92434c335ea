// SPDX-License-Identifier: Apache-2.0
#include "run_limits.h"

#include <string.h>

#include "base/text.h"
#include "store/journal_read.h"

/* A tag that pillion set itself: {"key": "cgroup_cpus", "value": "2"}; 0: there is none. */
static double tag_number(const cJSON *tags, const char *key)
{
    const cJSON *tag;
    double       value = 0;
    cJSON_ArrayForEach(tag, tags)
    {
        const char *text = journal_text(tag, "value");
        if (journal_is(tag, "key", key) && text != NULL && !text_decimal(text_of(text), &value))
            value = 0;
    }
    return value;
}

static void lower(double *limit, bool *is_given, double to)
{
    if (to <= 0 || (*limit > 0 && to >= *limit))
        return;
    *limit = to;
    *is_given = true;
}

struct limits limits_of(const cJSON *state)
{
    const cJSON  *registration = cJSON_GetObjectItemCaseSensitive(state, "registration");
    const cJSON  *tags = cJSON_GetObjectItemCaseSensitive(registration, "tags");
    struct limits ret = {
        .cpus = journal_number(registration, "host_vcpus", 0),
        .memory_mib = journal_number(registration, "host_memory_mib", 0),
        .gpus = journal_number(registration, "host_gpu_count", 0),
        .vram_mib = journal_number(registration, "host_gpu_memory_mib", 0),
    };
    lower(&ret.cpus, &ret.cpus_are_given, tag_number(tags, "cgroup_cpus"));
    lower(&ret.cpus, &ret.cpus_are_given, tag_number(tags, "cpus_allowed"));
    lower(&ret.memory_mib, &ret.memory_is_given, tag_number(tags, "cgroup_memory_mib"));
    return ret;
}
