// SPDX-License-Identifier: Apache-2.0
#include <cJSON.h>
#include <errno.h>
#include <string.h>

#include "base/json_write.h"
#include "sentinel/requests.h"

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

/* A validation error's `loc` is a path: ["body", "tags", 0, …]. The first of its names that the body has is meant, so
 * that a tag called "env" is not taken for the member of that name. */
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

/* [{"key":"k","value":"v"}] → {"k":"v"}: strings are taken over as they are escaped. */
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

/* And back. */
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

/* The members; of the named ones only tags that begin with `from`, in the other form. */
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
