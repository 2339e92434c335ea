/* The processes that KFD lists are looked for in the tree. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/gpu/gpu_amd_kfd.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/roots.h"
#include "base/text.h"

/* PROC_PID_INIT_INO: the first PID namespace has this number since Linux 3.8. */
#define FIRST_NAMESPACE "pid:[4026531836]"

static bool is_in_first_namespace(int proc)
{
    char    target[64];
    ssize_t len = readlinkat(proc, "self/ns/pid", target, sizeof target);
    return len > 0 && text_is(text_span(target, (size_t)len), FIRST_NAMESPACE);
}

bool gpu_kfd_is_trees(const struct roots *roots, int proc, const struct process_table *table)
{
    struct dir dir;
    pid_t      pid;
    bool       is_ours = false;
    if (!is_in_first_namespace(proc))
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
