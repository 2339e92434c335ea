// SPDX-License-Identifier: Apache-2.0
#include "bucket.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json_read.h"
#include "base/text.h"
#include "bucket_cache.h"
#include "bucket_rows.h"
#include "bucket_session.h"
#include "command.h"
#include "output.h"
#include "run_file.h"
#include "sentinel/s3_keys.h"
#include "store/journal_read.h"
#include "whose.h"

#define ID_CHARACTERS TEXT_ALPHANUMERIC "._-"

enum { DATE_SIZE = 11, DATES_MAX = 10 * 1000, RUNS_MAX = 100 * 1000, AT_A_TIME = 1000, DAY_DIGITS = 8, DAY_S = 86400 };
enum { YOUNG_S = 3600, SETTLED_S = 7 * 86400 }; /* of a run without an end: it goes on; it is lost for good */

/* Documents are as large as a run's state may be. */
enum { DOCUMENT_MAX = RUN_DIR_STATE_MAX };

struct bucket_run {
    char    id[RUN_DIR_ID_MAX];
    char    date[DATE_SIZE];
    char    etag[S3_ETAG_SIZE];
    int64_t modified;
    bool    has_ended;
    bool    was_listed; /* its rows were, in this call */
    bool    has_rows;   /* they were fetched already, in this call */
};

static struct {
    struct bucket_session session;
    struct bucket_cache   cache;
    bool                  is_read, is_released, is_partial;
    double                since; /* within the first day */
    struct bucket_run    *runs;  /* by their IDs */
    size_t                count, room;
    char (*dates)[DATE_SIZE];
    size_t date_count, date_room;
    size_t odd; /* keys that are no run's */
} the;

static const char *const folders[] = {"/started/date=", "/runs/date="};

/* ------------------------------------------------------------------------------------------------------------- days */

/* s since 1970, by S3's clock as far as it is known. */
static int64_t now_there(void)
{
    return clock_real() / CLOCK_SECOND + the.session.skew;
}

static void date_of(double seconds, char ret[static DATE_SIZE])
{
    char text[21];
    clock_format_utc((int64_t)seconds, text);
    (void)snprintf(ret, DATE_SIZE, "%.10s", text);
}

/* A whole key, as `after` has it. */
static void key_of(const char *folder, const char *rest, char ret[static BUCKET_KEY_SIZE])
{
    const char *prefix = strchr(the.session.place + strlen("s3://"), '/');
    (void)snprintf(ret, BUCKET_KEY_SIZE, "%s%s%s", prefix != NULL ? prefix + 1 : "",
                   prefix != NULL ? folder : folder + 1, rest);
}

/* One of the calendar, not later than tomorrow: a stranger's is not the newest for ever. */
static bool is_day(struct text t)
{
    char    date[DATE_SIZE], begin[sizeof "0000-00-00T00:00:00Z"];
    int64_t seconds = 0;
    if (!text_copy(t, date, sizeof date))
        return false;
    (void)snprintf(begin, sizeof begin, "%sT00:00:00Z", date);
    return clock_parse_utc(begin, &seconds) == 0 && seconds <= now_there() + DAY_S;
}

