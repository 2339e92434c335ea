/* The runs of a job as one: its nodes over time, their sum, what was asked and what was used, and how even it was.
 * membership.c says which runs these are. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_JOBS_H
#define PILLION_JOBS_H

#include <cJSON.h>

#include <stdbool.h>
#include <stddef.h>

#include "filter.h"
#include "report.h"

enum {
    JOBS_GRID = 1200,      /* cells of time, of all nodes the same */
    JOBS_RUN_CELLS = 1200, /* of a run, before it is laid on the grid */
    JOBS_WORD_MAX = 40,
    JOBS_REASON_MAX = 200,
};

/* The machine's come last: of a machine they are the same, whichever run tells them. */
enum jobs_series {
    JOBS_CPU, /* cores */
    JOBS_MEMORY,
    JOBS_GPU, /* devices */
    JOBS_VRAM,
    JOBS_READ, /* bytes per second */
    JOBS_WRITE,
    JOBS_MEMORY_MOST, /* the most in a cell, where the others are means */
    JOBS_VRAM_MOST,
    JOBS_MACHINE_CPU,
    JOBS_MACHINE_MEMORY,
    JOBS_RECV,
    JOBS_SENT,
    JOBS_SERIES
};

struct jobs_run {
    char *id, *job, *machine, *boot;
    char  word[JOBS_WORD_MAX], tone[8], reason[JOBS_REASON_MAX];
    bool  is_running, is_silent, is_rows; /* is_rows: it has any */

    double began, ended; /* s since 1970, by the file server's clock where that is known */
    double offset;       /* by which its own clock was ahead */
    double gap, gap_at;  /* the longest time without rows, and when that began; 0: none */
    double patience;     /* s without a row that say nothing yet */
    double heard;        /* when its last row was: in a bucket, when its last object was stored, by that one's clock */
    double late;         /* by which it was stored behind its last row where that is much; may be negative */

    double cpu_s, memory_max_mib, gpu_s, vram_max_mib; /* exact, not from cells */
    double cpus, memory_mib, gpus, vram_mib;           /* what it had; -1: not known */
    double machine_cpus, cpu_max, enough_cpus;
    bool   is_given;   /* a batch system gave it that, for as long as its job lasts */
    char   source[32]; /* of the cores */
    size_t allocation; /* bytes of `job` that were given nodes as one */
    size_t node, machine_at;

    double elapsed; /* s that the cells hold */
    size_t cells;
    float *series[JOBS_SERIES]; /* means while known; negative: not known. NULL: there is no such figure */
};

struct jobs_node {
    const char *name, *word, *tone, *reason; /* those of the run that went wrong, or ended last */
    size_t      runs, machine;
    double      began, ended, offset, gap, gap_at, late;
    double      cpu_s, cpu_max, memory_max_mib, gpu_s, vram_max_mib, read_bytes, write_bytes;
    double      cpus, memory_mib, gpus, vram_mib; /* had at once; -1 */
    double      asked_cpu_s, asked_gpu_s;         /* had, times how long; -1 */
    float      *series[JOBS_SERIES];              /* on the grid, 0 where nothing ran; of the machine negative there */
};

struct jobs_sum {
    double mean, max, total; /* total: times seconds; -1: not known */
    float  curve[JOBS_GRID];
};

struct job {
    char             *id, *name, *orchestrator, *cluster, *user;
    size_t            others; /* jobs that the same words mean, older than this one */
    struct jobs_run  *runs;
    size_t            run_count;
    struct jobs_node *nodes; /* by their names */
    size_t            node_count, machine_count;
    double            began, ended, cpu_s, gpu_s, asked_cpu_s, asked_gpu_s;
    double            cpus, memory_mib, gpus; /* had at once, of all nodes; -1 */
    const char       *source;                 /* who gave the cores; "" where that differs */
    struct jobs_sum   sum[JOBS_SERIES];
    bool              is_array; /* its runs were given nodes one by one, and not all together */
    bool              is_whole; /* all runs that it may have could be read; else there was a sentence */
};

/* Counts the nodes, and lays all runs on one grid. */
int  jobs_close(struct job *job);
void jobs_done(struct job *job);

/* Adds a run that is loaded. 0; -ENOMEM. */
int jobs_add(struct job *job, const struct report_run *run, const struct filter_run *from);

/* jobs_load.c: the job that the filter's words mean, the newest of them if there are several; `each` sees its runs one
 * by one, with their rows. 0; -ENOENT and a sentence; -errno. Free with jobs_done. */
typedef int jobs_visitor(void *context, struct report_run *run);
int jobs_load(const struct filter *filter, const char *command, jobs_visitor *each, void *context, struct job *ret);
/* A record for each job of a selection, in place of those of its runs. */
int jobs_list(struct selection *all, size_t last);

/* jobs_balance.c: what differs between nodes, and what to ask for. SIZE_MAX: nothing to tell. */
struct jobs_balance {
    size_t slowest, idlest, busiest, largest, failed; /* failed: so many runs */
    double even;                                      /* the mean node's work in parts of the busiest one's */
    bool   by_gpu;                                    /* work is GPU time, and not CPU time */
};
void   jobs_balance(const struct job *job, struct jobs_balance *ret);
double jobs_cpu_part(const struct jobs_node *node); /* of what it had, while it worked; -1 */
double jobs_mean_cores(const struct jobs_node *node);
double jobs_work(const struct job *job, const struct jobs_node *node); /* s of GPU where the job had any, else of CPU */
/* One sentence, and per node a request; the latter may have nothing. */
void jobs_advice(const struct job *job, char ret[static ADVICE_TEXT_MAX], struct advice *ret_request);

/* jobs_screen.c, jobs_json.c */
int    jobs_page(const struct job *job);
cJSON *jobs_json(const struct job *job, bool with_curves);

#endif
