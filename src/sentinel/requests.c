/* The bodies and headers of the API's requests. */
// SPDX-License-Identifier: Apache-2.0
#include "sentinel/requests.h"

#include <cJSON.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "sentinel/gzip.h"

enum {
    REGISTER_MAX = 1024 * 1024,  /* the limit of the whole body */
    REGISTER_SLACK = 512 * 1024, /* the largest member, escaped at its worst */
    STRING_MAX = 64 * 1024,
    COMMAND_MAX = 64 * 1024, /* the limit of the array inside the string */
    ARGUMENT_MAX = 16 * 1024,
    TAGS_MAX = 128 * 1024, /* the limit of all of them, escaped */
    TAG_COUNT_MAX = 256,
    TAG_STRING_MAX = 4 * 1024,
};

struct field {
    char   name[24];
    size_t offset;
};

#define FIELD(name)                                \
    {                                              \
#name, offsetof(struct sentinel_run, name) \
    }

static const struct field metadata[] = {
    FIELD(job_name),
    FIELD(project_name),
    FIELD(stage_name),
    FIELD(task_name),
    FIELD(team),
    FIELD(env),
    FIELD(language),
    FIELD(orchestrator),
    FIELD(executor),
    FIELD(external_run_id),
    FIELD(container_image),
};
static const struct field host_texts[] = {
    FIELD(host_id),        FIELD(host_hostname),  FIELD(host_ip), FIELD(host_server_allocation),
    FIELD(host_cpu_model), FIELD(host_gpu_model),
};
static const struct field host_numbers[] = {
    FIELD(host_vcpus),
    FIELD(host_memory_mib),
    FIELD(host_gpu_count),
    FIELD(host_gpu_memory_mib),
};
static const struct field cloud[] = {
    FIELD(cloud_vendor_id), FIELD(cloud_account_id),    FIELD(cloud_region_id),
    FIELD(cloud_zone_id),   FIELD(cloud_instance_type),
};

/* Takes back all since `mark` when the whole has become too long. */
static bool keep_within(struct bytes *b, size_t mark, size_t max)
{
    if (b->failed || b->len <= max)
        return true;
    b->len = mark;
    b->data[mark] = '\0';
    return false;
}

static void put_texts(struct bytes *b, const struct sentinel_run *run, const struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *value;
        memcpy(&value, (const char *)run + fields[i].offset, sizeof value);
        if (!value)
            continue;
        size_t mark = b->len;
        json_key(b, fields[i].name);
        json_string_cut(b, value, STRING_MAX);
        (void)keep_within(b, mark, REGISTER_MAX - 1);
    }
}

static void put_numbers(struct bytes *b, const struct sentinel_run *run)
{
    for (size_t i = 0; i < ARRAY_LENGTH(host_numbers); i++) {
        uint64_t value;
        memcpy(&value, (const char *)run + host_numbers[i].offset, sizeof value);
        if (value == 0)
            continue;
        json_key(b, host_numbers[i].name);
        bytes_unsigned(b, value);
    }
    if (run->host_storage_gb > 0) {
        json_key(b, "host_storage_gb");
        bytes_decimal(b, run->host_storage_gb, 3);
    }
}

/* Puts the command as the API stores it: text that is a JSON array. A huge one keeps its first arguments. */
static void put_command(struct bytes *b, const char *const *command)
{
    if (!command || !command[0])
        return;
    struct bytes array;
    bytes_init(&array, COMMAND_MAX + (size_t)7 * ARGUMENT_MAX);
    bytes_char(&array, '[');
    for (size_t i = 0; command[i]; i++) {
        size_t mark = array.len;
        if (i > 0)
            bytes_char(&array, ',');
        json_string_cut(&array, command[i], ARGUMENT_MAX);
        if (!keep_within(&array, mark, COMMAND_MAX)) {
            bytes_text(&array, i > 0 ? ",\"\xe2\x80\xa6\"" : "\"\xe2\x80\xa6\"");
            break;
        }
    }
    bytes_char(&array, ']');
    size_t mark = b->len;
    json_key(b, "command");
    if (array.failed)
        b->failed = true;
    else
        json_string(b, array.data, array.len);
    (void)keep_within(b, mark, REGISTER_MAX - 1);
    bytes_done(&array);
}

static bool is_repeated(const struct sentinel_pair *tags, size_t i, size_t count)
{
    for (size_t j = i + 1; j < count; j++)
        if (tags[j].key && strcmp(tags[i].key, tags[j].key) == 0)
            return true;
    return false;
}

