/* The rules, and why each is as it is. A sentence that is wrong is worse than none, so all of them ask for enough rows
 * and a clear case; what is only likely says "perhaps".
 *
 * A stretch is the longest time in which a condition held: holes of up to 5 % of it, or two rows, are closed, for a
 * program that waits now and then looks up in between.
 *   GPU waits     GPU at most 10 % while one core at least is full, 10 s or a tenth of the run: data that one thread
 *                 prepares are what most often keeps a GPU waiting.
 *   GPU idle      a device was there, and was idle for half of the time, where the rule above says nothing.
 *   memory grows  the second half of the run: a line through it explains 90 % of its variance and rises by a tenth of
 *                 the mean, over 60 rows at least. A start-up's growth lies in the first half.
 *   disk waits    a tenth of a core at most, while 20 MB/s at least go to or come from disks, for 10 s.
 *   throttled     the control group withheld CPU in 5 % of its periods: less is what a burst costs anybody.
 *   little used   less than a quarter of what was asked for, where it was asked for (a machine is not asked for), and
 *                 60 s at least: who tries something out for some seconds asks for nothing. */
// SPDX-License-Identifier: Apache-2.0
#include "findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "account.h"
#include "output.h"

#define GPU_IDLE       0.10
#define CORE_FULL      0.90
#define CORE_IDLE      0.10
#define DISK_BUSY      20e6
#define STRETCH_MIN    10.0
#define HOLES          0.05
#define GROWTH_FIT     0.90
#define GROWTH         0.10
#define GROWTH_ROWS    60
#define THROTTLED      0.05
#define LITTLE         0.25
#define LITTLE_SECONDS 60.0

static __attribute__((format(printf, 5, 6))) void add(struct findings *ret, const char *kind, double from, double to,
                                                      const char *format, ...)
{
    if (ret->count == FINDINGS_MAX)
        return;
    struct finding *finding = &ret->list[ret->count++];
    va_list         args;
    *finding = (struct finding){.kind = kind, .from = from, .to = to};
    va_start(args, format);
    (void)vsnprintf(finding->text, sizeof finding->text, format,
                    args); /* NOLINT(clang-analyzer-valist.Uninitialized) */
    va_end(args);
}

static double length_of(const struct curves *curves)
{
    return curves->rows > 0 ? curves->at[curves->rows - 1] : 0;
}

static double value_at(const struct curves *curves, enum curve_id id, size_t row)
{
    return curves->list[id].value != NULL ? (double)curves->list[id].value[row] : -1;
}

struct stretch {
    size_t first, last; /* rows */
    double seconds;     /* in which the condition held */
};

typedef bool condition(const struct curves *curves, size_t row);

static double begin_of(const struct curves *curves, size_t row)
{
    return row > 0 ? curves->at[row - 1] : 0;
}

/* The stretch that holds the condition longest. */
static struct stretch longest(const struct curves *curves, condition *holds)
{
    struct stretch best = {0}, now = {0};
    bool           is_open = false;
    for (size_t row = 0; row < curves->rows; row++) {
        if (holds(curves, row)) {
            size_t hole = is_open ? row - now.last - 1 : 0;
            size_t most = (size_t)((double)(now.last - now.first + 1) * HOLES);
            if (is_open && hole > (most > 2 ? most : 2))
                is_open = false;
            if (!is_open)
                now = (struct stretch){.first = row};
            is_open = true;
            now.last = row;
            now.seconds += curves->at[row] - begin_of(curves, row);
        }
        if (is_open && now.seconds > best.seconds)
            best = now;
    }
    return best;
}

static bool is_long(const struct curves *curves, const struct stretch *stretch)
{
    double least = length_of(curves) / 10;
    return stretch->seconds >= (least < STRETCH_MIN && least > 2 ? least : STRETCH_MIN) &&
           stretch->last - stretch->first >= 2;
}

static bool gpu_waits(const struct curves *curves, size_t row)
{
    double gpu = value_at(curves, CURVE_GPU, row);
    return gpu >= 0 && gpu <= GPU_IDLE && curves->total[row] >= (float)CORE_FULL;
}

static bool disk_waits(const struct curves *curves, size_t row)
{
    double read = value_at(curves, CURVE_READ, row), write = value_at(curves, CURVE_WRITE, row);
    double both = (read > 0 ? read : 0) + (write > 0 ? write : 0);
    return both >= DISK_BUSY && curves->total[row] >= 0 && curves->total[row] <= (float)CORE_IDLE;
}

