/* A sample is all that is read at one instant. Every collector has one shape: open, read, close. Its roots are a
 * parameter; its state is one plain struct; its descriptors stand in the thread's own table. A collector logs nothing,
 * and leaves METRIC_NONE where the machine has no such figure.
 *
 * Counters in a sample never fall: a collector turns vanished devices, interfaces and processes into "no change"
 * itself, so that a row is nothing but the difference of two samples. Thread: pillion (or the only thread of `pillion
 * run`). */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_COLLECT_H
#define PILLION_COLLECT_COLLECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/roots.h"

#define METRIC_NONE UINT64_MAX

/* The use of the root, with its reaped children, when its run began. */
struct tree_begin {
    bool     known;
    uint64_t cpu;           /* microseconds */
    uint64_t read, written; /* bytes */
    uint64_t minor_faults, major_faults;
    uint64_t boot_ticks;
    int64_t  monotonic; /* ns */
};

/* The processes that are observed. */
struct tree {
    pid_t root;         /* the leader: the program itself, or `pillion run` */
    pid_t main_process; /* the column process_pid: the program, or the command that `pillion run` started */
    bool  root_is_ours; /* `pillion run`: the root's own CPU, memory and I/O are not the program's; its
                           reaped children's are */
    struct tree_begin begin;
    const char       *program; /* the program's name, as base/program_name.c has it; NULL: not known */
    const char       *comm;    /* the name that the kernel had for the root when the program's was taken; NULL */
    const char       *marks;   /* the folder with the marks of orphans; NULL: none */
};

struct sample {
    int64_t monotonic; /* ns, when the reading began */
    int64_t real;      /* ns since 1970 */

    /* Machine, gauges. */
    uint64_t processes; /* count */
    uint64_t memory_total, memory_free, memory_used, memory_buffers, memory_cached, memory_active,
        memory_inactive;                          /* KiB */
    uint64_t memory_hugetlb;                      /* KiB */
    uint64_t memory_available;                    /* KiB */
    uint64_t swap_total, swap_free;               /* KiB */
    uint64_t space_total, space_used, space_free; /* bytes */
    /* Machine, counters since some fixed instant. */
    uint64_t cpu_user, cpu_system, cpu_interrupt; /* clock ticks: user+nice; system; irq+softirq */
    uint64_t disk_read, disk_write;               /* bytes */
    uint64_t net_recv, net_sent;                  /* bytes */
    uint64_t cpu_energy, gpu_energy;              /* microjoules */

    /* Process tree, gauges. */
    uint64_t tree_processes; /* descendants of main_process's tree, without main_process itself */
    uint64_t tree_memory;    /* KiB of PSS */
    uint64_t cpus;           /* online; METRIC_NONE or 0: unknown */
    /* Process tree, counters. */
    uint64_t tree_user, tree_system;          /* microseconds, reaped children included */
    uint64_t tree_disk_read, tree_disk_write; /* bytes */
    uint64_t tree_minor_faults, tree_major_faults;

    /* Of the machine's CPU, microseconds of user, system and interrupt: see row_carry. */
    uint64_t cpu_owed[3], cpu_shown[3];
    uint64_t cpu_shown_ns; /* the row's length */

    /* Kept counters are older than this sample by so many ns: see row_keep. */
    uint64_t cpu_gap, tree_gap;

    /* GPUs, gauges: usage is the mean since the last reading, or the driver's own figure of it. */
    uint64_t gpu_usage, tree_gpu_usage;   /* ten-thousandths of a device, summed over the devices */
    uint64_t gpu_memory, tree_gpu_memory; /* bytes */
    uint64_t gpus_used, tree_gpus_used;   /* count */
};

/* The kernel's account of the calling process, where that is the program, and of its reaped children. The account began
 * when the process was made, whatever images it had since. */
struct usage {
    uint64_t user_us, system_us;
    uint64_t minor_faults, major_faults;
    uint64_t voluntary, involuntary; /* context switches */
    uint64_t child_faults;           /* minor ones of reaped children alone: every process has some */
    uint64_t own_peak, child_peak;   /* KiB: of itself, of the largest reaped child */
    uint64_t read, written;          /* bytes of storage, as /proc/PID/io counts them; whole sectors */
};

/* The totals of the run alone; METRIC_NONE: unknown. */
struct totals {
    uint64_t user_us, system_us;                       /* CPU of the tree, microseconds */
    uint64_t max_rss_kib;                              /* largest single process */
    uint64_t minor_faults, major_faults;               /* count */
    uint64_t voluntary_switches, involuntary_switches; /* count */
    uint64_t cgroup_memory_peak;                       /* bytes: of its cgroup, when that was reached during the run */
    bool     max_rss_exact;                            /* no process of the run had more for a moment */
};

/* Energy during the run, microjoules; METRIC_NONE: not told. The share is by CPU time, or usage, row by row. */
struct energy_totals {
    uint64_t    cpu, cpu_share, gpu, gpu_share;
    const char *cpu_source; /* where the machine's CPU energy is from; NULL */
    const char *gpu_source;
};

