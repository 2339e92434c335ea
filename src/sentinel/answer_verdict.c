// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "sentinel/answers.h"

enum {
    DELAY_FIRST_MS = 1000,
    DELAY_MAX_MS = 300 * 1000,
    WORD_MAX = 20,    /* in a description: longer runs of these characters may be keys and tokens */
    JOINT_RARITY = 5, /* … unless they are words put together: letters for each change of case, at least */
};

static enum verdict judge_status(long status)
{
    if (status >= 200 && status <= 299)
        return VERDICT_OK;
    if (status == 408 || status == 429 || (status >= 500 && status <= 599))
        return VERDICT_RETRY;
    return VERDICT_REFUSED;
}

enum verdict answer_judge_register(const struct http_answer *answer, const struct attempts *attempts)
{
    /* Whoever sends megabytes here is not the API; each further try could leave another empty run there. */
    if (answer->error != 0)
        return answer->error == -EMSGSIZE ? VERDICT_REFUSED : VERDICT_RETRY;
    if (answer->status == 422 && !attempts->repaired)
        return VERDICT_REPAIR;
    return judge_status(answer->status);
}

enum verdict answer_judge_finish(const struct http_answer *answer, const struct attempts *attempts)
{
    if (answer->error != 0)
        return VERDICT_RETRY;
    long status = answer->status;
    if (status == 413 && !attempts->repaired)
        return VERDICT_REPAIR;
    if (attempts->unanswered && (status == 404 || status == 409 || status == 410))
        return VERDICT_ARRIVED;
    if (attempts->unanswered && status == 422 && !attempts->repaired) /* else it may be said of the compression */
        return VERDICT_ARRIVED;
    return judge_status(status);
}

int64_t answer_retry_delay_ms(const struct http_answer *answer, unsigned attempts, uint32_t random)
{
    int64_t whole = DELAY_FIRST_MS;
    for (unsigned i = 1; i < attempts && whole < DELAY_MAX_MS; i++)
        whole *= 2;
    if (whole > DELAY_MAX_MS)
        whole = DELAY_MAX_MS;
    int64_t half = whole / 2;
    int64_t delay = half + (int64_t)(((uint64_t)half * random) >> 32);
    int64_t asked = answer->retry_after_s > 0 ? (int64_t)answer->retry_after_s * 1000 : 0;
    if (asked > DELAY_MAX_MS)
        asked = DELAY_MAX_MS;
    return asked > delay ? asked : delay;
}

void answer_hide(struct bytes *body, const char *secret)
{
    size_t len = secret ? strlen(secret) : 0;
    char  *at = body->data;
    while (at && len > 0 && (at = memmem(at, body->len - (size_t)(at - body->data), secret, len))) {
        memset(at, '*', len);
        at += len; /* the secret may be asterisks itself */
    }
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("+/=_", c));
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return is_lower(c) || is_upper(c);
}

/* Takes the next part off: "Name", "name", "NAME". Returns how many letters it has. */
static size_t take_part(struct text *t)
{
    const char *start = t->at;
    while (t->at < t->end && is_upper(*t->at))
        t->at++;
    if (t->at - start <= 1)
        while (t->at < t->end && is_lower(*t->at))
            t->at++;
    return (size_t)(t->at - start);
}

/* A number that stands between letters makes no word. */
static bool skip_number(struct text *t, bool after_letter)
{
    bool any = false;
    for (; t->at < t->end && is_digit(*t->at); t->at++)
        any = true;
    return !any || !(after_letter || (t->at < t->end && is_letter(*t->at)));
}

/* model_attributes_type and AuthorizationHeaderMalformed are words of the server's; a key changes between cases and
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
        if (t.at < t.end && !is_letter(*t.at)) {
            t.at++;
            after_letter = false;
        }
    }
    return letters > 0 && letters >= joints * JOINT_RARITY;
}

static bool is_secret(struct text word)
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

/* Some servers give the request back when they refuse it: what looks like a key, and what follows "Bearer", stays
 * out. */
static void put_without_secrets(struct line *line, struct text t)
{
    bool follows_bearer = false;
    while (t.at < t.end && line->room > 1) {
        const char *start = t.at;
        while (t.at < t.end && is_word(*t.at))
            t.at++;
        struct text word = {start, t.at};
        put(line, follows_bearer || is_secret(word) ? text_of("***") : word);
        bool is_bearer = text_len(word) == 6 && (text_is(word, "Bearer") || text_is(word, "bearer"));
        start = t.at;
        while (t.at < t.end && !is_word(*t.at))
            t.at++;
        word = (struct text){start, t.at};
        put(line, word);
        follows_bearer = is_bearer || (follows_bearer && !memchr(start, ' ', text_len(word)));
    }
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool answer_element(struct text t, const char *open, struct text *ret)
{
    while (text_until(&t, '<', ret)) {
        if (!text_skip(&t, open))
            continue;
        if (!text_until(&t, '<', ret))
            return false;
        while (ret->at < ret->end && is_white(*ret->at))
            ret->at++;
        while (ret->at < ret->end && is_white(ret->end[-1]))
            ret->end--;
        return true;
    }
    return false;
}

static void put_body(struct line *line, struct text body)
{
    struct text piece;
    text_blanks(&body);
    if (text_len(body) == 0)
        return;
    if (*body.at != '<') {
        put_without_secrets(line, body);
        return;
    }
    static const char *const elements[] = {"Code>", "Message>", "title>"};
    bool                     any = false;
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++) {
        if (!answer_element(body, elements[i], &piece))
            continue;
        if (any)
            put(line, text_of(": "));
        put_without_secrets(line, piece);
        any = true;
    }
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
    /* What a success brings are credentials. */
    if (answer->status >= 200 && answer->status <= 299)
        return;
    if (answer->body.len > 0) {
        put(&line, text_of(" "));
        put_body(&line, text_span(answer->body.data, answer->body.len));
    }
}