static void put_own_tags(struct bytes *b, const struct sentinel_pair *tags, size_t count)
{
    if (count > TAG_COUNT_MAX)
        count = TAG_COUNT_MAX;
    size_t start = b->len;
    json_key(b, "tags");
    bytes_char(b, '[');
    size_t first = b->len;
    for (size_t i = 0; i < count; i++) {
        if (!tags[i].key || tags[i].key[0] == '\0' || is_repeated(tags, i, count))
            continue;
        size_t mark = b->len;
        bytes_text(b, b->len > first ? ",{\"key\":" : "{\"key\":");
        json_string_cut(b, tags[i].key, TAG_STRING_MAX);
        bytes_text(b, ",\"value\":");
        json_string_cut(b, tags[i].value ? tags[i].value : "", TAG_STRING_MAX);
        bytes_char(b, '}');
        (void)keep_within(b, mark, start + TAGS_MAX);
    }
    if (b->len == first)
        (void)keep_within(b, start, 0);
    else
        bytes_char(b, ']');
    (void)keep_within(b, start, REGISTER_MAX - 1);
}

int request_register_body(const struct sentinel_run *run, struct bytes *ret)
{
    bytes_init(ret, REGISTER_MAX + REGISTER_SLACK);
    bytes_char(ret, '{');
    put_texts(ret, run, metadata, ARRAY_LENGTH(metadata));
    put_command(ret, run->command);
    put_own_tags(ret, run->tags, run->tag_count);
    put_numbers(ret, run);
    put_texts(ret, run, host_texts, ARRAY_LENGTH(host_texts));
    put_texts(ret, run, cloud, ARRAY_LENGTH(cloud));
    bytes_char(ret, '}');
    return ret->failed ? -ENOMEM : 0;
}

int request_register_add(const struct sentinel_run *more, struct bytes *body)
{
    if (body->failed || body->len < 2 || body->data[body->len - 1] != '}')
        return -EINVAL;
    size_t whole = body->len--;
    put_texts(body, more, metadata, ARRAY_LENGTH(metadata));
    put_numbers(body, more);
    put_texts(body, more, host_texts, ARRAY_LENGTH(host_texts));
    put_texts(body, more, cloud, ARRAY_LENGTH(cloud));
    bytes_char(body, '}');
    if (!body->failed)
        return 0;
    body->failed = false;
    body->len = whole;
    body->data[whole - 1] = '}';
    body->data[whole] = '\0';
    return -ENOMEM;
}

static bool uris_are_fine(const struct sentinel_finish *finish)
{
    static const char scheme[] = "s3://";
    if (!finish->data_uris)
        return false;
    for (size_t i = 0; i < finish->data_uri_count; i++) {
        const char *uri = finish->data_uris[i];
        if (!uri || strncmp(uri, scheme, sizeof scheme - 1) != 0 || uri[sizeof scheme - 1] == '\0')
            return false;
    }
    return finish->data_uri_count > 0;
}

static void put_uris(struct bytes *b, const struct sentinel_finish *finish)
{
    json_key(b, "data_uris");
    for (size_t i = 0; i < finish->data_uri_count; i++) {
        bytes_char(b, i > 0 ? ',' : '[');
        json_string(b, finish->data_uris[i], strlen(finish->data_uris[i]));
    }
    bytes_char(b, ']');
}

static void put_ending(struct bytes *b, const struct sentinel_finish *finish)
{
    bytes_char(b, '{');
    if (!finish->exit_code_unknown) {
        json_key(b, "exit_code");
        bytes_signed(b, finish->exit_code);
    }
    json_key(b, "run_status");
    bytes_text(b, finish->run_status == SENTINEL_FINISHED ? "\"finished\"" : "\"failed\"");
    if (finish->finished_at > 0) {
        char time[21];
        clock_format_utc(finish->finished_at, time);
        json_key(b, "finished_at");
        json_string(b, time, strlen(time));
    }
    json_key(b, "data_source");
}

/* Makes room for a CSV text of perhaps tens of MiB in one step, instead of by doubling. */
static void make_room(struct bytes *b, size_t more)
{
    size_t capacity = b->len + more + 1;
    char  *data = b->failed ? NULL : realloc(b->data, capacity);
    if (!data) {
        b->failed = true;
        return;
    }
    b->data = data;
    b->capacity = capacity;
}

static bool is_acceptable(const struct sentinel_finish *finish, size_t csv_len)
{
    if (!finish->exit_code_unknown && (finish->exit_code < 0 || finish->exit_code > 255))
        return false;
    if (finish->run_status != SENTINEL_FINISHED && finish->run_status != SENTINEL_FAILED)
        return false;
    if (finish->data_source == SENTINEL_DATA_INLINE)
        return csv_len > 0;
    return finish->data_source == SENTINEL_DATA_S3 && uris_are_fine(finish);
}

