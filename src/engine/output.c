/* PILLION_OUTPUT: the rows once more, as CSV, or as JSON Lines where the name ends in .jsonl. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dir.h"
#include "base/file.h"
#include "base/program_name.h"
#include "engine/jsonl.h"
#include "engine/run.h"
#include "store/journal_write.h"

enum { WAITING_MAX = 16 * 1024 * 1024 };

struct output_jsonl {
    struct bytes line;
    struct bytes waiting; /* lines of before the file could be opened (PILLION_MIN_SECONDS, a pause) */
    bool         is_lost; /* the file cannot be written: nothing waits for it */
};

static void keep_jsonl(struct run *run)
{
    struct output_jsonl *jsonl = calloc(1, sizeof *jsonl);
    if (!jsonl)
        return;
    bytes_init(&jsonl->line, JSONL_LINE_MAX);
    bytes_init(&jsonl->waiting, WAITING_MAX);
    run->output.jsonl = jsonl;
    if (run->collectors)
        (void)collect_keep_details(run->collectors);
}

static void drop_jsonl(struct run *run)
{
    if (!run->output.jsonl)
        return;
    bytes_done(&run->output.jsonl->line);
    bytes_done(&run->output.jsonl->waiting);
    free(run->output.jsonl);
    run->output.jsonl = NULL;
}

void output_prepare(struct run *run)
{
    if (jsonl_is_wanted(run->output.pattern) && run->seat == SEAT_OWN)
        keep_jsonl(run);
}

/* The path is absolute, as of the directory at load: an image that follows may stand in another. */
static int output_path(const struct run *run, char ret[static PATH_MAX])
{
    char path[PATH_MAX];
    if (run->output.path)
        return text_copy(text_of(run->output.path), ret, PATH_MAX) ? 0 : -ENAMETOOLONG;
    int error = config_output(run->output.pattern, (long)run->shape.main_process, run->machine.host_name, run->dir.id,
                              path, sizeof path);
    return error < 0 ? error : dir_absolute(path, ret);
}

/* Half an object would be no line of JSON. */
static void write_out(struct run *run, const char *data, size_t len)
{
    int error = run->output.fd < 0 ? 0 : file_append(run->output.fd, data, len);
    if (error == 0)
        return;
    log_line(&run->log, LOG_WARN, "PILLION_OUTPUT: %s; no more rows go there", strerror(-error));
    file_close(&run->output.fd);
    if (run->output.jsonl)
        run->output.jsonl->is_lost = true;
}

/* Copies the rows that came before the run was made (PILLION_MIN_SECONDS). */
static void copy_rows(struct run *run)
{
    struct bytes rows;
    bytes_init(&rows, RUN_DIR_MEMORY_MAX);
    if (run_dir_load_rows(&run->dir, &rows) == 0 && rows.len > 0)
        write_out(run, rows.data, rows.len);
    bytes_done(&rows);
}

static void copy_what_waits(struct run *run, bool appends)
{
    struct output_jsonl *jsonl = run->output.jsonl;
    if (jsonl) {
        jsonl->is_lost = false;
        if (jsonl->waiting.len > 0)
            write_out(run, jsonl->waiting.data, jsonl->waiting.len);
        bytes_done(&jsonl->waiting);
        bytes_init(&jsonl->waiting, WAITING_MAX);
    } else if (!appends) {
        copy_rows(run);
    } else if (run->dir.memory_rows.len > 0) {
        write_out(run, run->dir.memory_rows.data, run->dir.memory_rows.len);
    }
}

/* The path may be one that an image before had, whatever this one's pattern is. */
static void choose_form(struct run *run, const char *path)
{
    bool wanted = jsonl_is_wanted(path);
    if (wanted && !run->output.jsonl)
        keep_jsonl(run);
    else if (!wanted)
        drop_jsonl(run);
}

/* Rows that the run has on disk stand in the output too: those of an image before, or of before a pause. */
void output_open(struct run *run)
{
    struct output *output = &run->output;
    char           path[PATH_MAX];
    bool           appends = run->dir.on_disk;
    if ((!output->pattern && !output->path) || run->seat != SEAT_OWN)
        return;
    int  error = output_path(run, path);
    bool goes_on = error == 0 && output->before && strcmp(path, output->before) == 0;
    if (error == 0)
        error = file_open_own(path, 0666, &output->fd);
    if (error == 0 && !appends && !goes_on && ftruncate(output->fd, 0) < 0) {
        error = -errno;
        file_close(&output->fd);
    }
    if (error < 0) {
        log_line(&run->log, LOG_WARN,
                 "PILLION_OUTPUT=%.200s cannot be written (%s): it has to be a regular file of its user with one "
                 "name; the run directory has the rows",
                 output->path ? output->path : output->pattern, strerror(-error));
        drop_jsonl(run);
        return;
    }
    choose_form(run, path);
    output->has_header = goes_on && lseek(output->fd, 0, SEEK_END) > 0;
    copy_what_waits(run, appends);
    if (output->path)
        return;
    journal_output(&run->dir, path);
    output->path = strdup(path);
}

static void ask_gpus(struct run *run, struct jsonl_gpus *ret)
{
    ret->count = collect_gpu_states(run->collectors, ret->state, JSONL_GPUS_MAX);
    if (ret->count > 0)
        collect_gpu_details(run->collectors, ret->detail, ret->count);
}

static void write_jsonl(struct run *run, struct text line, const struct sample *now)
{
    struct output_jsonl *jsonl = run->output.jsonl;
    struct jsonl_gpus    gpus;
    const char          *job_name = run->config.metadata.job_name;
    if (jsonl->is_lost)
        return;
    ask_gpus(run, &gpus);
    const struct jsonl_row row = {
        .line = line,
        .interval_ms = run->rows > 0 ? (now->monotonic - run->last.monotonic) / CLOCK_MILLISECOND : -1,
        .job_name = job_name ? job_name : program_name(run->executable, (const char *const *)run->arguments),
        .now = now,
        .details = collect_details(run->collectors),
        .gpus = &gpus,
    };
    bytes_clear(&jsonl->line);
    jsonl_encode(&row, &jsonl->line);
    if (jsonl->line.failed)
        log_line(&run->log, LOG_WARN, "PILLION_OUTPUT: a row is too long for a line of JSON, or memory is");
    else if (run->output.fd >= 0)
        write_out(run, jsonl->line.data, jsonl->line.len);
    else
        bytes_add(&jsonl->waiting, jsonl->line.data, jsonl->line.len);
}

void output_row(struct run *run, const struct sample *now)
{
    struct text rows = text_span(run->line.data, run->line.len);
    struct text header;
    struct text line;
    bool        wants_header = !run->output.jsonl && !run->output.has_header;
    if (run->rows == 0 && !wants_header)
        (void)text_line(&rows, &header);
    if (!run->output.jsonl)
        write_out(run, rows.at, text_len(rows));
    else if (text_line(&rows, &line))
        write_jsonl(run, line, now);
}
