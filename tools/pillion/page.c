// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "account.h"
#include "advice.h"
#include "base/file.h"
#include "base/text.h"
#include "command.h"
#include "commands.h"
#include "fields.h"
#include "output.h"
#include "show.h"
#include "spark.h"
#include "store/journal_read.h"

enum {
    LABEL_WIDTH = SHOW_LABEL_WIDTH,
    LOG_TAIL_MAX = 300 * 1024,
    SENTENCE_MAX = 1400,
    WIDE = 60,
    WIDTH_OF_PIPES = 100
};
enum { COLUMN = 11, COLUMN_PART = 7, CURVE_LEAST = 12, AXIS_WITH_MIDDLE = 36, COMMANDS_SHOWN = 3 };

static bool is_state(const struct show *show, const char *name)
{
    return strcmp(show->shown, name) == 0;
}

/* A line of the page: a label and a sentence. */
__attribute__((format(printf, 2, 3))) static void tell(const char *label, const char *format, ...)
{
    char    text[SENTENCE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args); /* NOLINT(clang-analyzer-valist.Uninitialized): it is */
    va_end(args);
    print_sentence(label, LABEL_WIDTH, text, output_width());
}

__attribute__((format(printf, 2, 3))) static void problem(const char *label, const char *format, ...)
{
    char    text[SENTENCE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args); /* NOLINT(clang-analyzer-valist.Uninitialized): it is */
    va_end(args);
    print_sentence(label, strlen(label), text, output_width());
}

static void print_head(const struct show *show, const struct record *record)
{
    const char *name = record->values[RUN_FIELD_name].text;
    const char *ended = record->values[RUN_FIELD_ended].text;
    size_t      width = output_width();
    bool        is_over = show->shown[0] != '\0' && !is_state(show, "running") && !is_state(show, "finishing") &&
                   !is_state(show, "lost") && !is_state(show, "damaged");
    bool is_bad = show->state != NULL && fields_failed(record);
    print_paint(PAINT_STRONG);
    if (name == NULL)
        name = show->place->id;
    print_cut(name, width > 0 && text_columns(name) > width - 22 ? width - 22 : text_columns(name), false);
    print_paint(PAINT_NONE);
    if (show->state == NULL) {
        puts("  a file of rows");
        return;
    }
    fputs("  ", stdout);
    print_paint(is_bad ? PAINT_BAD : is_over ? PAINT_GOOD : PAINT_WARN);
    if (!is_over)
        fputs(show->shown, stdout);
    else if (ended == NULL)
        fputs("ended, nobody knows how", stdout);
    else if (record->values[RUN_FIELD_signal].number > 0)
        printf("failed, killed by %s", ended);
    else
        printf("%s, exit %s", is_bad && strcmp(ended, "0") != 0 ? "failed" : "finished", ended);
    print_paint(PAINT_NONE);
    putchar('\n');
}

/* The last warning or error in the run's log, without its time: why something was not delivered. */
static bool last_complaint(int dir, char *ret, size_t size)
{
    struct bytes log;
    struct text  line;
    bool         found = false;
    bytes_init(&log, LOG_TAIL_MAX);
    struct text rest = {NULL, NULL};
    if (file_load(dir, "log", &log) == 0 && log.data != NULL)
        rest = text_span(log.data, log.len);
    while (rest.at < rest.end && text_line(&rest, &line)) {
        struct text time, level;
        if (text_word(&line, &time) && text_word(&line, &level) &&
            (text_is(level, "warn") || text_is(level, "error"))) {
            text_blanks(&line);
            (void)snprintf(ret, size, "%.*s", (int)text_len(line), line.at);
            found = true;
        }
    }
    bytes_done(&log);
    return found;
}

/* A sentence's end, where it has none. */
static const char *stop(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && strchr(".!?", text[len - 1]) != NULL ? "" : ".";
}

static void print_not_delivered(const struct show *show)
{
    char        logged[400];
    const char *reason = journal_text(show->state, "reason");
    const char *next = "pillion doctor tells more, pillion sync tries again.";
    if (reason == NULL && last_complaint(show->place->dir, logged, sizeof logged))
        reason = logged;
    if (reason == NULL)
        problem("Not delivered: ", "pillion sync tries again, pillion doctor tells what is in the way.");
    else if (strstr(reason, "401") != NULL || strstr(reason, "403") != NULL)
        problem("Not delivered: ", "%.500s%s The token is refused: pillion doctor, then pillion sync.", reason,
                stop(reason));
    else
        problem("Not delivered: ", "%.500s%s %s", reason, stop(reason), next);
}

