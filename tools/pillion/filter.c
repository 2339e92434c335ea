// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include "filter.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/text.h"
#include "membership.h"
#include "output.h"
#include "run_file.h"

enum { DAY = 86400, ALL_MAX = 100 * 1000 };

/* Midnight of a day in the user's zone, `days` ago. */
static double midnight(int days)
{
    time_t    now = (time_t)(clock_real() / CLOCK_SECOND);
    struct tm tm;
    if (localtime_r(&now, &tm) == NULL)
        return 0;
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_mday -= days;
    tm.tm_isdst = -1;
    return (double)mktime(&tm);
}

/* "2h": so long ago; 0 when it is no such thing. */
static double ago(const char *text)
{
    static const struct {
        const char *name;
        double      seconds;
    } units[] = {{"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", DAY}, {"w", 7 * DAY}};
    double number;
    size_t len = strspn(text, "0123456789.");
    if (len == 0 || !text_decimal(text_span(text, len), &number) || number > 1e9)
        return 0;
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++)
        if (strcmp(text + len, units[i].name) == 0)
            return (double)clock_real() / 1e9 - number * units[i].seconds;
    return 0;
}

static double when(const char *text)
{
    static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%H:%M"};
    int64_t                  seconds;
    if (strcmp(text, "today") == 0)
        return midnight(0);
    if (strcmp(text, "yesterday") == 0)
        return midnight(1);
    for (size_t i = 0; i < ARRAY_LENGTH(forms); i++) {
        time_t    now = (time_t)(clock_real() / CLOCK_SECOND);
        struct tm tm;
        if (localtime_r(&now, &tm) == NULL)
            return 0;
        tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
        tm.tm_isdst = -1;
        const char *end = strptime(text, forms[i], &tm);
        if (end != NULL && *end == '\0')
            return (double)mktime(&tm);
    }
    size_t len = strlen(text);
    if (len > 0 && text[len - 1] == 'Z' && clock_parse_utc(text, &seconds) == 0)
        return (double)seconds;
    return ago(text);
}

int filter_take(struct filter *filter, const char *command, int option, const char *value)
{
    char *end;
    if (option < FILTER_LAST || option > FILTER_JOB)
        return 0;
    filter->is_set = true;
    if (option == FILTER_LAST) {
        long last = strtol(value, &end, 10);
        filter->last = last > 0 && *end == '\0' ? (size_t)last : 0;
        if (filter->last == 0) {
            complain("%s: --last is a number from 1; see pillion %s --help", command, command);
            return -1;
        }
    } else if (option == FILTER_SINCE) {
        filter->since = when(value);
        if (filter->since <= 0) {
            complain("%s: --since is a time, as 2h, 3d, today, 2026-11-28T13:30; see pillion %s --help", command,
                     command);
            return -1;
        }
    } else if (option == FILTER_FAILED) {
        filter->is_failed = true;
    } else if (option == FILTER_STATE) {
        filter->state = value;
    } else if (option == FILTER_NAME) {
        filter->name = value;
    } else {
        filter->job = value;
    }
    return 1;
}

struct bucket_wanted filter_bucket(const struct filter *filter)
{
    bool chooses = filter->is_failed || filter->state != NULL || filter->name != NULL || filter->job != NULL;
    return (struct bucket_wanted){.since = filter->since, .newest = chooses ? 0 : filter->last};
}

/* Is `word` one of a list with commas? */
static bool is_among(const char *list, const char *word)
{
    struct text rest = text_of(list);
    struct text one;
    while (text_until(&rest, ',', &one))
        if (text_is(one, word))
            return true;
    return false;
}

/* A rank is called as its job is, what a script starts by its own name: each is found by both. */
static bool is_named(const struct value *values, const char *pattern)
{
    static const enum run_field names[] = {RUN_FIELD_name, RUN_FIELD_task, RUN_FIELD_job_name};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (values[names[i]].text != NULL && fnmatch(pattern, values[names[i]].text, 0) == 0)
            return true;
    return false;
}

static bool is_meant(const struct filter *filter, const struct record *record, double started)
{
    const struct value *values = record->values;
    if (filter->since > 0 && started < filter->since)
        return false;
    if (filter->is_failed && !fields_failed(record))
        return false;
    if (filter->state != NULL && !is_among(filter->state, values[RUN_FIELD_state].text))
        return false;
    if (filter->name != NULL && !is_named(values, filter->name))
        return false;
    return filter->job == NULL || membership_is_of(values[RUN_FIELD_job].text, filter->job);
}

