/* The fields of a run: one table, from which the columns of `list`, the keys of its JSON and the columns of its CSV and
 * of `export` come. Computed from the run's state, which is read without its rows. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_FIELDS_H
#define PILLION_FIELDS_H

#include <cJSON.h>

#include <stdbool.h>
#include <stddef.h>

#include "output.h"

enum field_kind {
    FIELD_TEXT,
    FIELD_COMMAND, /* a text as a shell reads it; in JSON the array that it was */
    FIELD_TIME,    /* a text, RFC 3339 in UTC; people see it in their own zone */
    FIELD_COUNT,
    FIELD_SECONDS,
    FIELD_PART, /* a hundredth is shown as 1 % */
    FIELD_MIB
};

/* FIELD(name, title, kind, columns on a screen, rank, rank among jobs): the screen has those of the least rank that
 * find room; 0: none. The second counts where most runs are of batch jobs. The order is that of the columns. */
#define RUN_FIELDS(FIELD)                                \
    FIELD(ordinal, "LAST", FIELD_TEXT, 5, 3, 3)          \
    FIELD(user, "USER", FIELD_TEXT, 8, 3, 3)             \
    FIELD(id, "ID", FIELD_TEXT, 30, 11, 11)              \
    FIELD(name, "NAME", FIELD_TEXT, 10, 1, 1)            \
    FIELD(job, "JOB", FIELD_TEXT, 10, 10, 1)             \
    FIELD(job_name, "", FIELD_TEXT, 0, 0, 0)             \
    FIELD(orchestrator, "", FIELD_TEXT, 0, 0, 0)         \
    FIELD(cluster, "", FIELD_TEXT, 0, 0, 0)              \
    FIELD(nodes, "NODES", FIELD_COUNT, 5, 0, 4)          \
    FIELD(runs, "RUNS", FIELD_COUNT, 4, 0, 4)            \
    FIELD(task, "TASK", FIELD_TEXT, 10, 0, 8)            \
    FIELD(asked, "ASKED", FIELD_TEXT, 21, 0, 5)          \
    FIELD(asked_cpus, "", FIELD_COUNT, 0, 0, 0)          \
    FIELD(asked_memory_mib, "", FIELD_MIB, 0, 0, 0)      \
    FIELD(asked_gpus, "", FIELD_COUNT, 0, 0, 0)          \
    FIELD(asked_s, "", FIELD_SECONDS, 0, 0, 0)           \
    FIELD(partition, "PARTITION", FIELD_TEXT, 10, 0, 12) \
    FIELD(array_index, "", FIELD_COUNT, 0, 0, 0)         \
    FIELD(rank, "RANK", FIELD_COUNT, 4, 0, 12)           \
    FIELD(ranks, "", FIELD_COUNT, 0, 0, 0)               \
    FIELD(state, "STATE", FIELD_TEXT, 11, 2, 2)          \
    FIELD(started_at, "STARTED", FIELD_TIME, 16, 8, 8)   \
    FIELD(finished_at, "", FIELD_TIME, 0, 0, 0)          \
    FIELD(duration_s, "TOOK", FIELD_SECONDS, 11, 6, 6)   \
    FIELD(cpu_s, "", FIELD_SECONDS, 0, 0, 0)             \
    FIELD(cpus, "", FIELD_COUNT, 0, 0, 0)                \
    FIELD(cpu_part, "CPU", FIELD_PART, 6, 5, 5)          \
    FIELD(memory_peak_mib, "MEMORY", FIELD_MIB, 8, 7, 7) \
    FIELD(memory_limit_mib, "", FIELD_MIB, 0, 0, 0)      \
    FIELD(memory_part, "", FIELD_PART, 0, 0, 0)          \
    FIELD(gpus, "", FIELD_COUNT, 0, 0, 0)                \
    FIELD(gpu_part, "GPU", FIELD_PART, 6, 9, 9)          \
    FIELD(exit_code, "", FIELD_COUNT, 0, 0, 0)           \
    FIELD(signal, "", FIELD_COUNT, 0, 0, 0)              \
    FIELD(ended_by, "", FIELD_TEXT, 0, 0, 0)             \
    FIELD(oom_kills, "", FIELD_COUNT, 0, 0, 0)           \
    FIELD(ended, "EXIT", FIELD_TEXT, 7, 4, 4)            \
    FIELD(machine, "MACHINE", FIELD_TEXT, 12, 12, 12)    \
    FIELD(sentinel_run_id, "", FIELD_TEXT, 0, 0, 0)      \
    FIELD(destination, "", FIELD_TEXT, 0, 0, 0)          \
    FIELD(reason, "", FIELD_TEXT, 0, 0, 0)               \
    FIELD(command, "COMMAND", FIELD_COMMAND, 16, 13, 13)

enum run_field {
#define FIELD(name, title, kind, width, rank, among_jobs) RUN_FIELD_##name,
    RUN_FIELDS(FIELD)
#undef FIELD
        RUN_FIELD_COUNT
};

struct field {
    const char     *name, *title;
    enum field_kind kind;
    size_t          width;
    int             rank, rank_among_jobs;
};

extern const struct field run_fields[RUN_FIELD_COUNT];

struct value {
    char  *text;   /* NULL: none */
    double number; /* < 0: unknown */
};

struct record {
    struct value values[RUN_FIELD_COUNT];
    char        *command;  /* as JSON, NULL: none */
    char         boot[40]; /* the machine's boot ID, or in a bucket its hash; "": not known */
    double       pid_start;
    double       heard; /* of a lost run: s since 1970 of the last that was heard of it; 0 */
};

/* `ordinal` 0 is the newest run, -1: not known. Free with fields_free. */
void fields_read(const char *id, const cJSON *state, const char *shown, long ordinal, struct record *ret);
void fields_free(struct record *record);
/* What to call its machine: a run in a bucket often has no name of it, and its boot tells machines apart. NULL. */
const char *fields_machine(const struct record *record);
/* Whose run it is; "" where nobody asked for that. */
void fields_user(struct record *record, const char *user);
/* From now on the records are jobs, with their nodes and runs. */
void fields_use_jobs(void);
bool fields_known(const struct record *record, enum run_field field);

/* What a person sees of it: "-" when unknown. */
void fields_text(const struct record *record, enum run_field field, char *ret, size_t size);
/* Adds the known ones. */
void fields_json(const struct record *record, cJSON *object);
/* Adds those that the state itself does not have under the same name. */
void fields_json_more(const struct record *record, cJSON *object);
/* With the user where others' runs are asked for. */
void fields_csv_header(void);
void fields_csv(const struct record *record);
/* Is it wrong that it ended so? Killed, an exit status that is not 0, lost, or out of memory. */
bool fields_failed(const struct record *record);

/* Seconds that the run has taken, until now when it runs; -1 where the end is not known. */
double fields_took(const cJSON *state);

#endif