/* How much memory it had when it was killed, and of how much. */
static void print_out_of_memory(const struct show *show, double kills)
{
    char         had[FIGURE_MAX], of[FIGURE_MAX], at[3 * FIGURE_MAX] = "";
    struct limit limit = account_memory_mib(show->state);
    double       peak = account_peak_mib(show->state, SUBJECT_SYSTEM);
    double       seen = show->summary.figures[SUBJECT_PROCESS][MEASURE_MEMORY].max;
    bool         is_held = limit.value > 0 && strcmp(limit.source, "cgroup") == 0;
    figure_short_bytes((peak > 0 ? peak : seen) * 1024 * 1024, "", had);
    figure_short_bytes(limit.value * 1024 * 1024, "", of);
    if (is_held && (peak > 0 || seen > 0))
        (void)snprintf(at, sizeof at, ", killed at %s of %s", had, of);
    else if (is_held)
        (void)snprintf(at, sizeof at, ", limit %s", of);
    problem("Out of memory: ", "%s%s%.0f process%s killed for memory in its cgroup", at[0] != '\0' ? at + 2 : "",
            at[0] != '\0' ? ": " : "", kills, kills < 2 ? " was" : "es were");
}

/* What is wrong, and the next command. */
static void print_problems(const struct show *show)
{
    char   logged[400];
    double kills = account_number(show->state, "cgroup", "oom_kills");
    print_paint(PAINT_BAD);
    if (kills >= 1)
        print_out_of_memory(show, kills);
    if (is_state(show, "lost"))
        problem("Lost: ", "the program is gone and left no word of its end. pillion sync finishes the run.");
    if (is_state(show, "undelivered"))
        print_not_delivered(show);
    if (is_state(show, "local") && last_complaint(show->place->dir, logged, sizeof logged))
        problem("Not sent: ", "%.400s%s pillion doctor tells more.", logged, stop(logged));
    if (show->summary.bad_rows > 0)
        problem("Damaged: ", "%llu lines of the CSV are no rows", (unsigned long long)show->summary.bad_rows);
    print_paint(PAINT_NONE);
}

static void print_began(const struct show *show)
{
    char      took[FIGURE_MAX], here[40] = "", there[24] = "", zone[16] = "";
    double    began = run_time(show->state, "started_at");
    double    seconds = summary_duration(&show->summary);
    time_t    time = (time_t)began;
    struct tm tm;
    if (seconds <= 0 && show->state != NULL)
        seconds = fields_took(show->state);
    figure_seconds(seconds > 0 ? seconds : 0, took);
    if (began <= 0) {
        tell("took", "%s, %llu row%s", took, (unsigned long long)show->summary.rows,
             show->summary.rows == 1 ? "" : "s");
        return;
    }
    if (localtime_r(&time, &tm) != NULL) {
        (void)strftime(here, sizeof here, "%Y-%m-%d %H:%M:%S", &tm);
        (void)strftime(zone, sizeof zone, "%Z", &tm);
    }
    bool is_utc = strcmp(zone, "UTC") == 0 || strcmp(zone, "GMT") == 0;
    if (gmtime_r(&time, &tm) != NULL)
        (void)strftime(there, sizeof there, "%H:%M", &tm);
    tell("started", "%s%s%s%s, %s %s", here, is_utc ? " UTC" : " (", is_utc ? "" : there, is_utc ? "" : " UTC)",
         is_state(show, "running") ? "so far" : "took", took);
}