/* Lets the visitor have a run, if that is meant. */
static int visit_one(const struct filter *filter, const struct selection *in, size_t at, filter_visitor *visit,
                     void *context)
{
    struct record     record;
    struct filter_run run = {
        .id = in->names.names[at], .folder = &in->folder, .dir = -1, .record = &record, .ordinal = (long)at};
    cJSON *state = NULL;
    int    result = 0;
    if (runs_open(&in->folder.home, run.id, &run.dir) < 0)
        return 0;
    int error = run_file_state(run.dir, &state);
    run.state = state;
    run.shown = error == 0 ? run_state_shown(state, run.dir) : error == -ENOTSUP ? "newer" : "damaged";
    run.ordinal = (long)(in->names.count - 1 - at);
    fields_read(run.id, state, run.shown, run.ordinal, &record);
    fields_user(&record, in->folder.user);
    if (strcmp(run.shown, "lost") == 0)
        record.heard = run_file_heard(run.dir);
    if (is_meant(filter, &record, run_time(state, "started_at")))
        result = visit(context, &run);
    if (!run.is_taken)
        fields_free(&record);
    cJSON_Delete(state);
    close(run.dir);
    return result;
}

static int take_record(void *context, struct filter_run *run)
{
    struct record *into = context;
    *into = *run->record;
    run->is_taken = true;
    return 1;
}

/* True: it is meant, and its fields are there. */
static bool read_one(const struct filter *filter, const struct selection *selection, size_t at, struct record *ret)
{
    return visit_one(filter, selection, at, take_record, ret) > 0;
}

/* From the newest on, so that --last stops early. */
static int read_all(const struct filter *filter, struct selection *ret)
{
    size_t total = ret->names.count;
    size_t most = filter->last > 0 && filter->last < total ? filter->last : total;
    ret->at = calloc(most + 1, sizeof *ret->at);
    ret->records = calloc(most + 1, sizeof *ret->records);
    if (ret->at == NULL || ret->records == NULL)
        return -ENOMEM;
    for (size_t i = total; i-- > 0 && ret->count < most;) {
        if (read_one(filter, ret, i, &ret->records[ret->count])) {
            ret->at[ret->count] = i;
            ret->count++;
        }
    }
    for (size_t i = 0; i < ret->count / 2; i++) {
        size_t        other = ret->count - 1 - i;
        struct record record = ret->records[i];
        size_t        at = ret->at[i];
        ret->records[i] = ret->records[other];
        ret->records[other] = record;
        ret->at[i] = ret->at[other];
        ret->at[other] = at;
    }
    return 0;
}

static int open_all(struct selection *ret)
{
    *ret = (struct selection){.folder = {.home = {.dir = -1, .runs = -1}}, .is_whole = true};
    int result = runs_folder(&ret->folder);
    if (result < 0)
        return result;
    result = runs_read(&ret->folder, &ret->names);
    if (result < 0)
        complain("the runs cannot be read: %s", strerror(-result));
    return result;
}

/* ------------------------------------------------------------------------------------------------ of all users */

struct gathering {
    const struct filter *filter;
    struct selection    *into;
    char                 user[WHOSE_NAME_MAX]; /* whose folder was read before this one */
};

static int by_id(const void *a, const void *b)
{
    return strverscmp(((const struct record *)a)->values[RUN_FIELD_id].text,
                      ((const struct record *)b)->values[RUN_FIELD_id].text);
}

/* Of all that were gathered, the newest are kept. */
static void keep_last(const struct filter *filter, struct selection *all)
{
    if (all->count > 1)
        qsort(all->records, all->count, sizeof *all->records, by_id);
    if (filter->last == 0 || filter->last >= all->count)
        return;
    size_t left_out = all->count - filter->last;
    for (size_t i = 0; i < left_out; i++)
        fields_free(&all->records[i]);
    all->count = filter->last;
    memmove(all->records, all->records + left_out, all->count * sizeof *all->records);
}

/* `pillion show --user` finds runs of a user's first place by their number, not those of a second one, nor those of
 * several folders. */
static void forget_ordinals(struct selection *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free(all->records[i].values[RUN_FIELD_ordinal].text);
        all->records[i].values[RUN_FIELD_ordinal].text = NULL;
    }
}

static int gather(void *context, const struct run_folder *folder)
{
    struct gathering *gathering = context;
    struct selection *into = gathering->into;
    struct selection  one = {.folder = *folder};
    int               result = runs_read(folder, &one.names);
    if (result == -EACCES || result == -EPERM) /* it was there a moment ago */
        result = 0;
    else if (result == 0)
        result = read_all(gathering->filter, &one);
    if (strcmp(gathering->user, folder->user) == 0 || whose_words()[0] != '\0')
        forget_ordinals(&one);
    memcpy(gathering->user, folder->user, sizeof gathering->user);
    struct record *more = result == 0 ? realloc(into->records, (into->count + one.count + 1) * sizeof *more) : NULL;
    if (more != NULL) {
        into->records = more;
        memcpy(more + into->count, one.records, one.count * sizeof *more);
        into->count += one.count;
        into->total += one.names.count;
        one.count = 0;
    } else if (result == 0) {
        result = -ENOMEM;
    }
    if (into->count > ALL_MAX)
        result = -E2BIG;
    one.folder.home = (struct state_dir){.dir = -1, .runs = -1}; /* the caller's */
    filter_done(&one);
    return result;
}

