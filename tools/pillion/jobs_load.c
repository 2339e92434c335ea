/* Which job is meant, and its runs. The folders are gone through twice: first the states, which tell the jobs apart,
 * then the rows of the runs of one job. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bucket.h"
#include "jobs.h"
#include "membership.h"
#include "output.h"
#include "run_file.h"

/* All runs that the filter's words mean, with the folders that they stand in. */
struct found {
    struct record *records;
    char         **folders;
    size_t         count, room;
};

static int take(void *context, struct filter_run *run)
{
    struct found *found = context;
    if (found->count == found->room) {
        size_t         room = found->room == 0 ? 64 : 2 * found->room;
        struct record *records = realloc(found->records, room * sizeof *records);
        if (records == NULL)
            return -ENOMEM;
        found->records = records;
        char **folders = realloc(found->folders, room * sizeof *folders);
        if (folders == NULL)
            return -ENOMEM;
        found->folders = folders;
        found->room = room;
    }
    found->folders[found->count] = strdup(run->folder->path);
    if (found->folders[found->count] == NULL)
        return -ENOMEM;
    found->records[found->count++] = *run->record;
    run->is_taken = true;
    return 0;
}

static void found_done(struct found *found)
{
    for (size_t i = 0; i < found->count; i++) {
        fields_free(&found->records[i]);
        free(found->folders[i]);
    }
    free(found->records);
    free(found->folders);
}

/* The second time only those of the job. */
struct loading {
    const struct found *found;
    const size_t       *jobs;
    size_t              wanted, unread;
    jobs_visitor       *each;
    void               *context;
    struct job         *job;
};

static bool is_wanted(const struct loading *loading, const struct filter_run *run)
{
    for (size_t i = 0; i < loading->found->count; i++)
        if (loading->jobs[i] == loading->wanted &&
            strcmp(loading->found->records[i].values[RUN_FIELD_id].text, run->id) == 0 &&
            strcmp(loading->found->folders[i], run->folder->path) == 0)
            return true;
    return false;
}

static int load(void *context, struct filter_run *run)
{
    static struct report_run loaded;
    struct loading          *loading = context;
    struct run_place         place = {.csv = -1, .listed = true, .ordinal = run->ordinal};
    if (!is_wanted(loading, run))
        return 0;
    place.dir = dup(run->dir);
    (void)snprintf(place.id, sizeof place.id, "%s", run->id);
    (void)snprintf(place.path, sizeof place.path, "%.3900s/%s", run->folder->path, run->id);
    memcpy(place.user, run->folder->user, sizeof place.user);
    (void)run_file_open(run->dir, RUN_DIR_ROWS, &place.csv);
    int result = report_read(&place, &loaded);
    if (result == 0)
        result = jobs_add(loading->job, &loaded, run);
    else if (result != -ENOMEM)
        loading->unread += result < 0;
    if (result == 0 && loading->each != NULL)
        result = loading->each(loading->context, &loaded);
    else if (result < 0 && result != -ENOMEM)
        result = 0; /* it has its sentence */
    report_done(&loaded);
    if (result == 0 && loading->job->run_count > REPORT_RUNS_MAX)
        result = -E2BIG;
    return result;
}

static char *copy(const char *text)
{
    return text != NULL && text[0] != '\0' ? strdup(text) : NULL;
}

static const char *begin_of(const struct record *record)
{
    const char *text = record->values[RUN_FIELD_started_at].text;
    return text != NULL ? text : "";
}

static const struct record *first_of(const struct found *found, const size_t *jobs, size_t wanted)
{
    const struct record *first = NULL;
    for (size_t i = 0; i < found->count; i++)
        if (jobs[i] == wanted && (first == NULL || strcmp(begin_of(&found->records[i]), begin_of(first)) < 0))
            first = &found->records[i];
    return first;
}

