/* A job for programs, and for the page: `with_curves` adds its nodes over time. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "account.h"
#include "base/clock.h"
#include "bucket.h"
#include "jobs.h"

enum { COLUMNS = 240 }; /* of a curve in the page; a divisor of JOBS_GRID */
_Static_assert(JOBS_GRID % COLUMNS == 0, "so many cells are one column");

static void add_text(cJSON *object, const char *key, const char *value)
{
    if (value != NULL && value[0] != '\0')
        cJSON_AddStringToObject(object, key, value);
}

static void add_known(cJSON *object, const char *key, double value, double per_unit)
{
    if (value >= 0)
        account_add(object, key, value, per_unit);
}

static void add_part(cJSON *object, const char *key, double value, double of)
{
    if (value >= 0 && of > 0)
        account_add(object, key, value / of, 1e4);
}

static void add_time(cJSON *object, const char *key, double at)
{
    char text[24];
    clock_format_utc((int64_t)at, text);
    cJSON_AddStringToObject(object, key, text);
}

/* May be negative, which account_add does not round. */
static void add_offset(cJSON *object, const char *key, double offset)
{
    if (offset != 0)
        cJSON_AddNumberToObject(object, key, round(offset * 1e3) / 1e3);
}

/* Means of equal parts of the job's time; null where it is not known. */
static void add_curve(cJSON *object, const char *key, const float *series, double per_unit)
{
    enum { EACH = JOBS_GRID / COLUMNS };
    if (series == NULL)
        return;
    cJSON *list = cJSON_AddArrayToObject(object, key);
    for (size_t column = 0; column < COLUMNS; column++) {
        double sum = 0, known = 0;
        for (size_t i = column * EACH; i < (column + 1) * EACH; i++) {
            sum += series[i] >= 0 ? (double)series[i] : 0;
            known += series[i] >= 0;
        }
        cJSON_AddItemToArray(list, known > 0 ? cJSON_CreateNumber(account_rounded(sum / known, per_unit))
                                             : cJSON_CreateNull());
    }
}

static cJSON *node_json(const struct job *job, const struct jobs_node *node, bool with_curves)
{
    cJSON *object = cJSON_CreateObject();
    double took = node->ended - node->began;
    cJSON_AddStringToObject(object, "name", node->name);
    add_text(object, "word", node->word);
    add_text(object, "tone", node->tone);
    add_text(object, "reason", node->reason);
    cJSON_AddNumberToObject(object, "runs", (double)node->runs);
    add_known(object, "began_s", node->began - job->began, 1e3);
    add_known(object, "duration_s", took, 1e3);
    add_known(object, "cpu_s", node->cpu_s, 1e3);
    add_known(object, "cpu_mean", jobs_mean_cores(node), 1e4);
    add_known(object, "cpu_max", node->cpu_max, 1e4);
    add_known(object, "cpus", node->cpus, 1e3);
    add_known(object, "cpu_part", jobs_cpu_part(node), 1e4);
    add_known(object, "memory_max_mib", node->memory_max_mib, 1e4);
    add_known(object, "memory_mib", node->memory_mib, 1e3);
    add_part(object, "memory_part", node->memory_max_mib, node->memory_mib);
    add_known(object, "gpu_s", node->gpu_s, 1e3);
    add_known(object, "gpus", node->gpus, 1e3);
    add_part(object, "gpu_part", node->gpu_s, node->gpus > 0 ? node->gpus * took : -1);
    add_known(object, "gpu_memory_max_mib", node->vram_max_mib, 1e4);
    add_known(object, "disk_read_bytes", node->read_bytes, 1);
    add_known(object, "disk_write_bytes", node->write_bytes, 1);
    add_offset(object, "clock_offset_s", node->offset);
    add_offset(object, "stored_after_s", node->late);
    if (node->gap > 0) {
        add_known(object, "gap_s", node->gap, 1e3);
        add_known(object, "gap_at_s", node->gap_at - job->began, 1e3);
    }
    if (with_curves) {
        add_curve(object, "cpu", node->series[JOBS_CPU], 1e3);
        add_curve(object, "memory", node->series[JOBS_MEMORY], 1);
        add_curve(object, "gpu", node->series[JOBS_GPU], 1e3);
    }
    return object;
}

static void add_sum(cJSON *job_object, const struct job *job, bool with_curves)
{
    cJSON *object = cJSON_AddObjectToObject(job_object, "sum");
    double took = job->ended - job->began;
    add_known(object, "cpu_s", job->cpu_s, 1e3);
    add_known(object, "cpu_mean", took > 0 ? job->cpu_s / took : -1, 1e4);
    add_known(object, "cpu_max", job->sum[JOBS_CPU].max, 1e4);
    add_known(object, "memory_mean_mib", job->sum[JOBS_MEMORY].mean, 1e4);
    add_known(object, "memory_max_mib", job->sum[JOBS_MEMORY].max, 1e4);
    add_known(object, "gpu_s", job->gpu_s, 1e3);
    add_known(object, "gpu_mean", job->gpu_s >= 0 && took > 0 ? job->gpu_s / took : -1, 1e4);
    add_known(object, "gpu_max", job->sum[JOBS_GPU].max, 1e4);
    add_known(object, "gpu_memory_max_mib", job->sum[JOBS_VRAM].max, 1e4);
    add_known(object, "disk_read_bytes", job->sum[JOBS_READ].total, 1);
    add_known(object, "disk_write_bytes", job->sum[JOBS_WRITE].total, 1);
    if (with_curves) {
        add_curve(object, "cpu", job->sum[JOBS_CPU].curve, 1e3);
        add_curve(object, "memory", job->sum[JOBS_MEMORY].curve, 1);
        if (job->gpu_s >= 0)
            add_curve(object, "gpu", job->sum[JOBS_GPU].curve, 1e3);
        if (job->sum[JOBS_RECV].total >= 0)
            add_curve(object, "recv", job->sum[JOBS_RECV].curve, 1);
    }
}

