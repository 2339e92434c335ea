// SPDX-License-Identifier: Apache-2.0
#include "bucket_rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "output.h"
#include "sentinel/gzip.h"
#include "sentinel/s3_keys.h"
#include "store/run_dir.h"

#define ROWS_MAX (UINT64_C(1) << 30) /* bytes of a run */

enum {
    OBJECTS_MAX = 200 * 1000,
    OBJECT_MAX = 8 * 1024 * 1024, /* packed; ours are 256 KiB of rows */
    UNPACKED_MAX = 32 * 1024 * 1024,
    RUNS_AT_A_TIME = 48, /* what is listed of them is kept */
    AT_A_TIME = 64,
    AT_A_TIME_SIZE = 8 * 1024 * 1024, /* bytes of those, as they are listed */
    HEADER_MAX = 16 * 1024,
    NAME_SIZE = 32,
};

/* A number, as objects are called; its ETag. */
struct object {
    uint64_t number, size;
    char     etag[S3_ETAG_SIZE];
};

/* A run, while its rows are fetched. */
struct work {
    const struct bucket_session *session;
    struct bucket_rows_run      *run;
    struct bucket_cache         *cache;
    struct object               *objects; /* in order, from 1 on without a gap */
    size_t                       count, room, asked;
    uint64_t                     good;   /* bytes of rows up to there */
    struct bytes                 header; /* the line of names, as the first object has it */
    struct bucket_kept           kept;
    int                          file;
    bool                         is_new;     /* there is something to note */
    bool                         is_damaged; /* an object is missing or no object: what follows is not noted */
    bool                         is_cut;     /* there are more objects than are read */
};

/* An object that has come, packed, until those before it have. */
struct arrival {
    struct work *work;
    uint64_t     number;
    struct bytes packed;
    bool         is_there;
};

void bucket_rows_folder(const char *id, const char *date, char ret[static BUCKET_KEY_SIZE])
{
    (void)snprintf(ret, BUCKET_KEY_SIZE, "/metrics/date=%s/run=%s/", date, id);
}

/* --------------------------------------------------------------------------------------------------------- listing */

static void name_of(uint64_t number, char ret[static NAME_SIZE])
{
    (void)snprintf(ret, NAME_SIZE, "%04llu.csv.gz", (unsigned long long)number);
}

/* "0001.csv.gz"; 0: it is no such name. */
static uint64_t number_of(struct text name)
{
    char        whole[NAME_SIZE];
    uint64_t    number = 0;
    struct text rest = name;
    if (!text_unsigned(&rest, &number))
        return 0;
    name_of(number, whole);
    return text_is(name, whole) ? number : 0;
}

static int take_objects(void *context, const struct bucket_question *question, struct text body, bool is_there)
{
    struct work  *work = context;
    struct s3_key key;
    (void)is_there;
    while (s3_keys_next(&body, &key)) {
        struct text name;
        uint64_t    number = bucket_session_behind(work->session, key.key, question->key, &name) ? number_of(name) : 0;
        work->is_cut |= number > OBJECTS_MAX || work->count == OBJECTS_MAX;
        if (number == 0 || number > OBJECTS_MAX || work->count == OBJECTS_MAX)
            continue;
        work->run->seen = key.modified > work->run->seen ? key.modified : work->run->seen;
        if (work->count == work->room) {
            size_t         room = work->room == 0 ? 64 : 2 * work->room;
            struct object *more = realloc(work->objects, room * sizeof *more);
            if (more == NULL)
                return -ENOMEM;
            work->objects = more;
            work->room = room;
        }
        work->objects[work->count].number = number;
        work->objects[work->count].size = key.size;
        memcpy(work->objects[work->count++].etag, key.etag, S3_ETAG_SIZE);
    }
    return 0;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = ((const struct object *)a)->number;
    uint64_t y = ((const struct object *)b)->number;
    return (x > y) - (x < y);
}

/* Those from 1 on, as far as they go. */
static void cut_at_gap(struct work *work)
{
    struct bucket_rows_run *run = work->run;
    size_t                  kept = 0, at = 0;
    if (work->count > 1)
        qsort(work->objects, work->count, sizeof *work->objects, by_number);
    for (; at < work->count && work->objects[at].number <= kept + 1; at++)
        if (work->objects[at].number == kept + 1)
            work->objects[kept++] = work->objects[at];
    if (work->is_cut)
        complain("%s: its rows have objects beyond number %d, which are left out", run->id, OBJECTS_MAX);
    if (at < work->count)
        complain("%s: object %zu of its rows is missing, and %zu behind it are left out", run->id, kept + 1,
                 work->count - at);
    else if (kept < run->objects)
        complain("%s: of its rows %zu of %llu objects are there", run->id, kept, (unsigned long long)run->objects);
    run->is_partial = work->is_cut || at < work->count || kept < run->objects;
    work->count = kept;
}

