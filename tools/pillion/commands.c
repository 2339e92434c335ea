// SPDX-License-Identifier: Apache-2.0
#include "commands.h"

#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/bytes.h"
#include "base/csv.h"
#include "base/text.h"
#include "run_file.h"
#include "store/journal_read.h"
#include "store/run_dir.h"

enum { FILE_MAX = 256 * 1024 };

#define FIGURE_TOO_LARGE 1e15

/* The keys of the journal, and the columns of the file behind the name. */
static const char *const keys[] = {"processes",  "user_s",      "system_s", "memory_max_mib",
                                   "read_bytes", "write_bytes", "gpu_s"};

static double *figure(struct command_use *use, size_t i)
{
    double *const figures[ARRAY_LENGTH(keys)] = {&use->processes,      &use->user_s,     &use->system_s,
                                                 &use->memory_max_mib, &use->read_bytes, &use->write_bytes,
                                                 &use->gpu_s};
    return figures[i];
}

static double sane(double value)
{
    return value >= 0 && value < FIGURE_TOO_LARGE ? value : 0;
}

double command_cpu(const struct command_use *use)
{
    return use->user_s + use->system_s;
}

/* Keeps the order: most CPU first. */
static size_t insert(struct command_use *list, size_t count, size_t max, const struct command_use *use)
{
    size_t at = count;
    while (at > 0 && command_cpu(&list[at - 1]) < command_cpu(use))
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
        struct command_use use;
        const char        *name = journal_text(command, "name");
        if (name == NULL)
            continue;
        (void)snprintf(use.name, sizeof use.name, "%s", name);
        for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
            *figure(&use, i) = sane(journal_number(command, keys[i], 0));
        count = insert(ret, count, max, &use);
    }
    return count;
}

static size_t of_file(int dir, struct command_use *ret, size_t max)
{
    struct bytes file;
    struct text  line, rest = {NULL, NULL};
    size_t       count = 0;
    bytes_init(&file, FILE_MAX);
    if (dir >= 0 && run_file_load(dir, RUN_DIR_COMMANDS, &file) == 0 && file.data != NULL)
        rest = text_span(file.data, file.len);
    for (bool is_header = true; rest.at < rest.end && text_line(&rest, &line); is_header = false) {
        struct command_use use;
        if (is_header || !csv_take(&line, use.name, sizeof use.name) || use.name[0] == '\0')
            continue;
        for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
            char   cell[64] = "";
            double value;
            bool   good = csv_take(&line, cell, sizeof cell) && text_decimal(text_of(cell), &value);
            *figure(&use, i) = good ? sane(value) : 0;
        }
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

cJSON *commands_json(const cJSON *state, int dir)
{
    static struct command_use list[COMMANDS_MAX];
    size_t                    count = commands_top(state, dir, list, COMMANDS_MAX);
    cJSON                    *ret = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "name", list[i].name);
        for (size_t k = 0; k < ARRAY_LENGTH(keys); k++)
            cJSON_AddNumberToObject(object, keys[k], *figure(&list[i], k));
        cJSON_AddItemToArray(ret, object);
    }
    return ret;
}

double commands_gpu_s(const cJSON *state)
{
    const cJSON *commands = cJSON_GetObjectItemCaseSensitive(state, "commands");
    const cJSON *command;
    double       sum = cJSON_GetArraySize(commands) > 0 ? 0 : -1;
    cJSON_ArrayForEach(command, commands)
    {
        sum += sane(journal_number(command, "gpu_s", 0));
    }
    return sum;
}
