// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "base/file.h"
#include "base/text.h"
#include "command.h"
#include "output.h"
#include "show.h"
#include "spark.h"
#include "store/journal_read.h"

enum { LABEL_WIDTH = 15, FIGURE_WIDTH = 12, LOG_TAIL_MAX = 300 * 1024 };

static void print_began(const struct show *show)
{
    const char *text = journal_text(show->state, "started_at");
    char        took[FIGURE_MAX];
    double      began = run_time(show->state, "started_at");
    double      ended = run_time(show->state, "finished_at");
    double      duration = summary_duration(&show->summary);
    if (duration <= 0)
        duration = journal_number(show->state, "duration_s", ended > began ? ended - began : 0);
    figure_seconds(duration, took);
    if (text != NULL) {
        char when[20];
        (void)snprintf(when, sizeof when, "%.10s %.8s", text, strlen(text) > 18 ? text + 11 : "");
        printf("%-*s", LABEL_WIDTH, "Started");
        print_text(when);
        printf(" UTC, %s %s\n", strcmp(show->shown, "running") == 0 ? "so far" : "took", took);
    } else {
        printf("%-*s%s, %llu row%s\n", LABEL_WIDTH, "Took", took, (unsigned long long)show->summary.rows,
               show->summary.rows == 1 ? "" : "s");
    }
}

