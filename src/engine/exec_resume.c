/* An exec in place: the counters of the process and of the machine's CPUs go on in the kernel, so the first row of the
 * new image begins where the last row of the old one ended, and what was used between the two is not lost. Disks and
 * interfaces begin anew: which of them were counted from when on is not written down. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "engine/run.h"
#include "pillion/columns.h"
#include "store/journal_read.h"

#define GAP_MAX (3600 * CLOCK_SECOND) /* an exec follows its last row within an interval */

enum { TICKS = 0, CARRIED = 6, ROWS_MAX = 64 * 1024 * 1024 };

struct carried {
    const char *key; /* in `baseline` of run.jsonl */
    unsigned    column;
    double      unit; /* of the counter, in one of the column; TICKS: what the kernel says */
};

static const struct carried carried[CARRIED] = {
    {"user", PILLION_COLUMN_process_utime, 1e6},          {"system", PILLION_COLUMN_process_stime, 1e6},
    {"read", PILLION_COLUMN_process_disk_read_bytes, 1},  {"written", PILLION_COLUMN_process_disk_write_bytes, 1},
    {"machine_user", PILLION_COLUMN_system_utime, TICKS}, {"machine_system", PILLION_COLUMN_system_stime, TICKS},
};

static void counters_of(struct sample *sample, uint64_t *ret[static CARRIED])
{
    ret[0] = &sample->tree_user;
    ret[1] = &sample->tree_system;
    ret[2] = &sample->tree_disk_read;
    ret[3] = &sample->tree_disk_write;
    ret[4] = &sample->cpu_user;
    ret[5] = &sample->cpu_system;
}

static void add_line(struct text line, double ret_sums[static CARRIED], double *ret_timestamp)
{
    struct text cell;
    for (unsigned column = 0; text_until(&line, ',', &cell); column++) {
        if (column == PILLION_COLUMN_timestamp)
            (void)text_decimal(cell, ret_timestamp);
        for (size_t i = 0; i < CARRIED; i++) {
            double value = 0;
            if (carried[i].column == column && text_decimal(cell, &value))
                ret_sums[i] += value;
        }
    }
}

static bool sum_rows(const struct rundir *run, double ret_sums[static CARRIED], double *ret_timestamp,
                     uint64_t *ret_count)
{
    struct bytes rows;
    struct text  line;
    bytes_init(&rows, ROWS_MAX);
    bool        good = rundir_load_rows(run, &rows) == 0;
    struct text rest = text_span(rows.data, rows.len);
    (void)text_line(&rest, &line); /* the header */
    for (*ret_count = 0; good && text_line(&rest, &line); (*ret_count)++)
        add_line(line, ret_sums, ret_timestamp);
    bytes_done(&rows);
    return good;
}

/* Of the process itself, for the run's totals: what the kernel had counted when the run began. */
enum { USAGE_KEYS = 9 };

static const char *const usage_keys[USAGE_KEYS] = {
    "minor_faults", "major_faults",   "voluntary_switches", "involuntary_switches", "child_faults",
    "own_peak_kib", "child_peak_kib", "tree_minor_faults",  "tree_major_faults",
};

static void usage_of(struct run *run, uint64_t *ret[static USAGE_KEYS])
{
    struct usage *u = &run->account.before;
    uint64_t     *all[USAGE_KEYS] = {
            &u->minor_faults,
            &u->major_faults,
            &u->voluntary,
            &u->involuntary,
            &u->child_faults,
            &u->own_peak,
            &u->child_peak,
            &run->baseline.tree_minor_faults,
            &run->baseline.tree_major_faults,
    };
    memcpy(ret, all, sizeof all);
}

static void put(struct bytes *b, const char *key, uint64_t value)
{
    if (value != METRIC_NONE)
        bytes_format(b, "%s\"%s\":%llu", b->len > 1 ? "," : "", key, (unsigned long long)value);
}

