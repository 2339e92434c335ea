/* CMD of `pillion run`: where it is, and how it is started as if nobody stood between. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_LAUNCH_H
#define PILLION_LAUNCH_H

#include <limits.h>
#include <signal.h>
#include <sys/types.h>

/* Finds what a shell would run for `name`. 0 or -errno, and that in words. */
int         launch_look(const char *name, char ret[static PATH_MAX]);
const char *launch_reason(const char *name, int error);
/* The same: 0; or EXIT_NOT_FOUND, EXIT_NOT_EXECUTABLE after a sentence on stderr. */
int launch_find(const char *name, char ret[static PATH_MAX]);

/* What this process changed in itself, to be undone in CMD. */
struct signals {
    sigset_t         mask;
    struct sigaction child;
};

/* Blocks all signals, for watch.h to read them, and makes SIGCHLD one that is sent. */
void signals_take(struct signals *ret);
void signals_give_back(const struct signals *saved);

/* Becomes CMD. Returns only if that fails: the exit code, after a sentence on stderr. */
int launch_here(const char *path, char *const *arguments);

/* Starts CMD as a child, which becomes CMD once the caller has closed the gate. Its pid, or -errno. */
pid_t launch_child(const char *path, char *const *arguments, const struct signals *saved, int *ret_gate);

#endif
