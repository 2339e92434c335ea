// SPDX-License-Identifier: Apache-2.0
// A run as `list` and `show` meet it: run.jsonl, a form feed, metrics.csv. Whatever they hold, no control character
// reaches the terminal, and every figure is finite.
#include <math.h>

#include "../../tools/pillion/list.c" // NOLINT(bugprone-suspicious-include)
#include "account.h"
#include "folder.h"
#include "show.h"

int options_read(int argc, char **argv, const char *text, bool *ret_json)
{
    (void)argc;
    (void)argv;
    (void)text;
    (void)ret_json;
    return 0;
}

static int printed = -1;

static void begin(void)
{
    printed = nameless_file(printed, "", 0);
    HOLDS(dup2(printed, STDOUT_FILENO) == STDOUT_FILENO);
}

static void check_printed(void)
{
    char    block[4096];
    ssize_t n = 0;
    (void)fflush(stdout);
    for (off_t at = 0; (n = pread(printed, block, sizeof block, at)) > 0; at += n)
        for (ssize_t i = 0; i < n; i++)
            HOLDS(block[i] == '\n' || ((unsigned char)block[i] >= ' ' && block[i] != 0x7f));
    HOLDS(ftruncate(printed, 0) == 0 && lseek(printed, 0, SEEK_SET) == 0);
}

static void check_figures(const struct summary *summary)
{
    HOLDS(isfinite(summary_duration(summary)) && summary_duration(summary) >= 0);
    for (int subject = 0; subject < SUBJECT_COUNT; subject++) {
        HOLDS(isfinite(summary_mean_cores(summary, (enum subject)subject)));
        for (int measure = 0; measure < MEASURE_COUNT; measure++) {
            const struct figure *figure = &summary->figures[subject][measure];
            HOLDS(isfinite(figure->total) && isfinite(figure->max) && figure->known <= summary->rows);
        }
    }
    HOLDS(summary->buckets <= SUMMARY_BUCKETS);
}

static void show(cJSON *state, int csv)
{
    static const struct run_place place = {.id = "20261122T104500Z-node7-4242", .path = "/x/y", .dir = -1, .csv = -1};
    static struct show            page;
    struct beginning              beginning = {.at = run_time(state, "started_at"),
                                               .interval = journal_number(state, "interval", 0)};
    page = (struct show){.place = &place, .state = state};
    page.shown = state ? run_state_shown(state, folder_open()) : "";
    if (summary_read(csv, beginning, &page.summary) < 0)
        return;
    check_figures(&page.summary);
    cJSON *json = account_json(&page.summary, state);
    char  *text = cJSON_PrintUnformatted(json);
    HOLDS(text && !strstr(text, "null") && !strstr(text, "inf"));
    cJSON_free(text);
    cJSON_Delete(json);
    (void)show_page(&page);
    check_printed();
}

static void list(const cJSON *state)
{
    cJSON *all = cJSON_CreateArray();
    print_row("20261122T104500Z-node7-4242", state, run_state_shown(state, folder_open()), 0);
    check_printed();
    add_object(all, "20261122T104500Z-node7-4242", state, run_state_shown(state, folder_open()));
    cJSON_Delete(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int     jsonl = -1;
    static int     csv = -1;
    cJSON         *state = NULL;
    const uint8_t *feed = memchr(data, '\f', size);
    size_t         first = feed ? (size_t)(feed - data) : size;
    if (printed < 0)
        begin();
    jsonl = nameless_file(jsonl, data, first);
    csv = nameless_file(csv, feed ? feed + 1 : data, feed ? size - first - 1 : 0);
    if (journal_load_held(jsonl, &state) < 0)
        state = NULL;
    show(state, csv);
    if (state)
        list(state);
    cJSON_Delete(state);
    return 0;
}
