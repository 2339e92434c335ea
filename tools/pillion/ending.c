// SPDX-License-Identifier: Apache-2.0
#include "ending.h"

#include <stdio.h>
#include <string.h>

#include "account.h"
#include "run_limits.h"
#include "output.h"
#include "store/journal_read.h"

static void tell(struct ending *ret, const char *word, const char *tone)
{
    ret->word = word;
    ret->tone = tone;
}

static void out_of_memory(const struct show *show, double kills, struct ending *ret)
{
    char          most[FIGURE_MAX], limit[FIGURE_MAX];
    struct limits limits = limits_of(show->state);
    double        peak = account_peak_mib(show->state, SUBJECT_SYSTEM);
    if (peak < 0)
        peak = show->summary.figures[SUBJECT_PROCESS][MEASURE_MEMORY].max;
    figure_bytes(peak * 1024 * 1024, most);
    figure_bytes(limits.memory_mib * 1024 * 1024, limit);
    (void)snprintf(ret->reason, sizeof ret->reason, "%.0f process%s killed for memory at %s%s%s%s", kills,
                   kills < 2 ? " was" : "es were", most, limits.memory_mib > 0 ? " of " : "",
                   limits.memory_mib > 0 ? limit : "", limits.memory_is_given ? " (its limit)" : "");
}

static void end_of(const struct show *show, struct ending *ret)
{
    char   name[FIGURE_MAX];
    int    number = run_number(show->state, "signal", 0);
    int    code = run_number(show->state, "exit_code", -1);
    double kills = account_number(show->state, "cgroup", "oom_kills");
    if (strcmp(show->shown, "running") == 0) {
        tell(ret, "running", "live");
    } else if (strcmp(show->shown, "lost") == 0) {
        tell(ret, "lost", "bad");
        strcpy(ret->reason, "the program is gone and left no word; pillion sync finishes the run");
    } else if (strcmp(show->shown, "damaged") == 0) {
        tell(ret, "damaged", "bad");
    } else if (number > 0) {
        signal_text(number, name);
        tell(ret, "killed", "bad");
        (void)snprintf(ret->reason, sizeof ret->reason, "by %s", name);
    } else if (code > 0) {
        tell(ret, "failed", "bad");
        (void)snprintf(ret->reason, sizeof ret->reason, "exit status %d", code);
    } else {
        tell(ret, "finished", "good");
        strcpy(ret->reason, code == 0 ? "exit status 0" : "its exit status is not known");
    }
    if (kills >= 1) {
        /* A program may outlive its children's death, and does then not fail. */
        bool is_bad = strcmp(ret->tone, "bad") == 0;
        tell(ret, is_bad ? "out of memory" : ret->word, is_bad ? "bad" : "warn");
        out_of_memory(show, kills, ret);
    }
}

static void delivery_of(const struct show *show, struct ending *ret)
{
    const char *reason = journal_text(show->state, "reason");
    const char *id = journal_text(show->state, "sentinel_run_id");
    if (strcmp(show->shown, "finished") == 0)
        (void)snprintf(ret->delivery, sizeof ret->delivery, "delivered to Sentinel%s%.100s", id != NULL ? " as " : "",
                       id != NULL ? id : "");
    else if (strcmp(show->shown, "local") == 0)
        strcpy(ret->delivery, "on this machine alone: no token was set");
    else if (strcmp(show->shown, "undelivered") == 0)
        (void)snprintf(ret->delivery, sizeof ret->delivery,
                       "not delivered%s%.300s%s: pillion doctor says why, pillion sync tries again",
                       reason != NULL ? " (" : "", reason != NULL ? reason : "", reason != NULL ? ")" : "");
}

void ending_of(const struct show *show, struct ending *ret)
{
    *ret = (struct ending){.word = "", .tone = "plain"};
    if (show->state == NULL)
        return;
    end_of(show, ret);
    delivery_of(show, ret);
}
