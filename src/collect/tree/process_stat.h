/* The kernel's facts of one process: its CPU clock, /proc/PID/stat, statm, status, schedstat, io, smaps_rollup.
 * Allocates: no. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_PROCESS_STAT_H
#define PILLION_COLLECT_TREE_PROCESS_STAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"

/* The fields of proc.rst table 1-4; their numbers are those of proc(5). */
struct process_stat {
    char     state;                    /* 3; 'Z' and 'X' are dead */
    pid_t    parent;                   /* 4 */
    uint64_t child_faults;             /* 11, minor faults of reaped children */
    uint64_t faults;                   /* 10, minor faults of its own */
    uint64_t major, child_major;       /* 12, 13 */
    uint64_t user, system;             /* 14, 15: clock ticks */
    uint64_t child_user, child_system; /* 16, 17: clock ticks of reaped children */
    uint64_t threads;                  /* 20 */
    uint64_t start;                    /* 22: clock ticks since boot */
    uint64_t size;                     /* 23: bytes of all mappings */
    uint64_t resident_pages;           /* 24 */
    uint64_t code, stack;              /* 26, 28: where they begin; 0 or missing where that may not be known */
    uint32_t name;                     /* 2: a hash of the name */
};

/* The hash of a name. */
uint32_t process_stat_name(const char *comm);

/* The fields begin behind the last ")": the name in the second field may hold spaces, parentheses and line ends. False
 * for anything that is not such a line. */
bool process_stat_parse(struct text content, struct process_stat *ret);

/* proc: a descriptor of /proc. 0, -ENOENT or -ESRCH when the process is gone, -EBADMSG, or another -errno. */
int process_stat_read(int proc, pid_t pid, struct process_stat *ret);

/* The same from a held descriptor of that file. */
int process_stat_reread(int fd, struct process_stat *ret);

/* read_bytes and write_bytes of proc.rst "3.3 /proc/<pid>/io"; tid is 0 for the whole process, with its reaped
 * children. 0, -EACCES, -ENOENT (gone, or a kernel without CONFIG_TASK_IO_ACCOUNTING), -ESRCH. */
int process_io_read(int proc, pid_t pid, pid_t tid, uint64_t *ret_read, uint64_t *ret_written);

int process_io_reread(int fd, uint64_t *ret_read, uint64_t *ret_written);

/* The time of the main thread on a CPU, in ns, and how often it was there: the first and the third number of
 * /proc/PID/schedstat (sched-stats.rst). 0, -ENODATA from kernels that show zeros, or another -errno. */
int process_ran_read(int proc, pid_t pid, uint64_t *ret_ran, uint64_t *ret_slices);

/* The time of all threads of a process on a CPU, in ns, by its CPU clock (clock_getcpuclockid(3)): no file, a fifth of
 * the time. pid counts in our own PID namespace. A thread that is on a CPU now has its time added at the next tick. 0,
 * -ESRCH, or -ENODATA from kernels that count it in ticks only. */
int process_clock_read(pid_t pid, uint64_t *ret_ran);

/* Resident pages, and those of them that are of files or shared memory: the second and the third number of
 * /proc/PID/statm (proc.rst table 1-3). 0, -ENOENT, -ESRCH, -EBADMSG, or another -errno. */
int process_statm_read(int proc, pid_t pid, uint64_t *ret_resident, uint64_t *ret_shared);

/* HugetlbPages of /proc/PID/status, in KiB: they are in no RSS and in no Pss. 0 or -errno. */
int process_hugetlb_read(int proc, pid_t pid, uint64_t *ret_kib);

/* Some lines of proc.rst "/proc/PID/smaps_rollup", in KiB. The kernel walks the page tables for it, under mmap_lock. */
struct process_rollup {
    uint64_t pss;
    uint64_t rss, anonymous;                             /* the rest is of files and shared memory */
    uint64_t pss_anonymous, pss_file, pss_shared_memory; /* since Linux 5.4 */
    uint64_t private_dirty;
    uint64_t huge;                 /* AnonHugePages */
    uint64_t hugetlb, own_hugetlb; /* all, and the part that nobody else maps */
    bool     has_kinds;            /* the three PSS of kinds are there */
};
int process_rollup_read(int proc, pid_t pid, struct process_rollup *ret);

/* Writes "PID/file", or "PID/task/TID/file" where tid is not 0. */
enum { PROCESS_PATH_SIZE = 64 };
void process_path(char ret[static PROCESS_PATH_SIZE], pid_t pid, pid_t tid, const char *file);

#endif