/* By its own ID, and where a part of it is wanted (`4711_7`) or what several begin with, as that. */
static void name_job(const struct filter *filter, const struct found *found, const size_t *jobs, size_t wanted,
                     struct job *ret)
{
    const struct record *first = first_of(found, jobs, wanted);
    if (first == NULL)
        return;
    const struct value *values = first->values;
    const char         *id = values[RUN_FIELD_job].text, *orchestrator = values[RUN_FIELD_orchestrator].text;
    bool                is_whole = membership_is(id, orchestrator, filter->job);
    ret->id = is_whole ? strndup(id, membership_root(id, orchestrator)) : strdup(filter->job);
    ret->name = copy(values[RUN_FIELD_job_name].text);
    if (ret->name == NULL)
        ret->name = copy(values[RUN_FIELD_name].text);
    ret->orchestrator = copy(orchestrator);
    ret->user = copy(values[RUN_FIELD_user].text);
    for (size_t i = 0; i < found->count && ret->cluster == NULL; i++)
        if (jobs[i] == wanted)
            ret->cluster = copy(found->records[i].values[RUN_FIELD_cluster].text);
}

/* Where there is a job of that very name, those whose names only begin so are others. Jobs are numbered by their
 * beginning, so the last one is the newest. */
static int choose(const struct filter *filter, const struct found *found, size_t *jobs, struct loading *ret)
{
    size_t count = 0, others = 0;
    bool   is_exact = false;
    for (size_t i = 0; i < found->count && !is_exact; i++)
        is_exact = membership_is(found->records[i].values[RUN_FIELD_job].text,
                                 found->records[i].values[RUN_FIELD_orchestrator].text, filter->job);
    int result = membership_group(found->records, found->count, is_exact ? NULL : filter->job, jobs, &count);
    if (result < 0)
        return result;
    bool *meant = calloc(count + 1, sizeof *meant);
    if (meant == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < found->count; i++)
        if (jobs[i] != SIZE_MAX)
            meant[jobs[i]] |= !is_exact ||
                              membership_is(found->records[i].values[RUN_FIELD_job].text,
                                            found->records[i].values[RUN_FIELD_orchestrator].text, filter->job);
    for (size_t i = 0; i < count; i++) {
        if (!meant[i])
            continue;
        ret->wanted = i;
        others++;
    }
    free(meant);
    ret->job->others = others > 0 ? others - 1 : 0;
    if (others == 0)
        complain("no run is of a job \"%s\"; see pillion list --jobs%s", filter->job, whose_words());
    return others > 0 ? 0 : -ENOENT;
}

static void tell_others(const struct filter *filter, const struct job *job)
{
    char when[24] = "";
    clock_format_utc((int64_t)job->began, when);
    if (job->others > 0)
        complain("%zu older job%s called \"%s\", too (another day, cluster or user); this one began at %s; "
                 "pillion list --jobs%s",
                 job->others, job->others == 1 ? " is" : "s are", filter->job, when, whose_words());
}

/* Of a bucket the rows come from far: those of all runs of the job at once. Of too many none is looked at. */
static int fetch_rows(const struct found *found, const struct loading *loading)
{
    const char **ids = calloc(found->count + 1, sizeof *ids);
    size_t       count = 0;
    int          result = ids != NULL ? 0 : -ENOMEM;
    for (size_t i = 0; ids != NULL && i < found->count; i++)
        if (loading->jobs[i] == loading->wanted)
            ids[count++] = found->records[i].values[RUN_FIELD_id].text;
    if (count > REPORT_RUNS_MAX)
        result = -E2BIG;
    else if (result == 0 && bucket_is_read())
        result = bucket_fetch_rows(ids, count);
    free(ids);
    return result;
}

