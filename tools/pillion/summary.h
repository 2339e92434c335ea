/* What the rows of a run add up to: one pass over the CSV, memory that does not depend on its length. Pure but for
 * summary_read. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SUMMARY_H
#define PILLION_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "pillion/columns.h"

enum { SUMMARY_BUCKETS = 320 }; /* of a curve; even; half of them fill the widest screen */
enum { SUMMARY_CORES_MAX = 1024 };

enum subject { SUBJECT_PROCESS, SUBJECT_SYSTEM, SUBJECT_COUNT };

enum measure {
    MEASURE_CPU,       /* cores */
    MEASURE_MEMORY,    /* MiB */
    MEASURE_DISK_READ, /* bytes; the curve: bytes per second */
    MEASURE_DISK_WRITE,
    MEASURE_NET_RECV,
    MEASURE_NET_SENT,
    MEASURE_GPU,        /* devices: 1 is one whole GPU */
    MEASURE_GPU_MEMORY, /* MiB */
    MEASURE_COUNT
};

struct figure {
    uint64_t known;                  /* rows that had it; 0: the machine or the client has no such figure */
    double   total;                  /* of bytes; of what is as it is at a moment: its sum over time */
    double   max;                    /* of a row */
    double   seconds;                /* that these rows cover */
    double   peak;                   /* the most in a second */
    double   curve[SUMMARY_BUCKETS]; /* sums while reading, means after summary_close; negative: a gap */
    uint32_t in_bucket[SUMMARY_BUCKETS];
};

/* When the program was loaded, as far as the run's state says. All 0: not known. */
struct beginning {
    double at;       /* s since 1970 */
    double within;   /* it was at most that much later: 1 where whole seconds were written down */
    double interval; /* s between rows */
    bool   is_dated; /* the rows' timestamps were made by a clock that makes no steps */
};

/* Hears each row: `value` and `known` by column, the seconds that it covers, and those since the run began. */
struct summary_listener {
    void (*row)(void *context, const double *value, const bool *known, double seconds, double elapsed);
    void *context;
};

struct summary {
    struct summary_listener listener; /* of summary_read; row NULL: nobody */
    struct beginning        beginning;
    double                  last;    /* timestamp of the last row */
    double                  elapsed; /* s that the rows cover, whatever steps the clock has made */
    double                  usual;   /* s of the row before, 0: none yet */
    uint64_t                rows;
    uint64_t                bad_rows;                          /* lines that are no rows */
    double                  user_s, system_s;                  /* CPU of the process tree */
    double                  gpus_used;                         /* the most GPUs that the process tree used at once */
    float                   seconds_at[SUMMARY_CORES_MAX + 1]; /* by the whole cores that the tree would have filled */
    struct figure           figures[SUBJECT_COUNT][MEASURE_COUNT];
    uint32_t                rows_per_bucket;
    size_t                  buckets;
    int                     position[PILLION_COLUMN_COUNT]; /* of a column in the file, -1: not there */
};

void summary_init(struct summary *summary, struct beginning beginning);
/* Finds the columns by their names, in any order. -EBADMSG when timestamp is not among them. */
int    summary_header(struct summary *summary, struct text line);
void   summary_row(struct summary *summary, struct text line);
void   summary_close(struct summary *summary);
double summary_duration(const struct summary *summary); /* s */
double summary_mean_cores(const struct summary *summary, enum subject subject);
/* Whole cores that were enough for this part of the time; a tenth of a core is no core. 0: not known. */
unsigned summary_cores(const struct summary *summary, double part);
/* Mean over time: of bytes, in a second. */
double summary_mean(const struct summary *summary, enum subject subject, enum measure measure);
bool   summary_is_gauge(enum measure measure);

/* All of the above over an open file, whole lines only. 0, -EBADMSG: not such a CSV, -errno. An empty file is a
 * summary without rows. */
int summary_read(int fd, struct beginning beginning, struct summary *ret);
int summary_read_rows(int fd, struct beginning beginning, struct summary_listener listener, struct summary *ret);

#endif
