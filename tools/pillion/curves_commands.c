/* commands.csv: at most nine lines for each row of metrics.csv, with the same timestamp. A command that used nothing,
 * and whose memory has not changed, has no line. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/csv.h"
#include "base/text.h"
#include "curves.h"
#include "run_file.h"
#include "store/run_dir.h"

#define HALF_MILLISECOND 0.0005 /* timestamps have three decimals */

enum { FILE_MAX = 512 * 1024 * 1024, NAMES_MAX = 72 };

struct name {
    char   text[CURVE_NAME_MAX];
    double cpu;  /* core rows */
    int    slot; /* among the curves */
};

struct names {
    struct name list[NAMES_MAX];
    size_t      count;
};

struct line {
    double timestamp, processes, cpu, memory;
    char   name[CURVE_NAME_MAX];
};

static bool read_line(struct text t, struct line *ret)
{
    char    cell[64];
    double *numbers[] = {&ret->timestamp, NULL, &ret->processes, &ret->cpu, &ret->memory};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (i == 1 ? !csv_take(&t, ret->name, sizeof ret->name) : !csv_take(&t, cell, sizeof cell))
            return false;
        if (i != 1 && !text_decimal(text_of(cell), numbers[i]))
            *numbers[i] = 0;
    }
    return ret->timestamp > 0;
}

static struct name *find(struct names *names, const char *text)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->list[i].text, text) == 0)
            return &names->list[i];
    if (names->count == NAMES_MAX)
        return NULL;
    struct name *name = &names->list[names->count++];
    *name = (struct name){.slot = -1};
    memcpy(name->text, text, strlen(text) + 1);
    return name;
}

static int by_cpu(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    int                others = (strcmp(x->text, "others") == 0) - (strcmp(y->text, "others") == 0);
    return others != 0 ? others : x->cpu < y->cpu ? 1 : -(x->cpu > y->cpu);
}

/* The largest have a curve of their own, the rest shares the last. */
static int give_curves(struct curves *curves, struct names *names)
{
    qsort(names->list, names->count, sizeof *names->list, by_cpu);
    for (size_t i = 0; i < names->count; i++) {
        bool is_rest = i >= CURVES_COMMANDS - 1 && names->count > CURVES_COMMANDS;
        names->list[i].slot = is_rest ? CURVES_COMMANDS - 1 : (int)i;
        for (int of = CURVE_CPU_BY; of <= CURVE_MEMORY_BY; of += CURVE_MEMORY_BY - CURVE_CPU_BY) {
            struct curve *curve = &curves->list[of + names->list[i].slot];
            if (curve->value == NULL)
                curve->value = calloc(curves->rows + 1, sizeof *curve->value);
            if (curve->value == NULL)
                return -ENOMEM;
            strcpy(curve->name, is_rest ? "others" : names->list[i].text);
        }
    }
    return 0;
}

/* Takes a line into the row that has its timestamp; lines of rows that are not there tell memory alone. */
static void take(struct curves *curves, struct names *names, const struct line *line, size_t row, double *held)
{
    struct name *name = find(names, line->name);
    if (name == NULL || name->slot < 0)
        return;
    held[name - names->list] = line->processes > 0 ? line->memory : 0;
    if (line->timestamp > curves->timestamp[row] - HALF_MILLISECOND)
        curves->list[CURVE_CPU_BY + name->slot].value[row] += (float)line->cpu;
}

static bool next_line(struct text *rest, struct line *ret)
{
    struct text text;
    while (text_line(rest, &text))
        if (read_line(text, ret))
            return true;
    return false;
}

static void fill(struct curves *curves, struct names *names, struct text rest)
{
    double      held[NAMES_MAX] = {0}; /* MiB, as in the last line of each */
    struct line line;
    bool        is_there = next_line(&rest, &line);
    for (size_t row = 0; row < curves->rows; row++) {
        for (; is_there && line.timestamp <= curves->timestamp[row] + HALF_MILLISECOND;
             is_there = next_line(&rest, &line))
            take(curves, names, &line, row, held);
        for (size_t i = 0; i < names->count; i++)
            curves->list[CURVE_MEMORY_BY + names->list[i].slot].value[row] += (float)held[i];
    }
}

int curves_commands(struct curves *curves, int dir)
{
    static struct names names;
    struct bytes        content;
    struct text         line;
    bytes_init(&content, FILE_MAX);
    int result = run_file_load(dir, RUN_DIR_COMMANDS_ROWS, &content);
    if (result == 0 && content.data != NULL && curves->rows > 0) {
        struct text whole = text_span(content.data, content.len);
        struct line parts;
        names.count = 0;
        for (struct text rest = whole; text_line(&rest, &line);) {
            struct name *name = read_line(line, &parts) ? find(&names, parts.name) : NULL;
            if (name != NULL)
                name->cpu += parts.cpu;
        }
        result = give_curves(curves, &names);
        if (result == 0)
            fill(curves, &names, whole);
    }
    bytes_done(&content);
    return result;
}
