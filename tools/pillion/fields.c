// SPDX-License-Identifier: Apache-2.0
#include "fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "account.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "cells.h"
#include "commands.h"
#include "csv.h"
#include "ending.h"
#include "membership.h"
#include "runs.h"
#include "store/journal_read.h"
#include "whose.h"

const struct field run_fields[RUN_FIELD_COUNT] = {
#define FIELD(name, title, kind, width, rank, among_jobs) {#name, title, kind, width, rank, among_jobs},
    RUN_FIELDS(FIELD)
#undef FIELD
};

/* An export repeats a cell in each row, and a list holds those of all runs: whatever a file says, they have an end. */
enum { CELL_MAX = 1024, COMMAND_MAX = 256 * 1024 };

double fields_took(const cJSON *state)
{
    double      began = run_time(state, "started_at");
    double      ended = run_time(state, "finished_at");
    double      duration = journal_number(state, "duration_s", -1);
    const char *name = journal_text(state, "state");
    if (duration >= 0)
        return duration;
    if (began > 0 && ended >= began)
        return ended - began;
    if (began > 0 && name != NULL && strcmp(name, "running") == 0 && journal_is_of_this_boot(state)) {
        const cJSON *baseline = cJSON_GetObjectItemCaseSensitive(state, "baseline");
        double       since = journal_number(baseline, "monotonic_us", -1) / 1e6;
        if (since >= 0)
            return (double)clock_monotonic() / 1e9 - since;
    }
    if (began > 0 && name != NULL && strcmp(name, "running") == 0)
        return (double)clock_real() / 1e9 - began;
    return -1;
}

static void set_text(struct record *record, enum run_field field, const char *text)
{
    if (text != NULL && text[0] != '\0')
        record->values[field].text = strndup(text, utf8_cut(text, strlen(text), CELL_MAX));
}

static void set_number(struct record *record, enum run_field field, double number)
{
    record->values[field].number = number;
}

static void read_figures(const cJSON *state, struct record *ret)
{
    double cpus = account_cpus(state).value;
    double memory = account_memory_mib(state).value;
    double gpus = account_gpus(state).value;
    double user = account_number(state, "totals", "user_s");
    double system = account_number(state, "totals", "system_s");
    double took = ret->values[RUN_FIELD_duration_s].number;
    double peak = account_peak_mib(state, SUBJECT_PROCESS);
    double gpu_s = commands_gpu_s(state);
    set_number(ret, RUN_FIELD_cpus, cpus);
    set_number(ret, RUN_FIELD_memory_limit_mib, memory);
    set_number(ret, RUN_FIELD_gpus, gpus);
    set_number(ret, RUN_FIELD_memory_peak_mib, peak);
    if (user >= 0 && system >= 0)
        set_number(ret, RUN_FIELD_cpu_s, user + system);
    if (user >= 0 && system >= 0 && cpus > 0 && took > 0)
        set_number(ret, RUN_FIELD_cpu_part, (user + system) / took / cpus);
    if (peak >= 0 && memory > 0)
        set_number(ret, RUN_FIELD_memory_part, peak / memory);
    if (gpu_s >= 0 && gpus > 0 && took > 0)
        set_number(ret, RUN_FIELD_gpu_part, gpu_s / took / gpus);
}

static void read_end(const cJSON *state, struct record *ret)
{
    char text[FIGURE_MAX];
    int  number = run_number(state, "signal", 0);
    int  code = run_number(state, "exit_code", -1);
    set_number(ret, RUN_FIELD_oom_kills, account_number(state, "cgroup", "oom_kills"));
    set_number(ret, RUN_FIELD_exit_code, code);
    set_number(ret, RUN_FIELD_signal, number > 0 ? number : -1);
    bool is_limit = ending_is_time_limit(state);
    set_text(ret, RUN_FIELD_ended_by, is_limit ? "time limit" : NULL);
    if (is_limit)
        (void)snprintf(text, sizeof text, "time limit");
    else if (number > 0)
        signal_text(number, text);
    else if (code >= 0)
        (void)snprintf(text, sizeof text, "%d", code);
    if (number > 0 || code >= 0)
        set_text(ret, RUN_FIELD_ended, text);
}

/* The job's name; without a registration the base name of the program. */
static void read_name(const cJSON *state, struct record *ret)
{
    const char  *name = account_registered(state, "job_name");
    const cJSON *command = cJSON_GetObjectItemCaseSensitive(state, "command");
    if (name == NULL)
        name = cJSON_GetStringValue(cJSON_IsArray(command) ? command->child : command);
    const char *slash = name != NULL && account_registered(state, "job_name") == NULL ? strrchr(name, '/') : NULL;
    set_text(ret, RUN_FIELD_name, slash != NULL ? slash + 1 : name);
}

