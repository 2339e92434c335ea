/* Which runs are meant: the options that `list`, `rm`, `report` and `export` share. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_FILTER_H
#define PILLION_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "bucket.h"
#include "fields.h"
#include "runs.h"

struct filter {
    size_t      last;  /* 0: all */
    double      since; /* s since 1970, 0: ever */
    bool        is_failed, is_set;
    const char *state, *name, *job;
};

enum filter_option { FILTER_LAST = 1000, FILTER_SINCE, FILTER_FAILED, FILTER_STATE, FILTER_NAME, FILTER_JOB };

#define FILTER_OPTIONS                                                                                  \
    {"last", required_argument, NULL, FILTER_LAST}, {"since", required_argument, NULL, FILTER_SINCE},   \
        {"failed", no_argument, NULL, FILTER_FAILED}, {"state", required_argument, NULL, FILTER_STATE}, \
        {"name", required_argument, NULL, FILTER_NAME},                                                 \
    {                                                                                                   \
        "job", required_argument, NULL, FILTER_JOB                                                      \
    }

#define FILTER_HELP                                                                              \
    "  --last N      the N newest of them\n"                                                     \
    "  --since WHEN  begun since then: 2h, 3d, today, yesterday, 2026-11-28, 2026-11-28T13:30\n" \
    "  --failed      killed, with an exit status that is not 0, lost, or out of memory\n"        \
    "  --state S     in that state, or one of those: undelivered,lost\n"                         \
    "  --name N      of that name, or that task or job; * stands for any letters\n"              \
    "  --job ID      of that job, with its tasks and steps\n"

/* 1: taken; 0: not an option of these; -1 and a sentence: its value is wrong. */
int filter_take(struct filter *filter, const char *command, int option, const char *value);

/* What of a bucket has to be looked at for it. */
struct bucket_wanted filter_bucket(const struct filter *filter);

/* A run that is meant, while it is open. */
struct filter_run {
    const char              *id;
    const struct run_folder *folder;
    int                      dir;
    const cJSON             *state; /* NULL: it cannot be read */
    const char              *shown; /* run_state_shown */
    long                     ordinal;
    struct record           *record;   /* freed behind the visitor, unless it takes it away */
    bool                     is_taken; /* it did */
};

/* Visits each run that is meant, the newest of a folder first, whatever `last` says. 0, the first thing below 0 that a
 * visitor returned, or -errno and a sentence. *ret_total of them were looked at; *ret_whole: nothing was hidden. */
typedef int filter_visitor(void *context, struct filter_run *run);
int filter_each(const struct filter *filter, filter_visitor *visit, void *context, size_t *ret_total, bool *ret_whole);

/* The runs that are meant, oldest first. */
struct selection {
    struct run_folder folder;
    struct run_names  names;
    size_t           *at; /* of names; NULL where they are of all users */
    struct record    *records;
    size_t            count;
    size_t            total;    /* of which these were chosen */
    bool              is_whole; /* nothing was hidden from us */
};

/* 0, also when there is none; -errno and a sentence. Free with filter_done. */
int filter_select(const struct filter *filter, struct selection *ret);
/* The same for runs that are named, as runs_find has it, and stand in the run directory; -ENOENT when one does not. */
int  filter_named(char *const *operands, size_t count, struct selection *ret);
void filter_done(struct selection *selection);

#endif
