/* An exec in place keeps the process, so its counters and those of the machine's CPUs go on in the kernel. The first
 * row of the new image begins where the last row of the old one ended: what was used between the two is not lost. Disks
 * and interfaces begin anew, since it is not written down from when on each of them was counted. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "engine/commands.h"
#include "engine/run.h"
#include "pillion/columns.h"
#include "store/journal_read.h"

#define GAP_MAX (3600 * CLOCK_SECOND) /* an exec follows its last row within an interval */

enum { TICKS = 0, ROWS_MAX = 64 * 1024 * 1024 };
enum { CARRIED = 6 };

struct carried {
    const char *key; /* in `baseline` of run.jsonl */
    uint64_t   *counter;
    unsigned    column;
    double      unit; /* of the counter, in one of the column; TICKS: what the kernel says */
};

static void carried_of(struct sample *sample, struct carried ret[static CARRIED])
{
    const struct carried all[CARRIED] = {
        {"user", &sample->tree_user, PILLION_COLUMN_process_utime, 1e6},
        {"system", &sample->tree_system, PILLION_COLUMN_process_stime, 1e6},
        {"read", &sample->tree_disk_read, PILLION_COLUMN_process_disk_read_bytes, 1},
        {"written", &sample->tree_disk_write, PILLION_COLUMN_process_disk_write_bytes, 1},
        {"machine_user", &sample->cpu_user, PILLION_COLUMN_system_utime, TICKS},
        {"machine_system", &sample->cpu_system, PILLION_COLUMN_system_stime, TICKS},
    };
    memcpy(ret, all, sizeof all);
}

static void add_line(struct text line, struct row_sums *sums)
{
    struct text cell;
    for (unsigned column = 0; column < PILLION_COLUMN_COUNT && text_until(&line, ',', &cell); column++) {
        double value = 0;
        if (!text_decimal(cell, &value))
            continue;
        sums->of[column] += value;
        sums->is_known[column] = true;
        if (column == PILLION_COLUMN_timestamp)
            sums->timestamp = value;
    }
    sums->rows++;
}

bool exec_resume_sums(const struct run *run, struct row_sums *ret)
{
    struct bytes rows;
    struct text  line;
    *ret = (struct row_sums){0};
    bytes_init(&rows, ROWS_MAX);
    bool        good = run_dir_load_rows(&run->dir, &rows) == 0;
    struct text rest = text_span(rows.data, rows.len);
    (void)text_line(&rest, &line); /* the header */
    while (good && text_line(&rest, &line))
        add_line(line, ret);
    bytes_done(&rows);
    return good;
}

/* Counts of the process itself for the run's totals: the kernel's, when the run began. */
enum { USAGE_KEYS = 9 };

struct usage_key {
    const char *key;
    uint64_t   *value;
};

static void usage_of(struct run *run, struct usage_key ret[static USAGE_KEYS])
{
    struct usage          *u = &run->account.before;
    const struct usage_key all[USAGE_KEYS] = {
        {"minor_faults", &u->minor_faults},
        {"major_faults", &u->major_faults},
        {"voluntary_switches", &u->voluntary},
        {"involuntary_switches", &u->involuntary},
        {"child_faults", &u->child_faults},
        {"own_peak_kib", &u->own_peak},
        {"child_peak_kib", &u->child_peak},
        {"tree_minor_faults", &run->baseline.tree_minor_faults},
        {"tree_major_faults", &run->baseline.tree_major_faults},
    };
    memcpy(ret, all, sizeof all);
}

static void put(struct bytes *b, const char *key, uint64_t value)
{
    if (value != METRIC_NONE)
        bytes_format(b, "%s\"%s\":%llu", b->len > 1 ? "," : "", key, (unsigned long long)value);
}

void exec_resume_record(struct run *run, struct bytes *ret)
{
    struct carried   carried[CARRIED];
    struct usage_key usage[USAGE_KEYS];
    carried_of(&run->baseline, carried);
    usage_of(run, usage);
    bytes_char(ret, '{');
    for (size_t i = 0; i < CARRIED; i++)
        put(ret, carried[i].key, *carried[i].counter);
    for (size_t i = 0; i < USAGE_KEYS; i++)
        put(ret, usage[i].key, *usage[i].value);
    put(ret, "real_us", (uint64_t)run->anchor.real / 1000);
    put(ret, "monotonic_us", (uint64_t)run->anchor.monotonic / 1000);
    put(ret, "suspended_us", (uint64_t)run->anchor.suspended / 1000);
    bytes_char(ret, '}');
}

/* Seconds that a line or a row of ours can say: until 2096, and for 31 years. A damaged one may say anything, and sums
 * of these in ns are int64_t. */
#define TIME_MAX   4e9
#define UPTIME_MAX 1e9

static bool read_anchor(const cJSON *baseline, struct anchor *ret)
{
    double real = journal_number(baseline, "real_us", -1);
    double monotonic = journal_number(baseline, "monotonic_us", -1);
    double suspended = journal_number(baseline, "suspended_us", 0);
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
        run->last.real = sampling_date(run, run->last.monotonic);
    } else if (is_known && at >= run->last.real) { /* a run of an older version, and the clock was set back */
        run->anchor.real += at + CLOCK_MILLISECOND - run->last.real;
        run->last.real = at + CLOCK_MILLISECOND;
    }
    int64_t since = run->last.real - at;
    if (at == 0 || since <= 0 || since >= GAP_MAX)
        return;
    run->last.monotonic -= since;
    run->last.real = at;
}

/* The counts are those from before the first image: the run began before this image did. */
static void carry_usage(struct run *run, const cJSON *baseline)
{
    struct usage_key usage[USAGE_KEYS];
    usage_of(run, usage);
    for (size_t i = 0; i < USAGE_KEYS; i++) {
        double then = journal_number(baseline, usage[i].key, -1);
        if (then >= 0 && then < (double)*usage[i].value)
            *usage[i].value = (uint64_t)then;
    }
}

static uint64_t microseconds(double seconds)
{
    return seconds > 0 && seconds < 1e12 ? (uint64_t)(seconds * 1e6 + 0.5) : 0;
}

void exec_resume_read(struct run *run, const cJSON *state)
{
    const cJSON    *baseline = cJSON_GetObjectItemCaseSensitive(state, "baseline");
    struct carried  carried[CARRIED];
    struct row_sums sums;
    carried_of(&run->last, carried);
    if (!baseline || !exec_resume_sums(run, &sums))
        return;
    run->rows = sums.rows > 0 ? sums.rows : run->rows;
    run->account.images = USAGE_SEVERAL;
    carry_usage(run, baseline);
    run->account.user_us = microseconds(sums.of[PILLION_COLUMN_process_utime]);
    run->account.system_us = microseconds(sums.of[PILLION_COLUMN_process_stime]);
    carry_time(run, baseline, sums.timestamp);
    commands_resume(run);
    for (size_t i = 0; i < CARRIED; i++) {
        const struct carried *c = &carried[i];
        double                unit = c->unit == TICKS ? (double)run->shape.clock_ticks : c->unit;
        double                first = journal_number(baseline, c->key, -1);
        double                then = first < 0 ? -1 : first + sums.of[c->column] * unit + 0.5;
        /* More than now: what the old image kept of processes that nobody reaped. */
        if (then >= 0 && *c->counter != METRIC_NONE && then < (double)*c->counter)
            *c->counter = (uint64_t)then;
    }
}
