// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "command.h"
#include "engine/cgroup_tags.h"
#include "output.h"
#include "runs.h"
#include "show.h"
#include "store/journal_read.h"
#include "summary.h"

static const char help[] = "Usage: pillion show [--json] [RUN]\n"
                           "\n"
                           "What a run used and how it ended: the run's whole process tree on the left, all of\n"
                           "the machine in that time on the right. RUN is an ID, the beginning of one, a run's\n"
                           "directory, a CSV file, or \"last\" (the default).\n";

static int json_of(const struct show *show)
{
    cJSON *tree = show->state != NULL ? cJSON_Duplicate(show->state, true) : cJSON_CreateObject();
    if (tree == NULL) {
        complain("out of memory");
        return EXIT_NO;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(tree, "summary");
    cJSON_AddItemToObject(tree, "summary", account_json(&show->summary, show->state));
    return output_json(tree, EXIT_YES);
}

/* Of a run that has not written its end, kills for memory are counted by the kernel alone. */
static void add_kills(cJSON *state)
{
    struct cgroup_events events;
    cgroup_tags_of_lost(state, &events);
    if (events.oom_kills == METRIC_NONE)
        return;
    cJSON *cgroup = cJSON_GetObjectItemCaseSensitive(state, "cgroup");
    if (!cJSON_IsObject(cgroup)) {
        cJSON_DeleteItemFromObjectCaseSensitive(state, "cgroup");
        cgroup = cJSON_AddObjectToObject(state, "cgroup");
    }
    cJSON_DeleteItemFromObjectCaseSensitive(cgroup, "oom_kills");
    (void)cJSON_AddNumberToObject(cgroup, "oom_kills", (double)events.oom_kills);
}

static int load(const struct run_place *place, struct show *ret)
{
    ret->shown = "";
    int error = place->dir >= 0 ? journal_load(place->dir, &ret->state) : 0;
    if (error < 0) {
        complain("%s: %s", place->path,
                 error == -ENOENT ? "this is no run: it has no run.jsonl" : "its run.jsonl is damaged");
        return error;
    }
    if (place->dir >= 0)
        ret->shown = run_state_shown(ret->state, place->dir);
    if (strcmp(ret->shown, "lost") == 0 || strcmp(ret->shown, "running") == 0)
        add_kills(ret->state);
    struct beginning beginning = {.at = run_time(ret->state, "started_at"),
                                  .interval = journal_number(ret->state, "interval", 0)};
    const cJSON     *baseline = cJSON_GetObjectItemCaseSensitive(ret->state, "baseline");
    beginning.is_dated = journal_number(baseline, "monotonic_us", -1) >= 0;
    beginning.within = beginning.at > 0 && beginning.at == (double)(long long)beginning.at ? 1 : 0;
    if (place->csv < 0) {
        summary_init(&ret->summary, beginning);
        return 0;
    }
    int result = summary_read(place->csv, beginning, &ret->summary);
    if (result < 0)
        complain("%s: %s", place->path,
                 result == -EBADMSG ? "this is not a CSV with a column \"timestamp\"" : strerror(-result));
    return result;
}

int command_show(int argc, char **argv)
{
    static struct show show;
    struct run_place   place;
    bool               json;
    int                code = options_read(argc, argv, help, &json);
    if (code >= 0)
        return code;
    if (argc - optind > 1) {
        complain("show takes one run; see pillion show --help");
        return EXIT_WRONG_CALL;
    }
    if (runs_find(optind < argc ? argv[optind] : "last", &place) < 0)
        return EXIT_NO;
    show.place = &place;
    if (load(&place, &show) < 0)
        code = EXIT_NO;
    else if (json)
        code = json_of(&show);
    else
        code = show_page(&show);
    cJSON_Delete(show.state);
    runs_done(&place);
    return code;
}