static void gpu_of(const struct curves *curves, const struct summary *summary, struct findings *ret)
{
    char   time[FIGURE_MAX];
    double idle = 0, known = 0;
    bool   was_used = summary->figures[SUBJECT_PROCESS][MEASURE_GPU].max > GPU_IDLE;
    if (curves->list[CURVE_GPU].value == NULL)
        return;
    struct stretch stretch = longest(curves, gpu_waits);
    figure_seconds(stretch.seconds, time);
    if (was_used && is_long(curves, &stretch)) {
        add(ret, "gpu_waits", begin_of(curves, stretch.first), curves->at[stretch.last],
            "The GPU was idle for %s while a core was full: it perhaps waits for data.", time);
        return;
    }
    for (size_t row = 0; row < curves->rows; row++) {
        double seconds = curves->at[row] - begin_of(curves, row), gpu = value_at(curves, CURVE_GPU, row);
        known += gpu >= 0 ? seconds : 0;
        idle += gpu >= 0 && gpu <= GPU_IDLE ? seconds : 0;
    }
    if (known >= STRETCH_MIN && idle >= known / 2)
        add(ret, "gpu_idle", 0, length_of(curves),
            was_used ? "The GPU was idle for %.0f %% of the time."
                     : "A GPU was there and was not used (idle for %.0f %% of the time).",
            100 * idle / known);
}

static void memory_grows(const struct curves *curves, struct findings *ret)
{
    double n = 0, x = 0, y = 0, xx = 0, xy = 0, yy = 0;
    size_t first = curves->rows / 2;
    if (curves->rows < 2UL * GROWTH_ROWS || curves->list[CURVE_MEMORY].value == NULL)
        return;
    for (size_t row = first; row < curves->rows; row++) {
        double at = curves->at[row] - curves->at[first], mib = value_at(curves, CURVE_MEMORY, row);
        if (mib < 0)
            continue;
        n++, x += at, y += mib, xx += at * at, xy += at * mib, yy += mib * mib;
    }
    double spread = n * xx - x * x, variance = n * yy - y * y, both = n * xy - x * y;
    if (n < GROWTH_ROWS || spread <= 0 || variance <= 0 || both <= 0)
        return;
    double slope = both / spread, fit = both * both / (spread * variance);
    double growth = slope * (curves->at[curves->rows - 1] - curves->at[first]);
    if (fit >= GROWTH_FIT && growth >= GROWTH * y / n && growth >= 1) {
        char rate[FIGURE_MAX];
        figure_bytes(slope * 60 * 1024 * 1024, rate);
        add(ret, "memory_grows", curves->at[first], length_of(curves),
            "Memory still grew at the end, by %s a minute: perhaps it has no end.", rate);
    }
}

static void disk_of(const struct curves *curves, struct findings *ret)
{
    char           time[FIGURE_MAX];
    struct stretch stretch = longest(curves, disk_waits);
    figure_seconds(stretch.seconds, time);
    if (is_long(curves, &stretch))
        add(ret, "disk_waits", begin_of(curves, stretch.first), curves->at[stretch.last],
            "It waited for disks for %s: hardly any CPU, and over 20 MB/s read or written.", time);
}

static void throttled(const struct curves *curves, const cJSON *state, struct findings *ret)
{
    char   time[FIGURE_MAX];
    double seconds = account_number(state, "cgroup", "cpu_throttled_s");
    double periods = account_number(state, "cgroup", "cpu_periods");
    double of_them = account_number(state, "cgroup", "cpu_periods_throttled");
    if (periods <= 0 || of_them < THROTTLED * periods)
        return;
    figure_seconds(seconds > 0 ? seconds : 0, time);
    add(ret, "throttled", 0, length_of(curves),
        "Its control group withheld CPU in %.0f %% of the periods, %s in all: more cores would make it faster.",
        100 * of_them / periods, time);
}

static void little_used(const struct curves *curves, const struct summary *summary, const cJSON *state,
                        struct findings *ret)
{
    char         most[FIGURE_MAX], limit[FIGURE_MAX];
    struct limit cpus = account_cpus(state), mib = account_memory_mib(state);
    double       cores = summary_mean(summary, SUBJECT_PROCESS, MEASURE_CPU);
    double       memory = summary->figures[SUBJECT_PROCESS][MEASURE_MEMORY].max;
    if (length_of(curves) < LITTLE_SECONDS)
        return;
    if (account_is_given(cpus) && cpus.value > 1 && cores < LITTLE * cpus.value)
        add(ret, "little_cpu", 0, length_of(curves), "Of %.4g cores it used %.2f in the mean: ask for fewer.",
            cpus.value, cores);
    figure_bytes(memory * 1024 * 1024, most);
    figure_bytes(mib.value * 1024 * 1024, limit);
    if (account_is_given(mib) && memory > 0 && memory < LITTLE * mib.value)
        add(ret, "little_memory", 0, length_of(curves), "Of %s of memory it used %s at most: ask for less.", limit,
            most);
}

void findings_of(const struct curves *curves, const struct summary *summary, const cJSON *state, struct findings *ret)
{
    *ret = (struct findings){.count = 0};
    gpu_of(curves, summary, ret);
    memory_grows(curves, ret);
    disk_of(curves, ret);
    throttled(curves, state, ret);
    little_used(curves, summary, state, ret);
}
