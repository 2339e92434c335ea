// SPDX-License-Identifier: Apache-2.0
/* The use of a run by its end. Thread: any. Allocates: no.
 *   CPU, RSS, faults, context switches    getrusage(2); process_others.h for processes that nobody has reaped
 *   max_rss_kib                           VmHWM of /proc/self/status (proc.rst table 1-2), ru_maxrss */
#include <stddef.h>
#include <unistd.h>

#include "base/file.h"
#include "base/number.h"
#include "base/roots.h"
#include "base/text.h"
#include "collect/collect.h"
#include "collect/tree/process_others.h"

/* The peak RSS of the present image, in KiB; 0: unknown. */
static uint64_t image_peak(const struct roots *roots)
{
    char        content[4096];
    size_t      len = 0;
    uint64_t    peak = 0;
    struct text line;
    int         fd = roots_open(roots->proc, "self/status", 0);
    if (fd >= 0 && file_reread(fd, content, sizeof content, &len) == 0) {
        struct text t = text_span(content, len);
        while (text_line(&t, &line))
            if (text_skip(&line, "VmHWM:\t") && text_unsigned(&line, &peak))
                break;
    }
    file_close(&fd);
    return peak;
}

/* The known peak, and the most that some process may have had beyond it. */
struct peak {
    uint64_t known, most;
};

static void lift(uint64_t *value, uint64_t to)
{
    *value = to > *value ? to : *value;
}

/* ru_maxrss is a maximum over all that the process ever was: when it has risen, that was in the run. */
static void add_own(const struct roots *roots, uint64_t before, uint64_t now, enum usage_images images,
                    struct peak *peak)
{
    uint64_t image = images == USAGE_PART_OF_ONE ? 0 : image_peak(roots);
    lift(&peak->known, now > before ? now : image);
    lift(&peak->most, now > before ? now : images == USAGE_THIS_IMAGE && image > 0 ? image : before);
}

/* The peak of the reaped children. `pillion run` forks, so the first image of its command is its own: a
 * maximum below that belongs to nobody of the run. */
static void add_children(const struct usage *before, const struct usage *now, uint64_t floor, struct peak *peak)
{
    if (now->child_faults <= before->child_faults)
        return;
    if (now->child_peak > before->child_peak && now->child_peak > floor)
        lift(&peak->known, now->child_peak);
    lift(&peak->most, now->child_peak);
}

void totals_read(const struct roots *roots, const struct tree *tree, const struct usage *before,
                 enum usage_images images, struct collectors *collectors, struct totals *ret)
{
    struct usage  now;
    struct others others = {.are_all_known = false};
    struct peak   peak = {0};
    bool          outside = tree_root_is_outside(tree);
    usage_read(tree, &now);
    if (collectors)
        collect_others(collectors, &others);
    bool in_step = tree->root != getpid(); /* the launcher reaps the step's other ranks */
    if (!outside)
        add_own(roots, before->own_peak, now.own_peak, images, &peak);
    add_children(before, &now, outside ? now.own_peak : 0, &peak);
    lift(&peak.known, others.peak);
    lift(&peak.known, others.seen);
    *ret = (struct totals){
        .user_us = saturating_subtract(now.user_us, before->user_us),
        .system_us = saturating_subtract(now.system_us, before->system_us),
        .minor_faults = saturating_subtract(now.minor_faults, before->minor_faults),
        .major_faults = saturating_subtract(now.major_faults, before->major_faults),
        .voluntary_switches = in_step ? METRIC_NONE
                                      : saturating_subtract(now.voluntary, before->voluntary) + others.voluntary,
        .involuntary_switches = in_step
                                    ? METRIC_NONE
                                    : saturating_subtract(now.involuntary, before->involuntary) + others.involuntary,
        .max_rss_kib = peak.known > 0 ? peak.known : METRIC_NONE,
        .max_rss_exact = !in_step && others.are_all_known && peak.known >= peak.most && peak.known > 0,
        .cgroup_memory_peak = METRIC_NONE,
    };
}
