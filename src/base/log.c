// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

enum { LOG_LINE_MAX = 1024, LOG_EARLY_MAX = 16 * 1024, LOG_FILE_MAX = 256 * 1024, LOG_COPY_MAX = 1024 * 1024 };

void log_init(struct log *log, enum log_level level)
{
    *log = (struct log){.level = level, .file = -1, .copy = -1, .limit = LOG_FILE_MAX, .copy_limit = LOG_COPY_MAX};
    bytes_init(&log->early, LOG_EARLY_MAX);
}

static void put(int fd, size_t *limit, const char *line, size_t len)
{
    if (fd < 0 || len > *limit)
        return;
    *limit -= len;
    (void)file_write(fd, line, len, NULL);
}

void log_attach(struct log *log, int file)
{
    log->file = file;
    if (file >= 0 && log->early.len > 0) {
        put(file, &log->limit, log->early.data, log->early.len);
        bytes_clear(&log->early);
    }
}

void log_copy_to(struct log *log, int copy)
{
    log->copy = copy;
    if (log->early.len > 0)
        put(copy, &log->copy_limit, log->early.data, log->early.len);
}

void log_done(struct log *log)
{
    bytes_done(&log->early);
    log->file = log->copy = -1;
}

void log_line(struct log *log, enum log_level level, const char *format, ...)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    if (level > log->level)
        return;
    char line[LOG_LINE_MAX];
    char now[21];
    clock_format_utc(clock_real() / CLOCK_SECOND, now);
    int     head = snprintf(line, sizeof line, "%s %s ", now, names[level]);
    va_list args;
    va_start(args, format);
    int body = vsnprintf(line + head, sizeof line - (size_t)head - 1, format, args);
    va_end(args);
    if (head < 0 || body < 0)
        return;
    size_t len = (size_t)head + (size_t)body;
    if (len > sizeof line - 2)
        len = sizeof line - 2;
    for (size_t i = (size_t)head; i < len; i++)
        if (ascii_is_control(line[i]))
            line[i] = ' ';
    struct bytes words = {.data = line, .len = len};
    if (log->secret)
        (void)bytes_hide(&words, log->secret);
    line[len++] = '\n';
    if (log->file >= 0)
        put(log->file, &log->limit, line, len);
    else
        bytes_add(&log->early, line, len);
    put(log->copy, &log->copy_limit, line, len);
}
