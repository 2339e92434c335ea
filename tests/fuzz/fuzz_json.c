// SPDX-License-Identifier: Apache-2.0
// What json_check passes is safe for cJSON, and stays what it is when it is minified. cJSON refuses a little more:
// halves of surrogate pairs and numbers of 64 characters.
#include <cJSON.h>

#include "base/json_write.h"
#include "base/text.h"
#include "fuzz.h"

static void check_members(struct text t)
{
    struct text key;
    struct text value;
    if (!json_enter(&t))
        return;
    while (json_member(&t, &key, &value))
        HOLDS(json_check(value, SIZE_MAX) == 0);
}

static void check_passed(struct text t)
{
    struct bytes small;
    cJSON       *tree = cJSON_ParseWithLength(t.at, text_len(t));
    bytes_init(&small, 3 * text_len(t)); /* what is not UTF-8 becomes U+FFFD */
    json_minify(t, &small);
    HOLDS(!small.failed && !memchr(small.data, '\n', small.len));
    HOLDS(json_check(text_span(small.data, small.len), SIZE_MAX) == 0);
    cJSON *again = cJSON_ParseWithLength(small.data, small.len);
    HOLDS(!tree == !again);
    cJSON_Delete(again);
    cJSON_Delete(tree);
    bytes_done(&small);
    check_members(t);
}

static void check_writer(struct text t)
{
    struct bytes b;
    bytes_init(&b, SIZE_MAX / 4);
    json_string(&b, t.at, text_len(t));
    HOLDS(b.len == json_string_size(t.at, text_len(t)));
    HOLDS(json_check(text_span(b.data, b.len), 1) == 0);
    bytes_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text t = text_span((const char *)data, size);
    if (json_check(t, JSON_VALUES_MAX) == 0)
        check_passed(t);
    check_writer(t);
    return 0;
}
