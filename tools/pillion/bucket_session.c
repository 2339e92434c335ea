// SPDX-License-Identifier: Apache-2.0
#include "bucket_session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/environment.h"
#include "hook/hook.h"
#include "output.h"
#include "sentinel/answers.h"
#include "sentinel/s3_keys.h"

enum { AT_ONCE = 24, TRIES = 4, PAGES_MAX = 10 * 1000, REASON_SIZE = 256, RENEWALS_MAX = 8, TOLD_MAX = 5 };
enum { LIST_MAX = 4 * 1024 * 1024 }; /* bytes: a thousand keys of a stranger's, each byte of them encoded as three */
enum { FAILED_MAX = AT_ONCE };       /* objects one after the other: then it is the server */

#define KEYS_WITHIN (20 * CLOCK_SECOND) /* all questions for keys */
#define PAUSE_FIRST (250 * CLOCK_MILLISECOND)
#define PAUSE_MAX   (10 * CLOCK_SECOND)
#define LONGEST     (120 * CLOCK_SECOND) /* a request */

/* ------------------------------------------------------------------------------------------------ where, and with what
 */

static bool take_place(const char *uri, char ret[static BUCKET_URI_SIZE])
{
    char   key[BUCKET_URI_SIZE + 4];
    size_t len = strlen(uri);
    while (len > 0 && uri[len - 1] == '/')
        len--;
    int n = snprintf(key, sizeof key, "%.*s/k", (int)(len < BUCKET_URI_SIZE ? len : BUCKET_URI_SIZE), uri);
    if (n < 0 || len >= BUCKET_URI_SIZE || s3_check_uri(key) < 0)
        return false;
    (void)snprintf(ret, BUCKET_URI_SIZE, "%.*s", (int)len, uri);
    return true;
}

/* The same names, in the same order, as for the programs. */
static bool take_endpoint(char ret[static BUCKET_ENDPOINT_SIZE])
{
    static const char *const names[] = {"PILLION_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"};
    ret[0] = '\0';
    conf_read(CONF_PATH);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        const char *url = i == 0 ? setting_of(names[i]) : environment_value(names[i]);
        if (url == NULL || url[0] == '\0')
            continue;
        if (s3_check_endpoint(url, ret, BUCKET_ENDPOINT_SIZE) == 0)
            return true;
        complain("%s is no http or https URL of a server that speaks S3", names[i]);
        return false;
    }
    return true;
}

static int ask_once(struct bucket_session *s, struct http_request *request, struct http_answer *ret)
{
    int error = network_open(&s->network, request->url);
    if (error == 0)
        error = http_perform(s->network.http, request, clock_monotonic() + LONGEST, ret);
    http_request_done(request);
    return error;
}

static void wait_until(int64_t due)
{
    int64_t         left = due - clock_monotonic();
    struct timespec pause = {.tv_sec = left / CLOCK_SECOND, .tv_nsec = left % CLOCK_SECOND};
    if (left > 0)
        (void)nanosleep(&pause, NULL);
}

static int ask_for_keys(struct bucket_session *s, enum own_step step)
{
    struct http_request request;
    struct http_answer  answer = {.retry_after_s = -1};
    int                 error = own_credentials_request(&s->keys, step, &request);
    if (error == 0)
        error = ask_once(s, &request, &answer);
    if (error == 0)
        own_credentials_answer(&s->keys, step, &answer, clock_monotonic());
    else
        own_credentials_failed(&s->keys, step, error, clock_monotonic());
    http_answer_done(&answer);
    return error;
}

static int take_keys(struct bucket_session *s)
{
    int64_t until = clock_monotonic() + KEYS_WITHIN;
    while (clock_monotonic() < until) {
        int64_t       due = 0;
        enum own_step step = own_credentials_next(&s->keys, clock_monotonic(), &due);
        if (own_credentials_are_good(&s->keys)) {
            s->keys_taken++;
            return 0;
        }
        if (step != OWN_NOTHING)
            (void)ask_for_keys(s, step);
        else if (s->keys.hopeless || due > until)
            break;
        else
            wait_until(due);
    }
    complain("%s cannot be read: %s", s->place, s->keys.reason[0] != '\0' ? s->keys.reason : "the keys have expired");
    return -EACCES;
}

static void find_region(struct bucket_session *s)
{
    const char            *told = s->keys.source.region[0] != '\0' ? s->keys.source.region : s->keys.credentials.region;
    char                   key[BUCKET_URI_SIZE + 4];
    const struct s3_target target = {.uri = key};
    struct http_request    request;
    struct http_answer     answer = {.retry_after_s = -1};
    (void)snprintf(key, sizeof key, "%s/k", s->place);
    (void)snprintf(s->region, sizeof s->region, "%s", S3_DEFAULT_REGION);
    if (told != NULL && s3_region_is_fine(told)) {
        (void)snprintf(s->region, sizeof s->region, "%s", told);
    } else if (s->endpoint[0] == '\0' && s3_head_bucket(&target, &request) == 0) {
        if (ask_once(s, &request, &answer) == 0 && s3_region_is_fine(answer.bucket_region))
            (void)snprintf(s->region, sizeof s->region, "%s", answer.bucket_region);
        http_answer_done(&answer);
    }
}