int request_finish_body(const struct sentinel_finish *finish, struct bytes *ret)
{
    size_t csv_len = finish->data_csv ? finish->data_csv_len : 0;
    if (finish->data_csv && csv_len == 0)
        csv_len = strlen(finish->data_csv);
    bytes_init(ret, SIZE_MAX / 4);
    if (!is_acceptable(finish, csv_len))
        return -EINVAL;
    put_ending(ret, finish);
    if (finish->data_source == SENTINEL_DATA_INLINE) {
        bytes_text(ret, "\"inline\"");
        json_key(ret, "data_csv");
        make_room(ret, json_string_size(finish->data_csv, csv_len) + 1);
        json_string(ret, finish->data_csv, csv_len);
    } else {
        bytes_text(ret, "\"s3\"");
        put_uris(ret, finish);
    }
    bytes_char(ret, '}');
    return ret->failed ? -ENOMEM : 0;
}

enum { REPAIR_MAX = 4 * 1024 * 1024, MEMBERS_MAX = 64 };

struct member {
    struct text key;
    struct text value;
    bool        is_named;
};

static size_t take_apart(struct text body, struct member members[static MEMBERS_MAX])
{
    size_t count = 0;
    if (!json_enter(&body))
        return 0;
    while (count < MEMBERS_MAX && json_member(&body, &members[count].key, &members[count].value))
        members[count++].is_named = false;
    return count;
}

/* The `loc` of a validation error is a path: ["body", "tags", 0, …]. The first of its names that the body has is meant,
 * so that a tag called "env" is not taken for the member of that name. */
static bool mark_named(const cJSON *loc, struct member *members, size_t count)
{
    const cJSON *part;
    cJSON_ArrayForEach(part, loc)
    {
        for (size_t i = 0; cJSON_IsString(part) && i < count; i++)
            if (text_is(members[i].key, part->valuestring))
                return members[i].is_named = true;
    }
    return false;
}

static bool mark_all_named(const cJSON *answer, struct member *members, size_t count)
{
    const cJSON *detail = cJSON_GetObjectItemCaseSensitive(answer, "detail");
    const cJSON *entry;
    bool         any = false;
    if (!cJSON_IsArray(detail))
        return false;
    cJSON_ArrayForEach(entry, detail)
    {
        const cJSON *loc = cJSON_GetObjectItemCaseSensitive(entry, "loc");
        if (cJSON_IsArray(loc) && mark_named(loc, members, count))
            any = true;
    }
    return any;
}

static bool is_string(struct text value)
{
    return text_len(value) >= 2 && *value.at == '"';
}

/* Turns [{"key":"k","value":"v"}] into {"k":"v"}; strings are taken over as they are escaped. */
static void put_tags_as_object(struct bytes *b, struct text tags)
{
    struct text tag;
    struct text key;
    struct text value;
    size_t      start = b->len + 1;
    bytes_char(b, '{');
    (void)json_enter_array(&tags);
    while (json_value(&tags, &tag)) {
        if (!json_find(tag, "key", &key) || !json_find(tag, "value", &value) || !is_string(key) || !is_string(value))
            continue;
        if (b->len > start)
            bytes_char(b, ',');
        bytes_add(b, key.at, text_len(key));
        bytes_char(b, ':');
        bytes_add(b, value.at, text_len(value));
    }
    bytes_char(b, '}');
}

/* {"k":"v"} becomes [{"key":"k","value":"v"}]. */
static void put_tags_as_list(struct bytes *b, struct text tags)
{
    struct text key;
    struct text value;
    size_t      start = b->len + 1;
    bytes_char(b, '[');
    (void)json_enter(&tags);
    while (json_member(&tags, &key, &value)) {
        if (!is_string(value))
            continue;
        bytes_text(b, b->len > start ? ",{\"key\":" : "{\"key\":");
        bytes_add(b, key.at - 1, text_len(key) + 2);
        bytes_text(b, ",\"value\":");
        bytes_add(b, value.at, text_len(value));
        bytes_char(b, '}');
    }
    bytes_char(b, ']');
}

typedef void put_tags_fn(struct bytes *b, struct text tags);

/* Puts the members. Of the named ones it puts only tags that begin with `from`, in the other form. */
static void put_members(struct bytes *b, const struct member *members, size_t count, char from, put_tags_fn *put_tags)
{
    bytes_char(b, '{');
    for (const struct member *m = members; m < members + count; m++) {
        bool is_other = m->is_named && text_is(m->key, "tags") && *m->value.at == from;
        if (m->is_named && !is_other)
            continue;
        if (b->len > 1)
            bytes_char(b, ',');
        bytes_add(b, m->key.at - 1, text_len(m->key) + 2);
        bytes_char(b, ':');
        if (is_other)
            put_tags(b, m->value);
        else
            bytes_add(b, m->value.at, text_len(m->value));
    }
    bytes_char(b, '}');
}