/* The images of the process that the run has had. */
enum usage_images { USAGE_THIS_IMAGE, USAGE_SEVERAL, USAGE_PART_OF_ONE };

/* Facts about the machine that do not change during a run; "" or METRIC_NONE where unknown. */
struct machine {
    char     host_name[65];
    char     boot_id[40];
    char     cpu_model[128];
    char     id[64];         /* DMI board asset tag, else machine-id: only sent on request (PILLION_SHARE) */
    uint64_t cpus;           /* online */
    uint64_t memory_mib;     /* MemTotal */
    uint64_t storage_bytes;  /* whole disks, each once */
    char     gpu_model[128]; /* of the first device; collect_gpus fills these three */
    uint64_t gpu_count;
    uint64_t gpu_memory_mib; /* of all devices */
};

struct collectors;
struct details;

/* Does what has to be done before main, on the program's thread. */
void collect_prepare(const struct roots *roots);
/* Opens every collector that this machine has, and takes no reading. *ret is freed by collect_close. Returns 0 or
 * -ENOMEM. */
int collect_open(const struct roots *roots, const struct tree *tree, struct collectors **ret);
/* Reads everything once. Figures that cannot be read stay METRIC_NONE. */
void collect_read(struct collectors *collectors, struct sample *ret);
/* The next reading is the run's last: it has also what would have waited for a later one. */
void collect_before_last(struct collectors *collectors);
void collect_close(struct collectors *collectors); /* NULL is allowed */
/* Between suspend and resume no descriptor is held, and counters go on. For a thread that has to step aside. */
void collect_suspend(struct collectors *collectors);
int  collect_resume(struct collectors *collectors, const struct roots *roots); /* 0 or -ENOMEM */
/* From now on the drivers of GPUs may be asked: by a thread with a descriptor table of its own. Until collect_suspend.
 */
void collect_allow_drivers(struct collectors *collectors);
/* The process ends, and libraries with it: they are not even to be shut down. */
void collect_leave_drivers(struct collectors *collectors);
/* Fills in the GPUs of the machine's facts, as far as they could be met. */
void collect_gpus(struct collectors *collectors, struct machine *ret);
/* True where /proc is another PID namespace's: nothing is known of the tree. */
bool collect_is_foreign(const struct collectors *collectors);
/* Begins another run with the last reading. */
void collect_begin_again(struct collectors *collectors);
/* Tells of the processes beside the calling one, from the last reading. */
struct others;
void collect_others(struct collectors *collectors, struct others *ret);
/* A GPU as the last reading found it; METRIC_NONE: it does not say. */
struct gpu_state {
    uint64_t usage, tree_usage;   /* 1/10000 */
    uint64_t memory, tree_memory; /* bytes */
    uint64_t temperature;         /* degrees Celsius */
    uint64_t power;               /* milliwatts */
};
/* One by one, in the drivers' order: how many these are, `max` at most. */
unsigned collect_gpu_states(const struct collectors *collectors, struct gpu_state *ret, unsigned max);
/* What else is told of a GPU to who asks; "" or METRIC_NONE: nothing. */
struct gpu_detail {
    char     name[96], uuid[96];
    uint64_t memory_total; /* bytes */
    uint64_t clock;        /* MHz, of its cores */
};
/* In the order of collect_gpu_states, of which there are `count`. */
void collect_gpu_details(struct collectors *collectors, struct gpu_detail *ret, unsigned count);
/* From now on each reading keeps the parts of its sums (details.h); false: no memory for that. */
bool collect_keep_details(struct collectors *collectors);
/* The parts of the last reading; NULL: nobody keeps them. */
const struct details *collect_details(const struct collectors *collectors);
/* The use by command, as of the last reading (tree/commands.h); NULL: nothing is known of the tree. */
struct commands *collect_commands(struct collectors *collectors);
/* Where CPU energy is read (energy.h); NULL: it is not told. */
const char *collect_energy_source(const struct collectors *collectors);
const char *collect_gpu_energy_source(const struct collectors *collectors);
/* Sets main_process, which may be known only after the first reading (`pillion run` forks later). */
void collect_set_main_process(struct collectors *collectors, pid_t main_process);

/* Notes the tree's use where the calling process is its root, and tells the process's. On the program's thread, before
 * main. */
void tree_begin(struct tree *tree, struct usage *ret_before);

/* `pillion run`; a step's root is the launcher, and the calling process a rank of it. */
bool tree_root_is_outside(const struct tree *tree);

void usage_read(const struct tree *tree, struct usage *ret);
/* Tells the use since `before`, by the process, its reaped children and, where `collectors` is not NULL, the others of
 * the tree as the last reading found them. CPU and faults are those of reaped processes until they are taken from the
 * readings. No cgroup's figure. */
void totals_read(const struct roots *roots, const struct tree *tree, const struct usage *before,
                 enum usage_images images, struct collectors *collectors, struct totals *ret);
/* first: a reading, whose CPUs and memory are the machine's. Returns 0. */
int machine_read(const struct roots *roots, const struct sample *first, struct machine *ret);

#endif