/* Of its batch job, as far as that is told. */
static void read_job(const cJSON *state, struct record *ret)
{
    char        text[CELLS_TEXT_MAX], job[MEMBERSHIP_ID_MAX];
    const char *name = account_tag(state, "job_name"), *task = account_registered(state, "task_name");
    set_text(ret, RUN_FIELD_job, membership_id(state, job) ? job : NULL);
    const char *by = account_registered(state, "orchestrator");
    by = by != NULL ? by : journal_text(cJSON_GetObjectItemCaseSensitive(state, "allotment"), "by");
    set_text(ret, RUN_FIELD_orchestrator, by);
    set_text(ret, RUN_FIELD_cluster, account_tag(state, "job_cluster"));
    set_text(ret, RUN_FIELD_job_name, name);
    set_text(ret, RUN_FIELD_task, task);
    set_text(ret, RUN_FIELD_partition, account_tag(state, "job_partition"));
    set_number(ret, RUN_FIELD_array_index, account_tag_number(state, "job_array_index"));
    set_number(ret, RUN_FIELD_rank, account_tag_number(state, "job_rank"));
    set_number(ret, RUN_FIELD_ranks, account_tag_number(state, "job_ranks"));
    set_text(ret, RUN_FIELD_asked, cells_asked(state, text) ? text : NULL);
    set_number(ret, RUN_FIELD_asked_cpus, account_number(state, "allotment", "cpus"));
    set_number(ret, RUN_FIELD_asked_memory_mib, account_number(state, "allotment", "memory_mib"));
    set_number(ret, RUN_FIELD_asked_gpus, account_number(state, "allotment", "gpus"));
    set_number(ret, RUN_FIELD_asked_s, account_number(state, "allotment", "seconds"));
}

void fields_read(const char *id, const cJSON *state, const char *shown, long ordinal, struct record *ret)
{
    static const char newer[] = "a later version of pillion wrote it, in a format that this one does not know";
    char              text[32];
    double            took = strcmp(shown, "lost") == 0 ? -1 : fields_took(state);
    bool              is_newer = strcmp(shown, "newer") == 0;
    for (size_t i = 0; i < RUN_FIELD_COUNT; i++)
        ret->values[i] = (struct value){.number = -1};
    if (ordinal >= 0) {
        (void)snprintf(text, sizeof text, "~%ld", ordinal);
        set_text(ret, RUN_FIELD_ordinal, text);
    }
    set_text(ret, RUN_FIELD_id, id);
    set_text(ret, RUN_FIELD_state, shown);
    read_job(state, ret);
    const cJSON *machine = cJSON_GetObjectItemCaseSensitive(state, "machine");
    const char  *boot = journal_text(machine, "boot_id");
    boot = boot != NULL ? boot : journal_text(machine, "boot"); /* its hash, in a bucket */
    (void)snprintf(ret->boot, sizeof ret->boot, "%s", boot != NULL ? boot : "");
    ret->pid_start = journal_number(state, "pid_start", -1);
    ret->heard = 0;
    set_text(ret, RUN_FIELD_machine, journal_text(machine, "host_name"));
    set_text(ret, RUN_FIELD_started_at, journal_text(state, "started_at"));
    set_text(ret, RUN_FIELD_finished_at, journal_text(state, "finished_at"));
    set_text(ret, RUN_FIELD_sentinel_run_id, journal_text(state, "sentinel_run_id"));
    set_text(ret, RUN_FIELD_destination, journal_text(state, "destination"));
    set_text(ret, RUN_FIELD_reason, is_newer ? newer : journal_text(state, "reason"));
    set_number(ret, RUN_FIELD_duration_s, took);
    const cJSON *command = cJSON_GetObjectItemCaseSensitive(state, "command");
    ret->values[RUN_FIELD_command].text = command_text(command);
    ret->command = command != NULL ? cJSON_PrintUnformatted(command) : NULL;
    if (ret->command != NULL && strlen(ret->command) > COMMAND_MAX) {
        cJSON_free(ret->command);
        ret->command = NULL;
    }
    read_name(state, ret);
    read_end(state, ret);
    read_figures(state, ret);
}

const char *fields_machine(const struct record *record)
{
    const char *name = record->values[RUN_FIELD_machine].text;
    return name != NULL ? name : record->boot[0] != '\0' ? record->boot : NULL;
}

void fields_user(struct record *record, const char *user)
{
    set_text(record, RUN_FIELD_user, user);
}

void fields_free(struct record *record)
{
    for (size_t i = 0; i < RUN_FIELD_COUNT; i++)
        free(record->values[i].text);
    cJSON_free(record->command);
}

static bool is_text(enum run_field field)
{
    enum field_kind kind = run_fields[field].kind;
    return kind == FIELD_TEXT || kind == FIELD_COMMAND || kind == FIELD_TIME;
}

bool fields_known(const struct record *record, enum run_field field)
{
    const struct value *value = &record->values[field];
    return is_text(field) ? value->text != NULL : value->number >= 0;
}

static void local_time(const char *text, char *ret, size_t size)
{
    int64_t   seconds;
    struct tm tm;
    time_t    time = clock_parse_utc(text, &seconds) == 0 ? (time_t)seconds : (time_t)-1;
    if (time == (time_t)-1 || localtime_r(&time, &tm) == NULL || strftime(ret, size, "%Y-%m-%d %H:%M", &tm) == 0)
        (void)snprintf(ret, size, "-");
}

