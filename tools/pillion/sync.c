// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "hook/hook.h"
#include "libraries.h"
#include "output.h"
#include "runs.h"

static const char help[] = "Usage: pillion sync [--json] [RUN...]\n"
                           "\n"
                           "Delivers to Sentinel, or to the bucket that a run was begun for, what has not arrived\n"
                           "there: all runs that are undelivered or lost, or the named ones; a run made without a\n"
                           "token and a bucket only when it is named. One line for each. Exit status 0 when\n"
                           "nothing is left to deliver, else 1.\n"
                           "\n"
                           "Examples:\n"
                           "  pillion sync\n"
                           "  pillion sync last   a run made without a token, now that there is one\n";

struct report {
    cJSON *list; /* NULL: text */
    size_t count;
};

static void report(void *context, const char *id, const char *outcome, const char *reason)
{
    struct report *to = context;
    bool           reasoned = reason != NULL && reason[0] != '\0';
    to->count++;
    if (to->list == NULL) {
        print_text(id);
        printf("  %s%s", outcome, reasoned ? ": " : "");
        print_text(reasoned ? reason : "");
        putchar('\n');
        (void)fflush(stdout);
        return;
    }
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "id", id);
    cJSON_AddStringToObject(object, "outcome", outcome);
    if (reasoned)
        cJSON_AddStringToObject(object, "reason", reason);
    cJSON_AddItemToArray(to->list, object);
}

static int deliver(const char *const *ids, bool json)
{
    const char          *reason;
    const struct engine *engine = engine_open(&reason);
    if (engine == NULL) {
        complain("%s", reason);
        return EXIT_NO;
    }
    conf_read(CONF_PATH);
    struct report      to = {.list = json ? cJSON_CreateArray() : NULL};
    struct engine_sync sync = {
        .environment = (const char *const *)environ,
        .conf = conf_found(),
        .runs = ids,
        .named = ids != NULL,
        .report = report,
        .context = &to,
    };
    int left = engine->sync(&sync);
    if (left < 0)
        complain("sync failed: %s", strerror(-left));
    else if (to.count == 0)
        complain("nothing to deliver");
    int code = left == 0 ? EXIT_YES : EXIT_NO;
    return json ? output_json(to.list, code) : output_end(code);
}

/* The runs that the operands stand for; NULL and a sentence when one stands for none. */
static struct run_place *named_runs(char *const *operands, size_t count)
{
    struct run_place *places = calloc(count, sizeof *places);
    for (size_t i = 0; places != NULL && i < count; i++) {
        bool listed = false;
        if (runs_find(operands[i], &places[i]) == 0) {
            runs_done(&places[i]);
            listed = places[i].listed;
            if (!listed)
                complain("%s: only runs in the run directory can be delivered; see pillion list", operands[i]);
        }
        if (!listed) {
            free(places);
            return NULL;
        }
    }
    return places;
}

static int deliver_named(char *const *operands, size_t count, bool json)
{
    struct run_place *places = named_runs(operands, count);
    const char      **ids = calloc(count + 1, sizeof *ids);
    int               code = EXIT_NO;
    if (places != NULL && ids != NULL) {
        for (size_t i = 0; i < count; i++)
            ids[i] = places[i].id;
        code = deliver(ids, json);
    }
    free(ids);
    free(places);
    return code;
}

static int read_options(int argc, char **argv, bool *ret_json)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"all-users", no_argument, NULL, WHOSE_ALL}, WHOSE_OPTIONS, OPTIONS_COMMON};
    *ret_json = false;
    opterr = 0;
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, ":hV", options, NULL)) != -1;) {
        if (whose_is_refused(argv[0], option))
            return EXIT_WRONG_CALL;
        if (option != 'j')
            return options_common(option, argv, options, help);
        *ret_json = true;
    }
    return -1;
}

int command_sync(int argc, char **argv)
{
    bool json;
    int  code = read_options(argc, argv, &json);
    if (code >= 0)
        return code;
    if (optind < argc)
        return deliver_named(argv + optind, (size_t)(argc - optind), json);
    return deliver(NULL, json);
}
