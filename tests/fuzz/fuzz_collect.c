// SPDX-License-Identifier: Apache-2.0
// One file of /proc or /sys as anything, named by the first line, at two readings with a form feed between them: what
// is read makes a row of 32 numbers, and counters do not fall.
#include <string.h>

#include "collect/affinity.h"
#include "collect/cgroup/cgroup.h"
#include "collect/collect.h"
#include "collect/details.h"
#include "base/json_read.h"
#include "engine/jsonl.h"
#include "engine/row.h"
#include "folder.h"
#include "pillion/columns.h"

#define STAT(pid, parent)    \
#pid " (a b) S " #parent \
         " 1 1 0 -1 4194560 100 20 0 0 7 3 2 1 20 0 1 0 12345 1000 9000 18446744073709551615 1 1 7\n"

static const struct file {
    const char *name, *content;
} files[] = {
    {"proc/stat", "cpu  10 1 5 100 3 1 2 0 0 0\ncpu0 10 1 5 100 3 1 2 0 0 0\nctxt 5\n"},
    {"proc/meminfo", "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 300 kB\nBuffers: 1 kB\nCached: 2 kB\n"
                     "Hugetlb: 4096 kB\n"},
    {"proc/diskstats", "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11\n   8       1 sda1 1 2 3 4 5 6 7 8 9 10 11\n"},
    {"proc/net/dev", "Inter-| Receive | Transmit\n face |bytes\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"},
    {"proc/self/mountinfo", "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n"},
    {"proc/cpuinfo", "processor : 0\nmodel name : A CPU\n"},
    {"proc/loadavg", "0.00 0.00 0.00 1/100 43\n"},
    {"proc/self/cgroup", "0::/a.slice\n"},
    {"proc/thread-self/status", "Name: a\nCpus_allowed_list:\t0-1,3\n"},
    {"proc/sys/kernel/random/boot_id", "c0ffee00-0000-4000-8000-000000000000\n"},
    {"proc/42/stat", STAT(42, 1)},
    {"proc/42/schedstat", "1000 10 5\n"},
    {"proc/42/io", "rchar: 1\nwchar: 2\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 0\n"},
    {"proc/42/smaps_rollup", "0-1 ---p 0 00:00 0 [rollup]\nRss: 40 kB\nPss: 20 kB\n"},
    {"proc/42/statm", "10000 9000 6000 1 0 1 0\n"},
    {"proc/42/status", "Name:\ta\nHugetlbPages:\t2048 kB\n"},
    {"proc/42/maps", "10000-2000000 rw-s 00000000 00:01 7   /a\n"},
    {"proc/42/pagemap", "01234567012345670123456701234567"},
    {"proc/42/task/42/children", "43 "},
    {"proc/43/stat", STAT(43, 42)},
    {"proc/43/schedstat", "1000 10 5\n"},
    {"proc/43/io", "read_bytes: 1\nwrite_bytes: 2\n"},
    {"proc/43/smaps_rollup", "Pss: 2 kB\nPss_Anon: 1 kB\nPss_File: 1 kB\nPss_Shmem: 0 kB\nShared_Hugetlb: 2 kB\n"},
    {"proc/43/statm", "10000 8000 10 1 0 1 0\n"},
    {"proc/43/task/43/children", ""},
    {"sys/devices/system/cpu/online", "0-3\n"},
    {"sys/class/dmi/id/sys_vendor", "A Vendor\n"},
    {"sys/class/dmi/id/board_asset_tag", "tag\n"},
    {"sys/class/net/eth0/type", "1\n"},
    {"sys/class/net/eth0/device/x", ""},
    {"sys/block/sda/size", "1000\n"},
    {"sys/block/sda/hidden", "0\n"},
    {"sys/block/sda/device/model", "Disk\n"},
    {"sys/block/sda/queue/rotational", "0\n"},
    {"sys/class/net/eth0/operstate", "up\n"},
    {"sys/class/net/eth0/speed", "1000\n"},
    {"sys/fs/cgroup/a.slice/memory.peak", "4096\n"},
    {"sys/fs/cgroup/a.slice/memory.max", "8192\n"},
    {"sys/fs/cgroup/a.slice/memory.events", "oom 1\noom_kill 1\n"},
    {"sys/fs/cgroup/a.slice/cpu.max", "50000 100000\n"},
    {"sys/fs/cgroup/a.slice/cpu.stat", "usage_usec 5\nnr_periods 2\nnr_throttled 1\nthrottled_usec 7\n"},
    {"sys/fs/cgroup/memory/a.slice/memory.stat", "cache 1\nhierarchical_memory_limit 8192\n"},
    {"sys/fs/cgroup/memory/a.slice/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"},
    {"sys/fs/cgroup/cpu/a.slice/cpu.cfs_quota_us", "50000\n"},
    {"sys/fs/cgroup/cpu/a.slice/cpu.cfs_period_us", "100000\n"},
};
enum { VALUES_MAX = 100000, FILES = sizeof files / sizeof *files };

static void put(const struct file *file)
{
    folder_write(file->name, file->content, strlen(file->content));
}

static const struct file *find(const char *name, size_t len)
{
    for (size_t i = 0; i < FILES; i++)
        if (strlen(files[i].name) == len && memcmp(files[i].name, name, len) == 0)
            return &files[i];
    return NULL;
}

