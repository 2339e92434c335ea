/* The rows of a run as curves, and as the bytes of a report's page: varints of zigzag deltas, deflated. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_CURVES_H
#define PILLION_CURVES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

enum {
    CURVES_ROWS_MAX = 4 * 1024 * 1024, /* a month and a half at 1 Hz */
    CURVE_NAME_MAX = 96,
    CURVES_COMMANDS = 9, /* in commands.csv: eight and `others` */
    CURVES_GPUS = 16,    /* in gpus.csv */
};

/* The order is that of the page. Those of commands.csv and gpus.csv come last. */
enum curve_id {
    CURVE_GPU,
    CURVE_GPU_MACHINE,
    CURVE_VRAM,
    CURVE_VRAM_MACHINE,
    CURVE_CPU, /* cores of the tree: user, or all of it where that is not told apart */
    CURVE_CPU_SYSTEM,
    CURVE_CPU_MACHINE,
    CURVE_MEMORY,
    CURVE_MEMORY_MACHINE,
    CURVE_READ, /* bytes per second */
    CURVE_WRITE,
    CURVE_RECV,
    CURVE_SENT,
    CURVE_CPU_BY,
    CURVE_MEMORY_BY = CURVE_CPU_BY + CURVES_COMMANDS,
    CURVE_GPU_USE = CURVE_MEMORY_BY + CURVES_COMMANDS, /* of each GPU, by everybody */
    CURVE_GPU_MEMORY = CURVE_GPU_USE + CURVES_GPUS,
    CURVE_GPU_HEAT = CURVE_GPU_MEMORY + CURVES_GPUS, /* degrees Celsius */
    CURVE_GPU_POWER = CURVE_GPU_HEAT + CURVES_GPUS,  /* watts */
    CURVE_COUNT = CURVE_GPU_POWER + CURVES_GPUS
};

struct curve {
    char   name[CURVE_NAME_MAX]; /* where it is a command's */
    float *value;                /* a row each; negative: unknown. NULL: the run has no such curve */
};

struct curves {
    size_t       rows, room;
    double      *at;        /* s since the run began, at the end of each row */
    double      *timestamp; /* s since 1970, as the row has it */
    float       *total;     /* cores of the tree, the sum of the first two; negative: unknown */
    struct curve list[CURVE_COUNT];
    double       usual;  /* s between two rows, as most of them have it */
    bool         is_cut; /* there were more rows than CURVES_ROWS_MAX */
    bool         failed; /* no memory */
};

void curves_init(struct curves *curves);
void curves_done(struct curves *curves);

/* A summary_listener's function; `context` is the curves. */
void curves_row(void *context, const double *value, const bool *known, double seconds, double elapsed);
void curves_close(struct curves *curves);

/* Reads commands.csv of the run directory into the curves by command. 0, -ENOENT: there is none, -errno. */
int curves_commands(struct curves *curves, int dir);

/* The same of gpus.csv. */
int curves_gpus(struct curves *curves, int dir);
/* Mean over time and maximum of a curve; negative: it knows nothing. */
void curve_figures(const struct curves *curves, enum curve_id id, double *ret_mean, double *ret_max);

bool curve_is_rate(enum curve_id id);  /* bytes per second, coded by their logarithm */
bool curve_is_stack(enum curve_id id); /* drawn upon the one before it */
/* What stands in the page is round(value * scale). */
double curve_scale(enum curve_id id);

/* Appends the curves in base64: times in ms, then each curve in order; where `per` rows became one, the lowest of each
 * and then the highest, of a stack those of its cumulated sums. `per` is 1 where that fits in `budget` bytes. */
int curves_encode(const struct curves *curves, size_t budget, struct bytes *ret, size_t *ret_per);

#endif
