// SPDX-License-Identifier: Apache-2.0
#include "commands.h"

#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/text.h"
#include "store/journal_read.h"

enum { FILE_MAX = 256 * 1024, CELLS_MAX = 8 };

#define FIGURE_TOO_LARGE 1e15

static double sane(double value)
{
    return value >= 0 && value < FIGURE_TOO_LARGE ? value : 0;
}

/* Keeps the order: most CPU first. */
static size_t insert(struct command_use *list, size_t count, size_t max, const struct command_use *use)
{
    size_t at = count;
    while (at > 0 && list[at - 1].cpu_s < use->cpu_s)
        at--;
    if (at >= max)
        return count;
    size_t last = count < max ? count : max - 1;
    memmove(&list[at + 1], &list[at], (last - at) * sizeof *list);
    list[at] = *use;
    return last + 1;
}

static size_t of_state(const cJSON *state, struct command_use *ret, size_t max)
{
    const cJSON *command;
    size_t       count = 0;
    cJSON_ArrayForEach(command, cJSON_GetObjectItemCaseSensitive(state, "commands"))
    {
        struct command_use use = {.processes = sane(journal_number(command, "processes", 0)),
                                  .memory_max_mib = sane(journal_number(command, "memory_max_mib", 0)),
                                  .gpu_s = sane(journal_number(command, "gpu_s", 0))};
        const char        *name = journal_text(command, "name");
        use.cpu_s = sane(journal_number(command, "user_s", 0)) + sane(journal_number(command, "system_s", 0));
        if (name == NULL)
            continue;
        (void)snprintf(use.name, sizeof use.name, "%s", name);
        count = insert(ret, count, max, &use);
    }
    return count;
}

/* A cell of RFC 4180, without its quotes and the blanks around it. */
static void next_cell(struct text *line, char *ret, size_t size)
{
    size_t len = 0;
    bool   quoted = false;
    text_blanks(line);
    for (; line->at < line->end && (quoted || *line->at != ','); line->at++) {
        bool is_twice = quoted && *line->at == '"' && line->at + 1 < line->end && line->at[1] == '"';
        if (*line->at == '"' && !is_twice) {
            quoted = !quoted;
            continue;
        }
        if (is_twice)
            line->at++;
        if (len + 1 < size)
            ret[len++] = *line->at;
    }
    if (line->at < line->end)
        line->at++;
    while (len > 0 && ret[len - 1] == ' ')
        len--;
    ret[len] = '\0';
}

/* The columns as their header has them: name,processes,user_s,system_s,memory_max_mib,read_bytes,write_bytes,gpu_s */
static size_t of_file(int dir, struct command_use *ret, size_t max)
{
    enum { NAME, PROCESSES, USER, SYSTEM, MEMORY, READ, WRITTEN, GPU };
    struct bytes file;
    struct text  line, rest = {NULL, NULL};
    size_t       count = 0;
    bytes_init(&file, FILE_MAX);
    if (dir >= 0 && file_load(dir, "commands", &file) == 0 && file.data != NULL)
        rest = text_span(file.data, file.len);
    for (bool is_header = true; rest.at < rest.end && text_line(&rest, &line); is_header = false) {
        struct command_use use = {.name = ""};
        double             figures[CELLS_MAX] = {0};
        if (is_header)
            continue;
        next_cell(&line, use.name, sizeof use.name);
        for (size_t i = PROCESSES; i < ARRAY_LENGTH(figures); i++) {
            char cell[64];
            next_cell(&line, cell, sizeof cell);
            if (!text_decimal(text_of(cell), &figures[i]))
                figures[i] = 0;
        }
        use.processes = sane(figures[PROCESSES]);
        use.cpu_s = sane(figures[USER]) + sane(figures[SYSTEM]);
        use.memory_max_mib = sane(figures[MEMORY]);
        use.gpu_s = sane(figures[GPU]);
        if (use.name[0] != '\0')
            count = insert(ret, count, max, &use);
    }
    bytes_done(&file);
    return count;
}

size_t commands_top(const cJSON *state, int dir, struct command_use *ret, size_t max)
{
    size_t count = of_state(state, ret, max);
    return count > 0 ? count : of_file(dir, ret, max);
}
