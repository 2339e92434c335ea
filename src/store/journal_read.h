/* The journal run.jsonl as one merged state: each line is a JSON object, and the last value of a key stands. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_STORE_JOURNAL_READ_H
#define PILLION_STORE_JOURNAL_READ_H

#include <cJSON.h>

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/run_dir.h"

/* Reads the merged state of the run whose directory is open at `dir`; free it with cJSON_Delete. Lines that are no
 * object, and a last line without \n, are skipped. 0, -ENOENT, -EFBIG, -EBADMSG (no line at all), -ENOMEM. */
int journal_load(int dir, cJSON **ret);
/* The same from run.jsonl itself, held open. */
int journal_load_held(int file, cJSON **ret);
/* That of an open run, with the lines that wait in memory. */
int journal_load_run(const struct run_dir *run, cJSON **ret);

/* Strings and numbers of the state; NULL or `fallback` when absent or of another type. */
const char *journal_text(const cJSON *state, const char *key);
bool        journal_is(const cJSON *state, const char *key, const char *value);
double      journal_number(const cJSON *state, const char *key, double fallback);

/* Is it in a format that this version does not know? A run without the key is of the first one. */
bool journal_is_newer(const cJSON *state);

/* Is the process of a run that has not ended still there? */
enum liveness {
    LIVENESS_ALIVE,
    LIVENESS_DEAD,
    LIVENESS_FOREIGN,  /* of another boot, machine or pid namespace, or hidden; its files are still fresh: counts as
                          alive */
    LIVENESS_UNLOCKED, /* of another pid namespace or hidden, and nobody holds the lock: dead, or just now between two
                          images */
};
enum liveness journal_liveness(const cJSON *state, int dir);
/* The same, never LIVENESS_UNLOCKED: looks again for some seconds, in all calls together, whether it stays so. */
enum liveness journal_liveness_at_last(const cJSON *state, int dir);
/* The same; `from_outside` is asked where the process cannot be asked for by its number. */
enum liveness journal_liveness_by(const cJSON *state, int dir,
                                  enum liveness (*from_outside)(const cJSON *state, int dir));
/* A run is dead when its files are older, in seconds: *ret_quiet where nobody holds its lock, *ret_silent in any case.
 */
void journal_patience(const cJSON *state, int64_t *ret_quiet, int64_t *ret_silent);
/* Start time of a process in clock ticks since boot (proc.rst, stat, field 22); false when it is gone. */
bool journal_process_started(int pid, uint64_t *ret);
/* True when /proc numbers processes as we do: else a number there is another process's. */
bool journal_knows_numbers(void);
/* True for a run that was made on this machine since it booted. */
bool journal_is_of_this_kernel(const cJSON *state);
/* The same, and in this pid namespace. */
bool journal_is_of_this_boot(const cJSON *state);

#endif
