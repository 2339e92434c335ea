/* Lines of commands.csv and `commands`, and the journal's totals. */
// SPDX-License-Identifier: Apache-2.0
#include "engine/commands.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/csv.h"
#include "base/file.h"
#include "base/json_write.h"
#include "base/number.h"
#include "collect/tree/commands.h"
#include "engine/row.h"
#include "engine/run.h"

enum { SHOWN = 8, LINES_MAX = 64 * 1024, NAME_WIDTH = 24 };

static const char rows_header[] =
    "timestamp,command,processes,cpu_usage,memory_mib,disk_read_bytes,disk_write_bytes,gpu_usage\n";
static const char totals_header[] = "name,processes,user_s,system_s,memory_max_mib,read_bytes,write_bytes,gpu_s\n";

struct shown {
    struct command *list[COMMANDS_MAX];
    size_t          count;
};

static uint64_t cpu_of(const struct command *command)
{
    return command->used[COMMAND_USER] + command->used[COMMAND_SYSTEM];
}

static bool has_use(const struct command *command)
{
    bool has = command->processes > 0 || command->memory > 0 || command->gpu_us > 0;
    for (int use = 0; use < COMMAND_USES; use++)
        has = has || command->used[use] > 0;
    return has;
}

static int by_use(const void *a, const void *b)
{
    const struct command *left = *(struct command *const *)a;
    const struct command *right = *(struct command *const *)b;
    uint64_t              left_cpu = cpu_of(left);
    uint64_t              right_cpu = cpu_of(right);
    if (left_cpu != right_cpu)
        return left_cpu < right_cpu ? 1 : -1;
    return left->memory_max < right->memory_max ? 1 : left->memory_max > right->memory_max ? -1 : left < right ? -1 : 1;
}

/* The largest first, and "others" last. */
static void sort(struct commands *commands, struct shown *ret)
{
    ret->count = 0;
    for (size_t i = 0; i < commands->count; i++)
        if (has_use(&commands->list[i]))
            ret->list[ret->count++] = &commands->list[i];
    qsort(ret->list, ret->count, sizeof *ret->list, by_use); // NOLINT(bugprone-sizeof-expression): pointers
    if (has_use(&commands->list[COMMANDS_MAX - 1]))
        ret->list[ret->count++] = &commands->list[COMMANDS_MAX - 1];
}

/* An interpreter's argument may be anything, the token too. A name that was cut may end with the token's beginning. */
static void hide(char name[static COMMAND_NAME_SIZE], const char *secret)
{
    struct bytes b = {.data = name, .len = strlen(name), .capacity = COMMAND_NAME_SIZE, .max = COMMAND_NAME_SIZE - 1};
    (void)bytes_hide(&b, secret);
    for (size_t i = 0; b.len == b.max && i + BYTES_SECRET_MIN <= b.len; i++)
        if (strncmp(name + i, secret, b.len - i) == 0)
            memset(name + i, '*', b.len - i);
}

static void hide_all(struct commands *commands, const char *secret)
{
    for (size_t i = 0; i < commands->count && secret[0]; i++)
        hide(commands->list[i].name, secret);
}

static void put_line(struct bytes *b, struct text timestamp, const struct command *c, double seconds)
{
    bytes_add(b, timestamp.at, text_len(timestamp));
    bytes_char(b, ',');
    csv_put(b, c->name);
    bytes_char(b, ',');
    bytes_unsigned(b, c->live);
    bytes_char(b, ',');
    bytes_decimal(b, seconds > 0 ? (double)(c->step[COMMAND_USER] + c->step[COMMAND_SYSTEM]) / 1e6 / seconds : 0, 4);
    bytes_char(b, ',');
    bytes_decimal(b, (double)c->memory / 1024, 2);
    bytes_char(b, ',');
    bytes_unsigned(b, c->step[COMMAND_READ]);
    bytes_char(b, ',');
    bytes_unsigned(b, c->step[COMMAND_WRITTEN]);
    bytes_char(b, ',');
    bytes_decimal(b, (double)c->gpu / 1e4, 4);
    bytes_char(b, '\n');
}

/* A command that used nothing and is as it was needs no line. */
static bool has_news(const struct command *c)
{
    bool has = c->memory != c->told_memory || c->live != c->told_live || c->gpu > 0;
    for (int use = 0; use < COMMAND_USES; use++)
        has = has || c->step[use] > 0;
    return has;
}

