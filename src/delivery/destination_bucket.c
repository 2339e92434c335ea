/* A bucket of the user's own: beginning and end are two more objects, and PutObject is the only request. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "delivery/delivery.h"
#include "delivery/run_document.h"
#include "store/journal_read.h"
#include "store/journal_write.h"

enum { URI_SIZE = BUCKET_PREFIX_SIZE, DOCUMENT_MS = 30 * 1000 };

#define JSON "application/json"

static int compose(struct delivery *d, enum object_kind kind, struct bytes *ret)
{
    cJSON *state = NULL;
    int    error = journal_load_run(d->run, &state);
    if (error == 0)
        error = kind == OBJECT_STARTED ? run_document_started(state, ret)
                                       : run_document_ended(state, d->upload.uploaded, ret);
    cJSON_Delete(state);
    return error;
}

/* `text` is copied: it is sent again when it has to be. */
static int put(struct delivery *d, enum object_kind kind, const struct bytes *text, struct http_request *ret)
{
    const struct bucket *b = d->upload.bucket;
    char                 uri[URI_SIZE];
    struct bytes         copy;
    bytes_init(&copy, text->max);
    bytes_add(&copy, text->data, text->len);
    int error = object_key_uri(&b->name, kind, b->uri, uri, sizeof uri);
    if (error == 0)
        error = upload_put_request(&d->upload, uri, JSON, &copy, ret);
    if (error == 0)
        ret->timeout_ms = DOCUMENT_MS;
    bytes_done(&copy);
    return error;
}

static int register_request(struct delivery *d, struct http_request *ret)
{
    struct bytes text;
    bytes_init(&text, RUN_DOCUMENT_MAX);
    int error = compose(d, OBJECT_STARTED, &text);
    if (error == 0)
        error = put(d, OBJECT_STARTED, &text, ret);
    bytes_done(&text);
    return error;
}

/* A clock that is so wrong that S3 refuses the request has made a wrong name too. Once, by who made it: another's clock
 * says nothing of the name, and a name that nobody could write down would be two. */
static void correct_name(struct delivery *d, int64_t seconds)
{
    char                    prefix[BUCKET_PREFIX_SIZE];
    struct bucket          *b = d->upload.bucket;
    const struct object_key before = b->name;
    if (!b->may_correct)
        return;
    b->may_correct = false;
    object_key_correct(&b->name, seconds);
    const struct journal_bucket corrected = bucket_for_journal(b, prefix);
    if (journal_bucket(d->run, &corrected) < 0)
        b->name = before;
    else
        upload_rename(&d->upload, prefix);
}

static enum verdict register_judge(struct delivery *d, const struct http_answer *answer)
{
    int64_t before = d->upload.skew;
    if (answer->error ? answer->sent : answer->status >= 500) /* it may be stored, under that name */
        d->upload.bucket->may_correct = false;
    enum verdict verdict = upload_judge(&d->upload, answer, clock_monotonic());
    if (d->upload.skew != before)
        correct_name(d, d->upload.skew - before);
    return verdict;
}

static int registered(struct delivery *d, const struct http_answer *answer, int64_t now)
{
    (void)answer;
    (void)now;
    memcpy(d->run_id, d->upload.bucket->name.key, sizeof d->upload.bucket->name.key);
    d->upload.attempts = (struct s3_attempts){0};
    journal_started(d->run);
    return 0;
}

static int finish_compose(struct delivery *d)
{
    bytes_done(&d->finish);
    return compose(d, OBJECT_ENDED, &d->finish);
}

/* A sync's end of a program that is gone, without an exit code. The program's own may stand there: told while the disk
 * was full, it is in no file. */
static bool is_second_best(const struct delivery *d)
{
    return d->finish_facts.exit_code_unknown && !d->upload.bucket->has_no_conditions;
}

static int finish_request(struct delivery *d, struct http_request *ret)
{
    int error = put(d, OBJECT_ENDED, &d->finish, ret);
    if (error < 0 || !is_second_best(d))
        return error;
    error = http_request_header(ret, "If-None-Match", "*"); /* "Conditional writes" in the S3 User Guide */
    if (error < 0)
        http_request_done(ret);
    return error;
}

