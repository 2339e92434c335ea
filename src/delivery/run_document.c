/* A run as JSON for others to read. */
// SPDX-License-Identifier: Apache-2.0
#include "delivery/run_document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/json_write.h"
#include "config/config.h"
#include "store/journal_read.h"
#include "store/journal_write.h"

/* Members that go out as they are. */
static const char *const of_start[] = {"started_at",   "clock_offset_ms", "interval",     "upload_interval",
                                       "registration", "allotment",       "time_limit_at"};
static const char *const of_end[] = {"finished_at", "duration_s", "exit_code", "signal",
                                     "totals",      "cgroup",     "energy",    "cost"};

static unsigned share_of(const cJSON *state)
{
    double share = journal_number(state, "share", 0);
    return share >= 0 && share <= SHARE_ALL ? (unsigned)share : 0;
}

static void put_text(struct bytes *b, const char *key, const char *value)
{
    json_key(b, key);
    json_string(b, value, strlen(value));
}

static void put_item(struct bytes *b, const char *key, const cJSON *item)
{
    if (!item || cJSON_IsNull(item))
        return;
    char *text = cJSON_PrintUnformatted(item);
    json_key(b, key);
    bytes_text(b, text ? text : "null");
    b->failed |= !text; /* without memory a document would lack what it is read for, for good */
    free(text);
}

static void put_members(struct bytes *b, const cJSON *state, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put_item(b, keys[i], cJSON_GetObjectItemCaseSensitive(state, keys[i]));
}

/* The registration's: an array in a text, and of the program alone unless the user let more out. */
static void put_command(struct bytes *b, const cJSON *state)
{
    const char *text = journal_text(cJSON_GetObjectItemCaseSensitive(state, "registration"), "command");
    if (!text || json_check(text_of(text), JSON_VALUES_MAX) < 0)
        return;
    json_key(b, "command");
    bytes_text(b, text);
}

/* A machine is told by the hash of its boot: which runs were on one machine at one time is worth knowing. */
static void put_machine(struct bytes *b, const cJSON *state)
{
    const cJSON *machine = cJSON_GetObjectItemCaseSensitive(state, "machine");
    const char  *boot_id = journal_text(machine, "boot_id");
    const char  *name = journal_text(machine, "host_name");
    char         hash[9] = "";
    journal_token_id(boot_id ? boot_id : "", hash);
    json_key(b, "machine");
    bytes_char(b, '{');
    put_text(b, "boot", hash);
    if (name && share_of(state) & SHARE_HOSTNAME)
        put_text(b, "host_name", name);
    bytes_char(b, '}');
}

static void put_beginning(struct bytes *b, const cJSON *state, const char *is)
{
    const char *key = journal_text(state, "key");
    bytes_text(b, "{\"format\":");
    bytes_unsigned(b, JOURNAL_FORMAT);
    put_text(b, "id", key ? key : "");
    put_text(b, "state", is);
    put_command(b, state);
    put_machine(b, state);
    put_members(b, state, of_start, ARRAY_LENGTH(of_start));
    if (share_of(state) & SHARE_HOSTNAME && share_of(state) & SHARE_ACCOUNT) /* a pod, its namespace: names of both */
        put_item(b, "container", cJSON_GetObjectItemCaseSensitive(state, "container"));
}

static int close_document(struct bytes *b)
{
    bytes_char(b, '}');
    return b->failed ? -ENOMEM : 0;
}

int run_document_started(const cJSON *state, struct bytes *ret)
{
    bytes_init(ret, RUN_DOCUMENT_MAX);
    put_beginning(ret, state, "running");
    return close_document(ret);
}

/* Their names are words of the program's arguments, sometimes. The GPUs' seconds are nobody's name; where there are
 * GPUs 0 is a figure too: they stood idle. */
static void put_commands(struct bytes *b, const cJSON *state)
{
    const cJSON *commands = cJSON_GetObjectItemCaseSensitive(state, "commands");
    const cJSON *command = NULL;
    double       gpu_s = 0;
    if (share_of(state) & SHARE_COMMAND)
        put_item(b, "commands", commands);
    cJSON_ArrayForEach(command, commands) gpu_s += journal_number(command, "gpu_s", 0);
    double gpus = journal_number(cJSON_GetObjectItemCaseSensitive(state, "registration"), "host_gpu_count", 0);
    if (gpu_s > 0 || (gpus > 0 && cJSON_GetArraySize(commands) > 0)) {
        json_key(b, "gpu_s");
        bytes_decimal(b, gpu_s, 3);
    }
}

int run_document_ended(const cJSON *state, uint64_t objects, struct bytes *ret)
{
    bytes_init(ret, RUN_DOCUMENT_MAX);
    put_beginning(ret, state, "finished");
    put_members(ret, state, of_end, ARRAY_LENGTH(of_end));
    put_commands(ret, state);
    json_key(ret, "objects");
    bytes_unsigned(ret, objects);
    return close_document(ret);
}