void carry_record(struct run *run, struct bytes *ret)
{
    uint64_t *counters[CARRIED];
    uint64_t *usage[USAGE_KEYS];
    counters_of(&run->baseline, counters);
    usage_of(run, usage);
    bytes_char(ret, '{');
    for (size_t i = 0; i < CARRIED; i++)
        put(ret, carried[i].key, *counters[i]);
    for (size_t i = 0; i < USAGE_KEYS; i++)
        put(ret, usage_keys[i], *usage[i]);
    put(ret, "real_us", (uint64_t)run->anchor.real / 1000);
    put(ret, "monotonic_us", (uint64_t)run->anchor.monotonic / 1000);
    put(ret, "suspended_us", (uint64_t)run->anchor.suspended / 1000);
    bytes_char(ret, '}');
}

/* Seconds that a line or a row of ours can say, until 2096 and for 31 years: a damaged one may say anything, and sums of
 * these in ns are int64_t. */
#define TIME_MAX   4e9
#define UPTIME_MAX 1e9

static bool read_anchor(const cJSON *baseline, struct anchor *ret)
{
    double real = state_number(baseline, "real_us", -1);
    double monotonic = state_number(baseline, "monotonic_us", -1);
    double suspended = state_number(baseline, "suspended_us", 0);
    if (!(real > 0 && real < TIME_MAX * 1e6 && monotonic >= 0 && monotonic < UPTIME_MAX * 1e6 && suspended >= 0 &&
          suspended < UPTIME_MAX * 1e6))
        return false;
    *ret = (struct anchor){(int64_t)real * 1000, (int64_t)monotonic * 1000, (int64_t)suspended * 1000};
    return true;
}

/* The first row of this image begins where the last one of the image before ended, at `timestamp` (0: it had none), and
 * is dated as those were. */
static void carry_time(struct run *run, const cJSON *baseline, double timestamp)
{
    bool    is_known = timestamp > 0 && timestamp < TIME_MAX;
    int64_t at = is_known ? (int64_t)(timestamp * 1e3 + 0.5) * CLOCK_MILLISECOND : 0;
    if (read_anchor(baseline, &run->anchor)) {
        at = is_known ? at : run->anchor.real;
        run->load_real = run->anchor.real;
        run->last.real = loop_date(run, run->last.monotonic);
    } else if (is_known && at >= run->last.real) { /* an older version's, and the clock was set back */
        run->anchor.real += at + CLOCK_MILLISECOND - run->last.real;
        run->last.real = at + CLOCK_MILLISECOND;
    }
    int64_t since = run->last.real - at;
    if (at == 0 || since <= 0 || since >= GAP_MAX)
        return;
    run->last.monotonic -= since;
    run->last.real = at;
}

/* The run began before this image did. */
static void carry_usage(struct run *run, const cJSON *baseline)
{
    uint64_t *usage[USAGE_KEYS];
    usage_of(run, usage);
    for (size_t i = 0; i < USAGE_KEYS; i++) {
        double then = state_number(baseline, usage_keys[i], -1);
        if (then >= 0 && then < (double)*usage[i])
            *usage[i] = (uint64_t)then;
    }
}

static uint64_t microseconds(double seconds)
{
    return seconds > 0 && seconds < 1e12 ? (uint64_t)(seconds * 1e6 + 0.5) : 0;
}

void carry_on(struct run *run, const cJSON *state)
{
    const cJSON *baseline = cJSON_GetObjectItemCaseSensitive(state, "baseline");
    double       sums[CARRIED] = {0};
    uint64_t    *counters[CARRIED];
    double       timestamp = 0;
    uint64_t     count = 0;
    if (!baseline || !sum_rows(&run->dir, sums, &timestamp, &count))
        return;
    run->rows = count > 0 ? count : run->rows;
    run->account.images = USAGE_SEVERAL;
    carry_usage(run, baseline);
    run->account.user_us = microseconds(sums[0]);
    run->account.system_us = microseconds(sums[1]);
    carry_time(run, baseline, timestamp);
    counters_of(&run->last, counters);
    for (size_t i = 0; i < CARRIED; i++) {
        double unit = carried[i].unit == TICKS ? (double)run->shape.clock_ticks : carried[i].unit;
        double first = state_number(baseline, carried[i].key, -1);
        double then = first < 0 ? -1 : first + sums[i] * unit + 0.5;
        /* More than now: what the old image kept of processes that nobody reaped. */
        if (then >= 0 && *counters[i] != METRIC_NONE && then < (double)*counters[i])
            *counters[i] = (uint64_t)then;
    }
}
