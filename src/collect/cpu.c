/* CPU time of the machine, from the first line of /proc/stat. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/cpu.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu_count.h"
#include "base/file.h"
#include "base/roots.h"
#include "base/scratch.h"

/* A counter that falls by no more than this, and is back after so many readings, was only inexact. Else it began anew
 * (a restored virtual machine, another lxcfs). A counter at less than half of its value began anew too, whatever it had
 * counted. */
enum { JITTER_TICKS = 20, JITTER_READINGS = 4 };

int cpu_open(struct cpu *cpu, const struct roots *roots)
{
    *cpu = (struct cpu){.fd = roots_open(roots->proc, "stat", 0), .roots = roots, .cpus = cpu_count_online(roots)};
    return cpu->fd < 0 ? cpu->fd : 0;
}

void cpu_close(struct cpu *cpu)
{
    file_close(&cpu->fd);
}

static void advance(struct cpu *cpu, int kind, uint64_t now)
{
    uint64_t last = cpu->last[kind];
    if (now < last && last - now <= JITTER_TICKS && now >= last / 2 && cpu->waits[kind] < JITTER_READINGS) {
        cpu->lowest[kind] = cpu->waits[kind] == 0 || now < cpu->lowest[kind] ? now : cpu->lowest[kind];
        cpu->waits[kind]++;
        return;
    }
    /* A counter that began anew may have counted before this reading; that part is not known. */
    uint64_t from = now >= last ? last : cpu->waits[kind] > 0 && cpu->lowest[kind] < now ? cpu->lowest[kind] : now;
    cpu->sum[kind] += now - from;
    cpu->last[kind] = now;
    cpu->waits[kind] = 0;
}

/* Counts the CPUs again when more was used than the known ones could do: some may have been added. */
static void count_again(struct cpu *cpu, int64_t now)
{
    uint64_t all = cpu->sum[CPU_USER] + cpu->sum[CPU_SYSTEM] + cpu->sum[CPU_INTERRUPT];
    double   ticks = (double)(now - cpu->read_at) / (double)CLOCK_SECOND * (double)sysconf(_SC_CLK_TCK);
    if (cpu->read_at > 0 && now > cpu->read_at && (double)(all - cpu->all) > cpu->cpus * ticks) {
        unsigned cpus = cpu_count_online(cpu->roots);
        cpu->cpus = cpus > cpu->cpus ? cpus : cpu->cpus;
    }
    cpu->read_at = now;
    cpu->all = all;
}

int cpu_read(struct cpu *cpu, struct sample *ret)
{
    /* The first line is enough; the rest grows with the number of CPUs and interrupts. */
    char    line[512];
    ssize_t len = pread(cpu->fd, line, sizeof line, 0);
    if (len < 0)
        return -errno;
    struct text t = text_span(line, (size_t)len);
    if (!text_skip(&t, "cpu "))
        return -ENODATA;
    enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, FIELDS };
    uint64_t field[FIELDS] = {0};
    int      n = 0;
    while (n < FIELDS && text_unsigned(&t, &field[n]))
        n++;
    if (n <= IDLE || (field[USER] | field[NICE] | field[SYSTEM] | field[IDLE] | field[IOWAIT]) == 0)
        return -ENODATA; /* all zeros: gVisor, whose /proc/stat counts nothing */
    advance(cpu, CPU_USER, field[USER] + field[NICE]);
    advance(cpu, CPU_SYSTEM, field[SYSTEM]);
    advance(cpu, CPU_INTERRUPT, field[IRQ] + field[SOFTIRQ]);
    count_again(cpu, ret->monotonic);
    ret->cpus = cpu->cpus > 0 ? cpu->cpus : METRIC_NONE;
    ret->cpu_user = cpu->sum[CPU_USER];
    ret->cpu_system = cpu->sum[CPU_SYSTEM];
    ret->cpu_interrupt = cpu->sum[CPU_INTERRUPT];
    return 0;
}
