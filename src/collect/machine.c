/* Facts about the machine, from /proc and DMI. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/machine.h"

#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "base/roots.h"
#include "base/text.h"
#include "collect/collect.h"
#include "collect/disk.h"

enum { CPUINFO_FIRST = 1024, CPUINFO_SIZE = 4096 };

/* The model's name in proc.rst "/proc/cpuinfo" is "model name : ..." on x86, "Model Name" on LoongArch, "cpu : ..." on
 * POWER; ARM has two numbers instead. False if no whole line of these is there. */
static bool find_cpu_model(struct text t, char *ret, size_t size)
{
    struct text line;
    struct text key;
    struct text implementer = text_of("");
    while (memchr(t.at, '\n', text_len(t)) && text_line(&t, &line)) {
        if (!text_until(&line, ':', &key))
            continue;
        text_trim(&key);
        text_trim(&line);
        if (text_is(key, "model name") || text_is(key, "Model Name") || text_is(key, "cpu"))
            return text_copy(line, ret, size);
        if (text_is(key, "CPU implementer"))
            implementer = line;
        else if (text_is(key, "CPU part"))
            return text_copy(text_of(machine_arm_core(implementer, line)), ret, size);
    }
    return false;
}

/* The kernel writes as many CPUs as there is room for, and each takes it microseconds: one is enough. */
static void read_cpu_model(const struct roots *roots, char *ret, size_t size)
{
    char    content[CPUINFO_SIZE];
    int     fd = roots_open(roots->proc, "cpuinfo", 0);
    ssize_t len = fd < 0 ? -1 : pread(fd, content, CPUINFO_FIRST, 0);
    ret[0] = '\0';
    if (len > 0 && !find_cpu_model(text_span(content, (size_t)len), ret, size)) {
        len = pread(fd, content, sizeof content, 0);
        (void)find_cpu_model(text_span(content, len < 0 ? 0 : (size_t)len), ret, size);
    }
    file_close(&fd);
}

/* Vendors put words like these where nobody has set a tag. */
static bool is_placeholder(const char *tag)
{
    static const char *const words[] = {"not specified", "to be filled", "default string", "no asset",     "none",
                                        "n/a",           "asset tag",    "unknown",        "chassis asset"};
    if (*tag == '\0')
        return true;
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (text_starts_caseless(text_of(tag), words[i]))
            return true;
    return false;
}

/* On AWS the board's asset tag is the instance's id (sysfs-class-dmi). */
static void read_id(const struct roots *roots, char *ret, size_t size)
{
    roots_read_line(roots->sys, "class/dmi/id/board_asset_tag", ret, size);
    if (!is_placeholder(ret))
        return;
    ret[0] = '\0';
    if (strcmp(roots->proc, "/proc") == 0)
        roots_read_line("/etc", "machine-id", ret, size);
}

int machine_read(const struct roots *roots, const struct sample *first, struct machine *ret)
{
    struct utsname name;
    *ret = (struct machine){
        .cpus = first->cpus, .memory_mib = METRIC_NONE, .gpu_count = METRIC_NONE, .gpu_memory_mib = METRIC_NONE};
    if (uname(&name) == 0)
        (void)text_copy(text_of(name.nodename), ret->host_name, sizeof ret->host_name);
    roots_read_line(roots->proc, "sys/kernel/random/boot_id", ret->boot_id, sizeof ret->boot_id);
    read_cpu_model(roots, ret->cpu_model, sizeof ret->cpu_model);
    read_id(roots, ret->id, sizeof ret->id);
    if (first->memory_total != METRIC_NONE)
        ret->memory_mib = first->memory_total / 1024;
    ret->storage_bytes = disk_capacity(roots);
    return 0;
}
