/* The state directory PILLION_DIR, where run directories live. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_STORE_STATE_DIR_H
#define PILLION_STORE_STATE_DIR_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct state_dir {
    int  dir;  /* PILLION_DIR, -1: none */
    int  runs; /* PILLION_DIR/runs */
    char path[PATH_MAX];
};

/* Opens the first of these: PILLION_DIR when set (then no other), $XDG_STATE_HOME/pillion, $HOME/.local/state/pillion,
 * /tmp/pillion-UID, /dev/shm/pillion-UID. HOME and XDG_STATE_HOME count only when owned by the effective user; below
 * them no component may be a link or another user's. In a PILLION_DIR of another owner, which lets others write, it is
 * the folder UID/. `create` makes missing folders, 0700.
 * 0; -ENOENT without `create` when there is none yet; -EACCES, -EROFS …; *ret is closed by state_dir_close. */
int state_dir_open(const char *(*lookup)(const char *name), bool create, struct state_dir *ret);
/* Tells where state_dir_open with `create` would come to, and makes nothing. 0, with ret->path, and open where it is
 * there already; or the error of state_dir_open. *ret_refused: why an earlier place cannot be used, or 0. */
int state_dir_predict(const char *(*lookup)(const char *name), struct state_dir *ret, int *ret_refused);
/* Opens the same place again, by its path, after state_dir_close. */
int  state_dir_reopen(struct state_dir *home);
void state_dir_close(struct state_dir *home); /* the path stays */

/* Marks are empty files in PILLION_DIR. The time of change says when something was last so. */
void    state_dir_mark(const struct state_dir *home, const char *name);
int64_t state_dir_mark_age(const struct state_dir *home,
                           const char             *name); /* seconds; -1: none, or far in the future */
/* True once in so many seconds for all who share this PILLION_DIR, and then renews the mark. Never true where the mark
 * cannot be made. */
bool state_dir_claim(const struct state_dir *home, const char *name, int64_t seconds);

#endif
