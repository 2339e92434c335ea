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
#include "cells.h"
#include "command.h"
#include "commands.h"
#include "ending.h"
#include "fields.h"
#include "output.h"
#include "show.h"
#include "spark.h"
#include "store/journal_read.h"

enum { LABEL_WIDTH = SHOW_LABEL_WIDTH, SENTENCE_MAX = 1400, WIDE = 60, WIDTH_OF_PIPES = 100 };
enum { COLUMN = 11, COLUMN_PART = 7, CURVE_LEAST = 12, AXIS_WITH_MIDDLE = 36, COMMANDS_SHOWN = 3 };

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

/* What is wrong: the label and a blank stand before it. Nothing where `text` is empty. */
static void problem(const char *label, const char *text)
{
    if (text[0] != '\0')
        print_sentence(label, strlen(label), text, output_width());
}

static void print_head(const struct show *show, const struct record *record, const struct ending *ending)
{
    const char *name = record->values[RUN_FIELD_name].text;
    size_t      width = output_width();
    enum paint  paint = strcmp(ending->tone, "good") == 0  ? PAINT_GOOD
                        : strcmp(ending->tone, "bad") == 0 ? PAINT_BAD
                                                           : PAINT_WARN;
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
    print_paint(paint);
    fputs(ending->whole, stdout);
    print_paint(PAINT_NONE);
    putchar('\n');
}

/* What is wrong, and the next command. */
static void print_problems(const struct show *show, const struct ending *ending)
{
    print_paint(PAINT_BAD);
    problem("Out of memory: ", ending->out_of_memory);
    problem("Lost: ", ending->lost);
    problem(strcmp(show->shown, "local") == 0 ? "Not sent: " : "Not delivered: ", ending->trouble);
    if (show->summary.bad_rows > 0) {
        char text[80];
        (void)snprintf(text, sizeof text, "%llu lines of the CSV are no rows",
                       (unsigned long long)show->summary.bad_rows);
        problem("Damaged: ", text);
    }
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
         strcmp(show->shown, "running") == 0 ? "so far" : "took", took);
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

static void print_container(const struct show *show)
{
    char text[CELLS_TEXT_MAX];
    if (cells_container(show->state, text))
        tell("container", "%s", text);
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
        if (key == NULL || value == NULL || account_is_own_tag(key))
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
    if (show->place->user[0] != '\0')
        tell("user", "%s", show->place->user);
    char more[CELLS_TEXT_MAX];
    bool is_known = cells_job(show->state, more);
    if (job != NULL || is_known)
        tell("job", "%.300s%s%s", job != NULL ? job : "", job != NULL && is_known ? ", " : "", more);
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
    print_container(show);
    print_tags(show);
}

/* ------------------------------------------------------------------------------------------------ the table */

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

static void print_measure(const struct show *show, const char *label, enum subject subject, enum measure measure)
{
    const struct figure *figure = &show->summary.figures[subject][measure];
    struct cells         cells;
    char                 curve[SPARK_TEXT_MAX] = "";
    cells_of(&show->summary, show->state, subject, measure, &cells);
    if (figure->known > 0)
        (void)spark_draw(figure->curve, show->summary.buckets, curve_width(), output_is_utf8(), curve);
    if (!summary_is_gauge(measure) && table_width() < WIDE)
        cells.part[0] = '\0'; /* of a limit that is not shown there */
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
    const struct cells heads = {.mean = "mean", .max = "max", .limit = "limit", .part = "used"};
    putchar('\n');
    print_paint(PAINT_FAINT);
    print_cells("", &heads, "");
    print_paint(PAINT_NONE);
    for (size_t i = 0; i < CELLS_LINES; i++)
        if (cells_has(&show->summary, cells_lines[i].measure))
            print_measure(show, cells_lines[i].label, SUBJECT_PROCESS, cells_lines[i].measure);
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

/* What a batch system gave to it; a control group that holds the same may stand in the table. */
static void print_allotment(const struct show *show)
{
    char text[CELLS_TEXT_MAX], label[LABEL_WIDTH];
    if (!cells_allotment(&show->summary, show->state, text))
        return;
    bool is_short = snprintf(label, sizeof label, "%s gave", account_batch_system(show->state)) < (int)sizeof label;
    tell(is_short ? label : "was given", "%s", text);
}

static void print_energy(const struct show *show)
{
    char text[CELLS_TEXT_MAX];
    if (cells_energy(show->state, text))
        tell("energy", "%s", text);
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
        char cpu[FIGURE_MAX], memory[FIGURE_MAX + 9] = "", many[FIGURE_MAX] = "", gpu[FIGURE_MAX + 8] = "";
        figure_seconds(command_cpu(&used[i]), cpu);
        if (used[i].memory_max_mib > 0) { /* short children had some, but nobody saw it */
            (void)snprintf(memory, sizeof memory, ", memory ");
            figure_short_bytes(used[i].memory_max_mib * 1024 * 1024, "", memory + strlen(memory));
        }
        if (used[i].processes > 1)
            (void)snprintf(many, sizeof many, "%.0f x ", used[i].processes);
        if (used[i].gpu_s > 0) {
            (void)snprintf(gpu, sizeof gpu, ", GPU ");
            figure_seconds(used[i].gpu_s, gpu + strlen(gpu));
        }
        tell(i == 0 ? "most used by" : "", "%s%.80s: CPU %s%s%s", many, used[i].name, cpu, memory, gpu);
    }
}

/* The page of it, and the runs around it, by names that can be typed. */
static void print_neighbours(const struct show *show)
{
    const struct run_place *place = show->place;
    const char             *whose = whose_words();
    char                    page[400] = "", before[400] = "", after[400] = "";
    if (place->ordinal < 0)
        return;
    if (place->ordinal == 0)
        (void)snprintf(page, sizeof page, "pillion report%s (a page for the browser)", whose);
    else
        (void)snprintf(page, sizeof page, "pillion report%s last~%ld (a page for the browser)", whose, place->ordinal);
    if (!place->is_first)
        (void)snprintf(before, sizeof before, ", pillion show%s last~%ld (the run before)", whose, place->ordinal + 1);
    if (place->ordinal == 1)
        (void)snprintf(after, sizeof after, ", pillion show%s last (the run after)", whose);
    else if (place->ordinal > 1)
        (void)snprintf(after, sizeof after, ", pillion show%s last~%ld (the run after)", whose, place->ordinal - 1);
    tell("also", "%s%s%s", page, before, after);
}

int show_page(const struct show *show)
{
    struct record record;
    struct ending ending;
    fields_read(show->place->id, show->state, show->shown, show->place->ordinal, &record);
    ending_of(show, &ending);
    print_head(show, &record, &ending);
    if (show->state != NULL)
        print_problems(show, &ending);
    print_identity(show, &record);
    if (show->state != NULL)
        tell(ending.is_to_bucket ? "bucket" : "Sentinel", "%s", ending.delivery);
    if (show->summary.rows > 0) {
        print_table(show);
        print_efficiency(show);
        print_totals(show);
    } else {
        puts("\nNo rows yet.");
    }
    print_allotment(show);
    print_energy(show);
    print_throttling(show);
    print_commands(show);
    advice_print(&show->advice, LABEL_WIDTH);
    print_neighbours(show);
    fields_free(&record);
    return output_end(EXIT_YES);
}