/* Of all these runs which objects there are. */
static int list(struct bucket_session *session, struct work *works, size_t count)
{
    struct bucket_question *questions = calloc(count, sizeof *questions);
    if (questions == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        questions[i] = (struct bucket_question){.is_list = true, .heard = take_objects, .context = &works[i]};
        bucket_rows_folder(works[i].run->id, works[i].run->date, questions[i].key);
    }
    int result = bucket_session_ask(session, questions, count);
    for (size_t i = 0; result == 0 && i < count; i++)
        cut_at_gap(&works[i]);
    free(questions);
    return result;
}

/* What ETags the first `count` objects have. */
static int hash_of(const struct work *work, size_t count, char ret[static SIGV4_HASH_SIZE])
{
    struct bytes all;
    bytes_init(&all, (size_t)OBJECTS_MAX * S3_ETAG_SIZE);
    for (size_t i = 0; i < count; i++) {
        bytes_text(&all, work->objects[i].etag);
        bytes_char(&all, ' ');
    }
    int result = all.failed ? -ENOMEM : sigv4_hash(all.data, all.len, ret);
    bytes_done(&all);
    return result;
}

/* --------------------------------------------------------------------------------------------------------- joining */

static struct text first_line(const struct bytes *rows)
{
    const char *end = rows->len > 0 ? memchr(rows->data, '\n', rows->len) : NULL;
    return text_span(rows->data, end != NULL ? (size_t)(end - rows->data) + 1 : 0);
}

/* Each object has the line of names, the whole has it once. */
static int join(struct work *work, const struct bytes *rows)
{
    struct text header = first_line(rows);
    struct text rest = {header.end, rows->data + rows->len};
    bool        is_first = work->header.len == 0;
    if (text_len(header) == 0 || text_len(header) > HEADER_MAX)
        return -EBADMSG;
    if (is_first)
        bytes_add(&work->header, header.at, text_len(header));
    if (text_len(header) != work->header.len || memcmp(header.at, work->header.data, work->header.len) != 0)
        return -EBADMSG;
    if (is_first)
        rest.at = header.at;
    while (rest.end > rest.at && rest.end[-1] != '\n') /* no line is cut */
        rest.end--;
    if (work->kept.rows_size + text_len(rest) > ROWS_MAX)
        return -EFBIG;
    int result = bucket_cache_spend(work->cache, text_len(rest));
    if (result == 0)
        result = file_write(work->file, rest.at, text_len(rest), NULL);
    work->kept.rows_size += result == 0 ? text_len(rest) : 0;
    return result;
}

static int take_rows(void *context, const struct bucket_question *question, struct text body, bool is_there)
{
    struct arrival *arrival = context;
    (void)question;
    arrival->is_there = is_there;
    bytes_init(&arrival->packed, OBJECT_MAX);
    bytes_add(&arrival->packed, body.at, text_len(body));
    return arrival->packed.failed ? -ENOMEM : 0;
}

static int unpack(struct work *work, struct arrival *arrival)
{
    struct bytes rows;
    bytes_init(&rows, UNPACKED_MAX);
    int error = arrival->is_there ? gzip_expand(arrival->packed.data, arrival->packed.len, &rows) : -ENOENT;
    if (error == 0)
        error = join(work, &rows);
    bytes_done(&rows);
    bytes_done(&arrival->packed);
    return error;
}

/* Takes up what is here: the first objects, if they are the same ones. */
static int begin(struct work *work)
{
    const struct bucket_cache *cache = work->cache;
    char                       hash[SIGV4_HASH_SIZE];
    bucket_cache_kept(cache, work->run->id, &work->kept);
    bool same = work->kept.objects > 0 && work->kept.objects <= work->count &&
                hash_of(work, (size_t)work->kept.objects, hash) == 0 && strcmp(hash, work->kept.hash) == 0;
    if (!same)
        work->kept.objects = work->kept.rows_size = 0;
    work->file = bucket_cache_cut(cache, work->run->id, RUN_DIR_ROWS, work->kept.rows_size);
    if (work->file == -EPERM && same) { /* the file is not what was noted */
        work->kept.objects = work->kept.rows_size = 0;
        work->file = bucket_cache_cut(cache, work->run->id, RUN_DIR_ROWS, 0);
    }
    if (work->file < 0)
        return work->file;
    if (work->kept.objects > 0) {
        struct bytes start;
        char         block[HEADER_MAX];
        ssize_t      n = pread(work->file, block, sizeof block, 0);
        start = (struct bytes){.data = block, .len = n > 0 ? (size_t)n : 0};
        struct text header = first_line(&start);
        bytes_add(&work->header, header.at, text_len(header));
    }
    work->asked = (size_t)work->kept.objects;
    work->good = work->kept.rows_size;
    work->is_new = work->asked < work->count;
    return 0;
}