static enum verdict finish_judge(struct delivery *d, const struct http_answer *answer)
{
    if (answer->status == 412 && is_second_best(d))
        return VERDICT_ARRIVED;
    enum verdict verdict = upload_judge(&d->upload, answer, clock_monotonic());
    bool         may_be_of_it = verdict == VERDICT_REFUSED && retry_is_about_content(answer->status);
    if (is_second_best(d) && (answer->status == 501 || may_be_of_it)) {
        d->upload.bucket->has_no_conditions = true;
        return VERDICT_REPAIR;
    }
    return verdict;
}

/* ---- keys ---- */

static bool keys_lack(const struct upload *u)
{
    const struct own_credentials *o = u->bucket->keys;
    return !o->credentials.access_key || o->rejected;
}

/* Where S3 has refused keys, its words stand. */
static void explain(struct upload *u)
{
    if (!u->bucket->keys->rejected || !u->reason[0])
        (void)snprintf(u->reason, sizeof u->reason, "no keys for the bucket: %.200s", u->bucket->keys->reason);
}

static void give_up_keys(struct upload *u)
{
    explain(u);
    upload_stop(u);
}

/* Of all runs that share the keys: what one has tried in vain, the next one need not wait for. */
static void note_tries(struct upload *u)
{
    u->refresh_tries = keys_lack(u) ? u->bucket->keys->tries : 0;
    if (u->refresh_tries > 0)
        explain(u);
}

/* Nothing is looked at before there is something to be put, and one question is under way for all that share the keys.
 */
static int64_t keys_due(struct upload *u, int64_t now, bool wanted)
{
    struct own_credentials *o = u->bucket->keys;
    int64_t                 due = INT64_MAX;
    if ((keys_lack(u) && !wanted) || (o->asker && o->asker != u->bucket))
        return INT64_MAX;
    o->ending = u->ending;
    o->skew = u->skew;
    u->bucket->step = own_credentials_next(o, now, &due);
    if (u->bucket->step == OWN_NOTHING)
        note_tries(u);
    if (keys_lack(u) && o->hopeless && !u->stopped)
        give_up_keys(u);
    return u->bucket->step == OWN_NOTHING ? due : now;
}

static int keys_request(struct upload *u, const struct api *api, const char *run_id, struct http_request *ret)
{
    (void)api;
    (void)run_id;
    u->bucket->keys->asker = u->bucket;
    return own_credentials_request(u->bucket->keys, u->bucket->step, ret);
}

static void note_answer(struct upload *u)
{
    u->bucket->keys->asker = NULL;
    note_tries(u);
}

static void keys_answer(struct upload *u, const struct http_answer *answer, int64_t now)
{
    own_credentials_answer(u->bucket->keys, u->bucket->step, answer, now);
    note_answer(u);
}

static void keys_failed(struct upload *u, int error, int64_t now)
{
    own_credentials_failed(u->bucket->keys, u->bucket->step, error, now);
    note_answer(u);
}

/* Keys of the environment and of files stay: there will be no others, and at the end, or for another run's bucket, they
 * may do. So do those that are new: the next ones would be refused too, and a sync of many runs would wait for them
 * each time. */
static bool keys_rejected(struct upload *u, int64_t now)
{
    enum aws_kind kind = u->bucket->keys->source.kind;
    if (kind == AWS_ENVIRONMENT || kind == AWS_FILES || (u->ending && now < u->bucket->keys->may_reject))
        return false;
    own_credentials_rejected(u->bucket->keys, now);
    return !u->bucket->keys->hopeless;
}

const struct destination destination_bucket = {
    .register_request = register_request,
    .register_judge = register_judge,
    .registered = registered,
    .keys_lack = keys_lack,
    .keys_due = keys_due,
    .keys_request = keys_request,
    .keys_answer = keys_answer,
    .keys_failed = keys_failed,
    .keys_rejected = keys_rejected,
    .finish_compose = finish_compose,
    .finish_request = finish_request,
    .finish_judge = finish_judge,
};
