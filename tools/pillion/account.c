// SPDX-License-Identifier: Apache-2.0
#include "account.h"

#include <string.h>

#include "base/array.h"
#include "base/text.h"
#include "store/journal_read.h"

/* Beyond this is no figure of a machine, and sums of such are no numbers. */
#define FIGURE_TOO_LARGE 1e18

double account_number(const cJSON *state, const char *object, const char *key)
{
    const cJSON *parent = cJSON_GetObjectItemCaseSensitive(state, object);
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(parent, key);
    bool         good = cJSON_IsNumber(value) && value->valuedouble >= 0 && value->valuedouble < FIGURE_TOO_LARGE;
    return good ? value->valuedouble : -1;
}

double account_peak_mib(const cJSON *state, enum subject subject)
{
    if (subject == SUBJECT_PROCESS) {
        double kib = account_number(state, "totals", "max_rss_kib");
        return kib >= 0 ? kib / 1024 : -1;
    }
    double bytes = account_number(state, "totals", "cgroup_memory_peak");
    return bytes >= 0 ? bytes / (1024 * 1024) : -1;
}

bool account_peak_is_exact(const cJSON *state)
{
    const cJSON *totals = cJSON_GetObjectItemCaseSensitive(state, "totals");
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(totals, "max_rss_exact"));
}

double account_user_s(const struct summary *summary, const cJSON *state)
{
    double seconds = account_number(state, "totals", "user_s");
    return seconds >= 0 ? seconds : summary->user_s;
}

double account_system_s(const struct summary *summary, const cJSON *state)
{
    double seconds = account_number(state, "totals", "system_s");
    return seconds >= 0 ? seconds : summary->system_s;
}

static const cJSON *registration(const cJSON *state)
{
    return cJSON_GetObjectItemCaseSensitive(state, "registration");
}

const char *account_registered(const cJSON *state, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(registration(state), key));
    return text != NULL && text[0] != '\0' ? text : NULL;
}

double account_registered_number(const cJSON *state, const char *key)
{
    return account_number(state, "registration", key);
}

const char *account_tag(const cJSON *state, const char *key)
{
    const cJSON *tag;
    cJSON_ArrayForEach(tag, cJSON_GetObjectItemCaseSensitive(registration(state), "tags"))
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tag, "key"));
        if (name != NULL && strcmp(name, key) == 0)
            return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tag, "value"));
    }
    return NULL;
}

double account_tag_number(const cJSON *state, const char *key)
{
    const char *text = account_tag(state, key);
    double      value;
    return text != NULL && text_decimal(text_of(text), &value) && value >= 0 && value < FIGURE_TOO_LARGE ? value : -1;
}

static void take_less(struct limit *limit, double value, const char *source)
{
    if (value > 0 && (limit->value < 0 || value < limit->value))
        *limit = (struct limit){value, source};
}

bool account_is_given(struct limit limit)
{
    return limit.value > 0 && strcmp(limit.source, "machine") != 0 && strcmp(limit.source, "device") != 0;
}

bool account_is_own_tag(const char *key)
{
    static const char *const of_job[] = {"name",  "partition", "cluster",    "array_index", "rank",
                                         "ranks", "cpus",      "memory_mib", "gpus",        "seconds"};
    for (size_t i = 0; strncmp(key, "job_", 4) == 0 && i < ARRAY_LENGTH(of_job); i++)
        if (strcmp(key + 4, of_job[i]) == 0)
            return true;
    return strncmp(key, "cgroup_", 7) == 0 || strcmp(key, "cpus_allowed") == 0;
}

const char *account_batch_system(const cJSON *state)
{
    static const char *const systems[][2] = {
        {"slurm", "Slurm"}, {"pbs", "PBS"}, {"lsf", "LSF"}, {"sge", "Grid Engine"}};
    const char *by = journal_text(cJSON_GetObjectItemCaseSensitive(state, "allotment"), "by");
    for (size_t i = 0; by != NULL && i < ARRAY_LENGTH(systems); i++)
        if (strcmp(by, systems[i][0]) == 0)
            return systems[i][1];
    return by;
}

static const char *giver(const cJSON *state)
{
    const char *system = account_batch_system(state);
    return system != NULL ? system : "?";
}

struct limit account_cpus(const cJSON *state)
{
    struct limit limit = {.value = -1};
    take_less(&limit, account_number(state, "allotment", "cpus"), giver(state)); /* the name that people asked */
    take_less(&limit, account_tag_number(state, "cgroup_cpus"), "cgroup");
    take_less(&limit, account_tag_number(state, "cpus_allowed"), "affinity");
    take_less(&limit, account_registered_number(state, "host_vcpus"), "machine");
    return limit;
}

struct limit account_memory_mib(const cJSON *state)
{
    struct limit limit = {.value = -1};
    take_less(&limit, account_number(state, "allotment", "memory_mib"), giver(state));
    take_less(&limit, account_tag_number(state, "cgroup_memory_mib"), "cgroup");
    take_less(&limit, account_registered_number(state, "host_memory_mib"), "machine");
    return limit;
}

struct limit account_gpus(const cJSON *state)
{
    struct limit limit = {.value = -1};
    take_less(&limit, account_number(state, "allotment", "gpus"), giver(state));
    take_less(&limit, account_registered_number(state, "host_gpu_count"), "machine");
    return limit;
}

