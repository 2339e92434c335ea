/* The cgroups of the run: limits become tags of the registration, events become lines of run.jsonl. */
// SPDX-License-Identifier: Apache-2.0
#include "engine/cgroup_tags.h"

#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/number.h"
#include "base/text.h"
#include "collect/affinity.h"
#include "store/journal_read.h"
#include "store/journal_write.h"

#define KILLS_EVERY      (2 * CLOCK_SECOND)
#define THROTTLING_EVERY (10 * CLOCK_SECOND) /* version 2 sums up over all CPUs for each answer */
#define MIB              (1024.0 * 1024.0)

enum { EACH = 16 }; /* so many kills are told one by one */

/* The value is written as short as three decimals allow. */
static void add_tag(struct config *config, const char *key, double value, char text[static CGROUP_TAG_MAX])
{
    struct bytes b = {.data = text, .capacity = CGROUP_TAG_MAX, .max = CGROUP_TAG_MAX - 1};
    if (config_has_tag(config, key))
        return;
    bytes_decimal(&b, value, 3);
    if (b.failed)
        return;
    while (b.len > 0 && text[b.len - 1] == '0')
        text[--b.len] = '\0';
    if (b.len > 0 && text[b.len - 1] == '.')
        text[--b.len] = '\0';
    (void)config_own_tag(config, key, text);
}

static void read_events(const struct cgroup_tags *tags, struct cgroup_events *ret)
{
    cgroup_read_throttling(&tags->watch, ret);
    cgroup_read_kills(&tags->watch, ret);
    cgroup_read_peak(&tags->watch, ret);
}

void cgroup_tags_begin(struct cgroup_tags *tags, const struct roots *roots, const struct machine *machine,
                       struct config *config)
{
    struct cgroup_limits l;
    uint64_t             allowed = affinity_count(roots);
    cgroup_limits_read(roots, &l, &tags->watch);
    if (l.cpus > 0)
        add_tag(config, "cgroup_cpus", l.cpus, tags->tags[0]);
    if (l.memory != METRIC_NONE)
        add_tag(config, "cgroup_memory_mib", (double)l.memory / MIB, tags->tags[1]);
    if (machine->cpus != METRIC_NONE && allowed < machine->cpus)
        add_tag(config, "cpus_allowed", (double)allowed, tags->tags[2]);
    read_events(tags, &tags->before);
}

/* A number that is missing, or no count, is unknown. */
static uint64_t count(const cJSON *object, const char *key, double unit)
{
    double value = journal_number(object, key, -1);
    return value >= 0 && value * unit < 9e18 ? (uint64_t)(value * unit + 0.5) : METRIC_NONE;
}

static void read_back(const cJSON *object, struct cgroup_events *ret)
{
    ret->periods = count(object, "cpu_periods", 1);
    ret->throttled = count(object, "cpu_periods_throttled", 1);
    ret->throttled_us = count(object, "cpu_throttled_s", 1e6);
    ret->oom_kills = count(object, "oom_kills", 1);
    ret->memory_peak = count(object, "memory_peak", 1);
}

/* Is it the cgroup of the image before? A program may enter one of its own before its exec, as `systemd-run --scope`
 * does. */
static bool is_the_one_before(const struct cgroup *memory, uint64_t id, const cJSON *before)
{
    const char *path = journal_text(before, "memory");
    return strcmp(memory->path, path ? path : "") == 0 &&
           (!path || journal_number(before, "memory_id", -1) == (double)id);
}

void cgroup_tags_carry_on(struct cgroup_tags *tags, const cJSON *state)
{
    const cJSON *told = cJSON_GetObjectItemCaseSensitive(state, "cgroup");
    const cJSON *before = cJSON_GetObjectItemCaseSensitive(state, "cgroup_before");
    if (!is_the_one_before(&tags->watch.memory, tags->watch.memory_id, before))
        return;
    if (cJSON_IsObject(before))
        read_back(before, &tags->before);
    if (cJSON_IsObject(told))
        read_back(told, &tags->told);
}