static void print_machine(const struct show *show)
{
    char        memory[FIGURE_MAX], cpus[FIGURE_MAX] = "";
    const char *name = journal_text(cJSON_GetObjectItemCaseSensitive(show->state, "machine"), "host_name");
    const char *cpu = account_registered(show->state, "host_cpu_model");
    const char *gpu = account_registered(show->state, "host_gpu_model");
    double      count = account_registered_number(show->state, "host_vcpus");
    double      mib = account_registered_number(show->state, "host_memory_mib");
    double      gpus = account_registered_number(show->state, "host_gpu_count");
    char        devices[FIGURE_MAX] = "";
    if (name == NULL && cpu == NULL)
        return;
    figure_short_bytes((mib > 0 ? mib : 0) * 1024 * 1024, "", memory);
    if (count > 0)
        (void)snprintf(cpus, sizeof cpus, ", %.0f core%s", count, count < 2 ? "" : "s");
    if (gpus > 0)
        (void)snprintf(devices, sizeof devices, ", %.0f x ", gpus);
    tell("machine", "%.100s%s%.100s%s%s%s%s%.100s", name != NULL ? name : "", name != NULL && cpu != NULL ? ", " : "",
         cpu != NULL ? cpu : "", cpus, mib > 0 ? ", " : "", mib > 0 ? memory : "", gpus > 0 ? devices : "",
         gpus > 0 ? (gpu != NULL ? gpu : "GPU") : "");
}

/* The user's own; what pillion has made of limits is in the table. */
static void print_tags(const struct show *show)
{
    char         text[SENTENCE_MAX] = "";
    size_t       len = 0;
    const cJSON *registration = cJSON_GetObjectItemCaseSensitive(show->state, "registration");
    const cJSON *tag;
    cJSON_ArrayForEach(tag, cJSON_GetObjectItemCaseSensitive(registration, "tags"))
    {
        const char *key = journal_text(tag, "key");
        const char *value = journal_text(tag, "value");
        if (key == NULL || value == NULL || strncmp(key, "cgroup_", 7) == 0 || strcmp(key, "cpus_allowed") == 0)
            continue;
        int n = snprintf(text + len, sizeof text - len, "%s%.60s=%.80s", len > 0 ? " " : "", key, value);
        len = n > 0 && (size_t)n < sizeof text - len ? len + (size_t)n : sizeof text - 1;
    }
    if (len > 0)
        tell("tags", "%s", text);
}

static void print_identity(const struct show *show, const struct record *record)
{
    size_t      width = output_width();
    const char *job = record->values[RUN_FIELD_job].text;
    if (job != NULL)
        tell("job", "%.300s", job);
    if (show->state != NULL)
        tell("run", "%s", show->place->id);
    print_began(show);
    if (show->state != NULL) {
        printf("%-*s", LABEL_WIDTH, "command");
        print_command(cJSON_GetObjectItemCaseSensitive(show->state, "command"),
                      width > LABEL_WIDTH ? width - LABEL_WIDTH : 0);
        putchar('\n');
    }
    print_machine(show);
    print_tags(show);
}

static void print_delivery(const struct show *show)
{
    const char *id = journal_text(show->state, "sentinel_run_id");
    double      uploaded = journal_number(show->state, "uploaded", 0);
    char        objects[FIGURE_MAX] = "";
    if (uploaded >= 1 && uploaded < 1e9)
        (void)snprintf(objects, sizeof objects, ", %.0f object%s in S3", uploaded, uploaded < 2 ? "" : "s");
    if (is_state(show, "finished"))
        tell("Sentinel", "delivered%s%.200s%s", id != NULL ? " as " : "", id != NULL ? id : "", objects);
    else if (is_state(show, "local"))
        tell("Sentinel", "not sent: the run was made without a token");
    else if (id != NULL)
        tell("Sentinel", "registered as %.200s%s", id, objects);
    else
        tell("Sentinel", "not registered");
}

/* ------------------------------------------------------------------------------------------------ the table */

struct cells {
    char mean[FIGURE_MAX], max[FIGURE_MAX], limit[FIGURE_MAX], part[FIGURE_MAX];
};

static size_t table_width(void)
{
    size_t width = output_width();
    return width == 0 ? WIDTH_OF_PIPES : width;
}

/* Columns for a curve; 0: none. */
static size_t curve_width(void)
{
    size_t width = table_width();
    size_t before = LABEL_WIDTH - 1 + 3 * COLUMN + COLUMN_PART + 2;
    return width >= WIDE && width >= before + CURVE_LEAST ? (width - before > SPARK_MAX ? SPARK_MAX : width - before)
                                                          : 0;
}

