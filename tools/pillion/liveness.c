// SPDX-License-Identifier: Apache-2.0
#include "liveness.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "run_file.h"
#include "store/run_dir.h"

enum { LOCKS_MAX = 8 * 1024 * 1024 };

#define FIRST_PID_NAMESPACE 0xEFFFFFFCU /* include/linux/proc_ns.h: PROC_PID_INIT_INO */

/* Does nobody hold a lock on this file? /proc/locks names those of all processes in the first PID namespace alone. A
 * file is told by its inode: its device may have another number there (btrfs). */
static bool is_free(int lock)
{
    struct bytes locks;
    struct stat  file, space;
    struct text  line, rest = {NULL, NULL};
    char         number[32];
    if (fstat(lock, &file) < 0 || stat("/proc/self/ns/pid", &space) < 0 || space.st_ino != FIRST_PID_NAMESPACE)
        return false;
    (void)snprintf(number, sizeof number, ":%llu 0 EOF", (unsigned long long)file.st_ino);
    bytes_init(&locks, LOCKS_MAX);
    bool is_read = file_load(AT_FDCWD, "/proc/locks", &locks) == 0;
    bool is_found = false;
    if (locks.data != NULL)
        rest = text_span(locks.data, locks.len);
    while (!is_found && rest.at < rest.end && text_line(&rest, &line))
        is_found = memmem(line.at, text_len(line), number, strlen(number)) != NULL;
    bytes_done(&locks);
    return is_read && !is_found;
}

/* As the leader's own reader does it, which takes the lock for a moment. */
static bool is_unlocked(const cJSON *state, int dir)
{
    int lock = -1;
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(state, "paused")) || !journal_is_of_this_kernel(state))
        return false;
    bool unlocked = run_file_open(dir, RUN_DIR_LOCK, &lock) == 0 && run_dir_sees_lock(lock) && is_free(lock);
    file_close(&lock);
    return unlocked;
}

static enum liveness from_outside(const cJSON *state, int dir)
{
    int64_t  quiet, silent, changed = 0;
    uint64_t bytes = 0;
    journal_patience(state, &quiet, &silent);
    run_dir_measure(dir, &bytes, &changed);
    int64_t age = clock_real() / CLOCK_SECOND - changed;
    return age > silent || (age > quiet && is_unlocked(state, dir)) ? LIVENESS_DEAD : LIVENESS_FOREIGN;
}

enum liveness liveness_untouched(const cJSON *state, int dir)
{
    return journal_liveness_by(state, dir, from_outside);
}
