/* The processes that KFD lists are looked for in the tree. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/gpu/gpu_amd_kfd.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/roots.h"
#include "base/text.h"

bool gpu_kfd_is_trees(const struct roots *roots, int proc, const struct process_table *table)
{
    struct dir dir;
    pid_t      pid;
    bool       is_ours = false;
    if (!roots_is_first_pid_namespace(proc))
        return false;
    int fd = roots_open(roots->sys, "class/kfd/kfd/proc", O_DIRECTORY);
    if (fd < 0)
        return false;
    dir_rewind(&dir, fd);
    while (dir_next_pid(&dir, &pid)) {
        is_ours = process_table_find_present(table, pid) != NULL;
        if (!is_ours)
            break;
    }
    dir_close(&dir);
    return is_ours;
}
