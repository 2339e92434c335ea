/* The runs on this machine: which there are, and which one a user means. In a folder only its owner's count. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_RUNS_H
#define PILLION_RUNS_H

#include <cJSON.h>

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "store/run_dir.h"
#include "store/state_dir.h"
#include "whose.h"

/* The names of the run directories, oldest first. */
struct run_names {
    char **names;
    size_t count;
};

/* The folder whose runs are meant, one's own or another's. 0, also where there is none yet; -errno and a sentence.
 * Close its home with state_dir_close. */
int runs_folder(struct run_folder *ret);
/* 0, also when there is no folder; -errno. Free with runs_free. */
int  runs_read(const struct run_folder *folder, struct run_names *ret);
void runs_free(struct run_names *names);

/* What RUN stands for. */
struct run_place {
    char id[RUN_DIR_ID_MAX]; /* name of the directory, or of the CSV file */
    char path[PATH_MAX];
    int  dir;                  /* the run directory, -1 for a CSV file */
    int  csv;                  /* the rows, -1: none yet */
    bool listed;               /* below PILLION_DIR/runs */
    long ordinal;              /* of the runs there, 0 the newest; -1: not looked for */
    bool is_first;             /* there is none before it */
    char user[WHOSE_NAME_MAX]; /* "": nobody asked */
};

/* Says what is wrong on stderr when it is not 0: -ENOENT, -EEXIST (not unique), -EPERM (another user's), -errno. */
int  runs_find(const char *name, struct run_place *ret);
void runs_done(struct run_place *place);

/* Opens a directory below PILLION_DIR/runs for reading; -EPERM when it is a link or another user's. */
int runs_open(const struct state_dir *home, const char *id, int *ret_dir);

/* Its state as people should see it: `lost` for one that has not ended and whose process is gone, `damaged` for one
 * without a readable state. */
const char *run_state_shown(const cJSON *state, int dir);

/* A small number of the state, a signal or an exit code; `fallback` for what is none. */
int run_number(const cJSON *state, const char *key, int fallback);
/* Seconds since 1970 of a time in the state, 0 when there is none. Fractions are kept. */
double run_time(const cJSON *state, const char *key);

/* The run that process `pid`, started at `start`, led most recently: its directory's name. -ENOENT. */
int runs_of_process(const struct state_dir *home, pid_t pid, unsigned long long start, char ret[static RUN_DIR_ID_MAX]);

const char *runs_lookup(const char *name); /* getenv, as state_dir_open wants it */

#endif
