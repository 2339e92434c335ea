/* The name by which a process's use is told: its program's, or that of the script which its interpreter runs. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_COMMAND_NAME_H
#define PILLION_COLLECT_TREE_COMMAND_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { COMMAND_NAME_SIZE = 64 };

/* comm: the name that the kernel has, at most 15 bytes. arguments: as /proc/PID/cmdline has them, each with its NUL;
 * none: the kernel's name. The result is UTF-8 without control characters, and never empty. Pure. */
void command_name(const char *comm, const char *arguments, size_t size, char ret[static COMMAND_NAME_SIZE]);
/* The same; arguments is NULL-terminated. */
void command_name_by(const char *comm, const char *const *arguments, char ret[static COMMAND_NAME_SIZE]);

/* Reads /proc/PID/comm and, unless it waits in the kernel with its memory locked, cmdline (proc.rst, "Process-Specific
 * Subdirectories"). proc: a descriptor of /proc. 0, or -ESRCH: the process is gone, or out of reach. */
int command_name_read(int proc, pid_t pid, bool waits, char ret[static COMMAND_NAME_SIZE]);

#endif
