/* pillion rm: asks nothing, as rm does; what would be lost needs --force, and a run that goes on stays in any case. */
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"
#include "filter.h"
#include "output.h"
#include "store/run_dir.h"

static const char help[] = "Usage: pillion rm [--force] [--dry-run] [--json] RUN... | FILTER...\n"
                           "\n"
                           "Removes runs from this machine, with their rows; what has reached Sentinel stays there.\n"
                           "One line for each run that is gone. Nothing is asked. A run that has not been delivered\n"
                           "(undelivered, lost, finishing) is left alone without --force, and one that goes on is\n"
                           "never removed.\n"
                           "\n"
                           "  -f, --force    also what has not been delivered; its rows are then nowhere\n"
                           "  -n, --dry-run  only tell which\n"
                           "\n"
                           "Filters, in place of RUN; all that are given must hold:\n" FILTER_HELP "\n"
                           "Exit status 0 when all that were meant are gone, else 1.\n"
                           "\n"
                           "Examples:\n"
                           "  pillion rm last last~1\n"
                           "  pillion rm --state local --name 'test*' --dry-run\n"
                           "  pillion rm --force 20261128T123600Z-node7-14628\n";

struct order {
    bool          json, force, is_dry;
    struct filter filter;
};

/* Why a run stays; NULL: it may go. */
static const char *why_not(const char *state, bool force)
{
    if (strcmp(state, "running") == 0)
        return "it goes on";
    if (force)
        return NULL;
    if (strcmp(state, "undelivered") == 0 || strcmp(state, "finishing") == 0)
        return "it has not been delivered; pillion sync does, --force removes it all the same";
    if (strcmp(state, "lost") == 0)
        return "it is lost, and pillion sync may still deliver it; --force removes it all the same";
    if (strcmp(state, "newer") == 0)
        return "a later version of pillion wrote it, and may still deliver it; --force removes it all the same";
    return NULL;
}

static bool is_there(const struct state_dir *home, const char *id)
{
    struct stat info;
    return fstatat(home->runs, id, &info, AT_SYMLINK_NOFOLLOW) == 0;
}

/* True: it is gone, or would be. */
static bool remove_one(const struct order *order, const struct selection *all, size_t i, cJSON *list)
{
    const char *id = all->names.names[all->at[i]];
    const char *state = all->records[i].values[RUN_FIELD_state].text;
    const char *reason = why_not(state != NULL ? state : "", order->force);
    if (reason == NULL && !order->is_dry) {
        run_dir_remove(&all->folder.home, id);
        if (is_there(&all->folder.home, id))
            reason = "somebody works on it, or it has files of others";
    }
    if (reason != NULL)
        complain("%s stays: %s", id, reason);
    if (list != NULL) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "id", id);
        cJSON_AddBoolToObject(object, "removed", reason == NULL && !order->is_dry);
        if (reason != NULL)
            cJSON_AddStringToObject(object, "reason", reason);
        cJSON_AddItemToArray(list, object);
    } else if (reason == NULL) {
        fputs(order->is_dry ? "would remove " : "removed ", stdout);
        print_text(id);
        putchar('\n');
    }
    return reason == NULL;
}

static int read_order(int argc, char **argv, struct order *ret)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"force", no_argument, NULL, 'f'},
                                            {"dry-run", no_argument, NULL, 'n'},
                                            {"all-users", no_argument, NULL, WHOSE_ALL},
                                            FILTER_OPTIONS,
                                            WHOSE_OPTIONS,
                                            OPTIONS_COMMON};
    opterr = 0;
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, ":fnhV", options, NULL)) != -1;) {
        int taken = filter_take(&ret->filter, argv[0], option, optarg);
        if (whose_is_refused(argv[0], option))
            return EXIT_WRONG_CALL;
        if (option == 'j')
            ret->json = true;
        else if (option == 'f')
            ret->force = true;
        else if (option == 'n')
            ret->is_dry = true;
        else if (taken == 0)
            return options_common(option, argv, options, help);
        if (taken < 0)
            return EXIT_WRONG_CALL;
    }
    if (ret->filter.is_set == (optind < argc)) {
        complain("rm takes runs, or filters that choose them, and one of both; see pillion rm --help");
        return EXIT_WRONG_CALL;
    }
    return -1;
}

int command_rm(int argc, char **argv)
{
    struct order     order = {.json = false};
    struct selection all;
    int              code = read_order(argc, argv, &order);
    if (code >= 0)
        return code;
    int result = order.filter.is_set ? filter_select(&order.filter, &all)
                                     : filter_named(argv + optind, (size_t)(argc - optind), &all);
    if (result < 0) {
        filter_done(&all);
        return EXIT_NO;
    }
    cJSON *list = order.json ? cJSON_CreateArray() : NULL;
    code = EXIT_YES;
    for (size_t i = 0; i < all.count; i++)
        if (!remove_one(&order, &all, i, list))
            code = EXIT_NO;
    if (all.count == 0)
        complain("no run is meant by these filters");
    filter_done(&all);
    return list != NULL ? output_json(list, code) : output_end(code);
}
