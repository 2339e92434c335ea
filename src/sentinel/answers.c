/* Answers are parsed, checked, and described without secrets. delivery/retry.c judges them. */
// SPDX-License-Identifier: Apache-2.0
#include "sentinel/answers.h"

#include <cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "base/text.h"
#include "sentinel/requests.h"
#include "sentinel/s3.h"
#include "sentinel/secrets.h"

enum { SECRET_MAX = 8 * 1024, PREFIX_MAX = 1024 };

/* Parses strictly: cJSON would take garbage behind the value, NULs, and any depth up to a thousand. */
static int parse(const char *body, size_t len, cJSON **ret)
{
    if (!body || len > HTTP_ANSWER_MAX || json_check(text_span(body, len), JSON_VALUES_MAX) != 0)
        return -EBADMSG;
    *ret = cJSON_ParseWithLength(body, len);
    return *ret ? 0 : -EBADMSG;
}

/* Returns NULL when there is no such text. */
static const char *member(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* Measures "s3://bucket/prefix": its length without trailing slashes, 0 when it is anything else. */
static size_t measure_prefix(const char *uri)
{
    struct text t = text_of(uri);
    struct text bucket;
    while (text_len(t) > 0 && t.end[-1] == '/')
        t.end--;
    size_t len = text_len(t);
    if (len > PREFIX_MAX || !text_skip(&t, "s3://") || !text_until(&t, '/', &bucket))
        return 0;
    if (text_len(bucket) < S3_BUCKET_MIN || text_len(bucket) > S3_BUCKET_MAX ||
        !text_consists_of(bucket, S3_BUCKET_CHARACTERS))
        return 0;
    for (const char *p = t.at; p < t.end; p++)
        if (ascii_is_control(*p))
            return 0;
    return text_len(t) > 0 && *t.at != '/' ? len : 0;
}

/* The server has been seen to say `expires_at`; its documentation says `expiration`. An unreadable time counts as
 * expired: the next refresh will tell. */
static int64_t parse_expiry(const cJSON *object)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, "expires_at");
    if (!item || cJSON_IsNull(item))
        item = cJSON_GetObjectItemCaseSensitive(object, "expiration");
    if (!item || cJSON_IsNull(item))
        return INT64_MAX;
    const char *text = cJSON_GetStringValue(item);
    int64_t     seconds = 0;
    return text && clock_parse_utc(text, &seconds) == 0 ? seconds : 0;
}

/* Checks keys and tokens, since they end up in headers. */
static bool is_secret(const char *text)
{
    size_t len = text ? strlen(text) : 0;
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] >= 0x7f)
            return false;
    return len > 0 && len <= SECRET_MAX;
}

/* Returns 0; -ENODATA when there are none that could be used. */
static int read_credentials(const cJSON *answer, struct sentinel_credentials *ret)
{
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(answer, "upload_credentials");
    const char  *access_key = member(object, "access_key");
    const char  *secret_key = member(object, "secret_key");
    const char  *session_token = member(object, "session_token");
    const char  *region = member(object, "region");
    *ret = (struct sentinel_credentials){0};
    if (!is_secret(access_key) || !is_secret(secret_key) || !is_secret(session_token))
        return -ENODATA;
    ret->access_key = strdup(access_key);
    ret->secret_key = strdup(secret_key);
    ret->session_token = strdup(session_token);
    ret->expires_at = parse_expiry(object);
    bool complete = ret->access_key && ret->secret_key && ret->session_token;
    if (region && strlen(region) < S3_REGION_SIZE && text_consists_of(text_of(region), S3_REGION_CHARACTERS)) {
        ret->region = strdup(region);
        complete = complete && ret->region;
    }
    if (complete)
        return 0;
    sentinel_credentials_done(ret);
    return -ENOMEM;
}

/* A run that has an ID is registered, whatever is wrong with the rest. Without a prefix or credentials it is finished
 * inline. */
