/* Memory of the machine, from /proc/meminfo. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/memory.h"

#include "base/file.h"
#include "base/number.h"
#include "base/roots.h"
#include "base/text.h"

enum {
    TOTAL,
    FREE,
    AVAILABLE,
    BUFFERS,
    CACHED,
    ACTIVE,
    INACTIVE,
    RECLAIMABLE,
    HUGETLB,
    SWAP_TOTAL,
    SWAP_FREE,
    ENTRIES,
    MEMINFO_SIZE = 8192 /* 57 lines of 28 bytes in Linux 6.18 */
};

int memory_open(struct memory *memory, const struct roots *roots)
{
    memory->fd = roots_open(roots->proc, "meminfo", 0);
    return memory->fd < 0 ? memory->fd : 0;
}

void memory_close(struct memory *memory)
{
    file_close(&memory->fd);
}

static int parse(int fd, uint64_t ret[static ENTRIES])
{
    static const char *const names[ENTRIES] = {
        "MemTotal:", "MemFree:",      "MemAvailable:", "Buffers:",   "Cached:",  "Active:",
        "Inactive:", "SReclaimable:", "Hugetlb:",      "SwapTotal:", "SwapFree:"};
    char   content[MEMINFO_SIZE];
    size_t len = 0;
    for (int i = 0; i < ENTRIES; i++)
        ret[i] = METRIC_NONE;
    int error = file_reread(fd, content, sizeof content, &len);
    if (error)
        return error;
    struct text t = text_span(content, len);
    struct text line;
    int         found = 0;
    while (found < ENTRIES && text_line(&t, &line)) {
        for (int i = 0; i < ENTRIES; i++) {
            if (text_skip(&line, names[i])) {
                found += text_unsigned(&line, &ret[i]);
                break;
            }
        }
    }
    return 0;
}

/* A sum with something unknown in it is unknown. Lines that old kernels lack (SReclaimable, 2.6.19) count as 0. */
static uint64_t plus(uint64_t a, uint64_t b)
{
    return a == METRIC_NONE ? METRIC_NONE : a + (b == METRIC_NONE ? 0 : b);
}

int memory_read(struct memory *memory, struct sample *ret)
{
    uint64_t entry[ENTRIES];
    int      error = parse(memory->fd, entry);
    if (error)
        return error;
    uint64_t available = entry[AVAILABLE];
    if (available == METRIC_NONE)
        available = plus(plus(plus(entry[FREE], entry[BUFFERS]), entry[CACHED]), entry[RECLAIMABLE]);
    ret->memory_total = entry[TOTAL];
    ret->memory_available = available;
    ret->swap_total = entry[SWAP_TOTAL];
    ret->swap_free = entry[SWAP_FREE];
    ret->memory_free = entry[FREE];
    ret->memory_buffers = entry[BUFFERS];
    ret->memory_cached = plus(entry[CACHED], entry[RECLAIMABLE]);
    ret->memory_active = entry[ACTIVE];
    ret->memory_inactive = entry[INACTIVE];
    ret->memory_hugetlb = entry[HUGETLB];
    ret->memory_used = METRIC_NONE;
    if (entry[TOTAL] != METRIC_NONE && available != METRIC_NONE)
        ret->memory_used = saturating_subtract(entry[TOTAL], available);
    return 0;
}