int jobs_load(const struct filter *filter, const char *command, jobs_visitor *each, void *context, struct job *ret)
{
    struct found   found = {NULL, NULL, 0, 0};
    struct loading loading = {.found = &found, .each = each, .context = context, .job = ret};
    size_t         total;
    bool           is_whole = false;
    *ret = (struct job){.id = NULL};
    int     result = filter_each(filter, take, &found, &total, &is_whole);
    size_t *jobs = calloc(found.count + 1, sizeof *jobs);
    if (result == 0)
        result = jobs != NULL ? choose(filter, &found, jobs, &loading) : -ENOMEM;
    bool is_chosen = result == 0;
    if (result == 0) {
        loading.jobs = jobs;
        name_job(filter, &found, jobs, loading.wanted, ret);
        result = fetch_rows(&found, &loading);
    }
    if (result == 0) {
        output_be_quiet(true); /* what is wrong with the folders was said */
        result = filter_each(filter, load, &loading, &total, &is_whole);
        output_be_quiet(false);
    }
    if (result == 0)
        result = jobs_close(ret);
    ret->is_whole = is_whole && loading.unread == 0 && !bucket_is_partial();
    if (loading.unread > 0)
        complain("the rows of %zu of its runs cannot be read", loading.unread);
    if (result == -E2BIG)
        complain("%s: a job of more than %d runs is too large; choose by --since or --name", command, REPORT_RUNS_MAX);
    else if (result < 0 && (result != -ENOENT || is_chosen))
        complain("%s: the job cannot be read: %s", command, strerror(-result));
    if (result == 0)
        tell_others(filter, ret);
    free(jobs);
    found_done(&found);
    return result;
}

/* ------------------------------------------------------------------------------------------------ jobs of a list */

static void set_text(struct value *value, const char *text)
{
    free(value->text);
    value->text = copy(text);
}

/* The worse of two states is that of the job; one that still runs is running. */
static int rank_of(const char *state)
{
    static const char *const states[] = {"finished",    "local",   "finishing", "newer",
                                         "undelivered", "damaged", "lost",      "running"};
    for (int i = 0; i < 8; i++)
        if (state != NULL && strcmp(state, states[i]) == 0)
            return i;
    return 0;
}

static void add_number(struct value *value, double number)
{
    if (number >= 0)
        value->number = fmax(value->number, 0) + number;
}

static double seconds_of(const struct value *value)
{
    int64_t seconds = 0;
    return value->text != NULL && clock_parse_utc(value->text, &seconds) == 0 ? (double)seconds : 0;
}

struct listed {
    double begin, end, given_s, failed, nodes;
    bool   is_open, is_lost; /* a run of it has no end; none that is known */
};

/* A record of a job is that of its first run, and what differs between runs is added up or left out. */
static void join(struct record *job, const struct record *run, struct listed *listed)
{
    struct value       *into = job->values;
    const struct value *from = run->values;
    double              begin = seconds_of(&from[RUN_FIELD_started_at]), took = from[RUN_FIELD_duration_s].number;
    if (begin > 0 && (listed->begin <= 0 || begin < listed->begin)) {
        listed->begin = begin;
        set_text(&into[RUN_FIELD_started_at], from[RUN_FIELD_started_at].text);
    }
    if (begin + took > listed->end && took >= 0) {
        listed->end = begin + took;
        set_text(&into[RUN_FIELD_finished_at], from[RUN_FIELD_finished_at].text);
    }
    listed->is_open |= from[RUN_FIELD_finished_at].text == NULL;
    listed->is_lost |= took < 0;
    if (rank_of(from[RUN_FIELD_state].text) > rank_of(into[RUN_FIELD_state].text))
        set_text(&into[RUN_FIELD_state], from[RUN_FIELD_state].text);
    listed->failed += fields_failed(run);
    add_number(&into[RUN_FIELD_runs], 1);
    add_number(&into[RUN_FIELD_cpu_s], from[RUN_FIELD_cpu_s].number);
    add_number(&into[RUN_FIELD_oom_kills], from[RUN_FIELD_oom_kills].number);
    into[RUN_FIELD_memory_peak_mib].number = fmax(into[RUN_FIELD_memory_peak_mib].number,
                                                  from[RUN_FIELD_memory_peak_mib].number);
    into[RUN_FIELD_memory_part].number = fmax(into[RUN_FIELD_memory_part].number, from[RUN_FIELD_memory_part].number);
    if (into[RUN_FIELD_exit_code].number <= 0) /* the first one that is not 0 */
        into[RUN_FIELD_exit_code].number = fmax(into[RUN_FIELD_exit_code].number, from[RUN_FIELD_exit_code].number);
    if (into[RUN_FIELD_signal].number <= 0)
        into[RUN_FIELD_signal].number = from[RUN_FIELD_signal].number;
}