int answer_registration(const char *body, size_t len, struct sentinel_registration *ret)
{
    cJSON *answer = NULL;
    *ret = (struct sentinel_registration){0};
    int error = parse(body, len, &answer);
    if (error != 0)
        return error;
    const char *run_id = member(answer, "run_id");
    const char *prefix = member(answer, "upload_uri_prefix");
    size_t      prefix_len = prefix ? measure_prefix(prefix) : 0;
    error = api_run_id_is_fine(run_id) ? read_credentials(answer, &ret->credentials) : -EBADMSG;
    if (error == 0 || error == -ENODATA) {
        ret->run_id = strdup(run_id);
        if (prefix_len > 0)
            ret->upload_uri_prefix = strndup(prefix, prefix_len);
        error = ret->run_id && (prefix_len == 0 || ret->upload_uri_prefix) ? 0 : -ENOMEM;
    }
    cJSON_Delete(answer);
    if (error != 0)
        sentinel_registration_done(ret);
    return error;
}

int answer_credentials(const char *body, size_t len, struct sentinel_credentials *ret)
{
    cJSON *answer = NULL;
    *ret = (struct sentinel_credentials){0};
    int error = parse(body, len, &answer);
    if (error == 0)
        error = read_credentials(answer, ret);
    cJSON_Delete(answer);
    return error == -ENODATA ? -EBADMSG : error;
}

int answer_result(const char *body, size_t len, struct bytes *ret)
{
    struct text t = text_span(body ? body : "", body ? len : 0);
    bytes_init(ret, (size_t)3 * HTTP_ANSWER_MAX);
    if (text_len(t) == 0)
        t = text_of("{}");
    if (text_len(t) > HTTP_ANSWER_MAX || json_check(t, SIZE_MAX) != 0)
        return -EBADMSG;
    json_minify(t, ret);
    return ret->failed ? -ENOMEM : 0;
}

static void free_secret(char *secret)
{
    if (secret)
        bytes_wipe(secret, strlen(secret));
    free(secret);
}

void sentinel_credentials_done(struct sentinel_credentials *credentials)
{
    free_secret(credentials->access_key);
    free_secret(credentials->secret_key);
    free_secret(credentials->session_token);
    free(credentials->region);
    *credentials = (struct sentinel_credentials){0};
}

void sentinel_registration_done(struct sentinel_registration *registration)
{
    free(registration->run_id);
    free(registration->upload_uri_prefix);
    sentinel_credentials_done(&registration->credentials);
    *registration = (struct sentinel_registration){0};
}

enum {
    DESCRIBED = 4096, /* bytes of a body that are looked at */
    WORD_MAX = 20,    /* in a description: longer runs of these characters may be keys and tokens */
    JOINT_RARITY = 5, /* … unless they are words put together: letters for each change of case, at least */
};

static bool is_word(char c)
{
    return ascii_is_alphanumeric(c) || (c != '\0' && strchr("+/=_", c));
}

/* Takes the next part off: "Name", "name", "NAME". Returns how many letters it has. */
static size_t take_part(struct text *t)
{
    const char *start = t->at;
    while (t->at < t->end && ascii_is_upper(*t->at))
        t->at++;
    if (t->at - start <= 1)
        while (t->at < t->end && ascii_is_lower(*t->at))
            t->at++;
    return (size_t)(t->at - start);
}

/* A number that stands between letters makes no word. */
static bool skip_number(struct text *t, bool after_letter)
{
    bool any = false;
    for (; t->at < t->end && ascii_is_digit(*t->at); t->at++)
        any = true;
    return !any || !(after_letter || (t->at < t->end && ascii_is_letter(*t->at)));
}

/* Words of the server's are model_attributes_type or AuthorizationHeaderMalformed. A key changes between cases and
 * digits at nearly every character. */
static bool is_made_of_words(struct text t)
{
    size_t letters = 0;
    size_t joints = 0;
    bool   after_letter = false;
    while (t.at < t.end) {
        size_t len = take_part(&t);
        letters += len;
        joints += len > 0 && after_letter;
        after_letter = len > 0;
        if (len >= WORD_MAX || !skip_number(&t, after_letter))
            return false;
        if (t.at < t.end && !ascii_is_letter(*t.at)) {
            t.at++;
            after_letter = false;
        }
    }
    return letters > 0 && letters >= joints * JOINT_RARITY;
}

