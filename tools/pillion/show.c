// SPDX-License-Identifier: Apache-2.0
#include "show.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "bucket.h"
#include "command.h"
#include "commands.h"
#include "engine/cgroup_tags.h"
#include "fields.h"
#include "filter.h"
#include "history.h"
#include "jobs.h"
#include "keeper.h"
#include "output.h"
#include "run_file.h"
#include "runs.h"
#include "summary.h"

static const char help[] =
    "Usage: pillion show [--json | --plain | --follow] [--history N] [--servers]\n"
    "                    [s3://BUCKET/PREFIX] [RUN]\n"
    "       pillion show --job ID [--json | --plain] [--since WHEN] [s3://BUCKET/PREFIX]\n"
    "\n"
    "What a run used of what it was given, how it ended, and what to ask for next time: its\n"
    "whole process tree, and below that all of the machine in that time. RUN is an ID, the\n"
    "beginning of one, a run's directory, a CSV file, or \"last\" (the default); RUN~1 is the\n"
    "run before it.\n"
    "\n"
    "  -f, --follow     live, until the run ends; Ctrl-C leaves. The run is not touched\n"
    "      --history N  advice from the N newest runs of the same name, not from this one alone\n"
    "      --servers    the cheapest cloud servers that would do. This option asks the network:\n"
    "                   the Keeper API of Spare Cores (or --servers=URL), for so many cores and\n"
    "                   so much memory, and says nothing of the run else\n"
    "      --job ID     a job: the runs of all its nodes, tasks and steps as one. Of several jobs\n"
    "                   with that ID the newest; --since, --dir and --user choose\n"
    "      --since WHEN of a job: runs begun since then; see pillion list --help\n"
    "      --json       the run's state, and its figures in \"summary\"\n"
    "      --plain      no colours, nothing but ASCII\n"
    "\n" WHOSE_HELP "\n"
    "Of s3://BUCKET/PREFIX, where programs with PILLION_S3_URI put them, the run of any machine.\n"
    "\"used\" is the mean of CPU and GPU, and the maximum of memory, in parts of the limit.\n"
    "\n"
    "Examples:\n"
    "  pillion show\n"
    "  pillion show last~1\n"
    "  pillion show --history 10 --json | jq .summary.advice\n"
    "  pillion show --follow\n"
    "  pillion show s3://bucket/fleet last~1\n"
    "  pillion show --job 4711 --dir /nfs/node1/pillion --dir /nfs/node2/pillion\n"
    "  sudo pillion show --user alice last~1\n"
    "  pillion show --dir /backup/alice/pillion 20261128T1236\n";

enum { HISTORY_MAX = 1000 };

