// SPDX-License-Identifier: Apache-2.0
#include "summary.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CELLS_MAX = 64, CHUNK = 64 * 1024, INTERVAL_MAX = 3600, STEP_TIMES = 2, STEP_SECONDS = 1 };

#define LEAST_CPU   0.01 /* s, cores: with less, a row's own figures are too coarse */
#define LEAST_CORES 0.002
#define CORES_SLACK 0.1

static const char *const column_names[PILLION_COLUMN_COUNT] = {
#define COLUMN(name, unit, decimals, kind, source) #name,
    PILLION_COLUMNS(COLUMN)
#undef COLUMN
};

/* The column behind each figure; PILLION_COLUMN_COUNT: there is none. */
static const enum pillion_column sources[SUBJECT_COUNT][MEASURE_COUNT] = {
    [SUBJECT_PROCESS] = {PILLION_COLUMN_process_cpu_usage, PILLION_COLUMN_process_memory_mib,
                         PILLION_COLUMN_process_disk_read_bytes, PILLION_COLUMN_process_disk_write_bytes,
                         PILLION_COLUMN_COUNT, PILLION_COLUMN_COUNT, PILLION_COLUMN_process_gpu_usage,
                         PILLION_COLUMN_process_gpu_vram_mib},
    [SUBJECT_SYSTEM] = {PILLION_COLUMN_system_cpu_usage, PILLION_COLUMN_system_memory_used_mib,
                        PILLION_COLUMN_system_disk_read_bytes, PILLION_COLUMN_system_disk_write_bytes,
                        PILLION_COLUMN_system_net_recv_bytes, PILLION_COLUMN_system_net_sent_bytes,
                        PILLION_COLUMN_system_gpu_usage, PILLION_COLUMN_system_gpu_vram_mib},
};

struct row {
    bool   known[PILLION_COLUMN_COUNT];
    double value[PILLION_COLUMN_COUNT];
};

void summary_init(struct summary *summary, struct beginning beginning)
{
    *summary = (struct summary){.beginning = beginning, .rows_per_bucket = 1};
    if (!(beginning.interval >= 0 && beginning.interval <= INTERVAL_MAX))
        summary->beginning.interval = 0;
    for (size_t i = 0; i < PILLION_COLUMN_COUNT; i++)
        summary->position[i] = -1;
}

static struct text unquoted(struct text cell)
{
    if (text_len(cell) >= 2 && cell.at[0] == '"' && cell.end[-1] == '"') {
        cell.at++;
        cell.end--;
    }
    return cell;
}

int summary_header(struct summary *summary, struct text line)
{
    struct text cell;
    for (int at = 0; at < CELLS_MAX && text_until(&line, ',', &cell); at++)
        for (size_t i = 0; i < PILLION_COLUMN_COUNT; i++)
            if (text_is(unquoted(cell), column_names[i]))
                summary->position[i] = at;
    return summary->position[PILLION_COLUMN_timestamp] < 0 ? -EBADMSG : 0;
}

static bool read_row(const struct summary *summary, struct text line, struct row *ret)
{
    struct text cells[CELLS_MAX];
    int         count = 0;
    *ret = (struct row){0};
    while (count < CELLS_MAX && text_until(&line, ',', &cells[count]))
        count++;
    for (size_t i = 0; i < PILLION_COLUMN_COUNT; i++) {
        int at = summary->position[i];
        if (at >= 0 && at < count)
            ret->known[i] = text_decimal(unquoted(cells[at]), &ret->value[i]);
    }
    return ret->known[PILLION_COLUMN_timestamp] && ret->value[PILLION_COLUMN_timestamp] > 0;
}

/* The first row covers the time since the program was loaded. Where that instant is only known to the second, or not
 * at all, the row's own CPU seconds and cores tell how long it was, or the interval does. */
static double first_interval(const struct beginning *beginning, const struct row *row)
{
    double at = row->value[PILLION_COLUMN_timestamp];
    double cores = row->value[PILLION_COLUMN_process_cpu_usage];
    double longest = beginning->at > 0 && at > beginning->at ? at - beginning->at : 0;
    double shortest = longest > beginning->within ? longest - beginning->within : 0;
    double seconds = beginning->interval;
    if (at < beginning->at) /* the clock was set back */
        return -1;
    if (beginning->at > 0 && beginning->within <= 0)
        return longest;
    if (cores >= 0.05)
        seconds = (row->value[PILLION_COLUMN_process_utime] + row->value[PILLION_COLUMN_process_stime]) / cores;
    if (beginning->at <= 0)
        return seconds;
    return seconds < shortest ? shortest : seconds > longest ? longest : seconds;
}

