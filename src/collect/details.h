/* What stands behind the sums of a sample, one by one: CPUs, disks, filesystems, interfaces. Only for who asks for it
 * (collect_keep_details): nobody else pays. What does not count in the sums is not listed, so the parts add up to them.
 * Thread: pillion. Allocates: a list for each kind, when something appears. Files: /proc/stat, read whole from the
 * descriptor of cpu.h; below /sys for each disk, interface and mount that is new: model, vendor, serial, size,
 * rotational; address, driver; the links in dev/block and class/block, and slaves; in each reading operstate, speed and
 * mtu of each interface. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_DETAILS_H
#define PILLION_COLLECT_DETAILS_H

#include "base/scratch.h"
#include "collect/collect.h"
#include "collect/cpu.h"
#include "collect/disk.h"
#include "collect/net.h"
#include "collect/space.h"

enum { DETAILS_CPUS_MAX = 8192, DETAILS_DEVICES_MAX = 256 };

struct cpu_detail {
    uint64_t busy;  /* ticks, as last read: user, nice, system, irq, softirq */
    double   owed;  /* ticks that did not fit into the interval in which they were counted */
    uint64_t usage; /* 1/10000 of the CPU; METRIC_NONE: offline, or the first reading */
    bool     is_known;
};

enum disk_kind { DISK_KIND_UNKNOWN, DISK_KIND_NVME, DISK_KIND_SSD, DISK_KIND_HDD };

struct disk_detail {
    char           name[DEVICE_NAME_SIZE];
    char           model[64], vendor[32], serial[80]; /* "": not told */
    enum disk_kind kind;
    uint64_t       capacity;                  /* bytes, METRIC_NONE */
    uint64_t       read, written;             /* bytes since the last reading */
    uint64_t       read_total, written_total; /* bytes, the kernel's counters */
};

struct interface_detail {
    char     name[DEVICE_NAME_SIZE];
    char     address[32], driver[32], state[16]; /* "": not told */
    uint64_t speed;                              /* Mbit/s, METRIC_NONE */
    uint64_t mtu;                                /* bytes, METRIC_NONE */
    uint64_t received, sent;                     /* bytes since the last reading */
    uint64_t received_total, sent_total;         /* bytes, the kernel's counters */
};

struct details_span {
    int64_t read_at; /* ns, monotonic: the last reading that succeeded; 0: none */
    double  seconds; /* that it covers; 0: it was the first */
};

struct details {
    struct details_span      cpu_span, disk_span, net_span;
    struct cpu_detail       *cpus; /* by their number */
    size_t                   cpu_count;
    struct disk_detail      *disks;
    size_t                   disk_count;
    struct interface_detail *interfaces;
    size_t                   interface_count;
    const struct mounts     *mounts; /* the collector's own: NULL, or valid until the next reading */
};

/* Each after its collector's reading of the same instant; ret: that reading, now: its time, ns. */
void details_read_cpus(struct details *d, const struct cpu *cpu, struct scratch *scratch, int64_t now);
void details_read_disks(struct details *d, const struct disk *disk, const struct sample *ret);
void details_read_mounts(struct details *d, struct space *space, const struct roots *roots, const struct sample *ret);
void details_read_interfaces(struct details *d, const struct net *net, const struct sample *ret);
void details_done(struct details *d);

#endif