static void begin_record(const struct record *run, struct record *ret)
{
    static const enum run_field kept[] = {RUN_FIELD_user,        RUN_FIELD_job,     RUN_FIELD_name,
                                          RUN_FIELD_job_name,    RUN_FIELD_cluster, RUN_FIELD_partition,
                                          RUN_FIELD_orchestrator};
    *ret = (struct record){.command = NULL};
    for (size_t i = 0; i < RUN_FIELD_COUNT; i++)
        ret->values[i].number = -1;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        set_text(&ret->values[kept[i]], run->values[kept[i]].text);
    const char *id = run->values[RUN_FIELD_job].text;
    ret->values[RUN_FIELD_job].text[membership_root(id, run->values[RUN_FIELD_orchestrator].text)] = '\0';
    if (run->values[RUN_FIELD_job_name].text != NULL)
        set_text(&ret->values[RUN_FIELD_name], run->values[RUN_FIELD_job_name].text);
}

/* A run's node, for counting, and what it was given there: `allocation` bytes of its ID tell with which runs. */
struct spot {
    size_t      job, allocation;
    const char *machine, *boot, *id;
    double      begin, end, cpus;
    bool        is_given; /* by a batch system */
};

static int by_spot(const void *a, const void *b)
{
    const struct spot *x = a, *y = b;
    int                order = x->job < y->job ? -1 : x->job > y->job;
    order = order != 0 ? order : strcmp(x->machine, y->machine);
    return order != 0 ? order : strcmp(x->boot, y->boot);
}

static int by_allocation(const void *a, const void *b)
{
    const struct spot *x = a, *y = b;
    int                order = x->job < y->job ? -1 : x->job > y->job;
    order = order != 0 ? order : x->allocation < y->allocation ? -1 : x->allocation > y->allocation;
    return order != 0 ? order : memcmp(x->id, y->id, x->allocation);
}

static int by_given(const void *a, const void *b)
{
    int order = by_allocation(a, b);
    return order != 0 ? order : by_spot(a, b);
}

static struct spot spot_of(const struct record *record, size_t job)
{
    const struct value *values = record->values;
    const char         *machine = values[RUN_FIELD_machine].text, *id = values[RUN_FIELD_job].text;
    double              begin = seconds_of(&values[RUN_FIELD_started_at]), took = values[RUN_FIELD_duration_s].number;
    bool                has_ended = took >= 0 && values[RUN_FIELD_cpu_s].number >= 0;
    return (struct spot){.job = job,
                         .allocation = membership_allocation(id, values[RUN_FIELD_orchestrator].text),
                         .machine = machine != NULL ? machine : "",
                         .boot = record->boot,
                         .id = id,
                         .begin = begin,
                         .end = begin + took,
                         .cpus = has_ended ? values[RUN_FIELD_cpus].number : -1,
                         .is_given = values[RUN_FIELD_asked].text != NULL};
}

/* Cores times seconds that one allocation had, however many of its runs shared them: as given_to of jobs.c. Of those
 * alone whose CPU time is known. */
