/* Two runs are of one job when all of this holds:
 *
 * - the same ID, but for the index in an array, the task and the step. Only the batch systems' own numbers are cut so:
 *   what a user has called `a.b` is whole.
 * - the same orchestrator, the same user where others' runs are read, and, where both say it, the same cluster (newer
 *   runs of Slurm do) and the same name of the batch job. A number alone is no job: each cluster counts from 1.
 * - no long silence between them. A batch system takes a number again after millions, and an array waits for days in a
 *   queue: a week. Other IDs are used again each night: six hours. */
// SPDX-License-Identifier: Apache-2.0
#include "membership.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "base/array.h"
#include "base/clock.h"
#include "store/journal_read.h"

#define SILENCE       (6 * 3600.0)
#define SILENCE_BATCH (7 * 86400.0)

static bool is_batch(const char *orchestrator)
{
    static const char *const names[] = {"slurm", "pbs", "lsf", "sge", "flux"};
    for (size_t i = 0; orchestrator != NULL && i < ARRAY_LENGTH(names); i++)
        if (strcmp(orchestrator, names[i]) == 0)
            return true;
    return false;
}

/* Kubernetes puts five letters behind the name of what made a pod, and of an indexed Job its index before them:
 * "train-x7k2p", "train-3-x7k2p" (k8s.io/apimachinery, rand.SafeEncodeString). */
static size_t maker_of(const char *pod, const char *index)
{
    enum { LETTERS = 5 };
    size_t len = strlen(pod);
    if (len <= LETTERS + 1 || pod[len - LETTERS - 1] != '-' ||
        strspn(pod + len - LETTERS, "bcdfghjklmnpqrstvwxz2456789") != LETTERS)
        return 0;
    len -= LETTERS + 1;
    size_t of_index = index != NULL ? strlen(index) : 0;
    if (of_index > 0 && len > of_index + 1 && pod[len - of_index - 1] == '-' &&
        strncmp(pod + len - of_index, index, of_index) == 0)
        len -= of_index + 1;
    return len;
}

bool membership_id(const cJSON *state, char ret[static MEMBERSHIP_ID_MAX])
{
    const char  *told = account_registered(state, "external_run_id");
    const cJSON *container = cJSON_GetObjectItemCaseSensitive(state, "container");
    const char  *pod = journal_text(container, "pod"), *space = journal_text(container, "namespace");
    size_t       len = pod != NULL ? maker_of(pod, journal_text(container, "index")) : 0;
    ret[0] = '\0';
    if (told != NULL && (len == 0 || strcmp(told, pod) != 0)) { /* a user who shares names has pods told so */
        (void)snprintf(ret, MEMBERSHIP_ID_MAX, "%.1000s", told);
        return true;
    }
    if (len > 0)
        (void)snprintf(ret, MEMBERSHIP_ID_MAX, "%.300s%s%.*s", space != NULL ? space : "", space != NULL ? "/" : "",
                       (int)(len < 300 ? len : 300), pod);
    return len > 0;
}

size_t membership_root(const char *id, const char *orchestrator)
{
    size_t      digits = strspn(id, "0123456789");
    const char *last = strrchr(id, '.'), *colon = strchr(id, ':');
    if (orchestrator == NULL)
        return strlen(id);
    if (is_batch(orchestrator) && digits > 0 && strchr("_.[", id[digits]) != NULL)
        return digits;
    if (strcmp(orchestrator, "cloud-run") == 0 && last != NULL && last[1 + strspn(last + 1, "0123456789")] == '\0')
        return (size_t)(last - id);
    if (strcmp(orchestrator, "aws-batch") == 0 && colon != NULL)
        return (size_t)(colon - id);
    return strlen(id);
}

size_t membership_allocation(const char *id, const char *orchestrator)
{
    const char *step = strchr(id, '.');
    bool        is_numbered = membership_root(id, orchestrator) < strlen(id);
    bool        is_slurm = orchestrator != NULL && strcmp(orchestrator, "slurm") == 0;
    return is_slurm && is_numbered && step != NULL ? (size_t)(step - id) : strlen(id);
}

/* Of Kubernetes the namespace may be left out. */
static const char *as_wanted(const char *id, const char *wanted)
{
    const char *slash = strrchr(id, '/');
    return slash != NULL && strchr(wanted, '/') == NULL ? slash + 1 : id;
}

bool membership_is_of(const char *id, const char *wanted)
{
    size_t len = strlen(wanted);
    if (id == NULL || len == 0)
        return false;
    id = as_wanted(id, wanted);
    return strncmp(id, wanted, len) == 0 && strchr("_.[-:", id[len]) != NULL;
}

bool membership_is(const char *id, const char *orchestrator, const char *wanted)
{
    if (!membership_is_of(id, wanted))
        return false;
    const char *own = as_wanted(id, wanted);
    return membership_root(id, orchestrator) == (size_t)(own - id) + strlen(wanted);
}

/* ------------------------------------------------------------------------------------------------ one job or two */

/* What is known of a job so far. Texts belong to the records. */
struct job {
    const char *id, *orchestrator, *user, *cluster, *name;
    size_t      root;
    double      end;   /* s since 1970, of the run that ended last */
    size_t      older; /* one more than the place of the next older job that may have the same ID; 0: none */
};

