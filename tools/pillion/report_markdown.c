/* A run, or some, for the summary of a CI job. Strangers' words are escaped: a table's bar, a line end or an element
 * would otherwise become the summary's own. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "base/text.h"
#include "output.h"
#include "report.h"
#include "store/journal_read.h"

enum { RUNS_MAX = 30, COMMANDS_MAX = 10, WORD_MAX = 120 };

/* Every mark of Markdown and HTML gets a backslash or a number; what steers a terminal becomes `?`. */
static void add_words(struct bytes *b, const char *text)
{
    size_t shown = 0;
    for (; *text != '\0' && (shown < WORD_MAX || ((unsigned char)*text & 0xC0) == 0x80); text++, shown++) {
        if (ascii_is_control(*text))
            bytes_char(b, '?');
        else if (strchr("<>&@:/.", *text) != NULL) /* elements, mentions, links that are made of plain text */
            bytes_format(b, "&#%d;", *text);
        else if (strchr("\\`*_{}[]()#+-!|~$=^\"'", *text) != NULL)
            bytes_format(b, "\\%c", *text);
        else
            bytes_char(b, *text);
    }
    if (*text != '\0')
        bytes_text(b, "...");
}

static double mean_cores(const struct report_run *run)
{
    return summary_mean_cores(&run->show.summary, SUBJECT_PROCESS);
}

static void add_line(struct bytes *b, const char *name, const char *mean, const char *max, const char *limit,
                     double part)
{
    bytes_format(b, "| %s | %s | %s | %s | ", name, mean, max, limit);
    if (part >= 0)
        bytes_format(b, "%.0f %%", 100 * part);
    bytes_text(b, " |\n");
}

static void cores_text(double value, char ret[static FIGURE_MAX])
{
    (void)snprintf(ret, FIGURE_MAX, "%.2f", value);
}

static void add_cpu(struct bytes *b, const struct report_run *run)
{
    const struct figure *cpu = &run->show.summary.figures[SUBJECT_PROCESS][MEASURE_CPU];
    char                 mean[FIGURE_MAX], max[FIGURE_MAX], limit[FIGURE_MAX] = "";
    if (cpu->known == 0)
        return;
    cores_text(mean_cores(run), mean);
    cores_text(cpu->max, max);
    if (run->limits.cpus > 0)
        (void)snprintf(limit, sizeof limit, "%.4g cores", run->limits.cpus);
    add_line(b, "CPU", mean, max, limit, run->limits.cpus > 0 ? mean_cores(run) / run->limits.cpus : -1);
}

static void add_mib(struct bytes *b, const char *name, double mean, double most, double most_allowed)
{
    char mean_text[FIGURE_MAX], max[FIGURE_MAX], limit[FIGURE_MAX] = "";
    figure_bytes(mean * 1024 * 1024, mean_text);
    figure_bytes(most * 1024 * 1024, max);
    if (most_allowed > 0)
        figure_bytes(most_allowed * 1024 * 1024, limit);
    add_line(b, name, mean_text, max, limit, most_allowed > 0 ? most / most_allowed : -1);
}

static void add_gpu(struct bytes *b, const struct report_run *run)
{
    const struct curve *gpu = &run->curves.list[CURVE_GPU], *vram = &run->curves.list[CURVE_VRAM];
    char                mean[FIGURE_MAX], max[FIGURE_MAX], limit[FIGURE_MAX];
    double              devices = run->limits.gpus > 0 ? run->limits.gpus : 1;
    if (gpu->value != NULL) {
        (void)snprintf(mean, sizeof mean, "%.0f %%", 100 * curve_mean(gpu));
        (void)snprintf(max, sizeof max, "%.0f %%", 100 * gpu->max);
        (void)snprintf(limit, sizeof limit, "%.0f GPU%s", devices, devices > 1 ? "s" : "");
        add_line(b, "GPU", mean, max, limit, curve_mean(gpu) / devices);
    }
    if (vram->value != NULL)
        add_mib(b, "GPU memory", curve_mean(vram), vram->max, run->limits.vram_mib);
}