static bool looks_secret(struct text word)
{
    return text_len(word) >= WORD_MAX && !is_made_of_words(word);
}

struct line {
    char  *at;
    size_t room;
};

static void put(struct line *line, struct text t)
{
    for (const char *p = t.at; p < t.end && line->room > 1; p++, line->room--)
        *line->at++ = *p >= ' ' && *p < 0x7f ? *p : ' ';
    if (line->room > 0)
        *line->at = '\0';
}

/* "secret_key", "SessionToken", "x-api-key": case and punctuation do not count. */
static bool names_a_secret(struct text name)
{
    static const char *const parts[] = {"secret",     "token",  "credential", "passw",         "accesskey",
                                        "accountkey", "apikey", "privatekey", "authorization", "signature"};
    char                     plain[64];
    size_t                   len = 0;
    for (; name.at < name.end && len < sizeof plain - 1; name.at++)
        if (ascii_is_alphanumeric(*name.at))
            plain[len++] = ascii_lower(*name.at);
    plain[len] = '\0';
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        if (strstr(plain, parts[i]))
            return true;
    return false;
}

static bool is_scheme(struct text word)
{
    return text_is(word, "Bearer") || text_is(word, "bearer") || text_is(word, "Basic");
}

enum follows { FOLLOWS_NOTHING, FOLLOWS_SCHEME /* up to a space */, FOLLOWS_NAME /* up to the value's end */ };

/* What does `between` leave of that? Names have a colon or an equals sign behind them, and perhaps quotes. */
static enum follows after(enum follows before, struct text word, struct text between)
{
    if (is_scheme(word))
        return FOLLOWS_SCHEME;
    if (text_len(between) <= 4 && text_consists_of(between, " :=\"'") && memchr(between.at, ':', text_len(between)) &&
        names_a_secret(word))
        return FOLLOWS_NAME;
    if (before == FOLLOWS_NAME)
        return text_consists_of(between, "-.~:!*") ? before : FOLLOWS_NOTHING;
    return before && !memchr(between.at, ' ', text_len(between)) ? before : FOLLOWS_NOTHING;
}

/* "token=abc" is one word. */
static bool is_assignment(struct text word, struct text *ret_name)
{
    const char *equals = memchr(word.at, '=', text_len(word));
    *ret_name = (struct text){word.at, equals ? equals : word.at};
    return equals && names_a_secret(*ret_name);
}

/* Some servers give the request back when they refuse it, or credentials. So a word that looks like a key is left out,
 * and so is one behind "Bearer", or behind the name of a secret. */
static void put_without_secrets(struct line *line, struct text t)
{
    enum follows follows = FOLLOWS_NOTHING;
    while (t.at < t.end && line->room > 1) {
        const char *start = t.at;
        while (t.at < t.end && is_word(*t.at))
            t.at++;
        struct text word = {start, t.at};
        struct text name = {start, start};
        bool        assigns = !follows && is_assignment(word, &name);
        bool        hidden = text_len(word) > 0 && !is_scheme(word) && (follows || looks_secret(word));
        put(line, assigns ? name : text_of(""));
        put(line, assigns ? text_of("=***") : hidden ? text_of("***") : word);
        start = t.at;
        while (t.at < t.end && !is_word(*t.at))
            t.at++;
        struct text between = {start, t.at};
        put(line, between);
        follows = after(assigns ? FOLLOWS_NAME : follows, word, between);
    }
}

bool answer_element(struct text t, const char *open, struct text *ret)
{
    while (text_until(&t, '<', ret)) {
        if (!text_skip(&t, open))
            continue;
        if (!text_until(&t, '<', ret))
            return false;
        text_trim(ret);
        return true;
    }
    return false;
}

/* A copy without escapes, which would cut a key into words. */
static void unescape(struct text t, size_t max, struct bytes *ret)
{
    bytes_init(ret, max);
    bytes_add(ret, t.at, text_len(t));
    while (ret->len > 0 && secrets_unescape(ret))
        ;
}

