// SPDX-License-Identifier: Apache-2.0
#include "config/allotment.h"

#include <stddef.h>
#include <string.h>

#include "base/text.h"

#define FIGURE_MAX 1000000000000 /* what is larger is none of these */

static uint64_t number(const char *(*lookup)(const char *name), const char *name)
{
    const char *value = lookup(name);
    struct text text = text_of(value ? value : "");
    uint64_t    ret = 0;
    return text_unsigned(&text, &ret) && text_len(text) == 0 && ret <= FIGURE_MAX ? ret : 0;
}

void allotment_read(const char *(*lookup)(const char *name), struct allotment *ret)
{
    *ret = (struct allotment){.by = NULL};
    if (!lookup("SLURM_JOB_ID"))
        return;
    const char *ranks = lookup("PILLION_RANKS");
    uint64_t    begin = number(lookup, "SLURM_JOB_START_TIME");
    uint64_t    end = number(lookup, "SLURM_JOB_END_TIME");
    ret->seconds = begin > 0 && end > begin ? end - begin : 0;
    if (!ranks || strcmp(ranks, "all") != 0) {
        ret->cpus = number(lookup, "SLURM_CPUS_ON_NODE");
        ret->gpus = number(lookup, "SLURM_GPUS_ON_NODE");
        ret->memory_mib = number(lookup, "SLURM_MEM_PER_NODE"); /* 0: all of it */
        if (ret->memory_mib == 0)
            ret->memory_mib = number(lookup, "SLURM_MEM_PER_CPU") * ret->cpus;
    }
    if (ret->cpus > 0 || ret->memory_mib > 0 || ret->gpus > 0 || ret->seconds > 0)
        ret->by = "slurm";
}