int bucket_session_open(struct bucket_session *s, const char *uri)
{
    static struct config config; /* PILLION_CLOUD is the programs': whoever asks for a bucket by hand means it */
    *s = (struct bucket_session){.place = ""};
    network_init(&s->network);
    own_credentials_init(&s->keys, &config);
    if (!take_place(uri, s->place)) {
        complain("%s is no place in a bucket: s3://bucket or s3://bucket/prefix", uri);
        return -EINVAL;
    }
    if (!take_endpoint(s->endpoint))
        return -EDESTADDRREQ;
    int result = take_keys(s);
    if (result == 0)
        find_region(s);
    return result;
}

void bucket_session_done(struct bucket_session *s)
{
    if (s->left_out > TOLD_MAX)
        complain("%s: %zu more objects are left out", s->place, s->left_out - TOLD_MAX);
    network_done(&s->network);
    own_credentials_done(&s->keys);
}

bool bucket_session_behind(const struct bucket_session *s, const char *key, const char *words, struct text *ret)
{
    const char *prefix = strchr(s->place + strlen("s3://"), '/');
    *ret = text_of(key);
    return (prefix == NULL || (text_skip(ret, prefix + 1) && text_skip(ret, "/"))) && text_skip(ret, words + 1);
}

/* ------------------------------------------------------------------------------------------------ many at a time */

/* A question under way, or to be asked again. */
struct slot {
    const struct bucket_question *question; /* NULL: it is free */
    struct http_call             *call;
    struct s3_attempts            attempts;
    unsigned                      tries, pages, keys; /* keys: which of the session's it was asked with */
    int64_t                       next_try;
    char                          region[S3_REGION_SIZE]; /* that it was asked in */
    char                          continuation[S3_TOKEN_SIZE];
};

static int compose(struct bucket_session *s, const struct slot *slot, struct http_request *ret)
{
    char                   uri[BUCKET_URI_SIZE + BUCKET_KEY_SIZE];
    const struct s3_target target = {.uri = uri, .region = s->region, .endpoint = s->endpoint};
    struct s3_listing      listing = {.delimiter = slot->question->by_folders ? "/" : NULL,
                                      .start_after = slot->question->after,
                                      .continuation = slot->continuation[0] != '\0' ? slot->continuation : NULL};
    int64_t                now = clock_real() / CLOCK_SECOND + s->skew;
    (void)snprintf(uri, sizeof uri, "%s%s", s->place, slot->question->key);
    int error = slot->question->is_list ? s3_list(&target, &listing, &s->keys.credentials, now, ret)
                                        : s3_get(&target, &s->keys.credentials, now, ret);
    if (error == 0)
        ret->answer_max = slot->question->is_list ? LIST_MAX : slot->question->answer_max;
    return error;
}

static int start(struct bucket_session *s, struct slot *slot)
{
    struct http_request request;
    int                 error = compose(s, slot, &request);
    memcpy(slot->region, s->region, sizeof slot->region);
    slot->keys = s->keys_taken;
    if (error == 0)
        error = network_open(&s->network, request.url);
    if (error == 0)
        error = http_start(s->network.http, &request, &slot->call);
    if (error < 0)
        http_request_done(&request);
    return error;
}

static int refuse(const struct bucket_session *s, const struct bucket_question *question,
                  const struct http_answer *answer)
{
    char described[REASON_SIZE];
    answer_describe(answer, described, sizeof described);
    complain("%s%.200s cannot be %s: %s", s->place, question->key, question->is_list ? "listed" : "read", described);
    return answer->status == 403 ? -EACCES : -EIO;
}

/* Keys of the environment and of files are not to be had anew. */
static bool may_renew(const struct bucket_session *s)
{
    return s->keys.source.kind != AWS_ENVIRONMENT && s->keys.source.kind != AWS_FILES;
}

static int renew(struct bucket_session *s, struct slot *slot)
{
    slot->attempts.refreshed = true;
    own_credentials_rejected(&s->keys, clock_monotonic());
    s->keys.next_try = 0; /* a person waits */
    return take_keys(s);
}

/* A whole answer. The slot is free afterwards, unless a list goes on. */
static int hear(struct slot *slot, const struct http_answer *answer)
{
    const struct bucket_question *question = slot->question;
    struct text                   body = text_span(answer->body.data ? answer->body.data : "", answer->body.len);
    bool                          is_there = answer->status == 200;
    if (question->is_list && !s3_keys_is_list(body))
        return -EBADMSG;
    int result = question->heard(question->context, question, body, is_there);
    if (result < 0)
        return result;
    if (question->is_list && s3_keys_continue(body, slot->continuation)) {
        slot->tries = 0;
        slot->attempts = (struct s3_attempts){0};
        if (slot->continuation[0] == '\0')
            return -EBADMSG;
        return ++slot->pages < PAGES_MAX ? 0 : -E2BIG;
    }
    *slot = (struct slot){0};
    return 0;
}