/* How long a row was, by its own CPU seconds and cores; 0: too little to tell. The machine's leaves interrupts out. */
static double own_seconds(const struct row *row)
{
    static const struct {
        enum pillion_column user, system, cores;
    } sources_of_time[] = {
        {PILLION_COLUMN_process_utime, PILLION_COLUMN_process_stime, PILLION_COLUMN_process_cpu_usage},
        {PILLION_COLUMN_system_utime, PILLION_COLUMN_system_stime, PILLION_COLUMN_system_cpu_usage},
    };
    for (size_t i = 0; i < sizeof sources_of_time / sizeof *sources_of_time; i++) {
        double seconds = row->value[sources_of_time[i].user] + row->value[sources_of_time[i].system];
        double cores = row->value[sources_of_time[i].cores];
        if (seconds >= LEAST_CPU && cores >= LEAST_CORES)
            return seconds / cores;
    }
    return 0;
}

/* The clock was set between two rows when their distance is none, or far from what the row says of itself; then it was
 * as long as that, or as rows are. */
static double without_steps(const struct summary *summary, const struct row *row, double seconds)
{
    double own = own_seconds(row);
    double usual = summary->usual > 0 ? summary->usual : summary->beginning.interval;
    bool   is_far = own > 0 && (seconds > STEP_TIMES * own + STEP_SECONDS || own > STEP_TIMES * seconds + STEP_SECONDS);
    if (seconds >= 0 && (summary->beginning.is_dated || !is_far))
        return seconds;
    bool is_usual = own <= 0 || (usual < STEP_TIMES * own && own < STEP_TIMES * usual);
    return is_usual ? usual : own;
}

static void merge_pairs(struct summary *summary, struct figure *figure)
{
    for (size_t i = 0; i < summary->buckets; i++) {
        bool   kept = i < summary->buckets / 2;
        size_t from = 2 * i;
        figure->curve[i] = kept ? figure->curve[from] + figure->curve[from + 1] : 0;
        figure->in_bucket[i] = kept ? figure->in_bucket[from] + figure->in_bucket[from + 1] : 0;
    }
}

/* The place of the next row in the curves; when they are full, each pair of buckets becomes one. */
static size_t next_bucket(struct summary *summary)
{
    size_t bucket = (size_t)(summary->rows / summary->rows_per_bucket);
    if (bucket >= SUMMARY_BUCKETS) {
        for (int subject = 0; subject < SUBJECT_COUNT; subject++)
            for (int measure = 0; measure < MEASURE_COUNT; measure++)
                merge_pairs(summary, &summary->figures[subject][measure]);
        summary->rows_per_bucket *= 2;
        bucket = (size_t)(summary->rows / summary->rows_per_bucket);
    }
    summary->buckets = bucket + 1;
    return bucket;
}

bool summary_is_gauge(enum measure measure)
{
    return measure == MEASURE_CPU || measure == MEASURE_MEMORY || measure == MEASURE_GPU ||
           measure == MEASURE_GPU_MEMORY;
}

/* A row that is short for its run is no measure of what is most in a second: the last one often is. */
static void add(struct figure *figure, enum measure measure, double value, double seconds, bool is_short, size_t bucket)
{
    bool   gauge = summary_is_gauge(measure);
    double level = gauge ? value : seconds > 0 ? value / seconds : 0;
    figure->known++;
    figure->total += gauge ? value * seconds : value;
    figure->seconds += seconds;
    if (value > figure->max)
        figure->max = value;
    if ((gauge || !is_short) && level > figure->peak)
        figure->peak = level;
    if (!gauge && seconds <= 0)
        return;
    figure->curve[bucket] += level;
    figure->in_bucket[bucket]++;
}

static void add_cores(struct summary *summary, double cores, double seconds)
{
    double whole = ceil(cores - CORES_SLACK);
    summary->seconds_at[whole < 0                   ? 0
                        : whole > SUMMARY_CORES_MAX ? SUMMARY_CORES_MAX
                                                    : (size_t)whole] += (float)seconds;
}

