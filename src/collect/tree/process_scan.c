/* A list of processes by parent, made anew in each scan. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/process_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collect/tree/process_stat.h"

enum { SCAN_FIRST = 256, SCAN_MAX = 262144 };

struct process_scan_entry {
    pid_t    pid, parent;
    uint32_t next; /* index + 1 of the next entry with the same hash */
};

void process_scan_init(struct process_scan *scan)
{
    scan->list = NULL;
    scan->heads = NULL;
    scan->count = scan->capacity = 0;
}

void process_scan_done(struct process_scan *scan)
{
    free(scan->list);
    free(scan->heads);
    process_scan_init(scan);
}

static bool grow(struct process_scan *scan)
{
    size_t                     capacity = scan->capacity ? scan->capacity * 2 : SCAN_FIRST;
    struct process_scan_entry *list = capacity > SCAN_MAX ? NULL : realloc(scan->list, capacity * sizeof *list);
    if (!list)
        return false;
    scan->list = list;
    uint32_t *heads = realloc(scan->heads, capacity * sizeof *heads);
    if (!heads)
        return false;
    scan->heads = heads;
    scan->capacity = capacity;
    return true;
}

static uint32_t *head_of(const struct process_scan *scan, pid_t parent)
{
    uint32_t hash = (uint32_t)parent * UINT32_C(2654435761);
    return &scan->heads[(hash >> 8) & (scan->capacity - 1)];
}

static void gather(struct process_scan *scan, int proc, struct dir *dir, struct process_range range)
{
    pid_t pid;
    if (range.after > 0)
        dir_rewind_to_pid(dir, proc, range.after + 1, range.until - range.after);
    else
        dir_rewind(dir, proc);
    while (dir_next_pid(dir, &pid) && pid <= range.until) {
        struct process_stat stat;
        if (pid <= range.after || process_stat_read(proc, pid, &stat))
            continue;
        if (scan->count == scan->capacity && !grow(scan))
            return;
        scan->list[scan->count++] = (struct process_scan_entry){.pid = pid, .parent = stat.parent};
    }
}

int process_scan_run(struct process_scan *scan, int proc, struct dir *dir, struct process_range range)
{
    if (scan->capacity > SCAN_FIRST && scan->count < scan->capacity / 8)
        process_scan_done(scan); /* there were many once */
    scan->count = 0;
    if (scan->capacity == 0 && !grow(scan))
        return -ENOMEM;
    if (range.after <= range.until) {
        gather(scan, proc, dir, range);
    } else {
        gather(scan, proc, dir, (struct process_range){range.after, INT32_MAX});
        gather(scan, proc, dir, (struct process_range){0, range.until});
    }
    memset(scan->heads, 0, scan->capacity * sizeof *scan->heads);
    for (size_t i = scan->count; i > 0; i--) {
        uint32_t *head = head_of(scan, scan->list[i - 1].parent);
        scan->list[i - 1].next = *head;
        *head = (uint32_t)i;
    }
    return 0;
}

bool process_scan_next_child(const struct process_scan *scan, pid_t parent, uint32_t *at, pid_t *ret)
{
    if (scan->count == 0)
        return false;
    uint32_t i = *at ? scan->list[*at - 1].next : *head_of(scan, parent);
    while (i && scan->list[i - 1].parent != parent)
        i = scan->list[i - 1].next;
    if (!i)
        return false;
    *at = i;
    *ret = scan->list[i - 1].pid;
    return true;
}