static int take_dates(void *context, const struct bucket_question *question, struct text body, bool is_there)
{
    struct s3_key key;
    struct text   date;
    (void)context;
    (void)is_there;
    while (s3_keys_next(&body, &key)) {
        if (!key.is_folder || !bucket_session_behind(&the.session, key.key, question->key, &date) ||
            text_len(date) == 0)
            continue;
        date.end--; /* the slash */
        if (!is_day(date)) {
            the.odd++;
            continue;
        }
        if (the.date_count == DATES_MAX)
            return -E2BIG;
        if (the.date_count == the.date_room) {
            size_t room = the.date_room == 0 ? 64 : 2 * the.date_room;
            void  *more = realloc(the.dates, room * sizeof *the.dates);
            if (more == NULL)
                return -ENOMEM;
            the.dates = more;
            the.date_room = room;
        }
        (void)text_copy(date, the.dates[the.date_count++], DATE_SIZE);
    }
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The days that there are, each once, in order; from `first` on, "": all. */
static int find_dates(const char *first)
{
    char                   after[2][BUCKET_KEY_SIZE];
    struct bucket_question questions[2];
    size_t                 kept = 0;
    for (size_t i = 0; i < 2; i++) {
        questions[i] = (struct bucket_question){.is_list = true, .by_folders = true, .heard = take_dates};
        (void)snprintf(questions[i].key, BUCKET_KEY_SIZE, "%s", folders[i]);
        key_of(folders[i], first, after[i]);
        questions[i].after = first[0] != '\0' ? after[i] : NULL;
    }
    int result = bucket_session_ask(&the.session, questions, 2);
    if (result < 0)
        return result;
    if (the.date_count > 1)
        qsort(the.dates, the.date_count, sizeof *the.dates, by_text);
    for (size_t i = 0; i < the.date_count; i++)
        if (strcmp(the.dates[i], first) >= 0 && (kept == 0 || strcmp(the.dates[kept - 1], the.dates[i]) != 0))
            memmove(the.dates[kept++], the.dates[i], DATE_SIZE);
    the.date_count = kept;
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------- runs */

static bool add_run(struct text id, const char *date, const struct s3_key *key, bool has_ended)
{
    if (the.count == the.room) {
        size_t             room = the.room == 0 ? 256 : 2 * the.room;
        struct bucket_run *more = realloc(the.runs, room * sizeof *more);
        if (more == NULL)
            return false;
        the.runs = more;
        the.room = room;
    }
    struct bucket_run *run = &the.runs[the.count++];
    *run = (struct bucket_run){.modified = key->modified, .has_ended = has_ended};
    (void)text_copy(id, run->id, sizeof run->id);
    memcpy(run->etag, key->etag, sizeof run->etag);
    (void)snprintf(run->date, sizeof run->date, "%.10s", date);
    return true;
}

/* Anybody who may write there may have put anything there. */
static int take_runs(void *context, const struct bucket_question *question, struct text body, bool is_there)
{
    struct s3_key key;
    struct text   id;
    char          day[DAY_DIGITS + 1];
    const char   *date = context;
    bool          has_ended = strncmp(question->key, folders[1], strlen(folders[1])) == 0;
    (void)snprintf(day, sizeof day, "%.4s%.2s%.2s", date, date + 5, date + 8);
    (void)is_there;
    while (s3_keys_next(&body, &key)) {
        if (the.count >= (size_t)2 * RUNS_MAX)
            return -E2BIG;
        bool is_run = bucket_session_behind(&the.session, key.key, question->key, &id) &&
                      text_len(id) > strlen(".json") && memcmp(id.end - strlen(".json"), ".json", strlen(".json")) == 0;
        id.end -= is_run ? strlen(".json") : 0;
        if (!is_run || text_len(id) >= RUN_DIR_ID_MAX || !text_consists_of(id, ID_CHARACTERS) || !text_starts(id, day))
            the.odd++;
        else if (!add_run(id, date, &key, has_ended))
            return -ENOMEM;
    }
    return 0;
}

static int by_id(const void *a, const void *b)
{
    const struct bucket_run *x = a;
    const struct bucket_run *y = b;
    int                      order = strcmp(x->id, y->id);
    return order != 0 ? order : (int)y->has_ended - (int)x->has_ended;
}

/* A run that has ended is told by its end. */
static void sort_runs(void)
{
    size_t kept = 0;
    if (the.count > 1)
        qsort(the.runs, the.count, sizeof *the.runs, by_id);
    for (size_t i = 0; i < the.count; i++)
        if (kept == 0 || strcmp(the.runs[kept - 1].id, the.runs[i].id) != 0)
            the.runs[kept++] = the.runs[i];
    the.count = kept;
}

/* Within its first day `since` chooses, too: keys begin with the run's start, whose second is not told apart. */
static const char *after_of(const char *folder, const char *date, char ret[static BUCKET_KEY_SIZE])
{
    char first[DATE_SIZE], when[17], rest[DATE_SIZE + sizeof when];
    date_of(the.since, first);
    if (the.since <= 0 || strcmp(date, first) != 0)
        return NULL;
    clock_format_compact((int64_t)the.since, when);
    (void)snprintf(rest, sizeof rest, "%s/%.15s", date, when);
    key_of(folder, rest, ret);
    return ret;
}

static int list_days(size_t first, size_t count)
{
    char                    after[2][BUCKET_KEY_SIZE]; /* of one day */
    struct bucket_question *questions = calloc(2 * count, sizeof *questions);
    if (questions == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < 2 * count; i++) {
        char *date = the.dates[first + i / 2];
        questions[i] = (struct bucket_question){.is_list = true, .heard = take_runs, .context = date};
        (void)snprintf(questions[i].key, BUCKET_KEY_SIZE, "%s%s/", folders[i % 2], date);
        questions[i].after = after_of(folders[i % 2], date, after[i % 2]);
    }
    int result = bucket_session_ask(&the.session, questions, 2 * count);
    free(questions);
    sort_runs();
    return result;
}

/* From the newest day on, until there are enough. */
static int list_newest(size_t wanted)
{
    int result = 0;
    for (size_t i = the.date_count; result == 0 && i-- > 0 && the.count < wanted;)
        result = list_days(i, 1);
    return result;
}

/* What a name of a run says of the days to look at. */
static void narrow(struct bucket_wanted *wanted, char ret_day[static DATE_SIZE])
{
    const char *name = wanted->run;
    ret_day[0] = '\0';
    if (name == NULL)
        return;
    if (strncmp(name, "last", 4) == 0)
        wanted->newest = name[4] == '~' ? (size_t)strtoul(name + 5, NULL, 10) + 1 : 1;
    else if (strspn(name, "0123456789") >= DAY_DIGITS && strchr(name, '~') == NULL)
        (void)snprintf(ret_day, DATE_SIZE, "%.4s-%.2s-%.2s", name, name + 4, name + 6);
}

static int list_runs(struct bucket_wanted wanted)
{
    char first[DATE_SIZE] = "";
    char day[DATE_SIZE];
    narrow(&wanted, day);
    the.since = wanted.since;
    if (wanted.since > 0)
        date_of(wanted.since, first);
    int result = find_dates(day[0] != '\0' ? day : first);
    if (result == 0 && day[0] != '\0') /* a day is looked at alone */
        the.date_count = the.date_count > 0 && strcmp(the.dates[0], day) == 0;
    if (result == 0 && wanted.newest > 0)
        result = list_newest(wanted.newest);
    else if (result == 0 && the.date_count > 0)
        result = list_days(0, the.date_count);
    if (result == 0 && the.count > RUNS_MAX) {
        complain("there are more than %d runs: choose by --since", RUNS_MAX);
        result = -E2BIG;
    }
    if (the.odd > 0)
        complain("%s: %zu %s no run's, and left out", the.session.place, the.odd, the.odd == 1 ? "key is" : "keys are");
    return result;
}

/* -------------------------------------------------------------------------------------------------------- documents */

static int store(const struct bucket_run *run, struct text document)
{
    struct bucket_kept kept;
    struct bytes       line;
    bytes_init(&line, (size_t)2 * DOCUMENT_MAX);
    if (text_starts(document, "{") && json_check(document, SIZE_MAX) == 0)
        json_minify(document, &line);
    else
        bytes_text(&line, "{}"); /* it is shown as damaged */
    bytes_char(&line, '\n');
    int result = line.failed ? -ENOMEM : bucket_cache_write(&the.cache, run->id, RUN_DIR_JOURNAL, line.data, line.len);
    bytes_done(&line);
    bucket_cache_kept(&the.cache, run->id, &kept);
    memcpy(kept.state, run->etag, sizeof kept.state);
    return result == 0 ? bucket_cache_note(&the.cache, run->id, &kept) : result;
}

static int take_document(void *context, const struct bucket_question *question, struct text body, bool is_there)
{
    const struct bucket_run *run = context;
    (void)question;
    int result = is_there ? store(run, body) : 0;
    if (result == 0)
        bucket_cache_set_time(&the.cache, run->id, RUN_DIR_JOURNAL, run->modified);
    else if (result != -ENOMEM && !bucket_cache_tell(&the.cache, run->id, result))
        result = 0;
    return result;
}

/* The rows of a run tell that it goes on. */
static int take_rows_time(void *context, const struct bucket_question *question, struct text body, bool is_there)
{
    struct bucket_run *run = context;
    struct s3_key      key;
    (void)question;
    (void)is_there;
    while (s3_keys_next(&body, &key))
        run->modified = key.modified > run->modified ? key.modified : run->modified;
    run->was_listed = true;
    return 0;
}

/* Once the whole of them was listed. */
static void note_times(void)
{
    struct bucket_kept kept;
    for (size_t i = 0; i < the.count; i++) {
        const struct bucket_run *run = &the.runs[i];
        if (!run->was_listed)
            continue;
        bucket_cache_set_time(&the.cache, run->id, RUN_DIR_JOURNAL, run->modified);
        if (now_there() - run->modified <= SETTLED_S)
            continue;
        bucket_cache_kept(&the.cache, run->id, &kept);
        kept.settled = (uint64_t)run->modified;
        (void)bucket_cache_note(&the.cache, run->id, &kept);
    }
}

/* True: `ret` asks for the document of a run, which is not here, or another one. */
static bool ask_for_document(struct bucket_run *run, struct bucket_question *ret)
{
    struct bucket_kept kept;
    bucket_cache_kept(&the.cache, run->id, &kept);
    if (run->etag[0] != '\0' && strcmp(kept.state, run->etag) == 0 &&
        bucket_cache_time(&the.cache, run->id, RUN_DIR_JOURNAL) > 0) {
        bucket_cache_touch(&the.cache, run->id);
        the.session.given++; /* once */
        return false;
    }
    *ret = (struct bucket_question){.answer_max = DOCUMENT_MAX, .heard = take_document, .context = run};
    (void)snprintf(ret->key, BUCKET_KEY_SIZE, "%s%s/%s.json", folders[run->has_ended], run->date, run->id);
    return true;
}

/* The same, for when a run without an end was last heard of. */
static bool ask_for_time(struct bucket_run *run, struct bucket_question *ret)
{
    struct bucket_kept kept;
    int64_t            here = bucket_cache_time(&the.cache, run->id, RUN_DIR_JOURNAL);
    if (run->has_ended)
        return false;
    run->modified = here > run->modified ? here : run->modified;
    bucket_cache_kept(&the.cache, run->id, &kept);
    if (now_there() - run->modified < YOUNG_S || kept.settled == (uint64_t)run->modified)
        return false;
    *ret = (struct bucket_question){.is_list = true, .heard = take_rows_time, .context = run};
    bucket_rows_folder(run->id, run->date, ret->key);
    return true;
}

static int ask_each(bool (*ask_for)(struct bucket_run *run, struct bucket_question *ret))
{
    struct bucket_question *questions = calloc(AT_A_TIME, sizeof *questions);
    int                     result = questions != NULL ? 0 : -ENOMEM;
    for (size_t i = 0; result == 0 && i < the.count;) {
        size_t count = 0;
        for (; i < the.count && count < AT_A_TIME; i++)
            count += ask_for(&the.runs[i], &questions[count]);
        result = bucket_session_ask(&the.session, questions, count);
        if (result == 0 && the.session.refused > 0 && the.session.given == 0) { /* not one object: it is the keys */
            complain("%s cannot be read: none of its objects is given", the.session.place);
            result = -EACCES;
        }
    }
    free(questions);
    return result;
}

/* ------------------------------------------------------------------------------------------------------- the whole */

bool bucket_is_place(const char *word)
{
    return word != NULL && strncmp(word, "s3://", strlen("s3://")) == 0;
}

bool bucket_is_read(void)
{
    return the.is_read;
}

static struct bucket_run *find(const char *id)
{
    struct bucket_run wanted = {.has_ended = false};
    if (strlen(id) >= sizeof wanted.id || the.count == 0)
        return NULL;
    memcpy(wanted.id, id, strlen(id) + 1);
    size_t low = 0;
    for (size_t high = the.count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int    order = strcmp(the.runs[middle].id, id);
        if (order == 0)
            return &the.runs[middle];
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

bool bucket_has(const char *id)
{
    return find(id) != NULL;
}

/* As its end has it. */
static uint64_t objects_of(const struct bucket_run *run)
{
    cJSON *end = NULL;
    int    dir = -1;
    double count = 0;
    if (run->has_ended && run_file_folder(the.cache.runs, run->id, geteuid(), &dir) == 0 &&
        run_file_state(dir, &end) == 0)
        count = journal_number(end, "objects", 0);
    cJSON_Delete(end);
    file_close(&dir);
    return count > 0 && count < UINT32_MAX ? (uint64_t)count : 0;
}

bool bucket_is_partial(void)
{
    return the.is_partial;
}

int bucket_fetch_rows(const char *const *ids, size_t count)
{
    struct bucket_rows_run *runs = calloc(count + 1, sizeof *runs);
    size_t                  found = 0;
    int                     result = runs == NULL ? -ENOMEM : the.is_released ? -EBADF : 0;
    for (size_t i = 0; result == 0 && i < count; i++) {
        struct bucket_run *run = find(ids[i]);
        if (run == NULL || run->has_rows)
            continue;
        runs[found++] = (struct bucket_rows_run){
            .id = run->id, .date = run->date, .seen = run->modified, .objects = objects_of(run)};
        run->has_rows = true;
    }
    if (result == 0)
        result = bucket_rows_fetch(&the.session, &the.cache, runs, found);
    for (size_t i = 0; i < found; i++)
        the.is_partial |= runs[i].is_partial;
    free(runs);
    return result;
}

static int read_place(const char *uri, const struct bucket_wanted *wanted)
{
    static char folder[PATH_MAX];
    int         result = bucket_session_open(&the.session, uri);
    if (result == -EINVAL)
        return EXIT_WRONG_CALL;
    if (result == 0)
        result = bucket_cache_open(the.session.place, the.session.endpoint, &the.cache);
    if (result == 0)
        result = list_runs(*wanted);
    if (result == 0)
        result = ask_each(ask_for_document);
    if (result == 0)
        result = ask_each(ask_for_time);
    if (result == 0)
        note_times();
    if (result < 0)
        return EXIT_NO;
    (void)snprintf(folder, sizeof folder, "%s", the.cache.path);
    the.is_read = true;
    whose_use_bucket(folder, the.session.place);
    return -1;
}

int bucket_take(const char *command, int argc, char **argv, const struct bucket_wanted *wanted)
{
    if (optind >= argc || !bucket_is_place(argv[optind]))
        return -1;
    if (whose_is_others()) {
        complain("%s: a bucket goes with none of --user, --dir, --all-users; see pillion %s --help", command, command);
        return EXIT_WRONG_CALL;
    }
    return read_place(argv[optind++], wanted);
}

void bucket_release(void)
{
    if (!the.is_read || the.is_released)
        return;
    the.is_released = true;
    bucket_cache_close(&the.cache);
    bucket_session_done(&the.session);
}