static void put_if_news(struct bytes *b, struct text timestamp, struct command *c, double seconds)
{
    if (!has_news(c))
        return;
    put_line(b, timestamp, c, seconds);
    c->told_memory = c->memory;
    c->told_live = c->live;
}

static void add_to_rest(struct command *rest, const struct command *c)
{
    rest->live += c->live;
    rest->memory += c->memory;
    rest->gpu += c->gpu;
    for (int use = 0; use < COMMAND_USES; use++)
        rest->step[use] += c->step[use];
}

static void put_row(struct commands *commands, const struct shown *shown, struct text timestamp, double seconds,
                    struct bytes *ret)
{
    struct command rest = {
        .name = "others", .told_memory = commands->rest_told_memory, .told_live = commands->rest_told_live};
    for (size_t i = 0; i < shown->count; i++) {
        struct command *c = shown->list[i];
        if (i < SHOWN && c != &commands->list[COMMANDS_MAX - 1]) {
            put_if_news(ret, timestamp, c, seconds);
        } else {
            add_to_rest(&rest, c);
            c->told_memory = c->told_live = 0; /* it has a line as soon as it is among the largest */
        }
    }
    put_if_news(ret, timestamp, &rest, seconds);
    commands->rest_told_memory = rest.told_memory;
    commands->rest_told_live = rest.told_live;
}

static void put_decimal(struct bytes *b, double value, int decimals, size_t width)
{
    char         text[32];
    struct bytes number = {.data = text, .capacity = sizeof text, .max = sizeof text - 1};
    bytes_decimal(&number, value, decimals);
    bytes_char(b, ',');
    for (size_t i = number.len; i < width; i++)
        bytes_char(b, ' ');
    bytes_add(b, text, number.len);
}

static double seconds_of(const struct command *c, enum command_use use)
{
    return (double)c->used[use] / 1e6;
}

/* Lines keep their place and their length, so those of a torn write are whole ones, if of two moments. */
static void put_total(struct bytes *b, const struct command *c)
{
    size_t before = b->len;
    csv_put(b, c->name);
    while (!b->failed && b->len - before < NAME_WIDTH)
        bytes_char(b, ' ');
    put_decimal(b, (double)c->processes, 0, 10);
    put_decimal(b, seconds_of(c, COMMAND_USER), 6, 16);
    put_decimal(b, seconds_of(c, COMMAND_SYSTEM), 6, 16);
    put_decimal(b, (double)c->memory_max / 1024, 2, 12);
    put_decimal(b, (double)c->used[COMMAND_READ], 0, 16);
    put_decimal(b, (double)c->used[COMMAND_WRITTEN], 0, 16);
    put_decimal(b, (double)c->gpu_us / 1e6, 3, 12);
    bytes_char(b, '\n');
}

static void write_totals(struct run *run, const struct commands *commands)
{
    struct bytes text;
    bytes_init(&text, LINES_MAX);
    bytes_text(&text, totals_header);
    for (size_t i = 0; i < COMMANDS_MAX; i++)
        if (commands->list[i].name[0] && has_use(&commands->list[i]))
            put_total(&text, &commands->list[i]);
    if (!text.failed)
        run_dir_write_commands(&run->dir, text.data, text.len);
    bytes_done(&text);
}

/* The first row after an exec has what the image before used since its last one: the program's own, of which nobody
 * read more. */
static void add_missing(struct commands *commands, const struct sample *before, const struct sample *now)
{
    const uint64_t  rise[COMMAND_USES] = {row_delta(before->tree_user, now->tree_user),
                                          row_delta(before->tree_system, now->tree_system),
                                          row_delta(before->tree_disk_read, now->tree_disk_read),
                                          row_delta(before->tree_disk_write, now->tree_disk_write)};
    struct command *program = commands->count > 0 ? &commands->list[0] : NULL;
    for (int use = 0; use < COMMAND_USES && program; use++) {
        uint64_t sum = 0;
        for (size_t i = 0; i < COMMANDS_MAX; i++)
            sum += commands->list[i].step[use];
        uint64_t missing = saturating_subtract(rise[use], sum);
        program->step[use] += missing;
        program->used[use] += missing;
    }
}

static void add_gpu_time(struct commands *commands, int64_t length)
{
    for (size_t i = 0; i < COMMANDS_MAX && length > 0; i++)
        commands->list[i].gpu_us += (uint64_t)((double)commands->list[i].gpu / 1e4 * (double)length / 1e3);
}

