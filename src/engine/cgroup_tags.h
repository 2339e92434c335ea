/* Limits of the program's cgroups become tags of the registration. Their events (throttling, kills for memory) go to
 * run.jsonl at the end of the run, and along the way for a run that does not come to its end. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_ENGINE_CGROUP_TAGS_H
#define PILLION_ENGINE_CGROUP_TAGS_H

#include <cJSON.h>

#include "collect/cgroup/cgroup.h"
#include "collect/collect.h"
#include "config/config.h"
#include "store/run_dir.h"

enum { CGROUP_TAGS = 3, CGROUP_TAG_MAX = 24 };

_Static_assert(CGROUP_TAGS + 1 + 10 == CONFIG_OWN_TAGS_MAX, "these, `continues` of pid1.c, and those of a job");

struct cgroup_tags {
    struct cgroup_watch  watch;
    struct cgroup_events before;                      /* the counts when the run began */
    struct cgroup_events told;                        /* during the run, as run.jsonl has them */
    int64_t              next_kills, next_throttling; /* ns CLOCK_MONOTONIC, of the next look */
    char                 tags[CGROUP_TAGS][CGROUP_TAG_MAX];
};

/* Finds the cgroups, reads the counters and adds tags to the configuration, before main has done much:
 *   cgroup_cpus        CPU quota in CPUs, a decimal
 *   cgroup_memory_mib  memory limit
 *   cpus_allowed       by cpuset and affinity, where they are fewer than the machine's
 * A tag of the user's with the same key stands. */
void cgroup_tags_begin(struct cgroup_tags *tags, const struct roots *roots, const struct machine *machine,
                       struct config *config);
/* After an exec in place: counts go on from before the first image. In another cgroup they begin with this image. */
void cgroup_tags_carry_on(struct cgroup_tags *tags, const cJSON *state);
void cgroup_tags_again(struct cgroup_tags *tags); /* another run begins now */
/* Writes new kills and new throttling to run.jsonl, now and then after a row. When there are many, not each is written,
 * but what stands there is at least half of them. */
void cgroup_tags_look(struct cgroup_tags *tags, struct run_dir *dir, int64_t now);
/* The events since the run began; METRIC_NONE where they are not counted. memory_peak: if it was reached since then. */
void cgroup_tags_end(const struct cgroup_tags *tags, struct cgroup_events *ret);
/* The same for a run that wrote no end, or not yet: what it had told, and the kills that its cgroup has counted until
 * now, if that is still there. */
void cgroup_tags_of_lost(const cJSON *state, struct cgroup_events *ret);

#endif