static void print_cells(const char *label, const struct cells *cells, const char *curve)
{
    bool is_wide = table_width() >= WIDE;
    printf("%-*s%*s%*s", LABEL_WIDTH - 1, label, COLUMN, cells->mean, COLUMN, cells->max);
    if (is_wide)
        printf("%*s", COLUMN, cells->limit);
    if (cells->part[0] != '\0' || curve[0] != '\0')
        printf("%*s", is_wide ? COLUMN_PART : COLUMN_PART - 1, cells->part);
    if (curve[0] != '\0')
        printf("  %s", curve);
    putchar('\n');
}

static void number_cell(double value, enum measure measure, bool is_one, char ret[static FIGURE_MAX])
{
    if (measure == MEASURE_MEMORY || measure == MEASURE_GPU_MEMORY)
        figure_short_bytes(value * 1024 * 1024, "", ret);
    else if (measure == MEASURE_GPU && is_one)
        figure_percent(value, ret);
    else if (measure == MEASURE_CPU || measure == MEASURE_GPU)
        (void)snprintf(ret, FIGURE_MAX, value < 9999 ? "%.2f" : "%.3g", value);
    else
        figure_short_bytes(value, "/s", ret);
}

static void limit_cell(double value, enum measure measure, char ret[static FIGURE_MAX])
{
    if (value <= 0)
        (void)snprintf(ret, FIGURE_MAX, "-");
    else if (measure == MEASURE_MEMORY || measure == MEASURE_GPU_MEMORY)
        figure_short_bytes(value * 1024 * 1024, "", ret);
    else
        (void)snprintf(ret, FIGURE_MAX, "%.3g %s%s", value, measure == MEASURE_CPU ? "core" : "device",
                       value == 1 ? "" : "s");
}

static void print_measure(const struct show *show, const char *label, enum subject subject, enum measure measure)
{
    const struct figure *figure = &show->summary.figures[subject][measure];
    struct cells         cells = {.mean = "-", .max = "-", .limit = "-", .part = ""};
    char                 curve[SPARK_TEXT_MAX] = "";
    double               limit = account_limit(show->state, measure).value;
    double               part = subject == SUBJECT_PROCESS ? account_part(&show->summary, show->state, measure) : -1;
    if (subject == SUBJECT_SYSTEM && measure == MEASURE_CPU)
        limit = account_registered_number(show->state, "host_vcpus");
    if (subject == SUBJECT_SYSTEM && measure == MEASURE_MEMORY)
        limit = account_registered_number(show->state, "host_memory_mib");
    if (figure->known > 0) {
        number_cell(summary_mean(&show->summary, subject, measure), measure, limit <= 1, cells.mean);
        number_cell(figure->peak, measure, limit <= 1, cells.max);
        (void)spark_draw(figure->curve, show->summary.buckets, curve_width(), output_is_utf8(), curve);
    }
    if (summary_is_gauge(measure)) {
        limit_cell(limit, measure, cells.limit);
        if (part >= 0)
            figure_percent(part, cells.part);
    } else if (figure->known > 0) { /* no limit: all of it in its place */
        figure_short_bytes(figure->total, "", cells.limit);
        (void)snprintf(cells.part, sizeof cells.part, table_width() >= WIDE ? "in all" : "");
    }
    print_cells(label, &cells, curve);
}

static void print_axis(const struct show *show)
{
    char   end[FIGURE_MAX], middle[FIGURE_MAX] = "";
    double seconds = summary_duration(&show->summary);
    size_t width = curve_width();
    bool   utf8 = output_is_utf8();
    figure_seconds(seconds, end);
    if (width >= AXIS_WITH_MIDDLE)
        figure_seconds(seconds / 2, middle);
    if (width < CURVE_LEAST || width < strlen(end) + 6)
        return;
    printf("%*s0 ", (int)(LABEL_WIDTH - 1 + 3 * COLUMN + COLUMN_PART + 2), "");
    size_t before = middle[0] != '\0' ? width / 2 - strlen(middle) / 2 : 0;
    for (size_t at = 2; at < width - strlen(end) - 1; at++) {
        if (before > 0 && at + 1 == before) {
            printf(" %s ", middle);
            at += strlen(middle) + 1;
        } else {
            fputs(utf8 ? "─" : "-", stdout);
        }
    }
    printf(" %s\n", end);
}

