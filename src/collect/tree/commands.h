/* The tree's use, by command: who of the tree used what. What a process used itself stands under its own name. What
 * only its parent's sum of reaped children tells is the last part of children that were seen, as far as they can have
 * used so much since, and else stands under "NAME's short children", NAME being the parent's. I/O of children that were
 * never seen stands under the parent's own name: the kernel has one number for both. The sums are the tree's own
 * figures. Thread: pillion. Allocates: no. Files: /proc/PID/{comm,cmdline}, opened, read and closed, of new processes.
 */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_COMMANDS_H
#define PILLION_COLLECT_TREE_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collect/tree/command_name.h"

enum { COMMANDS_MAX = 65 }; /* the last one is "others": what had no place any more */

enum command_use { COMMAND_USER, COMMAND_SYSTEM, COMMAND_READ, COMMAND_WRITTEN, COMMAND_USES };

struct command {
    char     name[COMMAND_NAME_SIZE];
    uint64_t processes;              /* seen with this name, in all */
    uint64_t live;                   /* of them, now */
    uint64_t used[COMMAND_USES];     /* microseconds, bytes */
    uint64_t step[COMMAND_USES];     /* the part of the last reading */
    uint64_t pending[COMMAND_USES];  /* found, and not in the tree's figures yet */
    uint64_t gpu;                    /* ten-thousandths of devices, the mean of the last reading */
    uint64_t gpu_us;                 /* device microseconds; engine/commands.c adds them up */
    uint64_t memory, memory_max;     /* KiB of PSS */
    uint64_t told_memory, told_live; /* as its last line has them: engine/commands.c */
};

struct commands {
    struct command list[COMMANDS_MAX];
    size_t         count;                            /* in front; "others" has its place at the end */
    uint64_t       reported[COMMAND_USES];           /* the tree's figures as they were at the last reading */
    uint64_t       rest_told_memory, rest_told_live; /* of the line of all that are not among the largest */
    bool           begun;
};

/* The tree has been read, its lost processes are settled and its figures reported; those that are gone still stand in
 * the table. */
struct process_tree;
void commands_read(struct commands *commands, struct process_tree *tree, int64_t elapsed);
/* The memory of the tree has been read. KiB */
void commands_read_memory(struct commands *commands, const struct process_tree *tree, uint64_t memory);
/* The GPUs have been read, after the tree. usage: the tree's, in ten-thousandths of devices. */
void commands_read_gpu(struct commands *commands, const struct process_tree *tree, uint64_t usage);
/* Another run begins with the last reading. */
void commands_begin_again(struct commands *commands);
/* Adds the totals of an image before an exec; NULL: no place is left. The name is cut to its size. */
struct command *commands_add(struct commands *commands, const char *name);

#endif