static void tell_damage(const struct arrival *arrival, int error)
{
    arrival->work->is_damaged = arrival->work->run->is_partial = true;
    complain("%s: object %llu of its rows is left out: %s", arrival->work->run->id, (unsigned long long)arrival->number,
             error == -ENOENT    ? "it is not to be had"
             : error == -EFBIG   ? "it is too large"
             : error == -EBADMSG ? "it is no gzip with rows of this run"
                                 : strerror(-error));
}

static int tell(const struct work *work, int error)
{
    if (error == -ENOMEM)
        complain("out of memory");
    else if (error < 0)
        (void)bucket_cache_tell(work->cache, work->run->id, error);
    return error;
}

static int take_up(struct arrival *arrival)
{
    struct work *work = arrival->work;
    int          error = unpack(work, arrival);
    if (error == -EBADMSG || error == -EFBIG || error == -ENOENT)
        tell_damage(arrival, error);
    else if (error < 0)
        return tell(work, error);
    if (!work->is_damaged) {
        work->kept.objects = arrival->number;
        work->good = work->kept.rows_size;
    }
    return 0;
}

static void ask_for_next(struct work *work, struct arrival *arrival, struct bucket_question *ret)
{
    char folder[BUCKET_KEY_SIZE], name[NAME_SIZE];
    *arrival = (struct arrival){.work = work, .number = ++work->asked};
    *ret = (struct bucket_question){.answer_max = OBJECT_MAX, .heard = take_rows, .context = arrival};
    bucket_rows_folder(work->run->id, work->run->date, folder);
    name_of(arrival->number, name);
    (void)snprintf(ret->key, BUCKET_KEY_SIZE, "%.900s%s", folder, name);
}

/* The next objects of these runs, many at a time, those of a run in their order. */
static int fetch_some(struct bucket_session *session, struct work *works, size_t count, bool *ret_more)
{
    struct arrival          arrivals[AT_A_TIME];
    struct bucket_question *questions = calloc(AT_A_TIME, sizeof *questions);
    size_t                  asked = 0;
    uint64_t                size = 0;
    if (questions == NULL)
        return -ENOMEM;
    for (struct work *work = works; work < works + count; work++)
        for (; work->asked < work->count && asked < AT_A_TIME && size < AT_A_TIME_SIZE; asked++) {
            size += work->objects[work->asked].size;
            ask_for_next(work, &arrivals[asked], &questions[asked]);
        }
    int result = bucket_session_ask(session, questions, asked);
    for (size_t i = 0; result == 0 && i < asked; i++)
        result = take_up(&arrivals[i]);
    for (size_t i = 0; i < asked; i++)
        bytes_done(&arrivals[i].packed);
    free(questions);
    *ret_more = asked > 0;
    return result;
}

static void end(struct work *work)
{
    const struct bucket_rows_run *run = work->run;
    if (work->file >= 0) {
        work->kept.rows_size = work->good;
        if (work->is_new && hash_of(work, (size_t)work->kept.objects, work->kept.hash) == 0)
            (void)bucket_cache_note(work->cache, run->id, &work->kept);
        close(work->file);
        bucket_cache_set_time(work->cache, run->id, RUN_DIR_ROWS, run->seen);
        bucket_cache_set_time(work->cache, run->id, RUN_DIR_JOURNAL, run->seen);
    }
    free(work->objects);
    bytes_done(&work->header);
}

static int fetch(struct bucket_session *session, struct bucket_cache *cache, struct bucket_rows_run *runs, size_t count)
{
    struct work works[RUNS_AT_A_TIME];
    for (size_t i = 0; i < count; i++) {
        works[i] = (struct work){.session = session, .run = &runs[i], .cache = cache, .file = -1};
        bytes_init(&works[i].header, HEADER_MAX);
    }
    int result = list(session, works, count);
    for (size_t i = 0; result == 0 && i < count; i++)
        if (works[i].count > 0)
            result = tell(&works[i], begin(&works[i]));
    for (bool more = true; result == 0 && more;)
        result = fetch_some(session, works, count, &more);
    for (size_t i = 0; i < count; i++)
        end(&works[i]);
    return result;
}

int bucket_rows_fetch(struct bucket_session *session, struct bucket_cache *cache, struct bucket_rows_run *runs,
                      size_t count)
{
    int result = 0;
    for (size_t at = 0; result == 0 && at < count; at += RUNS_AT_A_TIME)
        result = fetch(session, cache, &runs[at], count - at < RUNS_AT_A_TIME ? count - at : RUNS_AT_A_TIME);
    return result;
}
