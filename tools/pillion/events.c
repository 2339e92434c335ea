// SPDX-License-Identifier: Apache-2.0
#include "events.h"

#include "account.h"
#include "base/json_read.h"
#include "base/text.h"
#include "run_file.h"
#include "store/run_dir.h"

enum { JOURNAL_MAX = 64 * 1024 * 1024 };

static double number(struct text object, const char *key)
{
    struct text value;
    double      ret = 0;
    return json_find(object, key, &value) && text_decimal(value, &ret) && ret > 0 ? ret : 0;
}

static void add(struct events *events, double at, double oom_kills, double throttled_s)
{
    const struct event *last = &events->list[events->count - 1];
    bool                is_news = oom_kills > last->oom_kills || throttled_s > last->throttled_s;
    if (is_news && at >= last->at && events->count < EVENTS_MAX)
        events->list[events->count++] = (struct event){at, oom_kills, throttled_s};
}

void events_read(int dir, const cJSON *state, double end, struct events *ret)
{
    struct bytes file;
    struct text  line, cgroup, rest = {NULL, NULL};
    double       began = account_number(state, "baseline", "monotonic_us");
    double       kills = account_number(state, "cgroup", "oom_kills");
    double       throttled = account_number(state, "cgroup", "cpu_throttled_s");
    *ret = (struct events){.count = 1};
    bytes_init(&file, JOURNAL_MAX);
    if (dir >= 0 && began >= 0 && run_file_load(dir, RUN_DIR_JOURNAL, &file) == 0 && file.data != NULL)
        rest = text_span(file.data, file.len);
    while (rest.at < rest.end && text_line(&rest, &line)) {
        if (text_len(line) > 1000 || json_check(line, JSON_VALUES_MAX) < 0 || !json_find(line, "cgroup", &cgroup))
            continue;
        double seen = number(cgroup, "seen_us");
        if (seen > began && (seen - began) / 1e6 <= end)
            add(ret, (seen - began) / 1e6, number(cgroup, "oom_kills"), number(cgroup, "cpu_throttled_s"));
    }
    bytes_done(&file);
    add(ret, end, kills, throttled);
}