struct limit account_gpu_memory_mib(const cJSON *state)
{
    struct limit limit = {.value = -1};
    take_less(&limit, account_registered_number(state, "host_gpu_memory_mib"), "device");
    return limit;
}

struct limit account_limit(const cJSON *state, enum measure measure)
{
    struct limit (*const limits[MEASURE_COUNT])(const cJSON *) = {
        [MEASURE_CPU] = account_cpus,
        [MEASURE_MEMORY] = account_memory_mib,
        [MEASURE_GPU] = account_gpus,
        [MEASURE_GPU_MEMORY] = account_gpu_memory_mib,
    };
    return limits[measure] != NULL ? limits[measure](state) : (struct limit){.value = -1};
}

double account_part(const struct summary *summary, const cJSON *state, enum measure measure)
{
    const struct figure *figure = &summary->figures[SUBJECT_PROCESS][measure];
    struct limit         limit = account_limit(state, measure);
    bool                 is_memory = measure == MEASURE_MEMORY || measure == MEASURE_GPU_MEMORY;
    if (figure->known == 0 || limit.value <= 0)
        return -1;
    return (is_memory ? figure->max : summary_mean(summary, SUBJECT_PROCESS, measure)) / limit.value;
}

/* Decimal places, not binary ones, hence the division. */
double account_rounded(double value, double per_unit)
{
    bool has_decimals = value * per_unit < 9e15; /* beyond, a double has none */
    return has_decimals ? (double)(long long)(value * per_unit + 0.5) / per_unit : value;
}

void account_add(cJSON *object, const char *key, double value, double per_unit)
{
    cJSON_AddNumberToObject(object, key, account_rounded(value, per_unit));
}

static cJSON *subject_json(const struct summary *summary, const cJSON *state, enum subject subject)
{
    static const char *const totals[MEASURE_COUNT] = {
        [MEASURE_DISK_READ] = "disk_read_bytes",
        [MEASURE_DISK_WRITE] = "disk_write_bytes",
        [MEASURE_NET_RECV] = "net_recv_bytes",
        [MEASURE_NET_SENT] = "net_sent_bytes",
    };
    const struct figure *figures = summary->figures[subject];
    double               peak = account_peak_mib(state, subject);
    cJSON               *object = cJSON_CreateObject();
    if (figures[MEASURE_CPU].known > 0) {
        account_add(object, "cpu_mean", summary_mean_cores(summary, subject), 1e4);
        account_add(object, "cpu_max", figures[MEASURE_CPU].max, 1e4);
    }
    if (figures[MEASURE_MEMORY].known > 0) {
        account_add(object, "memory_mean_mib", summary_mean(summary, subject, MEASURE_MEMORY), 1e4);
        account_add(object, "memory_max_mib", figures[MEASURE_MEMORY].max, 1e4);
    }
    if (figures[MEASURE_GPU].known > 0) {
        account_add(object, "gpu_mean", summary_mean(summary, subject, MEASURE_GPU), 1e4);
        account_add(object, "gpu_max", figures[MEASURE_GPU].max, 1e4);
    }
    if (figures[MEASURE_GPU_MEMORY].known > 0) {
        account_add(object, "gpu_memory_mean_mib", summary_mean(summary, subject, MEASURE_GPU_MEMORY), 1e4);
        account_add(object, "gpu_memory_max_mib", figures[MEASURE_GPU_MEMORY].max, 1e4);
    }
    if (peak >= 0)
        account_add(object, "memory_peak_mib", peak, 1e4);
    for (int measure = 0; measure < MEASURE_COUNT; measure++)
        if (totals[measure] != NULL && figures[measure].known > 0)
            account_add(object, totals[measure], figures[measure].total, 1);
    return object;
}

static cJSON *limits_json(const cJSON *state)
{
    static const struct {
        const char  *key, *source;
        enum measure measure;
    } limits[] = {{"cpus", "cpus_from", MEASURE_CPU},
                  {"memory_mib", "memory_from", MEASURE_MEMORY},
                  {"gpus", "gpus_from", MEASURE_GPU},
                  {"gpu_memory_mib", "gpu_memory_from", MEASURE_GPU_MEMORY}};
    cJSON *object = cJSON_CreateObject();
    for (size_t i = 0; i < ARRAY_LENGTH(limits); i++) {
        struct limit limit = account_limit(state, limits[i].measure);
        if (limit.value > 0) {
            account_add(object, limits[i].key, limit.value, 1e3);
            cJSON_AddStringToObject(object, limits[i].source, limit.source);
        }
    }
    return object;
}

cJSON *account_json(const struct summary *summary, const cJSON *state)
{
    cJSON *object = cJSON_CreateObject();
    account_add(object, "duration_s", summary_duration(summary), 1e3);
    cJSON_AddNumberToObject(object, "rows", (double)summary->rows);
    cJSON_AddItemToObject(object, "process", subject_json(summary, state, SUBJECT_PROCESS));
    cJSON_AddItemToObject(object, "system", subject_json(summary, state, SUBJECT_SYSTEM));
    cJSON_AddItemToObject(object, "limits", limits_json(state));
    return object;
}
