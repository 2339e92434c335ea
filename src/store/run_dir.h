/* A run directory is PILLION_DIR/runs/ID/ with run.jsonl, metrics.csv, log and lock: all that is needed to finish the
 * run after its program is gone. Files are append-only. A line is one write, and a torn last line is cut before
 * anything is appended. Without a writable place the same calls keep the run in memory, RUNDIR_MEMORY_MAX at most. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_STORE_RUN_DIR_H
#define PILLION_STORE_RUN_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "store/state_dir.h"

#define RUNDIR_JOURNAL "run.jsonl"
#define RUNDIR_ROWS    "metrics.csv"
#define RUNDIR_LOG     "log"
#define RUNDIR_LOCK    "lock"

enum { RUNDIR_ID_MAX = 128, RUNDIR_MEMORY_MAX = 16 * 1024 * 1024, RUNDIR_STATE_MAX = 4 * 1024 * 1024 };

struct rundir {
    char         id[RUNDIR_ID_MAX];
    int          dir, state, rows, log, lock; /* -1 when closed */
    bool         on_disk;                     /* rows went to the disk: without the file, memory_rows are not the run */
    struct bytes memory_rows;                 /* rows that are not on disk: no directory, or the disk refused them */
    uint64_t     forgotten;                   /* bytes between header and memory_rows' first row, safe elsewhere */
    uint64_t     safe;                        /* up to here the rows are stored at S3 */
    uint64_t     lost_rows;                   /* rows that neither disk nor memory took */
    struct bytes facts;                       /* lines of run.jsonl that the disk refused, and that no other repeats */
};

void rundir_init(struct rundir *run);
/* Makes and locks a new directory. Its name is UTC start, machine name and pid, then -2, -3 … while that is taken. */
int rundir_create(const struct home *home, int64_t started_s, const char *machine, pid_t pid, struct rundir *ret);
/* Opens and locks an existing one. -EBUSY: somebody works on it; -EPERM: it is another user's, or a link; -EBADMSG: no
 * line ends the file; -ENOLCK: flock is refused here (it is open then, but not locked); -ENOENT. */
int rundir_open(const struct home *home, const char *id, struct rundir *ret);
/* Closes the files; rows that wait in memory stay. rundir_open with the same ID goes on. */
void rundir_suspend(struct rundir *run);
void rundir_close(struct rundir *run);

int rundir_append_state(struct rundir *run, const char *json, size_t len); /* without \n */
/* The same for a fact. When refused for lack of room it is not lost: it goes before the next line, or with the next
 * row. */
void rundir_append_fact(struct rundir *run, const char *json, size_t len);
/* `line` ends with \n; the header is one too. -errno of the disk: the row waits in memory, or is lost (lost_rows
 * rises). */
int rundir_append_row(struct rundir *run, const char *line, size_t len);
/* Cuts the header of rows that waited for the run to be made: one header is enough. */
void rundir_cut_waiting_header(struct rundir *run);
/* Loads all rows, header first, whole lines only. -EFBIG beyond ret->max, or when memory has forgotten some. */
int rundir_load_rows(const struct rundir *run, struct bytes *ret);
/* The size of the rows as one sequence of bytes: those on disk, then, if `waiting`, those in memory. */
uint64_t rundir_rows_size(const struct rundir *run, bool waiting);
/* Appends at most `len` of those bytes, from `from` on; fewer when there are no more. 0, -EACCES (on disk, and out of
 * reach), -errno, -ENOMEM. */
int rundir_read_rows(const struct rundir *run, uint64_t from, size_t len, struct bytes *ret);
/* True without any directory: rows that are not delivered before the process ends are gone. */
bool rundir_is_in_memory(const struct rundir *run);
/* The size of a run's files, and the time of the last change, s since 1970. `lock` does not count: it is touched to
 * read the file server's clock. */
void rundir_measure(int dir, uint64_t *ret_bytes, int64_t *ret_changed);
/* Removes a run, unless somebody works on it. */
void rundir_remove(const struct home *home, const char *name);

#endif
