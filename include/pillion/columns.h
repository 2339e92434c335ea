/* The 32 columns of a run's CSV, in order: the one table of them. CELL(name, ...) in src/engine/row.c computes each.
 *
 * COLUMN(name, unit, decimals, kind, source): `kind` is gauge (as it is now) or delta (since the last row); a
 * missing figure is an empty cell. Units: s, cores (CPU seconds per second), MiB = 2^20 B, GB = 10^9 B, bytes, count.
 *
 * Kernel documents: proc = Documentation/filesystems/proc.rst, iostats = Documentation/admin-guide/iostats.rst,
 * pagemap = Documentation/admin-guide/mm/pagemap.rst, drm-usage-stats = Documentation/gpu/drm-usage-stats.rst,
 * amdgpu = Documentation/gpu/amdgpu/thermal.rst and driver-misc.rst; statvfs(3).
 *
 * CPU clocks are clock_getcpuclockid(3) of each process and getrusage(2) of the program. PID/stat counts whole ticks;
 * the clocks add what is less than a tick.
 *
 * Pss divides each page by the number of its users. The counters of PID/stat and PID/statm tell how the sum changes;
 * smaps_rollup or pagemap is read where they leave a doubt. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLUMNS_H
#define PILLION_COLUMNS_H

/* clang-format off */
#define PILLION_COLUMNS(COLUMN) \
    COLUMN(timestamp,                 s,     3, gauge, "clock_gettime(2), seconds since 1970 UTC") \
    COLUMN(system_processes,          count, 0, gauge, "proc: numeric entries of /proc") \
    COLUMN(system_utime,              s,     6, delta, "proc: /proc/stat, user + nice") \
    COLUMN(system_stime,              s,     6, delta, "proc: /proc/stat, system") \
    COLUMN(system_cpu_usage,          cores, 4, delta, "proc: /proc/stat, user + nice + system + irq + softirq") \
    COLUMN(system_memory_free_mib,    MiB,   4, gauge, "proc: meminfo, MemFree") \
    COLUMN(system_memory_used_mib,    MiB,   4, gauge, "proc: meminfo, MemTotal - MemAvailable") \
    COLUMN(system_memory_buffers_mib, MiB,   4, gauge, "proc: meminfo, Buffers") \
    COLUMN(system_memory_cached_mib,  MiB,   4, gauge, "proc: meminfo, Cached + SReclaimable") \
    COLUMN(system_memory_active_mib,  MiB,   4, gauge, "proc: meminfo, Active") \
    COLUMN(system_memory_inactive_mib,MiB,   4, gauge, "proc: meminfo, Inactive") \
    COLUMN(system_disk_read_bytes,    bytes, 0, delta, "iostats: field 3, sectors read x 512, whole disks") \
    COLUMN(system_disk_write_bytes,   bytes, 0, delta, "iostats: field 7, sectors written x 512, whole disks") \
    COLUMN(system_disk_space_total_gb,GB,    6, gauge, "statvfs(3): f_blocks x f_frsize, each device once") \
    COLUMN(system_disk_space_used_gb, GB,    6, gauge, "statvfs(3): (f_blocks - f_bavail) x f_frsize") \
    COLUMN(system_disk_space_free_gb, GB,    6, gauge, "statvfs(3): f_bavail x f_frsize") \
    COLUMN(system_net_recv_bytes,     bytes, 0, delta, "proc: net/dev, receive bytes, no byte twice") \
    COLUMN(system_net_sent_bytes,     bytes, 0, delta, "proc: net/dev, transmit bytes, no byte twice") \
    COLUMN(system_gpu_usage,          cores, 4, gauge, "NVML or amdgpu (gpu_busy_percent): sum of utilisation") \
    COLUMN(system_gpu_vram_mib,       MiB,   4, gauge, "NVML or amdgpu (mem_info_vram_used): memory in use") \
    COLUMN(system_gpu_utilized,       count, 0, gauge, "NVML or amdgpu (gpu_busy_percent): devices in use") \
    COLUMN(process_pid,               count, 0, gauge, "getpid(2) of the program") \
    COLUMN(process_children,          count, 0, gauge, "proc: descendants; loadavg, PID/stat, task/TID/children") \
    COLUMN(process_utime,             s,     6, delta, "proc: PID/stat, utime + cutime of the tree; CPU clocks") \
    COLUMN(process_stime,             s,     6, delta, "proc: PID/stat, stime + cstime of the tree; CPU clocks") \
    COLUMN(process_cpu_usage,         cores, 4, delta, "proc: PID/stat, CPU clocks: both of the above") \
    COLUMN(process_memory_mib,        MiB,   4, gauge, "proc: Pss; PID/stat, statm, smaps_rollup; pagemap") \
    COLUMN(process_disk_read_bytes,   bytes, 0, delta, "proc: PID/io, read_bytes of the tree") \
    COLUMN(process_disk_write_bytes,  bytes, 0, delta, "proc: PID/io, write_bytes of the tree") \
    COLUMN(process_gpu_usage,         cores, 4, gauge, "NVML, drm-usage-stats or amdgpu: sum over the tree") \
    COLUMN(process_gpu_vram_mib,      MiB,   4, gauge, "NVML or drm-usage-stats: memory of the tree") \
    COLUMN(process_gpu_utilized,      count, 0, gauge, "NVML or drm-usage-stats: devices used by the tree")
/* clang-format on */

enum pillion_column {
#define COLUMN(name, unit, decimals, kind, source) PILLION_COLUMN_##name,
    PILLION_COLUMNS(COLUMN)
#undef COLUMN
        PILLION_COLUMN_COUNT
};

#endif