static void add_disk(struct bytes *b, const struct report_run *run)
{
    static const struct {
        enum measure measure;
        const char  *name;
    } lines[] = {{MEASURE_DISK_READ, "disk read"}, {MEASURE_DISK_WRITE, "disk written"}};
    double seconds = summary_duration(&run->show.summary);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const struct figure *figure = &run->show.summary.figures[SUBJECT_PROCESS][lines[i].measure];
        char                 rate[FIGURE_MAX], all[FIGURE_MAX];
        if (figure->known == 0 || seconds <= 0)
            continue;
        figure_bytes(figure->total / seconds, rate);
        figure_bytes(figure->total, all);
        bytes_format(b, "| %s | %s/s | %s in all | | |\n", lines[i].name, rate, all);
    }
}

static void add_commands(struct bytes *b, const cJSON *state)
{
    const cJSON *commands = cJSON_GetObjectItemCaseSensitive(state, "commands"), *one;
    int          count = 0;
    cJSON_ArrayForEach(one, commands)
    {
        const char *name = journal_text(one, "name");
        char        cpu[FIGURE_MAX], memory[FIGURE_MAX];
        if (name == NULL || count == COMMANDS_MAX)
            continue;
        if (count++ == 0)
            bytes_text(b, "\n| command | processes | CPU time | memory at most |\n|---|--:|--:|--:|\n");
        figure_seconds(journal_number(one, "user_s", 0) + journal_number(one, "system_s", 0), cpu);
        figure_bytes(journal_number(one, "memory_max_mib", 0) * 1024 * 1024, memory);
        bytes_text(b, "| ");
        add_words(b, name);
        bytes_format(b, " | %.0f | %s | %s |\n", journal_number(one, "processes", 0), cpu, memory);
    }
}

static void add_ending(struct bytes *b, const struct report_run *run)
{
    bytes_format(b, "**%s**", run->ending.word[0] != '\0' ? run->ending.word : "rows");
    if (run->ending.reason[0] != '\0') {
        bytes_text(b, " ");
        add_words(b, run->ending.reason);
    }
}

static void add_one(struct bytes *b, const struct report_run *run)
{
    char  took[FIGURE_MAX];
    char *command = report_command(run->show.state);
    figure_seconds(summary_duration(&run->show.summary), took);
    bytes_text(b, "### ");
    add_words(b, report_name(run));
    bytes_text(b, "\n\n");
    add_ending(b, run);
    bytes_format(b, ", took %s", took);
    if (command != NULL && command[0] != '\0') {
        bytes_text(b, " \xC2\xB7 ");
        add_words(b, command);
    }
    free(command);
    if (run->show.summary.rows == 0) {
        bytes_text(b, "\n\nNo rows.\n");
        return;
    }
    bytes_text(b, "\n\n| | mean | at most | limit | used |\n|---|--:|--:|--:|--:|\n");
    add_gpu(b, run);
    add_cpu(b, run);
    if (run->curves.list[CURVE_MEMORY].value != NULL)
        add_mib(b, "memory", curve_mean(&run->curves.list[CURVE_MEMORY]), run->curves.list[CURVE_MEMORY].max,
                run->limits.memory_mib);
    add_disk(b, run);
    for (size_t i = 0; i < run->findings.count; i++)
        bytes_format(b, "%s- %s\n", i == 0 ? "\n" : "", run->findings.list[i].text);
    add_commands(b, run->show.state);
}

/* A line of the table of several. */
static void add_row(struct bytes *b, const struct report_run *run)
{
    char took[FIGURE_MAX], memory[FIGURE_MAX];
    figure_seconds(summary_duration(&run->show.summary), took);
    figure_bytes(run->show.summary.figures[SUBJECT_PROCESS][MEASURE_MEMORY].max * 1024 * 1024, memory);
    bytes_text(b, "| ");
    add_words(b, report_name(run));
    bytes_text(b, " | ");
    add_ending(b, run);
    bytes_format(b, " | %s | %.2f | %s |\n", took, mean_cores(run), memory);
}

void report_markdown_add(struct bytes *b, const struct report_run *run, size_t number, size_t count)
{
    if (count == 1) {
        add_one(b, run);
        return;
    }
    if (number == 0)
        bytes_format(b, "### %zu runs\n\n| run | state | took | cores | memory at most |\n|---|---|--:|--:|--:|\n",
                     count);
    if (number < RUNS_MAX)
        add_row(b, run);
    else if (number == RUNS_MAX)
        bytes_format(b, "\n... and %zu more.\n", count - RUNS_MAX);
}