static void tell_refused(size_t refused)
{
    if (refused > 0 && geteuid() != 0)
        complain("the places of %zu users cannot be read: only root may; try: sudo pillion list --all-users", refused);
    else if (refused > 0)
        complain("the places of %zu users cannot be read, not even by root", refused);
}

static int select_all(const struct filter *filter, struct selection *ret)
{
    struct gathering gathering = {.filter = filter, .into = ret};
    size_t           refused = 0;
    *ret = (struct selection){.folder = {.home = {.dir = -1, .runs = -1}}};
    int result = whose_each(runs_lookup, gather, &gathering, &refused);
    if (result == -E2BIG)
        complain("there are more than %d runs: choose by --last, --since, or --user", ALL_MAX);
    else if (result < 0)
        complain("the runs cannot be read: %s", strerror(-result));
    tell_refused(refused);
    ret->is_whole = refused == 0 && !whose_is_partial();
    keep_last(filter, ret);
    return result;
}

int filter_select(const struct filter *filter, struct selection *ret)
{
    if (whose_is_all())
        return select_all(filter, ret);
    int result = open_all(ret);
    if (result < 0)
        return result;
    result = read_all(filter, ret);
    ret->total = ret->names.count;
    if (result < 0)
        complain("the runs cannot be read: %s", strerror(-result));
    return result;
}

/* ------------------------------------------------------------------------------------------------ one by one */

struct walk {
    const struct filter *filter;
    filter_visitor      *visit;
    void                *context;
    size_t               total;
};

static int walk_folder(void *context, const struct run_folder *folder)
{
    struct walk     *walk = context;
    struct selection in = {.folder = *folder};
    int              result = runs_read(folder, &in.names);
    if (result == -EACCES || result == -EPERM)
        result = 0;
    for (size_t i = in.names.count; result >= 0 && i-- > 0;)
        result = visit_one(walk->filter, &in, i, walk->visit, walk->context);
    walk->total += in.names.count;
    runs_free(&in.names);
    return result < 0 ? result : 0;
}

int filter_each(const struct filter *filter, filter_visitor *visit, void *context, size_t *ret_total, bool *ret_whole)
{
    struct walk       walk = {filter, visit, context, 0};
    struct run_folder own;
    size_t            refused = 0;
    int               result;
    if (whose_is_all()) {
        result = whose_each(runs_lookup, walk_folder, &walk, &refused);
        tell_refused(refused);
    } else {
        result = runs_folder(&own);
        if (result == 0) {
            result = walk_folder(&walk, &own);
            state_dir_close(&own.home);
        }
    }
    *ret_total = walk.total;
    *ret_whole = refused == 0 && !whose_is_partial();
    return result;
}

/* Where the run stands that an operand means; -1 and a sentence. */
static ssize_t find_named(const struct selection *selection, const char *operand)
{
    struct run_place place;
    if (runs_find(operand, &place) < 0)
        return -1;
    runs_done(&place);
    for (size_t i = 0; place.listed && i < selection->names.count; i++)
        if (strcmp(selection->names.names[i], place.id) == 0)
            return (ssize_t)i;
    complain("%s: only runs in the run directory are meant here; see pillion list", operand);
    return -1;
}

static bool is_taken(const struct selection *selection, size_t at)
{
    for (size_t i = 0; i < selection->count; i++)
        if (selection->at[i] == at)
            return true;
    return false;
}

int filter_named(char *const *operands, size_t count, struct selection *ret)
{
    const struct filter everything = {.last = 0};
    int                 result = open_all(ret);
    if (result < 0)
        return result;
    ret->at = calloc(count + 1, sizeof *ret->at);
    ret->records = calloc(count + 1, sizeof *ret->records);
    if (result == 0 && (ret->at == NULL || ret->records == NULL))
        result = -ENOMEM;
    for (size_t i = 0; result == 0 && i < count; i++) {
        ssize_t at = find_named(ret, operands[i]);
        if (at < 0)
            return -ENOENT;
        if (!is_taken(ret, (size_t)at) && read_one(&everything, ret, (size_t)at, &ret->records[ret->count]))
            ret->at[ret->count++] = (size_t)at;
    }
    if (result < 0)
        complain("the runs cannot be read: %s", strerror(-result));
    return result;
}

void filter_done(struct selection *selection)
{
    for (size_t i = 0; i < selection->count; i++)
        fields_free(&selection->records[i]);
    free(selection->records);
    free(selection->at);
    runs_free(&selection->names);
    state_dir_close(&selection->folder.home);
}