static void print_end(const struct show *show)
{
    char name[FIGURE_MAX];
    int  number = run_number(show->state, "signal", 0);
    int  code = run_number(show->state, "exit_code", -1);
    printf("%-*s", LABEL_WIDTH, "Ended");
    if (strcmp(show->shown, "running") == 0) {
        puts("not yet: it is running");
    } else if (strcmp(show->shown, "lost") == 0) {
        puts("unknown: the program is gone and left no word; pillion sync finishes the run");
    } else if (number > 0) {
        signal_text(number, name);
        printf("killed by %s\n", name);
    } else if (code >= 0) {
        printf("exit status %d\n", code);
    } else {
        puts("unknown");
    }
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

static void print_reason(const struct show *show)
{
    char        logged[400];
    const char *reason = journal_text(show->state, "reason");
    if (reason == NULL && last_complaint(show->place->dir, logged, sizeof logged))
        reason = logged;
    if (reason == NULL)
        return;
    printf("%-*s", LABEL_WIDTH, "");
    print_text(reason);
    putchar('\n');
}

static void print_with_id(const char *what, const char *as, const char *id, const char *objects)
{
    printf("%s%s", what, as);
    print_text(id != NULL ? id : "");
    puts(objects);
}

static void print_delivery(const struct show *show)
{
    const char *id = journal_text(show->state, "sentinel_run_id");
    bool        known = id != NULL;
    double      uploaded = journal_number(show->state, "uploaded", 0);
    char        objects[FIGURE_MAX] = "";
    if (uploaded >= 1 && uploaded < 1e9)
        (void)snprintf(objects, sizeof objects, ", %.0f object%s in S3", uploaded, uploaded < 2 ? "" : "s");
    printf("%-*s", LABEL_WIDTH, "Sentinel");
    if (strcmp(show->shown, "finished") == 0) {
        print_with_id("delivered", known ? " as " : "", id, objects);
    } else if (strcmp(show->shown, "local") == 0) {
        puts("not sent: the run was made without a token");
    } else if (strcmp(show->shown, "undelivered") == 0) {
        print_with_id("not delivered; pillion sync tries again", known ? "; registered as " : "", id, objects);
        print_reason(show);
    } else if (known) {
        print_with_id("registered", " as ", id, objects);
    } else {
        puts("not registered");
    }
}

/* One cell: a figure and its curve, padded; curves have one column for each character. */
static void print_cell(const char *figure, const struct show *show, const struct figure *curve, bool last)
{
    char   line[SPARK_TEXT_MAX] = "";
    size_t width = 0;
    if (curve != NULL && curve->known > 0)
        width = spark_draw(curve->curve, show->summary.buckets, output_is_utf8(), line);
    if (last && width == 0)
        printf("%s", figure);
    else
        printf("%-*s%s%*s", FIGURE_WIDTH, figure, line, last ? 0 : (int)(SPARK_WIDTH + 2 - width), "");
}

static void print_row(const struct show *show, const char *label, enum measure measure, bool curve,
                      char figures[SUBJECT_COUNT][FIGURE_MAX])
{
    printf("%-*s", LABEL_WIDTH, label);
    for (int subject = 0; subject < SUBJECT_COUNT; subject++)
        print_cell(figures[subject], show, curve ? &show->summary.figures[subject][measure] : NULL,
                   subject == SUBJECT_COUNT - 1);
    putchar('\n');
}

static void print_cpu(const struct show *show)
{
    char mean[SUBJECT_COUNT][FIGURE_MAX], max[SUBJECT_COUNT][FIGURE_MAX];
    for (int subject = 0; subject < SUBJECT_COUNT; subject++) {
        const struct figure *cpu = &show->summary.figures[subject][MEASURE_CPU];
        (void)snprintf(mean[subject], FIGURE_MAX, cpu->known > 0 ? "%.2f cores" : "-",
                       summary_mean_cores(&show->summary, (enum subject)subject));
        (void)snprintf(max[subject], FIGURE_MAX, cpu->known > 0 ? "%.2f cores" : "-", cpu->max);
    }
    print_row(show, "CPU mean", MEASURE_CPU, true, mean);
    print_row(show, "CPU max", MEASURE_CPU, false, max);
}

static void print_bytes(const struct show *show, const char *label, enum measure measure)
{
    char figures[SUBJECT_COUNT][FIGURE_MAX];
    for (int subject = 0; subject < SUBJECT_COUNT; subject++) {
        const struct figure *figure = &show->summary.figures[subject][measure];
        double               bytes = measure == MEASURE_MEMORY ? figure->max * 1024 * 1024 : figure->total;
        if (figure->known > 0)
            figure_bytes(bytes, figures[subject]);
        else
            strcpy(figures[subject], "-");
    }
    print_row(show, label, measure, true, figures);
}

static void print_table(const struct show *show)
{
    printf("\n%-*s%-*s%s\n", LABEL_WIDTH, "", FIGURE_WIDTH + SPARK_WIDTH + 2, "this run", "the machine");
    print_cpu(show);
    print_bytes(show, "memory max", MEASURE_MEMORY);
    print_bytes(show, "disk read", MEASURE_DISK_READ);
    print_bytes(show, "disk written", MEASURE_DISK_WRITE);
    print_bytes(show, "network in", MEASURE_NET_RECV);
    print_bytes(show, "network out", MEASURE_NET_SENT);
}

static void print_totals(const struct show *show)
{
    char   cpu[FIGURE_MAX], memory[FIGURE_MAX];
    double user = account_user_s(&show->summary, show->state);
    double system = account_system_s(&show->summary, show->state);
    double peak = account_peak_mib(show->state, SUBJECT_PROCESS);
    double group = account_peak_mib(show->state, SUBJECT_SYSTEM);
    figure_seconds(user + system, cpu);
    printf("\n%-*s%s (user %.2f s, system %.2f s)\n", LABEL_WIDTH, "CPU time", cpu, user, system);
    if (peak >= 0) {
        figure_bytes(peak * 1024 * 1024, memory);
        printf("%-*s%s in the largest process%s\n", LABEL_WIDTH, "Memory peak", memory,
               account_peak_is_exact(show->state) ? ", exact" : ", as far as seen");
    }
    if (group >= 0) {
        figure_bytes(group * 1024 * 1024, memory);
        printf("%-*s%s in all of its cgroup meanwhile\n", LABEL_WIDTH, peak >= 0 ? "" : "Memory peak", memory);
    }
    double cost = account_number(show->state, "cost", "cpu_s");
    if (cost >= 0)
        printf("%-*s%.3f s of CPU\n", LABEL_WIDTH, "pillion itself", cost);
    if (show->summary.bad_rows > 0)
        printf("%-*s%llu lines of the CSV are no rows\n", LABEL_WIDTH, "Damaged",
               (unsigned long long)show->summary.bad_rows);
}

/* What its control group did to the run, if anything: at least, where it has not written its end. */
static void print_cgroup(const struct show *show)
{
    char   seconds[FIGURE_MAX];
    double throttled = account_number(show->state, "cgroup", "cpu_throttled_s");
    double periods = account_number(show->state, "cgroup", "cpu_periods");
    double of_them = account_number(show->state, "cgroup", "cpu_periods_throttled");
    double kills = account_number(show->state, "cgroup", "oom_kills");
    if (throttled > 0 || of_them > 0) {
        figure_seconds(throttled > 0 ? throttled : 0, seconds);
        printf("%-*s%s of CPU withheld, in %.0f of %.0f periods (the quota of its cgroup)\n", LABEL_WIDTH, "Throttled",
               seconds, of_them > 0 ? of_them : 0, periods > 0 ? periods : 0);
    }
    if (kills >= 1)
        printf("%-*s%.0f process%s killed for memory in its cgroup\n", LABEL_WIDTH, "Out of memory", kills,
               kills < 2 ? " was" : "es were");
}

int show_page(const struct show *show)
{
    size_t width = output_width();
    printf("%-*s", LABEL_WIDTH, show->state != NULL ? "Run" : "File");
    print_text(show->place->id);
    putchar('\n');
    if (show->state != NULL) {
        printf("%-*s", LABEL_WIDTH, "Command");
        print_command(cJSON_GetObjectItemCaseSensitive(show->state, "command"),
                      width > LABEL_WIDTH ? width - LABEL_WIDTH : 0);
        putchar('\n');
    }
    print_began(show);
    if (show->state != NULL) {
        print_end(show);
        print_cgroup(show);
        print_delivery(show);
    }
    if (show->summary.rows > 0) {
        print_table(show);
        print_totals(show);
    } else {
        puts("\nNo rows yet.");
    }
    return output_end(EXIT_YES);
}