int request_register_renew(const char *body, struct bytes *ret)
{
    struct member members[MEMBERS_MAX];
    struct text   text = text_of(body);
    bool          any = false;
    bytes_init(ret, REPAIR_MAX);
    if (json_check(text, JSON_VALUES_MAX) != 0)
        return -EINVAL;
    size_t count = take_apart(text, members);
    for (size_t i = 0; i < count; i++)
        any |= members[i].is_named = text_is(members[i].key, "tags") && *members[i].value.at == '{';
    if (!any)
        return -ENODATA;
    put_members(ret, members, count, '{', put_tags_as_list);
    return ret->failed ? -ENOMEM : 0;
}

int request_register_repair(const char *body, const char *answer, struct bytes *ret)
{
    struct member members[MEMBERS_MAX];
    struct text   text = text_of(body);
    bytes_init(ret, REPAIR_MAX);
    if (json_check(text, JSON_VALUES_MAX) != 0)
        return -EINVAL;
    if (json_check(text_of(answer), JSON_VALUES_MAX) != 0)
        return -ENODATA;
    cJSON *tree = cJSON_Parse(answer);
    if (!tree)
        return -ENODATA;
    size_t count = take_apart(text, members);
    bool   any = mark_all_named(tree, members, count);
    cJSON_Delete(tree);
    if (!any)
        return -ENODATA;
    put_members(ret, members, count, '[', put_tags_as_object);
    return ret->failed ? -ENOMEM : 0;
}

enum { URL_MAX = 8 * 1024, AUTHORIZATION_MAX = 16 * 1024 };

static int put_url(const struct api *api, const char *run_id, const char *action, struct http_request *ret)
{
    struct bytes url;
    bytes_init(&url, URL_MAX);
    bytes_text(&url, api->base_url);
    bytes_text(&url, "/runs");
    if (run_id) {
        bytes_char(&url, '/');
        bytes_text(&url, run_id);
        bytes_text(&url, action);
    }
    bool too_long = url.failed && url.len + 1024 > URL_MAX;
    ret->url = bytes_take(&url);
    return ret->url ? 0 : too_long ? -EINVAL : -ENOMEM;
}

static int put_authorization(const struct api *api, struct http_request *ret)
{
    struct bytes value;
    bytes_init(&value, AUTHORIZATION_MAX);
    bytes_text(&value, "Bearer ");
    bytes_text(&value, api->token);
    int error = value.failed ? -ENOMEM : http_request_header(ret, "Authorization", value.data);
    bytes_done(&value);
    return error;
}

/* Begins a POST, without its body. */
static int begin(const struct api *api, const char *run_id, const char *action, struct http_request *ret)
{
    *ret = (struct http_request){.method = HTTP_POST};
    bytes_init(&ret->body, SIZE_MAX / 4);
    if (!api->base_url || !api_token_is_fine(api->token) || (run_id && !api_run_id_is_fine(run_id)))
        return -EINVAL;
    /* Plain http is for loopback only, and there a proxy would be handed the token in the clear. */
    ret->no_proxy_at_all = strncmp(api->base_url, "http://", strlen("http://")) == 0;
    int error = put_url(api, run_id, action, ret);
    if (error == 0)
        error = put_authorization(api, ret);
    if (error == 0)
        error = http_request_header(ret, "Content-Type", "application/json");
    if (error == 0)
        error = http_request_header(ret, "Accept", "application/json");
    return error;
}

static int end(int error, struct http_request *ret)
{
    if (error == 0 && ret->body.failed)
        error = -ENOMEM;
    if (error != 0)
        http_request_done(ret);
    return error;
}

int request_register(const struct api *api, const char *body, size_t len, struct http_request *ret)
{
    int error = begin(api, NULL, NULL, ret);
    if (error == 0)
        bytes_add(&ret->body, body, len);
    return end(error, ret);
}

int request_refresh(const struct api *api, const char *run_id, struct http_request *ret)
{
    return end(begin(api, run_id ? run_id : "", "/refresh-credentials", ret), ret);
}

int request_finish(const struct api *api, const char *run_id, const char *body, size_t len, bool gzip,
                   struct http_request *ret)
{
    int error = begin(api, run_id ? run_id : "", "/finish", ret);
    if (error == 0 && gzip) {
        error = http_request_header(ret, "Content-Encoding", "gzip");
        if (error == 0)
            error = gzip_compress(body, len, &ret->body);
    } else if (error == 0) {
        bytes_add(&ret->body, body, len);
    }
    return end(error, ret);
}
