// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "command.h"
#include "output.h"
#include "runs.h"
#include "store/journal_read.h"

static const char help[] = "Usage: pillion list [--json]\n"
                           "\n"
                           "The runs of this user on this machine, newest last. States: running; finishing;\n"
                           "finished (delivered); local (made without a token); undelivered; lost (the program\n"
                           "is gone and nobody has finished its run: pillion sync does); damaged.\n";

enum { COLUMN_ID = 30, COLUMN_STATE = 11, COLUMN_STARTED = 19, COLUMN_TOOK = 12, COLUMN_ENDED = 8 };

/* Seconds, -1 where the end is not known. */
static double took(const cJSON *state)
{
    double      began = run_time(state, "started_at");
    double      ended = run_time(state, "finished_at");
    double      duration = journal_number(state, "duration_s", -1);
    const char *name = journal_text(state, "state");
    if (duration >= 0)
        return duration;
    if (began > 0 && ended >= began)
        return ended - began;
    if (began > 0 && name != NULL && strcmp(name, "running") == 0 && journal_is_of_this_boot(state)) {
        const cJSON *baseline = cJSON_GetObjectItemCaseSensitive(state, "baseline");
        double       since = journal_number(baseline, "monotonic_us", -1) / 1e6;
        if (since >= 0)
            return (double)clock_monotonic() / 1e9 - since;
    }
    if (began > 0 && name != NULL && strcmp(name, "running") == 0)
        return (double)clock_real() / 1e9 - began;
    return -1;
}

static void ended_text(const cJSON *state, char ret[static FIGURE_MAX])
{
    int number = run_number(state, "signal", 0);
    int exit_code = run_number(state, "exit_code", -1);
    ret[0] = '-';
    ret[1] = '\0';
    if (number > 0)
        signal_text(number, ret);
    else if (exit_code >= 0)
        (void)snprintf(ret, FIGURE_MAX, "%d", exit_code);
}

static void started_text(const cJSON *state, char ret[static 21])
{
    const char *text = journal_text(state, "started_at");
    (void)snprintf(ret, 21, "%.19s", text != NULL ? text : "-");
    char *t = strchr(ret, 'T');
    if (t != NULL)
        *t = ' ';
}

static void print_row(const char *id, const cJSON *state, const char *shown, size_t width)
{
    enum { BEFORE_COMMAND = COLUMN_ID + COLUMN_STATE + COLUMN_STARTED + COLUMN_TOOK + COLUMN_ENDED + 10 };
    char   started[21], length[FIGURE_MAX] = "-", ended[FIGURE_MAX];
    double seconds = strcmp(shown, "lost") == 0 ? -1 : took(state);
    started_text(state, started);
    ended_text(state, ended);
    if (seconds >= 0 && seconds < 99 && seconds == (double)(long long)seconds)
        (void)snprintf(length, sizeof length, "%.0f s", seconds); /* all that the state knows */
    else if (seconds >= 0)
        figure_seconds(seconds, length);
    print_padded(id, COLUMN_ID + 2);
    print_padded(shown, COLUMN_STATE + 2);
    print_padded(started, COLUMN_STARTED + 2);
    printf("%*s  %-*s  ", COLUMN_TOOK, length, COLUMN_ENDED, ended);
    print_command(cJSON_GetObjectItemCaseSensitive(state, "command"),
                  width > BEFORE_COMMAND ? width - BEFORE_COMMAND : 0);
    putchar('\n');
}

static void add_copy(cJSON *object, const cJSON *state, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(state, key);
    if (value != NULL && !cJSON_IsNull(value))
        cJSON_AddItemToObject(object, key, cJSON_Duplicate(value, true));
}

static void add_object(cJSON *list, const char *id, const cJSON *state, const char *shown)
{
    cJSON *object = cJSON_CreateObject();
    double seconds = strcmp(shown, "lost") == 0 ? -1 : took(state);
    cJSON_AddStringToObject(object, "id", id);
    cJSON_AddStringToObject(object, "state", shown);
    add_copy(object, state, "command");
    add_copy(object, state, "started_at");
    add_copy(object, state, "finished_at");
    if (seconds >= 0)
        cJSON_AddNumberToObject(object, "duration_s", (double)(long long)(seconds * 1000 + 0.5) / 1000);
    add_copy(object, state, "exit_code");
    add_copy(object, state, "signal");
    add_copy(object, state, "sentinel_run_id");
    add_copy(object, state, "reason");
    cJSON_AddItemToArray(list, object);
}

static void one(const struct state_dir *home, const char *id, cJSON *list, size_t width)
{
    cJSON *state = NULL;
    int    dir = -1;
    if (runs_open(home, id, &dir) < 0)
        return;
    const char *shown = journal_load(dir, &state) == 0 ? run_state_shown(state, dir) : "damaged";
    if (list != NULL)
        add_object(list, id, state, shown);
    else
        print_row(id, state, shown, width);
    cJSON_Delete(state);
    close(dir);
}

int command_list(int argc, char **argv)
{
    bool json;
    int  code = options_read(argc, argv, help, &json);
    if (code >= 0)
        return code;
    if (optind < argc) {
        complain("list takes no argument; see pillion list --help");
        return EXIT_WRONG_CALL;
    }
    struct state_dir home = {.dir = -1, .runs = -1};
    struct run_names names = {0};
    int              result = state_dir_open(runs_lookup, false, &home);
    if (result == -ENOENT)
        home = (struct state_dir){.dir = -1, .runs = -1};
    else if (result == 0)
        result = runs_read(&home, &names);
    if (result < 0 && result != -ENOENT) {
        complain("the runs cannot be read: %s", strerror(-result));
        return EXIT_NO;
    }
    cJSON *list = json ? cJSON_CreateArray() : NULL;
    if (!json && names.count > 0)
        printf("%-*s  %-*s  %-*s  %*s  %-*s  %s\n", COLUMN_ID, "ID", COLUMN_STATE, "STATE", COLUMN_STARTED,
               "STARTED (UTC)", COLUMN_TOOK, "TOOK", COLUMN_ENDED, "ENDED", "COMMAND");
    for (size_t i = 0; i < names.count; i++)
        one(&home, names.names[i], list, output_width());
    if (!json && names.count == 0)
        complain("there is no run yet");
    runs_free(&names);
    state_dir_close(&home);
    return json ? output_json(list, EXIT_YES) : output_end(EXIT_YES);
}
