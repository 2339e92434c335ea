// SPDX-License-Identifier: Apache-2.0
#include "base/json_read.h"

#include <errno.h>
#include <string.h>

#include "base/utf8.h"

struct scan {
    struct text t;
    size_t      values_left;
    int         depth;
};

static bool take(struct text *t, char c)
{
    if (t->at == t->end || *t->at != c)
        return false;
    t->at++;
    return true;
}

static void blanks(struct text *t)
{
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\t' || *t->at == '\n' || *t->at == '\r'))
        t->at++;
}

/* Scans an escape, behind its backslash. */
static bool scan_escape(struct text *t)
{
    if (t->at == t->end || *t->at == '\0')
        return false;
    char c = *t->at++;
    if (c != 'u')
        return strchr("\"\\/bfnrt", c) != NULL;
    if (text_len(*t) < 4 || memcmp(t->at, "0000", 4) == 0)
        return false;
    for (int i = 0; i < 4; i++)
        if (ascii_hex_value(*t->at++) < 0)
            return false;
    return true;
}

static bool scan_string(struct text *t)
{
    if (!take(t, '"'))
        return false;
    while (t->at < t->end && (unsigned char)*t->at >= ' ') {
        char c = *t->at++;
        if (c == '"')
            return true;
        if (c == '\\' && !scan_escape(t))
            return false;
    }
    return false;
}

static bool scan_digits(struct text *t)
{
    const char *start = t->at;
    while (t->at < t->end && ascii_is_digit(*t->at))
        t->at++;
    return t->at > start;
}

static bool scan_number(struct text *t)
{
    (void)take(t, '-');
    if (!take(t, '0') && !scan_digits(t))
        return false;
    if (take(t, '.') && !scan_digits(t))
        return false;
    if (take(t, 'e') || take(t, 'E')) {
        if (!take(t, '+'))
            (void)take(t, '-');
        return scan_digits(t);
    }
    return true;
}

static bool scan_value(struct scan *s);

/* Scans an object (with keys) or an array, behind its opening. */
static bool scan_members(struct scan *s, char close)
{
    blanks(&s->t);
    if (take(&s->t, close))
        return true;
    do {
        blanks(&s->t);
        if (close == '}') {
            if (!scan_string(&s->t))
                return false;
            blanks(&s->t);
            if (!take(&s->t, ':'))
                return false;
        }
        if (!scan_value(s))
            return false;
        blanks(&s->t);
    } while (take(&s->t, ','));
    return take(&s->t, close);
}

static bool scan_value(struct scan *s)
{
    blanks(&s->t);
    if (s->t.at == s->t.end || s->values_left-- == 0)
        return false;
    char c = *s->t.at;
    if (c == '{' || c == '[') {
        if (++s->depth > JSON_DEPTH_MAX)
            return false;
        s->t.at++;
        bool whole = scan_members(s, c == '{' ? '}' : ']');
        s->depth--;
        return whole;
    }
    if (c == '"')
        return scan_string(&s->t);
    if (text_skip(&s->t, "true") || text_skip(&s->t, "false") || text_skip(&s->t, "null"))
        return true;
    return scan_number(&s->t);
}

int json_check(struct text t, size_t values_max)
{
    struct scan s = {.t = t, .values_left = values_max};
    if (!scan_value(&s))
        return -EBADMSG;
    blanks(&s.t);
    return text_len(s.t) == 0 ? 0 : -EBADMSG;
}

/* Copies a string as written, but for bytes that are not UTF-8. */
static void copy_string(struct text t, struct bytes *b)
{
    while (t.at < t.end) {
        size_t character = utf8_character(t.at, t.end);
        if (character > 0)
            bytes_add(b, t.at, character);
        else
            bytes_text(b, UTF8_REPLACEMENT);
        t.at += character > 0 ? character : 1;
    }
}

void json_minify(struct text t, struct bytes *b)
{
    blanks(&t);
    while (t.at < t.end) {
        const char *start = t.at;
        if (*t.at == '"' && scan_string(&t)) {
            copy_string((struct text){start, t.at}, b);
        } else {
            bytes_char(b, *start);
            t.at = start + 1;
        }
        blanks(&t);
    }
}

bool json_enter(struct text *t)
{
    blanks(t);
    return take(t, '{');
}

static bool take_value(struct text *t, struct text *ret_value)
{
    blanks(t);
    struct scan s = {.t = *t, .values_left = (size_t)-1};
    if (!scan_value(&s))
        return false;
    *ret_value = (struct text){t->at, s.t.at};
    *t = s.t;
    return true;
}

bool json_member(struct text *t, struct text *ret_key, struct text *ret_value)
{
    blanks(t);
    if (take(t, ','))
        blanks(t);
    const char *start = t->at;
    if (!scan_string(t))
        return false;
    *ret_key = (struct text){start + 1, t->at - 1};
    blanks(t);
    (void)take(t, ':');
    return take_value(t, ret_value);
}

bool json_enter_array(struct text *t)
{
    blanks(t);
    return take(t, '[');
}

bool json_value(struct text *t, struct text *ret_value)
{
    blanks(t);
    (void)take(t, ',');
    return take_value(t, ret_value);
}

bool json_find(struct text object, const char *key, struct text *ret_value)
{
    struct text name;
    if (!json_enter(&object))
        return false;
    while (json_member(&object, &name, ret_value))
        if (text_is(name, key))
            return true;
    return false;
}
