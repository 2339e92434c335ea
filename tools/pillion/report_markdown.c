/* A run, or some, for the summary of a CI job. Strangers' words are escaped: a table's bar, a line end or an element
 * would otherwise become the summary's own. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/text.h"
#include "cells.h"
#include "commands.h"
#include "output.h"
#include "report.h"
#include "store/journal_read.h"

enum { RUNS_MAX = 30, COMMANDS_SHOWN = 10, WORD_MAX = 120 };

/* Every mark of Markdown and HTML gets a backslash or a number; what steers a terminal becomes `?`. */
static void add_words(struct bytes *b, const char *text)
{
    size_t shown = 0;
    bool   good;
    for (size_t len; *text != '\0' && shown < WORD_MAX; text += len, shown++) {
        len = text_character(text, &good);
        if (!good)
            bytes_char(b, '?');
        else if (strchr("<>&@:/.", *text) != NULL) /* elements, mentions, links that are made of plain text */
            bytes_format(b, "&#%d;", *text);
        else if (strchr("\\`*_{}[]()#+-!|~$=^\"'", *text) != NULL)
            bytes_format(b, "\\%c", *text);
        else
            bytes_add(b, text, len);
    }
    if (*text != '\0')
        bytes_text(b, "...");
}

/* The lines of show's table. */
static void add_table(struct bytes *b, const struct report_run *run)
{
    const struct summary *summary = &run->show.summary;
    bytes_text(b, "\n\n| | mean | at most | limit | used |\n|---|--:|--:|--:|--:|\n");
    for (size_t i = 0; i < CELLS_LINES; i++) {
        struct cells cells;
        if (!cells_has(summary, cells_lines[i].measure))
            continue;
        cells_of(summary, run->show.state, SUBJECT_PROCESS, cells_lines[i].measure, &cells);
        bytes_format(b, "| %s | %s | %s | %s | %s |\n", cells_lines[i].label, cells.mean, cells.max, cells.limit,
                     cells.part);
    }
}

static void add_commands(struct bytes *b, const struct report_run *run)
{
    struct command_use used[COMMANDS_SHOWN];
    size_t             count = commands_top(run->show.state, run->place.dir, used, COMMANDS_SHOWN);
    if (count > 0)
        bytes_text(b, "\n| command | processes | CPU time | memory at most |\n|---|--:|--:|--:|\n");
    for (size_t i = 0; i < count; i++) {
        char cpu[FIGURE_MAX], memory[FIGURE_MAX] = "";
        figure_seconds(command_cpu(&used[i]), cpu);
        if (used[i].memory_max_mib > 0)
            figure_short_bytes(used[i].memory_max_mib * 1024 * 1024, "", memory);
        bytes_text(b, "| ");
        add_words(b, used[i].name);
        bytes_format(b, " | %.0f | %s | %s |\n", used[i].processes, cpu, memory);
    }
}

static void add_advice(struct bytes *b, const struct report_run *run)
{
    cJSON      *advice = advice_json(&run->show.advice);
    const char *slurm = journal_text(advice, "slurm"), *kubernetes = journal_text(advice, "kubernetes");
    if (slurm != NULL && kubernetes != NULL)
        bytes_format(b, "\nTo ask for next time: `%s` or `%s`\n", slurm, kubernetes);
    cJSON_Delete(advice);
}

static void add_ending(struct bytes *b, const struct report_run *run)
{
    const char *word = report_word(run), *reason = report_reason(run);
    bytes_format(b, "**%s**", word[0] != '\0' ? word : "rows");
    if (reason[0] != '\0') {
        bytes_text(b, " ");
        add_words(b, reason);
    }
}

static void add_one(struct bytes *b, const struct report_run *run)
{
    char        took[FIGURE_MAX];
    const char *command = run->record.values[RUN_FIELD_command].text;
    figure_seconds(summary_duration(&run->show.summary), took);
    bytes_text(b, "### ");
    add_words(b, report_name(run));
    bytes_text(b, "\n\n");
    add_ending(b, run);
    bytes_format(b, ", took %s", took);
    if (command != NULL) {
        bytes_text(b, " \xC2\xB7 ");
        add_words(b, command);
    }
    if (run->ending.trouble[0] != '\0') {
        bytes_text(b, "\n\n");
        add_words(b, run->ending.trouble);
    }
    if (run->show.summary.rows == 0) {
        bytes_text(b, "\n\nNo rows.\n");
        return;
    }
    add_table(b, run);
    for (size_t i = 0; i < run->findings.count; i++)
        bytes_format(b, "%s- %s\n", i == 0 ? "\n" : "", run->findings.list[i].text);
    add_commands(b, run);
    add_advice(b, run);
}

/* A line of the table of several. */
static void add_row(struct bytes *b, const struct report_run *run)
{
    char         took[FIGURE_MAX];
    struct cells cpu, memory;
    figure_seconds(summary_duration(&run->show.summary), took);
    cells_of(&run->show.summary, run->show.state, SUBJECT_PROCESS, MEASURE_CPU, &cpu);
    cells_of(&run->show.summary, run->show.state, SUBJECT_PROCESS, MEASURE_MEMORY, &memory);
    bytes_text(b, "| ");
    add_words(b, report_name(run));
    bytes_text(b, " | ");
    add_ending(b, run);
    bytes_format(b, " | %s | %s | %s |\n", took, cpu.mean, memory.max);
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