/* A word that is cut is left out, for it may be a part of a secret. */
static void put_piece(struct line *line, struct text piece)
{
    struct bytes plain;
    if (text_len(piece) > DESCRIBED) {
        piece.end = piece.at + DESCRIBED;
        while (piece.end > piece.at && is_word(piece.end[-1]))
            piece.end--;
    }
    unescape(piece, DESCRIBED, &plain);
    if (plain.len > 0)
        put_without_secrets(line, text_span(plain.data, plain.len));
    bytes_done(&plain);
}

static void put_body(struct line *line, struct text body, bool redirects)
{
    struct text piece;
    text_blanks(&body);
    if (text_len(body) == 0)
        return;
    if (*body.at != '<') {
        if (!redirects) /* that is no word of the API's, whatever it brings */
            put_piece(line, body);
        return;
    }
    static const char *const elements[] = {"Code>", "Message>", "title>"};
    bool                     any = false;
    for (size_t i = 0; i < ARRAY_LENGTH(elements); i++) {
        if (!answer_element(body, elements[i], &piece))
            continue;
        if (any)
            put(line, text_of(": "));
        put_piece(line, piece);
        any = true;
    }
}

static bool holds_a_key(struct text t)
{
    while (t.at < t.end) {
        const char *start = t.at;
        while (t.at < t.end && is_word(*t.at))
            t.at++;
        if (looks_secret((struct text){start, t.at}))
            return true;
        t.at += t.at < t.end;
    }
    return false;
}

static bool judge_unescaped(bool (*judge)(struct text t), struct text inside)
{
    struct bytes plain;
    unescape(inside, HTTP_ANSWER_MAX, &plain);
    bool secret = plain.failed || (plain.len > 0 && judge(text_span(plain.data, plain.len)));
    bytes_done(&plain);
    return secret;
}

static void keep_text(struct text inside, struct bytes *ret)
{
    bytes_char(ret, '"');
    if (judge_unescaped(holds_a_key, inside))
        bytes_text(ret, "***");
    else
        bytes_add(ret, inside.at, text_len(inside));
    bytes_char(ret, '"');
}

/* Numbers and words such as true are nobody's secret. */
static bool may_hold_a_secret(struct text value)
{
    return text_starts(value, "{") || text_starts(value, "[") || text_starts(value, "\"");
}

static void keep_value(struct text value, struct bytes *ret);

static void keep_members(struct text value, struct bytes *ret)
{
    bool        is_object = json_enter(&value);
    struct text key;
    struct text member;
    bytes_char(ret, is_object ? '{' : '[');
    if (!is_object)
        (void)json_enter_array(&value);
    for (bool first = true; is_object ? json_member(&value, &key, &member) : json_value(&value, &member);
         first = false) {
        if (!first)
            bytes_char(ret, ',');
        if (is_object) {
            keep_text(key, ret);
            bytes_char(ret, ':');
        }
        if (is_object && may_hold_a_secret(member) && judge_unescaped(names_a_secret, key))
            bytes_text(ret, "\"***\"");
        else
            keep_value(member, ret);
    }
    bytes_char(ret, is_object ? '}' : ']');
}

static void keep_value(struct text value, struct bytes *ret)
{
    if (text_starts(value, "\""))
        keep_text((struct text){value.at + 1, value.end - 1}, ret);
    else if (may_hold_a_secret(value))
        keep_members(value, ret);
    else
        bytes_add(ret, value.at, text_len(value));
}

void answer_keep(struct text result, struct bytes *ret)
{
    bytes_init(ret, (size_t)3 * HTTP_ANSWER_MAX);
    keep_value(result, ret);
}

void answer_describe(const struct http_answer *answer, char *ret, size_t size)
{
    struct line line = {ret, size};
    char        status[32];
    if (size == 0)
        return;
    ret[0] = '\0';
    if (answer->error != 0) {
        put(&line, text_of(answer->message[0] ? answer->message : "no answer"));
        return;
    }
    (void)snprintf(status, sizeof status, "HTTP %ld", answer->status);
    put(&line, text_of(status));
    /* A success brings credentials. */
    if (answer->status >= 200 && answer->status <= 299)
        return;
    if (answer->body.len > 0) {
        put(&line, text_of(" "));
        put_body(&line, text_span(answer->body.data, answer->body.len), answer->status >= 300 && answer->status <= 399);
    }
}