void commands_note_row(struct run *run, const struct sample *now, struct text timestamp)
{
    struct commands *commands = collect_commands(run->collectors);
    struct shown     shown;
    struct bytes     lines;
    bool             is_short = run->shape.is_last && !run_dir_has_commands(&run->dir);
    if (commands) {
        add_missing(commands, &run->last, now);
        add_gpu_time(commands, now->monotonic - run->last.monotonic);
    }
    if (!commands || is_short || run->state != RUN_MADE)
        return;
    bytes_init(&lines, LINES_MAX);
    if (!run_dir_has_commands(&run->dir))
        bytes_text(&lines, rows_header);
    hide_all(commands, run->config.secret);
    sort(commands, &shown);
    size_t before = lines.len;
    put_row(commands, &shown, timestamp, (double)(now->monotonic - run->last.monotonic) / 1e9, &lines);
    if (lines.len > before && !lines.failed && run_dir_append_commands(&run->dir, lines.data, lines.len) == 0)
        write_totals(run, commands);
    bytes_done(&lines);
}

static void put_json(struct bytes *b, const char *key, double value, int decimals)
{
    json_key(b, key);
    bytes_decimal(b, value, decimals);
}

void commands_totals(const struct run *run, struct bytes *ret)
{
    struct commands *commands = collect_commands(run->collectors);
    struct shown     shown = {.count = 0};
    if (commands) {
        hide_all(commands, run->config.secret);
        sort(commands, &shown);
    }
    bytes_char(ret, '[');
    for (size_t i = 0; i < shown.count; i++) {
        const struct command *c = shown.list[i];
        bytes_text(ret, i > 0 ? ",{" : "{");
        json_key(ret, "name");
        json_string(ret, c->name, strlen(c->name));
        put_json(ret, "processes", (double)c->processes, 0);
        put_json(ret, "user_s", seconds_of(c, COMMAND_USER), 6);
        put_json(ret, "system_s", seconds_of(c, COMMAND_SYSTEM), 6);
        put_json(ret, "memory_max_mib", (double)c->memory_max / 1024, 2);
        put_json(ret, "read_bytes", (double)c->used[COMMAND_READ], 0);
        put_json(ret, "write_bytes", (double)c->used[COMMAND_WRITTEN], 0);
        put_json(ret, "gpu_s", (double)c->gpu_us / 1e6, 3);
        bytes_char(ret, '}');
    }
    bytes_char(ret, ']');
}

static bool take_number(struct text *line, double *ret)
{
    struct text cell;
    if (!text_until(line, ',', &cell))
        return false;
    text_blanks(&cell);
    return text_decimal(cell, ret);
}

static void resume_line(struct commands *commands, struct text line)
{
    char   name[COMMAND_NAME_SIZE];
    double value[7];
    bool   good = csv_take(&line, name, sizeof name) && name[0];
    for (size_t i = 0; good && i < ARRAY_LENGTH(value); i++)
        good = take_number(&line, &value[i]) && value[i] < 1e18;
    struct command *c = good ? commands_add(commands, name) : NULL;
    if (!c)
        return;
    c->processes += (uint64_t)value[0];
    c->used[COMMAND_USER] += (uint64_t)(value[1] * 1e6 + 0.5);
    c->used[COMMAND_SYSTEM] += (uint64_t)(value[2] * 1e6 + 0.5);
    uint64_t memory = (uint64_t)(value[3] * 1024 + 0.5);
    c->memory_max = memory > c->memory_max ? memory : c->memory_max;
    c->used[COMMAND_READ] += (uint64_t)value[4];
    c->used[COMMAND_WRITTEN] += (uint64_t)value[5];
    c->gpu_us += (uint64_t)(value[6] * 1e6 + 0.5);
}

void commands_resume(struct run *run)
{
    struct commands *commands = collect_commands(run->collectors);
    struct bytes     text;
    struct text      line;
    bytes_init(&text, LINES_MAX);
    if (commands && file_load(run->dir.dir, RUN_DIR_COMMANDS, &text) == 0 && text.data) {
        struct text rest = text_span(text.data, text.len);
        (void)text_line(&rest, &line); /* the header */
        while (text_line(&rest, &line))
            resume_line(commands, line);
    }
    bytes_done(&text);
}