static int json_of(const struct show *show, const cJSON *servers)
{
    struct record record;
    cJSON        *tree = show->state != NULL ? cJSON_Duplicate(show->state, true) : cJSON_CreateObject();
    if (tree == NULL) {
        complain("out of memory");
        return EXIT_NO;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(tree, "summary");
    if (show->place->user[0] != '\0') {
        cJSON_DeleteItemFromObjectCaseSensitive(tree, "user"); /* a file may say what it likes */
        cJSON_AddStringToObject(tree, "user", show->place->user);
    }
    cJSON *summary = account_json(&show->summary, show->state);
    cJSON *advice = advice_json(&show->advice);
    if (show->state != NULL) {
        fields_read(show->place->id, show->state, show->shown, -1, &record);
        fields_json_more(&record, summary);
        fields_free(&record);
    }
    if (show->state != NULL && !cJSON_HasObjectItem(tree, "commands")) /* it has not ended */
        cJSON_AddItemToObject(tree, "commands", commands_json(show->state, show->place->dir));
    if (advice != NULL)
        cJSON_AddItemToObject(summary, "advice", advice);
    if (servers != NULL)
        cJSON_AddItemToObject(summary, "servers", cJSON_Duplicate(servers, true));
    cJSON_AddItemToObject(tree, "summary", summary);
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

int show_load(const struct run_place *place, struct summary_listener listener, struct show *ret)
{
    ret->place = place;
    ret->shown = "";
    ret->state = NULL;
    int error = place->dir >= 0 ? run_file_state(place->dir, &ret->state) : 0;
    if (error < 0) {
        complain("%s: %s", place->path,
                 error == -ENOENT    ? "this is no run: it has no run.jsonl"
                 : error == -EPERM   ? "its run.jsonl is no regular file of the run's owner"
                 : error == -ENOTSUP ? "a later version of pillion wrote it, in a format that this one does not know"
                                     : "its run.jsonl is damaged");
        return error;
    }
    if (place->dir >= 0)
        ret->shown = run_state_shown(ret->state, place->dir);
    if (strcmp(ret->shown, "lost") == 0 || strcmp(ret->shown, "running") == 0)
        add_kills(ret->state);
    int result = history_rows(place->csv, ret->state, listener, &ret->summary);
    if (result < 0)
        complain("%s: %s", place->path,
                 result == -EBADMSG ? "this is not a CSV with a column \"timestamp\"" : strerror(-result));
    advice_begin(&ret->advice);
    if (result == 0 && ret->state != NULL)
        advice_add(&ret->advice, &ret->summary, ret->state);
    return result;
}

void show_done(struct show *show)
{
    cJSON_Delete(show->state);
    show->state = NULL;
}

struct order {
    bool          json, follow;
    long          history;
    const char   *servers; /* the Keeper API, NULL: not asked */
    const char   *run;
    struct filter filter; /* of a job */
};

/* 0: it is no such number. */
static long history_of(const char *text)
{
    long count = text != NULL ? strtol(text, NULL, 10) : 0;
    if (count >= 1 && count <= HISTORY_MAX)
        return count;
    complain("show: --history is a number from 1 to %d; see pillion show --help", HISTORY_MAX);
    return 0;
}

static int take_run(int argc, char **argv, struct order *ret)
{
    bool                 is_bucket = bucket_is_place(argv[optind]);
    int                  first = optind + is_bucket;
    const char          *run = first < argc ? argv[first] : "last";
    struct bucket_wanted wanted = filter_bucket(&ret->filter);
    if (ret->filter.job == NULL && ret->history == 0)
        wanted.run = run;
    if (is_bucket && ret->follow)
        complain("show: a bucket has rows once a minute, and none to follow; see pillion show --help");
    else if (argc - first > 1)
        complain("show takes one run; see pillion show --help");
    else if (ret->filter.is_set && ret->filter.job == NULL)
        complain("show: --since goes with --job; see pillion show --help");
    else if (ret->filter.job != NULL && (first < argc || ret->follow || ret->history > 0 || ret->servers != NULL))
        complain("show: --job goes with --json, --plain and --since alone; see pillion show --help");
    else if (ret->filter.job == NULL && !whose_is_one("show"))
        return EXIT_WRONG_CALL; /* it has its sentence */
    else if (ret->json && ret->follow)
        complain("show: --json and --follow do not go together; see pillion show --help");
    else
        ret->run = run;
    return ret->run != NULL ? bucket_take(argv[0], argc, argv, &wanted) : EXIT_WRONG_CALL;
}

static int read_order(int argc, char **argv, struct order *ret)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"plain", no_argument, NULL, 'p'},
                                            {"follow", no_argument, NULL, 'f'},
                                            {"history", required_argument, NULL, 'H'},
                                            {"servers", optional_argument, NULL, 's'},
                                            {"job", required_argument, NULL, FILTER_JOB},
                                            {"since", required_argument, NULL, FILTER_SINCE},
                                            WHOSE_OPTIONS,
                                            OPTIONS_COMMON};
    opterr = 0;
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, ":fhV", options, NULL)) != -1;) {
        int taken = filter_take(&ret->filter, argv[0], option, optarg);
        if (taken < 0)
            return EXIT_WRONG_CALL;
        if (taken > 0)
            continue;
        if (option == 'j')
            ret->json = true;
        else if (option == 'p')
            output_use_plain();
        else if (option == 'f')
            ret->follow = true;
        else if (option == 's')
            ret->servers = optarg != NULL ? optarg : KEEPER_URL;
        else if (option == 'H')
            ret->history = history_of(optarg);
        else if (whose_take(argv[0], option, optarg) == 0)
            return options_common(option, argv, options, help);
        if (option == 'H' && ret->history == 0)
            return EXIT_WRONG_CALL;
    }
    return take_run(argc, argv, ret);
}

static int show_once(const struct order *order)
{
    static struct show show;
    struct run_place   place;
    cJSON             *servers = NULL;
    int                code = EXIT_NO;
    if (runs_find(order->run, &place) < 0)
        return EXIT_NO;
    if (show_load(&place, (struct summary_listener){0}, &show) == 0) {
        if (order->history > 0 && show.state != NULL)
            history_add(show.state, place.id, (size_t)order->history, &show.advice);
        bucket_release();
        if (order->servers != NULL)
            servers = keeper_ask(order->servers, &show.advice);
        code = order->json ? json_of(&show, servers) : show_page(&show);
        if (servers != NULL && !order->json)
            keeper_print(servers, SHOW_LABEL_WIDTH);
        code = code == EXIT_YES && order->servers != NULL && servers == NULL ? EXIT_NO : code;
        code = bucket_is_partial() ? EXIT_NO : code;
    }
    cJSON_Delete(servers);
    show_done(&show);
    runs_done(&place);
    return code;
}

static int show_job(const struct order *order)
{
    static struct job job;
    int               code = EXIT_NO;
    int               result = jobs_load(&order->filter, "show", NULL, NULL, &job);
    bucket_release();
    if (result == 0)
        code = order->json ? output_json(jobs_json(&job, false), EXIT_YES) : jobs_page(&job);
    code = job.is_whole ? code : EXIT_NO;
    jobs_done(&job);
    return code;
}

int command_show(int argc, char **argv)
{
    struct order order = {.run = NULL};
    int          code = read_order(argc, argv, &order);
    if (code >= 0)
        return code;
    if (order.filter.job != NULL)
        return show_job(&order);
    return order.follow ? show_follow(order.run) : show_once(&order);
}
