/* Files below the roots are opened here. Allocates: no. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_ROOTS_H
#define PILLION_BASE_ROOTS_H

#include <stdbool.h>
#include <stddef.h>

struct roots {
    const char *proc; /* "/proc" */
    const char *sys;  /* "/sys" */
};

/* Opens root/path (path relative, "." for the root itself) for reading, O_CLOEXEC, without ever blocking.
 * `flags` is added (O_DIRECTORY). Returns a descriptor of the caller, or -errno. */
int roots_open(const char *root, const char *path, int flags);

/* Does this /proc number processes as we do? A /proc that was mounted in another PID namespace than ours does not
 * (`unshare --pid` without --mount-proc): there, our numbers are other processes'. `proc`: a descriptor of it. */
bool roots_has_our_numbers(int proc);

/* Is /proc (a descriptor of it) that of the first PID namespace? Its inode number is fixed since Linux 3.8:
 * PROC_PID_INIT_INO in include/linux/proc_ns.h. */
bool roots_is_first_pid_namespace(int proc);

/* Reads the first line of a small file below a root, without the blanks around it; "" when it cannot be read or does
 * not fit. */
void roots_read_line(const char *root, const char *path, char *ret, size_t size);

#endif
