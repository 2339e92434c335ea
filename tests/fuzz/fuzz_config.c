// SPDX-License-Identifier: Apache-2.0
// An environment as anything, NAME=VALUE a line: what is read stays within its bounds, and no token is in the log.
#include "base/clock.h"
#include "config/config.h"
#include "fuzz.h"

#define SECRET "fuzzed-secret"

static struct config config;

static void check(const struct log *log)
{
    char output[256];
    HOLDS(config.interval >= CLOCK_SECOND / 20 && config.interval <= 3600 * CLOCK_SECOND);
    HOLDS(config.upload_interval >= CLOCK_SECOND && config.upload_interval <= 86400 * CLOCK_SECOND);
    HOLDS(config.exit_timeout >= 0 && config.exit_timeout <= 3600 * CLOCK_SECOND);
    HOLDS(config.min_life >= 0);
    HOLDS(config.share <= SHARE_ALL);
    HOLDS(config.log_level <= LOG_DEBUG);
    HOLDS(config.metadata.tag_count <= CONFIG_TAGS_MAX);
    HOLDS(config.token[0] == '\0' || config.api_url[0] != '\0');
    HOLDS(config.api_url[0] == '\0' || strncmp(config.api_url, "https://", 8) == 0 ||
          strncmp(config.api_url, "http://", 7) == 0);
    for (size_t i = 0; i < config.metadata.tag_count; i++)
        HOLDS(strlen(config.tags[i].key) > 0 && strlen(config.tags[i].value) < CONFIG_TEXT_MAX);
    HOLDS(!log->early.data || !strstr(log->early.data, SECRET));
    if (config.output)
        (void)config_output(config.output, 42, "machine", "run", output, sizeof output);
}

/* What was not set is filled with short texts of our own buffer; a container's are the environment's. */
static void look_around(void)
{
    const struct sentinel_run  before = config.metadata;
    const struct sentinel_run *now = &config.metadata;
    config_look_around(&config, "slurm_script");
    const char *const pairs[][2] = {{before.job_name, now->job_name},
                                    {before.project_name, now->project_name},
                                    {before.stage_name, now->stage_name},
                                    {before.task_name, now->task_name},
                                    {before.team, now->team},
                                    {before.env, now->env},
                                    {before.external_run_id, now->external_run_id}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        HOLDS(!pairs[i][0] || pairs[i][0] == pairs[i][1]);
        const struct container *c = &config.container;
        bool of_container = pairs[i][1] == c->pod || pairs[i][1] == c->space || pairs[i][1] == c->name;
        if (pairs[i][0] || !pairs[i][1] || of_container)
            continue;
        HOLDS(pairs[i][1] >= config.env_metadata && *pairs[i][1]);
        HOLDS(pairs[i][1] + strlen(pairs[i][1]) < config.env_metadata + sizeof config.env_metadata);
        HOLDS(strlen(pairs[i][1]) <= ENV_METADATA_VALUE_MAX);
    }
    HOLDS(now->tag_count <= CONFIG_TAGS_MAX + CONFIG_OWN_TAGS_MAX - 4); /* of cgroup_tags.c and pid1.c */
    for (size_t i = before.tag_count; i < now->tag_count; i++) {
        const char *value = now->tags[i].value;
        HOLDS(value >= config.job_text && value + strlen(value) < config.job_text + sizeof config.job_text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (memmem(data, size, SECRET, strlen(SECRET)))
        return 0; /* a fuzzer finds that out */
    char       *text = fuzz_text(data, size);
    char       *rest = NULL;
    const char *names[65] = {0};
    size_t      count = 0;
    struct log  log;
    (void)clearenv();
    HOLDS(setenv("SENTINEL_API_TOKEN", SECRET, 1) == 0);
    for (char *line = strtok_r(text, "\n", &rest); line && count < 64; line = strtok_r(NULL, "\n", &rest)) {
        char *equals = strchr(line, '=');
        if (!equals || equals == line || strncmp(line, "SENTINEL_API_TOKEN_FILE", 23) == 0)
            continue;
        names[count++] = line;
        *equals = '\0';
        (void)setenv(line, equals + 1, 1);
        *equals = '=';
    }
    log_init(&log, LOG_DEBUG);
    config = (struct config){0};
    config_read(&config, names, &log);
    look_around();
    check(&log);
    log_done(&log);
    free(text);
    return 0;
}