static void print_machine_rows(const struct show *show)
{
    const struct figure(*figures)[MEASURE_COUNT] = show->summary.figures;
    puts("the machine");
    for (int measure = MEASURE_GPU; measure <= MEASURE_GPU_MEMORY; measure++)
        if (figures[SUBJECT_PROCESS][measure].known == 0 && figures[SUBJECT_SYSTEM][measure].known > 0)
            print_measure(show, measure == MEASURE_GPU ? "  GPU" : "  GPU mem.", SUBJECT_SYSTEM, (enum measure)measure);
    print_measure(show, "  CPU", SUBJECT_SYSTEM, MEASURE_CPU);
    print_measure(show, "  memory", SUBJECT_SYSTEM, MEASURE_MEMORY);
    print_measure(show, "  disk read", SUBJECT_SYSTEM, MEASURE_DISK_READ);
    print_measure(show, "  written", SUBJECT_SYSTEM, MEASURE_DISK_WRITE);
    print_measure(show, "  network in", SUBJECT_SYSTEM, MEASURE_NET_RECV);
    print_measure(show, "         out", SUBJECT_SYSTEM, MEASURE_NET_SENT);
}

static void print_table(const struct show *show)
{
    const struct cells   heads = {.mean = "mean", .max = "max", .limit = "limit", .part = "used"};
    const struct figure *gpu = &show->summary.figures[SUBJECT_PROCESS][MEASURE_GPU];
    putchar('\n');
    print_paint(PAINT_FAINT);
    print_cells("", &heads, "");
    print_paint(PAINT_NONE);
    if (gpu->known > 0) {
        print_measure(show, "GPU", SUBJECT_PROCESS, MEASURE_GPU);
        print_measure(show, "GPU memory", SUBJECT_PROCESS, MEASURE_GPU_MEMORY);
    }
    print_measure(show, "CPU", SUBJECT_PROCESS, MEASURE_CPU);
    print_measure(show, "memory", SUBJECT_PROCESS, MEASURE_MEMORY);
    print_measure(show, "disk read", SUBJECT_PROCESS, MEASURE_DISK_READ);
    print_measure(show, "disk written", SUBJECT_PROCESS, MEASURE_DISK_WRITE);
    print_paint(PAINT_FAINT);
    print_axis(show);
    print_machine_rows(show);
    print_paint(PAINT_NONE);
    putchar('\n');
}

/* ------------------------------------------------------------------------------------------- below the table */

static void print_efficiency(const struct show *show)
{
    char         cpu[FIGURE_MAX] = "", memory[FIGURE_MAX] = "", of[FIGURE_MAX] = "", gpu[FIGURE_MAX] = "";
    struct limit cpus = account_cpus(show->state);
    struct limit mib = account_memory_mib(show->state);
    double       cpu_part = account_part(&show->summary, show->state, MEASURE_CPU);
    double       memory_part = account_part(&show->summary, show->state, MEASURE_MEMORY);
    double       gpu_part = account_part(&show->summary, show->state, MEASURE_GPU);
    if (cpu_part < 0 && memory_part < 0)
        return;
    figure_percent(cpu_part, cpu);
    figure_percent(memory_part, memory);
    figure_percent(gpu_part, gpu);
    figure_short_bytes(mib.value * 1024 * 1024, "", of);
    char first[100] = "", second[100] = "", third[60] = "";
    if (cpu_part >= 0)
        (void)snprintf(first, sizeof first, ", CPU %s of %.3g core%s (%s)", cpu, cpus.value, cpus.value == 1 ? "" : "s",
                       cpus.source);
    if (memory_part >= 0)
        (void)snprintf(second, sizeof second, ", memory %s of %s (%s)", memory, of, mib.source);
    if (gpu_part >= 0)
        (void)snprintf(third, sizeof third, ", GPU %s", gpu);
    char text[300];
    (void)snprintf(text, sizeof text, "%s%s%s", first, second, third);
    tell("efficiency", "%s", text + 2);
}

