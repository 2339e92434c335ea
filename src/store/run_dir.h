/* A run directory is PILLION_DIR/runs/ID/ with run.jsonl, metrics.csv, log and lock: all that is needed to finish the
 * run after its program is gone. Files are append-only. A line is one write, and a torn last line is cut before
 * anything is appended. Without a writable place the same calls keep the run in memory, RUN_DIR_MEMORY_MAX at most. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_STORE_RUN_DIR_H
#define PILLION_STORE_RUN_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "store/state_dir.h"

#define RUN_DIR_JOURNAL       "run.jsonl"
#define RUN_DIR_ROWS          "metrics.csv"
#define RUN_DIR_LOG           "log"
#define RUN_DIR_COMMANDS      "commands"     /* totals by command, as they stand */
#define RUN_DIR_COMMANDS_ROWS "commands.csv" /* the same over time */
#define RUN_DIR_GPUS_ROWS     "gpus.csv"     /* GPUs one by one, over time */
#define RUN_DIR_LOCK          "lock"

/* Of run.jsonl; a reader leaves a run of a higher one alone. */
enum { JOURNAL_FORMAT = 1 };
enum { RUN_DIR_ID_MAX = 128, RUN_DIR_MEMORY_MAX = 16 * 1024 * 1024, RUN_DIR_STATE_MAX = 4 * 1024 * 1024 };

struct run_dir {
    char         id[RUN_DIR_ID_MAX];
    int          dir, state, rows, log, lock; /* -1 when closed */
    int          commands, commands_rows;     /* -1 until the first of their lines */
    int          gpus_rows;                   /* the same */
    bool         on_disk;                     /* rows went to the disk: without the file, memory_rows are not the run */
    struct bytes memory_rows;                 /* rows that are not on disk: no directory, or the disk refused them */
    uint64_t     forgotten;                   /* bytes between header and memory_rows' first row, safe elsewhere */
    uint64_t     safe;                        /* up to here the rows are stored at S3 */
    uint64_t     lost_rows;                   /* rows that neither disk nor memory took */
    struct bytes facts;                       /* lines of run.jsonl that the disk refused, and that no other repeats */
    bool         keeps_facts;                 /* without a directory too: somebody reads them with journal_load_run */
    bool         log_later;                   /* a new directory gets its log by run_dir_make_log */
    int64_t      made_at;                     /* of the folder, ns since 1970, by the file server's clock */
    int64_t      clock_offset;                /* ns that our clock was ahead of that one; 0: nothing to speak of */
};

void run_dir_init(struct run_dir *run);
/* Makes and locks a new directory. Its name is UTC start, machine name and pid, then -2, -3 … while that is taken. */
int run_dir_create(const struct state_dir *home, int64_t started_s, const char *machine, pid_t pid,
                   struct run_dir *ret);
/* Makes the log that was left out. */
int run_dir_make_log(struct run_dir *run);
/* Is it a folder in which nothing stands? It is no run: made ahead of one (engine/create.c), or its maker was killed.
 */
bool run_dir_is_blank(int dir);
/* Writes into a new run's lock which file it is, by device and inode. Who finds another there has another view of the
 * folder, and does not see who holds it. */
void run_dir_sign_lock(const struct run_dir *run);
/* Is the open lock the very file that the run's maker saw? */
bool run_dir_sees_lock(int lock);
/* The files that are open in `from` become this run's, and so does the name; rows that wait in memory stay. */
void run_dir_take_files(struct run_dir *run, struct run_dir *from);
/* Opens and locks an existing one. -EBUSY: somebody works on it; -EPERM: it is another user's, or a link; -EBADMSG: no
 * line ends the file; -ENOLCK: flock is refused here (it is open then, but not locked); -ENOENT. */
int run_dir_open(const struct state_dir *home, const char *id, struct run_dir *ret);
/* Closes the files; rows that wait in memory stay. run_dir_open with the same ID goes on. */
void run_dir_suspend(struct run_dir *run);
void run_dir_close(struct run_dir *run);

int run_dir_append_state(struct run_dir *run, const char *json, size_t len); /* without \n */
/* The same for a fact. When refused for lack of room it is not lost: it goes before the next line, or with the next
 * row. */
void run_dir_append_fact(struct run_dir *run, const char *json, size_t len);
/* `line` ends with \n; the header is one too. -errno of the disk: the row waits in memory, or is lost (lost_rows
 * rises). */
int  run_dir_append_row(struct run_dir *run, const char *line, size_t len);
bool run_dir_has_commands(const struct run_dir *run);
/* Appends lines to commands.csv, which is made with its first ones. 0 or -errno: they are dropped, for the rows tell
 * the whole. */
int run_dir_append_commands(struct run_dir *run, const char *lines, size_t len);
/* The same for gpus.csv. */
bool run_dir_has_gpus(const struct run_dir *run);
int  run_dir_append_gpus(struct run_dir *run, const char *lines, size_t len);
/* Replaces the content of `commands`. */
void run_dir_write_commands(struct run_dir *run, const char *text, size_t len);
/* Cuts the header of rows that waited for the run to be made: one header is enough. */
void run_dir_cut_waiting_header(struct run_dir *run);
/* Loads all rows, header first, whole lines only. -EFBIG beyond ret->max, or when memory has forgotten some. */
int run_dir_load_rows(const struct run_dir *run, struct bytes *ret);
/* The size of the rows as one sequence of bytes: those on disk, then, if `waiting`, those in memory. */
uint64_t run_dir_rows_size(const struct run_dir *run, bool waiting);
/* Appends at most `len` of those bytes, from `from` on; fewer when there are no more. 0, -EACCES (on disk, and out of
 * reach), -errno, -ENOMEM. */
int run_dir_read_rows(const struct run_dir *run, uint64_t from, size_t len, struct bytes *ret);
/* True without any directory: rows that are not delivered before the process ends are gone. */
bool run_dir_is_in_memory(const struct run_dir *run);
/* The size of a run's files, and the time of the last change, s since 1970. `lock` does not count: it is touched to
 * read the file server's clock. */
void run_dir_measure(int dir, uint64_t *ret_bytes, int64_t *ret_changed);
/* Removes a run, unless somebody works on it. */
void run_dir_remove(const struct state_dir *home, const char *name);
/* Removes a blank folder, unless somebody holds it. True: it is gone. */
bool run_dir_sweep(const struct state_dir *home, const char *name);

#endif