static double given_to(const struct spot *spots, size_t count)
{
    double given_s = 0, first = HUGE_VAL, last = 0;
    for (size_t i = 0; i < count; i++) {
        first = spots[i].cpus > 0 ? fmin(first, spots[i].begin) : first;
        last = spots[i].cpus > 0 ? fmax(last, spots[i].end) : last;
    }
    for (size_t i = 0, next = 0; i < count; i = next) {
        double begin = HUGE_VAL, end = 0, cpus = -1;
        for (; next < count && by_spot(&spots[i], &spots[next]) == 0; next++) {
            if (spots[next].cpus <= 0)
                continue;
            begin = fmin(begin, spots[next].begin);
            end = fmax(end, spots[next].end);
            cpus = fmax(cpus, spots[next].cpus);
        }
        if (cpus > 0) /* a batch system holds all nodes until the last one is done */
            given_s += cpus * (spots[i].is_given ? last - first : end - begin);
    }
    return given_s;
}

/* The nodes of each job, and what they had. */
static int count_nodes(const struct selection *all, const size_t *jobs, struct listed *listed)
{
    struct spot *spots = calloc(all->count + 1, sizeof *spots);
    size_t       count = 0;
    if (spots == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < all->count; i++)
        if (jobs[i] != SIZE_MAX)
            spots[count++] = spot_of(&all->records[i], jobs[i]);
    if (count > 1)
        qsort(spots, count, sizeof *spots, by_spot);
    for (size_t i = 0; i < count; i++)
        listed[spots[i].job].nodes += i == 0 || by_spot(&spots[i - 1], &spots[i]) != 0;
    if (count > 1)
        qsort(spots, count, sizeof *spots, by_given);
    for (size_t i = 0, next = 0; i < count; i = next) {
        while (next < count && by_allocation(&spots[i], &spots[next]) == 0)
            next++;
        listed[spots[i].job].given_s += given_to(&spots[i], next - i);
    }
    free(spots);
    return 0;
}

static void end_record(const struct listed *listed, struct record *ret)
{
    struct value *values = ret->values;
    char          text[FIGURE_MAX];
    values[RUN_FIELD_nodes].number = listed->nodes;
    if (listed->is_open)
        set_text(&values[RUN_FIELD_finished_at], NULL);
    if (listed->end > listed->begin && listed->begin > 0 && !listed->is_lost)
        values[RUN_FIELD_duration_s].number = listed->end - listed->begin;
    if (values[RUN_FIELD_cpu_s].number >= 0 && listed->given_s > 0)
        values[RUN_FIELD_cpu_part].number = values[RUN_FIELD_cpu_s].number / listed->given_s;
    (void)snprintf(text, sizeof text, "%.0f failed", listed->failed);
    if (listed->failed > 0)
        set_text(&values[RUN_FIELD_ended], text);
    else if (values[RUN_FIELD_exit_code].number >= 0)
        set_text(&values[RUN_FIELD_ended], "0");
}

int jobs_list(struct selection *all, size_t last)
{
    size_t        *jobs = calloc(all->count + 1, sizeof *jobs), count = 0;
    int            result = jobs != NULL ? membership_group(all->records, all->count, NULL, jobs, &count) : -ENOMEM;
    struct record *made = calloc(count + 1, sizeof *made);
    struct listed *listed = calloc(count + 1, sizeof *listed);
    if (result < 0 || made == NULL || listed == NULL)
        result = -ENOMEM;
    else
        result = count_nodes(all, jobs, listed);
    for (size_t i = 0; result == 0 && i < all->count; i++) {
        if (jobs[i] == SIZE_MAX)
            continue;
        if (made[jobs[i]].values[RUN_FIELD_job].text == NULL)
            begin_record(&all->records[i], &made[jobs[i]]);
        join(&made[jobs[i]], &all->records[i], &listed[jobs[i]]);
    }
    size_t from = last > 0 && last < count ? count - last : 0;
    for (size_t i = 0; result == 0 && i < count; i++) {
        if (i < from)
            fields_free(&made[i]);
        else
            end_record(&listed[i], &made[i]);
    }
    if (result == 0) {
        for (size_t i = 0; i < all->count; i++)
            fields_free(&all->records[i]);
        memmove(made, made + from, (count - from) * sizeof *made);
        free(all->records);
        all->records = made;
        all->count = count - from;
        made = NULL;
    }
    free(made);
    free(listed);
    free(jobs);
    return result;
}