void summary_row(struct summary *summary, struct text line)
{
    struct row row;
    if (!read_row(summary, line, &row)) {
        summary->bad_rows++;
        return;
    }
    double at = row.value[PILLION_COLUMN_timestamp];
    double seconds = summary->rows == 0 ? first_interval(&summary->beginning, &row) : at - summary->last;
    seconds = without_steps(summary, &row, seconds);
    bool is_short = summary->usual > 0 && 2 * seconds < summary->usual;
    summary->elapsed += seconds;
    summary->usual = seconds;
    size_t bucket = next_bucket(summary);
    for (int subject = 0; subject < SUBJECT_COUNT; subject++) {
        for (int measure = 0; measure < MEASURE_COUNT; measure++) {
            enum pillion_column source = sources[subject][measure];
            if (source != PILLION_COLUMN_COUNT && row.known[source])
                add(&summary->figures[subject][measure], (enum measure)measure, row.value[source], seconds, is_short,
                    bucket);
        }
    }
    add_cores(summary, row.value[PILLION_COLUMN_process_cpu_usage], seconds);
    summary->gpus_used = fmax(summary->gpus_used, row.value[PILLION_COLUMN_process_gpu_utilized]);
    summary->user_s += row.value[PILLION_COLUMN_process_utime];
    summary->system_s += row.value[PILLION_COLUMN_process_stime];
    summary->last = at;
    summary->rows++;
    if (summary->listener.row != NULL)
        summary->listener.row(summary->listener.context, row.value, row.known, seconds, summary->elapsed);
}

void summary_close(struct summary *summary)
{
    for (int subject = 0; subject < SUBJECT_COUNT; subject++) {
        for (int measure = 0; measure < MEASURE_COUNT; measure++) {
            struct figure *figure = &summary->figures[subject][measure];
            for (size_t i = 0; i < summary->buckets; i++)
                figure->curve[i] = figure->in_bucket[i] > 0 ? figure->curve[i] / figure->in_bucket[i] : -1;
        }
    }
}

double summary_duration(const struct summary *summary)
{
    return summary->elapsed;
}

double summary_mean_cores(const struct summary *summary, enum subject subject)
{
    double duration = summary_duration(summary);
    if (duration <= 0)
        return 0;
    /* The tree's seconds are exact, its cores are rounded. Another's file may have cores alone. */
    if (subject == SUBJECT_PROCESS && summary->user_s + summary->system_s > 0)
        return (summary->user_s + summary->system_s) / duration;
    return summary->figures[subject][MEASURE_CPU].total / duration;
}

unsigned summary_cores(const struct summary *summary, double part)
{
    double   all = 0;
    double   seconds = 0;
    unsigned cores = 0;
    for (unsigned i = 0; i <= SUMMARY_CORES_MAX; i++)
        all += (double)summary->seconds_at[i];
    while (cores <= SUMMARY_CORES_MAX && (seconds += (double)summary->seconds_at[cores]) < part * all)
        cores++;
    return all > 0 ? cores : 0;
}

double summary_mean(const struct summary *summary, enum subject subject, enum measure measure)
{
    const struct figure *figure = &summary->figures[subject][measure];
    if (measure == MEASURE_CPU)
        return summary_mean_cores(summary, subject);
    return figure->seconds > 0 ? figure->total / figure->seconds : 0;
}

/* Takes the whole lines off the front of a chunk; bytes used. */
static ssize_t take_lines(struct summary *summary, const char *data, size_t len, bool *header)
{
    size_t used = 0;
    for (const char *end; (end = memchr(data + used, '\n', len - used)) != NULL; used = (size_t)(end - data) + 1) {
        const char *stop = end > data + used && end[-1] == '\r' ? end - 1 : end;
        struct text line = text_span(data + used, (size_t)(stop - data) - used);
        if (*header) {
            summary_row(summary, line);
        } else if (summary_header(summary, line) < 0) {
            return -EBADMSG;
        } else {
            *header = true;
        }
    }
    return (ssize_t)used;
}

int summary_read(int fd, struct beginning beginning, struct summary *ret)
{
    return summary_read_rows(fd, beginning, (struct summary_listener){0}, ret);
}

int summary_read_rows(int fd, struct beginning beginning, struct summary_listener listener, struct summary *ret)
{
    static char chunk[CHUNK];
    size_t      held = 0;
    bool        header = false;
    struct stat info; /* as of now: a run that goes on does not keep us */
    summary_init(ret, beginning);
    ret->listener = listener;
    if (fstat(fd, &info) < 0)
        return -errno;
    for (off_t at = 0; at < info.st_size;) {
        ssize_t got = read(fd, chunk + held, sizeof chunk - held);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        at += got;
        held += (size_t)got;
        ssize_t used = take_lines(ret, chunk, held, &header);
        if (used < 0)
            return (int)used;
        held -= (size_t)used;
        memmove(chunk, chunk + used, held);
        if (held == sizeof chunk)
            return -EBADMSG;
    }
    summary_close(ret);
    return 0;
}
