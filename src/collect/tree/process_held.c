/* Descriptors of busy processes' files, taken and dropped within a limit. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/process_held.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "collect/tree/process_stat.h"

enum { HELD_MAX = 512, HELD_SHARE = 4, HELD_EACH = 2, NUMBERS_MIN = 64 };

int process_held_limit(long numbers)
{
    if (numbers < 0 || numbers / HELD_SHARE > HELD_MAX)
        return HELD_MAX;
    return numbers < NUMBERS_MIN ? 0 : (int)(numbers / HELD_SHARE);
}

void process_held_take(struct process_tree *tree, struct process *p)
{
    char path[PROCESS_PATH_SIZE];
    if (p->stat_fd >= 0 || p->io_denied || tree->held + HELD_EACH > tree->held_max)
        return;
    tree->held += HELD_EACH;
    process_path(path, p->pid, 0, "stat");
    p->stat_fd = openat(tree->proc, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    process_path(path, p->pid, 0, "io");
    p->io_fd = openat(tree->proc, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (p->stat_fd < 0 || p->io_fd < 0) {
        file_close(&p->stat_fd);
        file_close(&p->io_fd);
        tree->held -= HELD_EACH;
    }
}

void process_held_drop(struct process_tree *tree, struct process *p)
{
    if (p->stat_fd >= 0)
        tree->held -= HELD_EACH;
    file_close(&p->stat_fd);
    file_close(&p->io_fd);
}

void process_held_drop_all(struct process_tree *tree)
{
    for (size_t i = 0; i < tree->table.count; i++)
        process_held_drop(tree, &tree->table.list[i]);
    tree->held = 0;
}
