// SPDX-License-Identifier: Apache-2.0
#include "config/allotment.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"

#define FIGURE_MAX 1000000000000 /* what is larger is none of these */

typedef const char *lookup_function(const char *name);

static uint64_t number(lookup_function *lookup, const char *name)
{
    const char *value = lookup(name);
    struct text text = text_of(value ? value : "");
    uint64_t    ret = 0;
    return text_unsigned(&text, &ret) && text_len(text) == 0 && ret <= FIGURE_MAX ? ret : 0;
}

static uint64_t first(lookup_function *lookup, const char *name, const char *other)
{
    uint64_t value = number(lookup, name);
    return value > 0 ? value : number(lookup, other);
}

/* sbatch(1), srun(1), OUTPUT ENVIRONMENT VARIABLES. Times in newer versions alone: 22.05 tells none. */
static void read_slurm(lookup_function *lookup, struct allotment *ret)
{
    uint64_t begin = number(lookup, "SLURM_JOB_START_TIME");
    uint64_t end = number(lookup, "SLURM_JOB_END_TIME");
    ret->ends = end > begin ? end : 0;
    ret->seconds = begin > 0 && end > begin ? end - begin : 0;
    ret->cpus = number(lookup, "SLURM_CPUS_ON_NODE");
    ret->gpus = number(lookup, "SLURM_GPUS_ON_NODE");
    ret->memory_mib = number(lookup, "SLURM_MEM_PER_NODE"); /* 0: all of it */
    if (ret->memory_mib == 0)
        ret->memory_mib = number(lookup, "SLURM_MEM_PER_CPU") * ret->cpus;
}

/* OpenPBS: qsub(1B), NCPUS is the chunk's on this node. Torque: "Exported batch environment variables". */
static void read_pbs(lookup_function *lookup, struct allotment *ret)
{
    ret->cpus = first(lookup, "PBS_NUM_PPN", "NCPUS");
    ret->seconds = number(lookup, "PBS_WALLTIME");
}

/* LSB_MCPU_HOSTS is "HOST SLOTS HOST SLOTS ...": the slots of this node are known where there is no other. */
static void read_lsf(lookup_function *lookup, struct allotment *ret)
{
    const char *hosts = lookup("LSB_MCPU_HOSTS");
    struct text rest = text_of(hosts ? hosts : "");
    struct text host;
    uint64_t    slots = 0;
    if (!text_word(&rest, &host))
        return;
    text_blanks(&rest);
    if (!text_unsigned(&rest, &slots) || slots > FIGURE_MAX)
        return;
    text_blanks(&rest);
    ret->cpus = text_len(rest) == 0 ? slots : 0;
}

/* qsub(1), ENVIRONMENTAL VARIABLES: slots of all nodes. */
static void read_sge(lookup_function *lookup, struct allotment *ret)
{
    ret->cpus = number(lookup, "NHOSTS") == 1 ? number(lookup, "NSLOTS") : 0;
}

void allotment_read(lookup_function *lookup, struct allotment *ret)
{
    static const struct {
        const char *marker, *name;
        void (*read)(lookup_function *lookup, struct allotment *ret);
    } systems[] = {{"SLURM_JOB_ID", "slurm", read_slurm},
                   {"PBS_JOBID", "pbs", read_pbs},
                   {"LSB_JOBID", "lsf", read_lsf},
                   {"SGE_TASK_ID", "sge", read_sge}};
    const char *ranks = lookup("PILLION_RANKS");
    *ret = (struct allotment){.by = NULL};
    for (size_t i = 0; i < ARRAY_LENGTH(systems) && !ret->by; i++) {
        if (!lookup(systems[i].marker))
            continue;
        systems[i].read(lookup, ret);
        ret->by = systems[i].name;
    }
    if (ranks && strcmp(ranks, "all") == 0)
        ret->cpus = ret->memory_mib = ret->gpus = 0;
    if (ret->cpus == 0 && ret->memory_mib == 0 && ret->gpus == 0 && ret->seconds == 0)
        ret->by = NULL;
}
