// SPDX-License-Identifier: Apache-2.0
#include "account.h"

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

/* Rounded to what the CSV holds: decimal places, not binary ones, hence the division. */
static void add_decimals(cJSON *object, const char *key, double value, double per_unit)
{
    bool has_decimals = value * per_unit < 9e15; /* beyond, a double has none */
    cJSON_AddNumberToObject(object, key, has_decimals ? (double)(long long)(value * per_unit + 0.5) / per_unit : value);
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
        add_decimals(object, "cpu_mean", summary_mean_cores(summary, subject), 1e4);
        add_decimals(object, "cpu_max", figures[MEASURE_CPU].max, 1e4);
    }
    if (figures[MEASURE_MEMORY].known > 0)
        add_decimals(object, "memory_max_mib", figures[MEASURE_MEMORY].max, 1e4);
    if (peak >= 0)
        add_decimals(object, "memory_peak_mib", peak, 1e4);
    for (int measure = 0; measure < MEASURE_COUNT; measure++)
        if (totals[measure] != NULL && figures[measure].known > 0)
            add_decimals(object, totals[measure], figures[measure].total, 1);
    return object;
}

cJSON *account_json(const struct summary *summary, const cJSON *state)
{
    cJSON *object = cJSON_CreateObject();
    add_decimals(object, "duration_s", summary_duration(summary), 1e3);
    cJSON_AddNumberToObject(object, "rows", (double)summary->rows);
    cJSON_AddItemToObject(object, "process", subject_json(summary, state, SUBJECT_PROCESS));
    cJSON_AddItemToObject(object, "system", subject_json(summary, state, SUBJECT_SYSTEM));
    return object;
}