void fields_text(const struct record *record, enum run_field field, char *ret, size_t size)
{
    const struct value *value = &record->values[field];
    char                text[FIGURE_MAX] = "-";
    if (run_fields[field].kind == FIELD_TIME && value->text != NULL) {
        local_time(value->text, ret, size);
        return;
    }
    if (!is_text(field) && value->number >= 0) {
        double number = value->number;
        if (run_fields[field].kind == FIELD_MIB)
            figure_short_bytes(number * 1024 * 1024, "", text);
        else if (run_fields[field].kind == FIELD_PART)
            figure_percent(number, text);
        else if (run_fields[field].kind == FIELD_SECONDS && number < 99 && number == (double)(long long)number)
            (void)snprintf(text, sizeof text, "%.0f s", number); /* all that the state knows */
        else if (run_fields[field].kind == FIELD_SECONDS)
            figure_seconds(number, text);
        else
            (void)snprintf(text, sizeof text, "%.0f", number < 1e15 ? number : 1e15);
    }
    (void)snprintf(ret, size, "%s", value->text != NULL ? value->text : text);
}

static bool are_jobs;

void fields_use_jobs(void)
{
    are_jobs = true;
}

/* Others are what only people see. The user is a column where others' runs are asked for, and jobs have nodes. */
static bool is_for_programs(enum run_field field)
{
    bool of_job = field == RUN_FIELD_nodes || field == RUN_FIELD_runs;
    bool is_asked = field == RUN_FIELD_user ? whose_has_users() : !of_job || are_jobs;
    return field != RUN_FIELD_ordinal && field != RUN_FIELD_ended && field != RUN_FIELD_asked && is_asked;
}

static void add_json(const struct record *record, enum run_field field, cJSON *object)
{
    const struct value *value = &record->values[field];
    if (!is_for_programs(field) || !fields_known(record, field))
        return;
    if (field == RUN_FIELD_command && record->command != NULL)
        cJSON_AddItemToObject(object, "command", cJSON_Parse(record->command));
    else if (is_text(field))
        cJSON_AddStringToObject(object, run_fields[field].name, value->text);
    else
        account_add(object, run_fields[field].name, value->number, run_fields[field].kind == FIELD_SECONDS ? 1e3 : 1e4);
}

void fields_json(const struct record *record, cJSON *object)
{
    for (int i = 0; i < RUN_FIELD_COUNT; i++)
        add_json(record, (enum run_field)i, object);
}

void fields_json_more(const struct record *record, cJSON *object)
{
    static const enum run_field more[] = {RUN_FIELD_name,
                                          RUN_FIELD_job,
                                          RUN_FIELD_job_name,
                                          RUN_FIELD_task,
                                          RUN_FIELD_partition,
                                          RUN_FIELD_array_index,
                                          RUN_FIELD_rank,
                                          RUN_FIELD_ranks,
                                          RUN_FIELD_asked_cpus,
                                          RUN_FIELD_asked_s,
                                          RUN_FIELD_asked_gpus,
                                          RUN_FIELD_asked_memory_mib,
                                          RUN_FIELD_cpu_s,
                                          RUN_FIELD_cpus,
                                          RUN_FIELD_cpu_part,
                                          RUN_FIELD_memory_peak_mib,
                                          RUN_FIELD_gpus,
                                          RUN_FIELD_memory_part,
                                          RUN_FIELD_memory_limit_mib,
                                          RUN_FIELD_gpu_part,
                                          RUN_FIELD_ended_by,
                                          RUN_FIELD_oom_kills};
    for (size_t i = 0; i < ARRAY_LENGTH(more); i++)
        add_json(record, more[i], object);
}

void fields_csv_header(void)
{
    for (int i = 0, count = 0; i < RUN_FIELD_COUNT; i++)
        if (is_for_programs((enum run_field)i))
            printf("%s%s", count++ > 0 ? "," : "", run_fields[i].name);
    putchar('\n');
}

void fields_csv(const struct record *record)
{
    for (int i = 0, count = 0; i < RUN_FIELD_COUNT; i++) {
        enum run_field      field = (enum run_field)i;
        const struct value *value = &record->values[field];
        if (!is_for_programs(field))
            continue;
        if (count++ > 0)
            putchar(',');
        if (!fields_known(record, field))
            continue;
        if (is_text(field))
            print_csv_cell(value->text);
        else
            printf("%.*f",
                   run_fields[field].kind == FIELD_COUNT     ? (value->number != (double)(long long)value->number) * 3
                   : run_fields[field].kind == FIELD_SECONDS ? 3
                                                             : 4,
                   value->number);
    }
    putchar('\n');
}

bool fields_failed(const struct record *record)
{
    const char *state = record->values[RUN_FIELD_state].text;
    return record->values[RUN_FIELD_signal].number > 0 || record->values[RUN_FIELD_exit_code].number > 0 ||
           record->values[RUN_FIELD_oom_kills].number > 0 ||
           (state != NULL && (strcmp(state, "lost") == 0 || strcmp(state, "damaged") == 0));
}