/* Each machine once, with what others did on it meanwhile. */
static void add_machines(cJSON *job_object, const struct job *job)
{
    cJSON *object = cJSON_AddObjectToObject(job_object, "machines");
    cJSON_AddNumberToObject(object, "count", (double)job->machine_count);
    add_known(object, "cpu_mean", job->sum[JOBS_MACHINE_CPU].mean, 1e4);
    add_known(object, "cpu_max", job->sum[JOBS_MACHINE_CPU].max, 1e4);
    add_known(object, "memory_mean_mib", job->sum[JOBS_MACHINE_MEMORY].mean, 1e4);
    add_known(object, "memory_max_mib", job->sum[JOBS_MACHINE_MEMORY].max, 1e4);
    add_known(object, "net_recv_bytes", job->sum[JOBS_RECV].total, 1);
    add_known(object, "net_sent_bytes", job->sum[JOBS_SENT].total, 1);
}

static void add_asked(cJSON *job_object, const struct job *job)
{
    cJSON *object = cJSON_AddObjectToObject(job_object, "asked");
    add_text(object, "by", job->source);
    add_known(object, "cpus", job->cpus, 1e3);
    add_known(object, "cpu_s", job->asked_cpu_s, 1e3);
    add_part(object, "cpu_part", job->cpu_s, job->asked_cpu_s);
    add_known(object, "memory_mib", job->memory_mib, 1e3);
    add_part(object, "memory_part", job->sum[JOBS_MEMORY].max, job->memory_mib);
    add_known(object, "gpus", job->gpus, 1e3);
    add_known(object, "gpu_s", job->asked_gpu_s, 1e3);
    add_part(object, "gpu_part", job->gpu_s, job->asked_gpu_s);
}

/* Several nodes may have one name, so its place among them is told, too. */
static void add_node(cJSON *object, const char *key, const struct job *job, size_t node)
{
    char place[24];
    if (node == SIZE_MAX)
        return;
    (void)snprintf(place, sizeof place, "%s_at", key);
    cJSON_AddStringToObject(object, key, job->nodes[node].name);
    cJSON_AddNumberToObject(object, place, (double)node);
}

static void add_balance(cJSON *job_object, const struct job *job)
{
    struct jobs_balance balance;
    jobs_balance(job, &balance);
    cJSON *object = cJSON_AddObjectToObject(job_object, "balance");
    cJSON_AddNumberToObject(object, "failed", (double)balance.failed);
    add_node(object, "slowest", job, balance.slowest);
    add_node(object, "idlest", job, balance.idlest);
    add_node(object, "busiest", job, balance.busiest);
    add_node(object, "largest", job, balance.largest);
    add_known(object, "even", balance.even, 1e4);
    add_text(object, "work", job->node_count > 1 ? balance.by_gpu ? "GPU" : "CPU" : "");
}

static void add_advice(cJSON *job_object, const struct job *job)
{
    struct advice request;
    char          text[ADVICE_TEXT_MAX];
    jobs_advice(job, text, &request);
    if (text[0] == '\0')
        return;
    cJSON_AddStringToObject(job_object, "advice", text);
    cJSON *asked = advice_json(&request);
    if (asked != NULL)
        cJSON_AddItemToObject(job_object, "ask_for", asked);
}

cJSON *jobs_json(const struct job *job, bool with_curves)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "job", job->id);
    add_text(object, "name", job->name);
    add_text(object, "orchestrator", job->orchestrator);
    add_text(object, "cluster", job->cluster);
    cJSON_AddBoolToObject(object, "is_array", job->is_array);
    add_text(object, "user", job->user);
    add_time(object, "started_at", job->began);
    if (with_curves) {
        add_known(object, "began", job->began, 1e3);
        cJSON_AddStringToObject(object, "clock_of", bucket_is_read() ? "server" : "file server");
    }
    add_known(object, "duration_s", job->ended - job->began, 1e3);
    add_sum(object, job, with_curves);
    add_asked(object, job);
    add_machines(object, job);
    add_balance(object, job);
    add_advice(object, job);
    cJSON *nodes = cJSON_AddArrayToObject(object, "nodes");
    for (size_t i = 0; i < job->node_count; i++)
        cJSON_AddItemToArray(nodes, node_json(job, &job->nodes[i], with_curves));
    cJSON *runs = cJSON_AddArrayToObject(object, "runs");
    for (size_t i = 0; i < job->run_count; i++)
        cJSON_AddItemToArray(runs, cJSON_CreateString(job->runs[i].id));
    return object;
}
