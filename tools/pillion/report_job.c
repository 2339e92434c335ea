/* The page of a job: its nodes over time, their sum, how even they were, and its runs. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "jobs.h"
#include "output.h"
#include "report.h"

static int add_run(void *context, struct report_run *run)
{
    cJSON *object = report_json_small(run);
    return object != NULL && cJSON_AddItemToArray(context, object) ? 0 : -ENOMEM;
}

/* That a run fell silent, its job has told. */
static void tell_silent(const struct job *job, cJSON *runs)
{
    for (size_t i = 0; i < job->run_count; i++) {
        const struct jobs_run *told = &job->runs[i];
        cJSON                 *run;
        if (!told->is_silent)
            continue;
        cJSON_ArrayForEach(run, runs)
        {
            if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(run, "id")), told->id) != 0)
                continue;
            cJSON_ReplaceItemInObject(run, "word", cJSON_CreateString(told->word));
            cJSON_ReplaceItemInObject(run, "tone", cJSON_CreateString(told->tone));
            cJSON_DeleteItemFromObject(run, "reason");
            cJSON_AddStringToObject(run, "reason", told->reason);
        }
    }
}

/* Where nodes are the lines, nobody looks at a run's own. */
static void drop_curves(cJSON *runs)
{
    cJSON *run;
    cJSON_ArrayForEach(run, runs)
    {
        cJSON_DeleteItemFromObjectCaseSensitive(run, "cpu");
        cJSON_DeleteItemFromObjectCaseSensitive(run, "memory");
    }
}

/* An ID as part of a file's name. */
static void name_file(const char *id, char *ret, size_t size)
{
    (void)snprintf(ret, size, "job-%.100s", id);
    for (char *c = ret; *c != '\0'; c++)
        if (strchr("/\\ \t\n\"'<>|*?:", *c) != NULL || (unsigned char)*c < ' ')
            *c = '-';
}

int report_job(const struct filter *filter, struct bytes *page, char ret_id[static RUN_DIR_ID_MAX], bool *ret_whole)
{
    static struct job job;
    char              title[200];
    cJSON            *known = report_known("job"), *runs = cJSON_GetObjectItemCaseSensitive(known, "runs");
    int               result = jobs_load(filter, "report", add_run, runs, &job);
    *ret_whole = job.is_whole;
    if (result == 0) {
        (void)snprintf(title, sizeof title, "%.90s, job %.90s", job.name != NULL ? job.name : "", job.id);
        name_file(job.id, ret_id, RUN_DIR_ID_MAX);
        report_page_begin(page, title);
        tell_silent(&job, runs);
        if (job.node_count > 1)
            drop_curves(runs);
        cJSON_AddItemToObject(known, "job", jobs_json(&job, true));
        result = report_page_end(page, known);
        known = NULL;
        if (result < 0)
            complain("the page is too large, or there is no memory");
    }
    cJSON_Delete(known);
    jobs_done(&job);
    return result;
}