static void print_totals(const struct show *show)
{
    char   cpu[FIGURE_MAX], memory[FIGURE_MAX];
    double user = account_user_s(&show->summary, show->state);
    double system = account_system_s(&show->summary, show->state);
    double peak = account_peak_mib(show->state, SUBJECT_PROCESS);
    double group = account_peak_mib(show->state, SUBJECT_SYSTEM);
    double cost = account_number(show->state, "cost", "cpu_s");
    char   own[60] = "";
    figure_seconds(user + system, cpu);
    if (cost >= 0)
        (void)snprintf(own, sizeof own, "; pillion itself %.3f s", cost < 1e9 ? cost : 1e9);
    tell("CPU time", "%s (user %.2f s, system %.2f s)%s", cpu, user, system, own);
    if (peak >= 0) {
        figure_bytes(peak * 1024 * 1024, memory);
        tell("memory peak", "%s in the largest process%s", memory,
             account_peak_is_exact(show->state) ? ", exact" : ", as far as seen");
    }
    if (group >= 0) {
        figure_bytes(group * 1024 * 1024, memory);
        tell(peak >= 0 ? "" : "memory peak", "%s in all of its cgroup meanwhile, file cache included", memory);
    }
}

/* What its control group did to the run: at least, where it has not written its end. */
static void print_throttling(const struct show *show)
{
    char   seconds[FIGURE_MAX];
    double throttled = account_number(show->state, "cgroup", "cpu_throttled_s");
    double periods = account_number(show->state, "cgroup", "cpu_periods");
    double of_them = account_number(show->state, "cgroup", "cpu_periods_throttled");
    if (throttled <= 0 && of_them <= 0)
        return;
    figure_seconds(throttled > 0 ? throttled : 0, seconds);
    tell("Throttled", "%s of CPU withheld, in %.0f of %.0f periods (the quota of its cgroup)", seconds,
         of_them > 0 ? of_them : 0, periods > 0 ? periods : 0);
}

static void print_commands(const struct show *show)
{
    struct command_use used[COMMANDS_SHOWN];
    size_t             count = commands_top(show->state, show->place->dir, used, COMMANDS_SHOWN);
    for (size_t i = 0; i < count; i++) {
        char cpu[FIGURE_MAX], memory[FIGURE_MAX], many[FIGURE_MAX] = "", gpu[FIGURE_MAX + 8] = "";
        figure_seconds(used[i].cpu_s, cpu);
        figure_short_bytes(used[i].memory_max_mib * 1024 * 1024, "", memory);
        if (used[i].processes > 1)
            (void)snprintf(many, sizeof many, "%.0f x ", used[i].processes);
        if (used[i].gpu_s > 0) {
            (void)snprintf(gpu, sizeof gpu, ", GPU ");
            figure_seconds(used[i].gpu_s, gpu + strlen(gpu));
        }
        tell(i == 0 ? "most used by" : "", "%s%.80s: CPU %s, memory %s%s", many, used[i].name, cpu, memory, gpu);
    }
}

static void print_neighbours(const struct show *show)
{
    const struct run_place *place = show->place;
    char                    before[60] = "", after[60] = "";
    if (place->ordinal >= 0 && !place->is_first)
        (void)snprintf(before, sizeof before, "pillion show last~%ld (the run before)", place->ordinal + 1);
    if (place->ordinal == 1)
        (void)snprintf(after, sizeof after, "pillion show last (the run after)");
    else if (place->ordinal > 1)
        (void)snprintf(after, sizeof after, "pillion show last~%ld (the run after)", place->ordinal - 1);
    if (before[0] != '\0' || after[0] != '\0')
        tell("also", "%s%s%s", before, before[0] != '\0' && after[0] != '\0' ? ", " : "", after);
}

int show_page(const struct show *show)
{
    struct record record;
    fields_read(show->place->id, show->state, show->shown, show->place->ordinal, &record);
    print_head(show, &record);
    if (show->state != NULL)
        print_problems(show);
    print_identity(show, &record);
    if (show->state != NULL)
        print_delivery(show);
    if (show->summary.rows > 0) {
        print_table(show);
        print_efficiency(show);
        print_totals(show);
    } else {
        puts("\nNo rows yet.");
    }
    print_throttling(show);
    print_commands(show);
    advice_print(&show->advice, LABEL_WIDTH);
    print_neighbours(show);
    fields_free(&record);
    return output_end(EXIT_YES);
}
