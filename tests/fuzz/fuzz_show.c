// SPDX-License-Identifier: Apache-2.0
// A run as `list` and `show` meet it: run.jsonl, a form feed, metrics.csv. Whatever they hold, no control character
// reaches the terminal, and every figure is finite.
#include <cJSON.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "fields.h"
#include "folder.h"
#include "show.h"
#include "store/journal_read.h"

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
    static const struct run_place place = {
        .id = "20261122T104500Z-node7-4242", .path = "/x/y", .dir = -1, .csv = -1, .ordinal = 1};
    static struct show page;
    struct beginning   beginning = {.at = run_time(state, "started_at"),
                                    .interval = journal_number(state, "interval", 0)};
    page = (struct show){.place = &place, .state = state};
    page.shown = state ? run_state_shown(state, folder_open()) : "";
    if (summary_read(csv, beginning, &page.summary) < 0)
        return;
    check_figures(&page.summary);
    advice_begin(&page.advice);
    advice_add(&page.advice, &page.summary, state);
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
    struct record record;
    cJSON        *object = cJSON_CreateObject();
    fields_read("20261122T104500Z-node7-4242", state, run_state_shown(state, folder_open()), 0, &record);
    fields_json(&record, object);
    for (int i = 0; i < RUN_FIELD_COUNT; i++) {
        char text[64];
        fields_text(&record, (enum run_field)i, text, sizeof text);
        print_cut(text, 20, i % 2 == 0);
    }
    check_printed();
    fields_csv(&record);
    (void)fflush(stdout);
    HOLDS(ftruncate(printed, 0) == 0 && lseek(printed, 0, SEEK_SET) == 0);
    fields_free(&record);
    cJSON_Delete(object);
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
