// SPDX-License-Identifier: Apache-2.0
#include "sentinel/s3_keys.h"

#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "sentinel/answers.h"

/* Moves behind the next occurrence; false and at the end without one. */
static bool move_behind(struct text *t, const char *word)
{
    while (t->at < t->end) {
        const char *found = memchr(t->at, *word, text_len(*t));
        t->at = found ? found : t->end;
        if (text_skip(t, word))
            return true;
        if (t->at < t->end)
            t->at++;
    }
    return false;
}

/* The content of the element that was just entered, and behind it. */
static bool take_element(struct text *t, const char *close, struct text *ret)
{
    *ret = *t;
    if (!move_behind(t, close))
        return false;
    ret->end = t->at - strlen(close);
    return true;
}

/* Takes the next character off, an escape of XML as what it stands for. */
static char take_character(struct text *t)
{
    static const struct {
        const char *escape;
        char        meant;
    } escapes[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}, {"&#39;", '\''}};
    for (size_t i = 0; *t->at == '&' && i < ARRAY_LENGTH(escapes); i++)
        if (text_skip(t, escapes[i].escape))
            return escapes[i].meant;
    return *t->at++;
}

/* %41, and + for a blank, as S3 encodes keys. */
static char take_encoded(struct text *t)
{
    int high = *t->at == '%' && text_len(*t) >= 3 ? ascii_hex_value(t->at[1]) : -1;
    int low = high >= 0 ? ascii_hex_value(t->at[2]) : -1;
    if (low < 0) {
        bool is_blank = *t->at == '+';
        char c = take_character(t);
        return is_blank ? ' ' : c;
    }
    t->at += 3;
    return (char)(high * 16 + low);
}

static bool decode(struct text t, char (*take)(struct text *t), char *ret, size_t size)
{
    size_t n = 0;
    while (t.at < t.end && n < size - 1) {
        ret[n] = take(&t);
        if (ascii_is_control(ret[n++]))
            break;
    }
    bool good = n > 0 && t.at == t.end && !ascii_is_control(ret[n - 1]);
    ret[good ? n : 0] = '\0';
    return good;
}

/* "&quot;0cc1…-3&quot;", or with plain quotes. */
static void read_etag(struct text t, char ret[static S3_ETAG_SIZE])
{
    size_t n = 0;
    for (; t.at < t.end && n < S3_ETAG_SIZE - 1; t.at++) {
        if (text_skip(&t, "&quot;") || text_skip(&t, "&#34;")) {
            t.at--;
            continue;
        }
        if (ascii_hex_value(*t.at) >= 0 || *t.at == '-')
            ret[n++] = *t.at;
    }
    ret[n] = '\0';
}

static bool read_contents(struct text t, struct s3_key *ret)
{
    struct text value;
    char        when[32];
    *ret = (struct s3_key){0};
    if (!answer_element(t, "Key>", &value) || !decode(value, take_encoded, ret->key, sizeof ret->key))
        return false;
    if (answer_element(t, "ETag>", &value))
        read_etag(value, ret->etag);
    if (answer_element(t, "Size>", &value))
        (void)text_unsigned(&value, &ret->size);
    if (answer_element(t, "LastModified>", &value) && text_copy(value, when, sizeof when) &&
        clock_parse_utc(when, &ret->modified) < 0)
        ret->modified = 0;
    return true;
}

static bool read_folder(struct text t, struct s3_key *ret)
{
    struct text value;
    *ret = (struct s3_key){.is_folder = true};
    return answer_element(t, "Prefix>", &value) && decode(value, take_encoded, ret->key, sizeof ret->key);
}

bool s3_keys_next(struct text *body, struct s3_key *ret)
{
    struct text inside;
    while (move_behind(body, "<Co")) {
        if (text_skip(body, "ntents>")) {
            if (take_element(body, "</Contents>", &inside) && read_contents(inside, ret))
                return true;
        } else if (text_skip(body, "mmonPrefixes>")) {
            if (take_element(body, "</CommonPrefixes>", &inside) && read_folder(inside, ret))
                return true;
        }
    }
    return false;
}

bool s3_keys_continue(struct text body, char ret[static S3_TOKEN_SIZE])
{
    struct text truncated;
    struct text token;
    ret[0] = '\0';
    if (!answer_element(body, "IsTruncated>", &truncated) || !text_is(truncated, "true"))
        return false;
    if (answer_element(body, "NextContinuationToken>", &token)) /* a gateway's is the last key itself */
        (void)decode(token, take_character, ret, S3_TOKEN_SIZE);
    return true;
}

bool s3_keys_is_list(struct text body)
{
    return move_behind(&body, "<ListBucketResult") && move_behind(&body, "</ListBucketResult>");
}
