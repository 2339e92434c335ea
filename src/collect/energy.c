/* Packages of powercap, or the counter of a Cray's node. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/energy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/dir.h"
#include "base/file.h"
#include "base/roots.h"
#include "base/text.h"

enum { CONTENT_SIZE = 64, MICROJOULES = 1000000 };

#define POWERCAP "class/powercap"
#define CRAY     "cray/pm_counters/cpu_energy"

static int read_text(const char *sys, const char *path, char ret[static CONTENT_SIZE])
{
    size_t len = 0;
    int    fd = roots_open(sys, path, 0);
    int    error = fd < 0 ? fd : file_reread(fd, ret, CONTENT_SIZE, &len);
    file_close(&fd);
    ret[error < 0 ? 0 : len] = '\0';
    return error;
}

static int read_number(const char *sys, const char *path, uint64_t *ret)
{
    char        content[CONTENT_SIZE];
    int         error = read_text(sys, path, content);
    struct text t = text_of(content);
    return error < 0 ? error : text_unsigned(&t, ret) ? 0 : -EBADMSG;
}

static bool add(struct energy *energy, const char *path, uint64_t unit, uint64_t range)
{
    struct energy_package *p = &energy->packages[energy->count];
    uint64_t               value = 0;
    if (energy->count == ENERGY_PACKAGES_MAX || strlen(path) >= sizeof p->path ||
        read_number(energy->sys, path, &value) < 0)
        return false;
    *p = (struct energy_package){.unit = unit, .range = range, .last = METRIC_NONE};
    memcpy(p->path, path, strlen(path) + 1);
    energy->count++;
    return true;
}

/* "intel-rapl:0" is a zone of its own, whoever made the processor; "intel-rapl:0:1" a part of it, and
 * "intel-rapl-mmio:0" the same by another way. */
static bool is_zone(const char *name)
{
    static const char prefix[] = "intel-rapl:";
    struct text       t = text_of(name);
    uint64_t          number = 0;
    return text_skip(&t, prefix) && text_unsigned(&t, &number) && text_len(t) == 0;
}

static void add_package(struct energy *energy, const char *zone)
{
    char     path[ENERGY_PATH_SIZE];
    char     name[CONTENT_SIZE];
    uint64_t range = 0;
    (void)snprintf(path, sizeof path, POWERCAP "/%.20s/name", zone);
    if (read_text(energy->sys, path, name) < 0 || strncmp(name, "package", sizeof "package" - 1) != 0)
        return; /* "psys" is the whole machine, packages and all */
    (void)snprintf(path, sizeof path, POWERCAP "/%.20s/max_energy_range_uj", zone);
    (void)read_number(energy->sys, path, &range);
    (void)snprintf(path, sizeof path, POWERCAP "/%.20s/energy_uj", zone);
    (void)add(energy, path, 1, range);
}

static void find_packages(struct energy *energy)
{
    struct dir  list;
    const char *name = NULL;
    int         powercap = roots_open(energy->sys, POWERCAP, O_DIRECTORY);
    if (powercap < 0)
        return;
    dir_rewind(&list, powercap);
    while ((name = dir_next(&list)))
        if (is_zone(name))
            add_package(energy, name);
    dir_close(&list);
}

int energy_open(struct energy *energy, const struct roots *roots)
{
    *energy = (struct energy){.sys = roots->sys, .source = "pm_counters"};
    if (add(energy, CRAY, MICROJOULES, 0))
        return 0;
    energy->source = "powercap";
    find_packages(energy);
    return energy->count > 0 ? 0 : -ENODEV;
}

static uint64_t rise_of(const struct energy_package *p, uint64_t now)
{
    if (p->last == METRIC_NONE)
        return 0;
    if (now >= p->last)
        return now - p->last;
    return p->range >= p->last ? p->range - p->last + now : 0; /* it has begun anew */
}

int energy_read(struct energy *energy, struct sample *ret)
{
    unsigned read = 0;
    for (unsigned i = 0; i < energy->count; i++) {
        struct energy_package *p = &energy->packages[i];
        uint64_t               now = 0;
        if (read_number(energy->sys, p->path, &now) < 0)
            continue;
        energy->total += rise_of(p, now) * p->unit;
        p->last = now;
        read++;
    }
    if (read == 0)
        return -ENODATA;
    ret->cpu_energy = energy->total;
    return 0;
}