void cgroup_tags_again(struct cgroup_tags *tags)
{
    tags->told = (struct cgroup_events){0};
    read_events(tags, &tags->before);
}

static uint64_t since(uint64_t before, uint64_t now)
{
    if (before == METRIC_NONE || now == METRIC_NONE)
        return METRIC_NONE;
    return saturating_subtract(now, before);
}

/* A maximum that has not risen stems from before: of the run's own time it says nothing. */
static uint64_t risen(uint64_t before, uint64_t now)
{
    return before != METRIC_NONE && now != METRIC_NONE && now > before ? now : METRIC_NONE;
}

void cgroup_tags_end(const struct cgroup_tags *tags, struct cgroup_events *ret)
{
    const struct cgroup_events *before = &tags->before;
    struct cgroup_events        now;
    read_events(tags, &now);
    *ret = (struct cgroup_events){
        .periods = since(before->periods, now.periods),
        .throttled = since(before->throttled, now.throttled),
        .throttled_us = since(before->throttled_us, now.throttled_us),
        .oom_kills = since(before->oom_kills, now.oom_kills),
        .memory_peak = risen(before->memory_peak, now.memory_peak),
    };
}

/* News is told rarely when there is much of it, so that a run of months has few lines of it. */
static bool is_news(uint64_t told, uint64_t count)
{
    uint64_t known = told == METRIC_NONE ? 0 : told;
    return count != METRIC_NONE && count > known && (count <= EACH || count >= 2 * known);
}

void cgroup_tags_look(struct cgroup_tags *tags, struct run_dir *dir, int64_t now)
{
    struct cgroup_events seen;
    bool                 news = false;
    if (tags->watch.memory.path[0] != '\0' && now >= tags->next_kills) {
        tags->next_kills = now + KILLS_EVERY;
        cgroup_read_kills(&tags->watch, &seen);
        news = is_news(tags->told.oom_kills, since(tags->before.oom_kills, seen.oom_kills));
    }
    if (tags->before.throttled != METRIC_NONE && now >= tags->next_throttling) {
        tags->next_throttling = now + THROTTLING_EVERY;
        cgroup_read_throttling(&tags->watch, &seen);
        news |= is_news(tags->told.throttled, since(tags->before.throttled, seen.throttled));
    }
    if (!news)
        return;
    cgroup_tags_end(tags, &tags->told);
    journal_cgroup(dir, &tags->told, now);
}

/* Finds the run's cgroup again; false when it is gone, or another one. A container saw it at another path. */
static bool find_again(const cJSON *state, const cJSON *before, struct cgroup *ret)
{
    static const char all[] = "/sys/fs/cgroup/";
    const char       *path = journal_text(before, "memory");
    double            id = journal_number(before, "memory_id", -1);
    *ret = (struct cgroup){.v2 = journal_number(before, "memory_version", 0) == 2};
    if (!path || strncmp(path, all, sizeof all - 1) != 0 || strstr(path, "/..") || id < 1 || id > 9e15 ||
        !journal_is_of_this_kernel(state))
        return false;
    if (text_copy(text_of(path), ret->path, sizeof ret->path) && (double)cgroup_id(path) == id)
        return true;
    return cgroup_find(ret->v2, (uint64_t)id, ret->path);
}

void cgroup_tags_of_lost(const cJSON *state, struct cgroup_events *ret)
{
    const cJSON         *before = cJSON_GetObjectItemCaseSensitive(state, "cgroup_before");
    struct cgroup_watch  watch = {0};
    struct cgroup_events then;
    struct cgroup_events now;
    read_back(cJSON_GetObjectItemCaseSensitive(state, "cgroup"), ret);
    if (!find_again(state, before, &watch.memory))
        return;
    read_back(before, &then);
    cgroup_read_kills(&watch, &now);
    uint64_t kills = since(then.oom_kills, now.oom_kills);
    if (kills != METRIC_NONE && (ret->oom_kills == METRIC_NONE || kills > ret->oom_kills))
        ret->oom_kills = kills;
}
