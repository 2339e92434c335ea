/* The run's log: one line is one write; at most `limit` bytes in all. Engine, delivery and config log; collectors, the
 * client and base return errors instead. Never a secret, never the program's stdout. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_LOG_H
#define PILLION_BASE_LOG_H

#include <stddef.h>

#include "base/bytes.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct log {
    enum log_level level;      /* lines above it are dropped */
    int            file;       /* the run's `log`, -1 before it exists: lines then wait in `early` */
    int            copy;       /* PILLION_LOG, -1: none */
    size_t         limit;      /* bytes that may still go to `file` */
    size_t         copy_limit; /* the same for `copy` */
    const char    *secret;     /* never written, wherever the words come from; NULL */
    struct bytes   early;
};

void log_init(struct log *log, enum log_level level);
void log_attach(struct log *log, int file);  /* writes what waited; the descriptor stays the caller's */
void log_copy_to(struct log *log, int copy); /* the same for PILLION_LOG */
void log_done(struct log *log);

__attribute__((format(printf, 3, 4))) void log_line(struct log *log, enum log_level level, const char *format, ...);

#endif