static void check_row(const struct sample *before, const struct sample *now)
{
    static const struct row_shape shape = {.clock_ticks = 100, .main_process = 42};
    struct bytes                  row;
    int                           cells = 1;
    bytes_init(&row, 4096);
    row_encode(&shape, before, now, &row);
    HOLDS(!row.failed && row.len > 0 && row.data[row.len - 1] == '\n');
    HOLDS(strspn(row.data, "0123456789.,") == row.len - 1);
    for (const char *p = row.data; *p; p++)
        cells += *p == ',';
    HOLDS(cells == PILLION_COLUMN_COUNT);
    bytes_done(&row);
}

/* The parts add up to what the row says, and are an object that a parser takes. */
static void check_details(const struct collectors *collectors, const struct sample *before, const struct sample *now)
{
    const struct details *d = collect_details(collectors);
    struct bytes          out;
    uint64_t              read = 0, received = 0;
    for (size_t i = 0; i < d->disk_count; i++)
        read += d->disks[i].read;
    for (size_t i = 0; i < d->interface_count; i++)
        received += d->interfaces[i].received;
    HOLDS(d->disk_count == DETAILS_DEVICES_MAX || now->disk_read == METRIC_NONE || before->disk_read == METRIC_NONE ||
          read == now->disk_read - before->disk_read);
    HOLDS(d->interface_count == DETAILS_DEVICES_MAX || now->net_recv == METRIC_NONE ||
          before->net_recv == METRIC_NONE || received == now->net_recv - before->net_recv);
    for (size_t i = 0; i < d->cpu_count; i++)
        HOLDS(d->cpus[i].usage == METRIC_NONE || d->cpus[i].usage <= 10000);
    bytes_init(&out, JSONL_LINE_MAX);
    jsonl_encode(&(struct jsonl_row){.line = text_of("1.000"), .now = now, .details = d}, &out);
    HOLDS(!out.failed && json_check(text_span(out.data, out.len), VALUES_MAX) == 0);
    bytes_done(&out);
}

static void check_counters(const struct sample *a, const struct sample *b)
{
    HOLDS(b->cpu_user == METRIC_NONE || a->cpu_user == METRIC_NONE || b->cpu_user >= a->cpu_user);
    HOLDS(b->cpu_system == METRIC_NONE || a->cpu_system == METRIC_NONE || b->cpu_system >= a->cpu_system);
    HOLDS(b->tree_user == METRIC_NONE || a->tree_user == METRIC_NONE || b->tree_user >= a->tree_user);
    HOLDS(b->tree_system == METRIC_NONE || a->tree_system == METRIC_NONE || b->tree_system >= a->tree_system);
}

static void check_cgroup(const struct roots *roots)
{
    struct cgroup_limits limits;
    struct cgroup_watch  watch;
    struct cgroup_events events;
    size_t               top = strlen(roots->sys);
    cgroup_limits_read(roots, &limits, &watch);
    cgroup_read_throttling(&watch, &events);
    cgroup_read_kills(&watch, &events);
    cgroup_read_peak(&watch, &events);
    HOLDS(affinity_count(roots) > 0);
    HOLDS(limits.cpus >= 0 && limits.cpus < 2e19);
    HOLDS(limits.memory == METRIC_NONE || limits.memory < UINT64_C(1) << 62);
    HOLDS(watch.cpu.path[0] == '\0' || strncmp(watch.cpu.path, roots->sys, top) == 0);
    HOLDS(watch.memory.path[0] == '\0' || strncmp(watch.memory.path, roots->sys, top) == 0);
    HOLDS(!strstr(watch.memory.path, "/../"));
}

static void check_once(const struct roots *roots, const struct tree *tree, const struct sample *first)
{
    struct machine machine;
    struct totals  totals;
    struct usage   usage;
    usage_read(tree, &usage);
    totals_read(roots, tree, &usage, USAGE_THIS_IMAGE, NULL, &totals);
    HOLDS(totals.max_rss_kib > 0 && !totals.max_rss_exact);
    HOLDS(machine_read(roots, first, &machine) == 0);
    HOLDS(memchr(machine.boot_id, 0, sizeof machine.boot_id) && memchr(machine.cpu_model, 0, sizeof machine.cpu_model));
    HOLDS(memchr(machine.id, 0, sizeof machine.id));
    HOLDS(machine.cpus > 0);
    check_cgroup(roots);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char              proc[80], sys[80];
    static const struct tree tree = {.root = 42, .main_process = 42};
    const struct roots       roots = {proc, sys};
    struct collectors       *collectors = NULL;
    struct sample            before;
    struct sample            now;
    const uint8_t           *line = memchr(data, '\n', size);
    const struct file       *file = line ? find((const char *)data, (size_t)(line - data)) : NULL;
    if (!proc[0]) {
        for (size_t i = 0; i < FILES; i++)
            put(&files[i]);
        (void)snprintf(proc, sizeof proc, "%s/proc", folder_path);
        (void)snprintf(sys, sizeof sys, "%s/sys", folder_path);
    }
    if (!file)
        return 0;
    const uint8_t *first = line + 1;
    const uint8_t *end = data + size;
    const uint8_t *feed = memchr(first, '\f', (size_t)(end - first));
    folder_write(file->name, first, (size_t)((feed ? feed : end) - first));
    HOLDS(collect_open(&roots, &tree, &collectors) == 0);
    HOLDS(collect_keep_details(collectors));
    collect_read(collectors, &before);
    check_once(&roots, &tree, &before);
    if (feed)
        folder_write(file->name, feed + 1, (size_t)(end - feed - 1));
    collect_read(collectors, &now);
    check_counters(&before, &now);
    check_row(&before, &now);
    check_details(collectors, &before, &now);
    collect_close(collectors);
    put(file);
    return 0;
}