/* An object alone is at fault: it is archived, encrypted, or whatever somebody has put there. */
static int leave_out(struct bucket_session *s, struct slot *slot, const struct http_answer *answer)
{
    const struct http_answer nothing = {.status = 404};
    char                     described[REASON_SIZE];
    s->refused += answer->error != -EMSGSIZE;
    if (s->left_out++ < TOLD_MAX) {
        answer_describe(answer, described, sizeof described);
        complain("%s%.200s is left out: %s", s->place, slot->question->key, described);
    }
    return hear(slot, &nothing);
}

/* An object that cannot be had now hides no other; many of them in a row are a server that is down. */
static int again(struct bucket_session *s, struct slot *slot, const struct http_answer *answer)
{
    int64_t pause = PAUSE_FIRST << slot->tries;
    if (++slot->tries >= TRIES)
        return slot->question->is_list || ++s->failed >= FAILED_MAX ? refuse(s, slot->question, answer)
                                                                    : leave_out(s, slot, answer);
    if (answer->retry_after_s > 0)
        pause = (int64_t)answer->retry_after_s * CLOCK_SECOND;
    slot->next_try = clock_monotonic() + clock_earlier(pause, PAUSE_MAX);
    return 0;
}

static int judge(struct bucket_session *s, struct slot *slot, const struct http_answer *answer)
{
    char region[S3_REGION_SIZE];
    bool is_list = slot->question->is_list;
    slot->attempts.refreshed |= !may_renew(s);
    if (!answer->error && answer->status == 404 && !is_list)
        return hear(slot, answer);
    switch (s3_judge(answer, &slot->attempts, slot->region, region)) {
    case S3_STORED:
        s->given += !is_list;
        s->failed = 0;
        return hear(slot, answer);
    case S3_RETRY:
        if (answer->error != -EMSGSIZE)
            return again(s, slot, answer);
        break;
    case S3_REFRESH:
        if (slot->keys != s->keys_taken) /* there are newer ones by now */
            return 0;
        if (is_list || answer->status != 403 || s->renewals++ < RENEWALS_MAX)
            return renew(s, slot);
        break;
    case S3_MOVED:
        slot->attempts.moved = true;
        memcpy(s->region, region, sizeof s->region);
        return 0;
    case S3_SKEWED:
        slot->attempts.clock_set = true;
        s->skew = answer->date - clock_real() / CLOCK_SECOND;
        return 0;
    case S3_REFUSED:
        break;
    }
    return is_list ? refuse(s, slot->question, answer) : leave_out(s, slot, answer);
}

static int settle(struct bucket_session *s, struct slot *slot)
{
    struct http_answer answer = {.retry_after_s = -1};
    if (slot->call == NULL || !http_finished(s->network.http, slot->call, &answer))
        return 0;
    const char *key = slot->question->key;
    slot->call = NULL;
    int result = judge(s, slot, &answer);
    if (result == -EBADMSG || result == -E2BIG)
        complain("%s%.200s cannot be listed: %s", s->place, key,
                 result == -E2BIG ? "there are too many keys; choose by --since"
                                  : "the answer is no list of a server that speaks S3");
    else if (result == -ENOMEM)
        complain("out of memory");
    http_answer_done(&answer);
    return result;
}

static int step(struct bucket_session *s, struct slot *slots, size_t *left_at, const struct bucket_question *questions,
                size_t count, size_t *ret_busy)
{
    int64_t now = clock_monotonic();
    int     result = 0;
    *ret_busy = 0;
    for (size_t i = 0; result == 0 && i < AT_ONCE; i++) {
        struct slot *slot = &slots[i];
        if (slot->question == NULL && *left_at < count)
            slot->question = &questions[(*left_at)++];
        if (slot->question == NULL)
            continue;
        (*ret_busy)++;
        if (slot->call == NULL && now >= slot->next_try) {
            result = start(s, slot);
            if (result < 0)
                complain("%s%.200s cannot be asked for: %s", s->place, slot->question->key, strerror(-result));
        }
    }
    return result;
}

int bucket_session_ask(struct bucket_session *s, const struct bucket_question *questions, size_t count)
{
    enum { LOOK_MS = 50 };
    struct slot *slots = calloc(AT_ONCE, sizeof *slots);
    size_t       next = 0;
    size_t       busy = 0;
    int          result = slots != NULL ? 0 : -ENOMEM;
    while (result == 0) {
        result = step(s, slots, &next, questions, count, &busy);
        if (result < 0 || busy == 0)
            break;
        network_poll(&s->network, NULL, 0, LOOK_MS * CLOCK_MILLISECOND);
        for (size_t i = 0; result == 0 && i < AT_ONCE; i++)
            result = settle(s, &slots[i]);
    }
    for (size_t i = 0; slots != NULL && i < AT_ONCE; i++)
        if (slots[i].call != NULL)
            http_cancel(s->network.http, slots[i].call);
    free(slots);
    return result;
}