static double begin_of(const struct record *record)
{
    const char *text = record->values[RUN_FIELD_started_at].text;
    int64_t     seconds = 0;
    return text != NULL && clock_parse_utc(text, &seconds) == 0 ? (double)seconds : 0;
}

static bool is_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool may_be_same(const char *a, const char *b)
{
    return a == NULL || b == NULL || strcmp(a, b) == 0;
}

static struct job job_of(const struct record *record, const char *wanted)
{
    const struct value *values = record->values;
    struct job          job = {.id = values[RUN_FIELD_job].text,
                               .orchestrator = values[RUN_FIELD_orchestrator].text,
                               .user = values[RUN_FIELD_user].text,
                               .cluster = values[RUN_FIELD_cluster].text};
    double              took = values[RUN_FIELD_duration_s].number;
    job.end = took > 0 ? begin_of(record) + took : fmax(begin_of(record), record->heard);
    if (job.id != NULL && wanted != NULL)
        job.root = (size_t)(as_wanted(job.id, wanted) - job.id) + strlen(wanted);
    else if (job.id != NULL)
        job.root = membership_root(job.id, job.orchestrator);
    if (is_batch(job.orchestrator))
        job.name = values[RUN_FIELD_job_name].text;
    return job;
}

static bool belongs(const struct job *job, const struct job *run, double begin)
{
    if (job->id == NULL || job->root != run->root || memcmp(job->id, run->id, job->root) != 0)
        return false;
    bool   is_number = is_batch(job->orchestrator) && strspn(job->id, "0123456789") == job->root;
    double silence = is_number ? SILENCE_BATCH : SILENCE;
    return is_same(job->orchestrator, run->orchestrator) && is_same(job->user, run->user) &&
           may_be_same(job->cluster, run->cluster) && may_be_same(job->name, run->name) && begin <= job->end + silence;
}

/* What one run says of the job, all its runs have said. */
static void take_in(struct job *job, const struct job *run)
{
    job->cluster = job->cluster != NULL ? job->cluster : run->cluster;
    job->name = job->name != NULL ? job->name : run->name;
    job->end = run->end > job->end ? run->end : job->end;
}

struct place {
    double               begin;
    size_t               at;
    const struct record *record;
};

static int by_run(const struct place *x, const struct place *y)
{
    const char *one = x->record->values[RUN_FIELD_id].text, *other = y->record->values[RUN_FIELD_id].text;
    int         order = strcmp(one != NULL ? one : "", other != NULL ? other : "");
    order = order != 0 ? order : strcmp(x->record->boot, y->record->boot);
    return order != 0 ? order
                      : (x->record->pid_start > y->record->pid_start) - (x->record->pid_start < y->record->pid_start);
}

static int by_begin(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->begin < y->begin || x->begin > y->begin)
        return x->begin < y->begin ? -1 : 1;
    int order = by_run(x, y);
    return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

/* The same run once more: a folder and a copy of it are read. */
static bool is_copy(const struct place *order, size_t i)
{
    return i > 0 && order[i].record->values[RUN_FIELD_id].text != NULL && order[i - 1].begin >= order[i].begin &&
           by_run(&order[i - 1], &order[i]) == 0;
}

/* Each begins a list of jobs, newest first, whose IDs are the same or look so: a site has 100,000 jobs. */
enum { LISTS = 65536 };

static size_t list_of(const struct job *run)
{
    uint32_t hash = 2166136261U; /* FNV-1a */
    for (size_t i = 0; i < run->root; i++)
        hash = (hash ^ (unsigned char)run->id[i]) * 16777619U;
    return (hash ^ hash >> 16) % LISTS;
}

/* The newest job that it belongs to, or a new one. */
static size_t find(struct job *jobs, size_t count, size_t *lists, const struct job *run, double begin)
{
    size_t *newest = &lists[list_of(run)];
    for (size_t i = *newest; i > 0; i = jobs[i - 1].older) {
        if (belongs(&jobs[i - 1], run, begin)) {
            take_in(&jobs[i - 1], run);
            return i - 1;
        }
    }
    jobs[count] = *run;
    jobs[count].older = *newest;
    *newest = count + 1;
    return count;
}

int membership_group(const struct record *records, size_t count, const char *wanted, size_t *ret_job, size_t *ret_jobs)
{
    struct place *order = calloc(count + 1, sizeof *order);
    struct job   *jobs = calloc(count + 1, sizeof *jobs);
    size_t       *lists = calloc(LISTS, sizeof *lists);
    int           result = order != NULL && jobs != NULL && lists != NULL ? 0 : -ENOMEM;
    *ret_jobs = 0;
    for (size_t i = 0; result == 0 && i < count; i++)
        order[i] = (struct place){begin_of(&records[i]), i, &records[i]};
    if (result == 0 && count > 1)
        qsort(order, count, sizeof *order, by_begin);
    for (size_t i = 0; result == 0 && i < count; i++) {
        struct job run = job_of(&records[order[i].at], wanted);
        bool       is_none = run.id == NULL || is_copy(order, i);
        size_t     job = is_none ? SIZE_MAX : find(jobs, *ret_jobs, lists, &run, order[i].begin);
        ret_job[order[i].at] = job;
        *ret_jobs += job == *ret_jobs;
    }
    free(order);
    free(jobs);
    free(lists);
    return result;
}
