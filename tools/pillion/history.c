// SPDX-License-Identifier: Apache-2.0
#include "history.h"

#include <string.h>
#include <unistd.h>

#include "account.h"
#include "base/file.h"
#include "run_file.h"
#include "runs.h"
#include "store/journal_read.h"

int history_rows(int csv, const cJSON *state, struct summary_listener listener, struct summary *ret)
{
    struct beginning beginning = {.at = run_time(state, "started_at"),
                                  .interval = journal_number(state, "interval", 0)};
    const cJSON     *baseline = cJSON_GetObjectItemCaseSensitive(state, "baseline");
    beginning.is_dated = journal_number(baseline, "monotonic_us", -1) >= 0;
    beginning.within = beginning.at > 0 && beginning.at == (double)(long long)beginning.at ? 1 : 0;
    if (csv < 0) {
        summary_init(ret, beginning);
        return 0;
    }
    return summary_read_rows(csv, beginning, listener, ret);
}

static bool is_same(const cJSON *state, const cJSON *like, const char *key)
{
    const char *a = account_registered(state, key), *b = account_registered(like, key);
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void add_one(int dir, const cJSON *like, struct advice *advice)
{
    static struct summary summary;
    cJSON                *state = NULL;
    if (run_file_state(dir, &state) == 0 && is_same(state, like, "job_name") && is_same(state, like, "task_name") &&
        !journal_is(state, "state", "running")) {
        int csv = -1;
        if (run_file_open(dir, RUN_DIR_ROWS, &csv) == 0 &&
            history_rows(csv, state, (struct summary_listener){0}, &summary) == 0)
            advice_add(advice, &summary, state);
        file_close(&csv);
    }
    cJSON_Delete(state);
}

void history_add(const cJSON *state, const char *id, size_t count, struct advice *advice)
{
    struct run_folder folder;
    struct run_names  names = {0};
    if (account_registered(state, "job_name") == NULL || runs_folder(&folder) < 0)
        return;
    if (runs_read(&folder, &names) == 0) {
        for (size_t i = names.count; i-- > 0 && advice->runs < count;) {
            int dir = -1;
            if (strcmp(names.names[i], id) == 0 || runs_open(&folder.home, names.names[i], &dir) < 0)
                continue;
            add_one(dir, state, advice);
            close(dir);
        }
    }
    runs_free(&names);
    state_dir_close(&folder.home);
}
