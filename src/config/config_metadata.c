// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/text.h"
#include "config/config_parts.h"

void config_read_share(struct config *c, struct log *log)
{
    static const struct {
        const char *name;
        unsigned    bit;
    } words[] = {{"hostname", SHARE_HOSTNAME}, {"ip", SHARE_IP},           {"host_id", SHARE_HOST_ID},
                 {"account", SHARE_ACCOUNT},   {"command", SHARE_COMMAND}, {"all", SHARE_ALL}};
    const char *given = config_set("PILLION_SHARE");
    struct text rest = text_of(given ? given : "");
    struct text word;
    while (text_until(&rest, ',', &word)) {
        bool known = text_len(word) == 0;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (text_is(word, words[i].name)) {
                c->share |= words[i].bit;
                known = true;
            }
        if (!known)
            config_invalid(log, "PILLION_SHARE", given, "hostname, ip, host_id, account, command, all, with commas",
                           "what is known of it");
    }
}

/* Slurm's own variables: nothing that a user sets for us, hence nothing to complain about. */
void config_read_crowd(struct config *c)
{
    static const char *const names[] = {"SLURM_STEP_NUM_NODES", "SLURM_ARRAY_TASK_COUNT"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = config_set(names[i]);
        struct text t = text_of(value ? value : "");
        uint64_t    count = 0;
        if (text_unsigned(&t, &count) && count > c->crowd)
            c->crowd = count < 1000000 ? count : 1000000;
    }
}

static void add_tag(struct config *c, struct text piece, char **at, struct log *log)
{
    struct text key;
    size_t      len = text_len(piece);
    size_t      room = sizeof c->tag_text - (size_t)(*at - c->tag_text);
    if (len == 0)
        return;
    if (!memchr(piece.at, '=', len) || *piece.at == '=' || len + 2 > room || c->metadata.tag_count == CONFIG_TAGS_MAX) {
        log_line(log, LOG_WARN, "TRACKER_TAGS: %.*s is not valid: key=value, at most 64 of them; it is left out",
                 (int)(len < 200 ? len : 200), piece.at);
        return;
    }
    (void)text_until(&piece, '=', &key);
    struct sentinel_pair *tag = &c->tags[c->metadata.tag_count++];
    tag->key = *at;
    (void)text_copy(key, *at, room);
    *at += text_len(key) + 1;
    tag->value = *at;
    (void)text_copy(piece, *at, room - text_len(key) - 1);
    *at += text_len(piece) + 1;
}

void config_look_around(struct config *c, const char *job)
{
    surroundings_fill(config_set, c->share, job, &c->metadata, c->surroundings);
}

void config_read_metadata(struct config *c, struct log *log)
{
    struct sentinel_run *m = &c->metadata;
    m->job_name = config_set("TRACKER_JOB_NAME");
    m->project_name = config_set("TRACKER_PROJECT_NAME");
    m->stage_name = config_set("TRACKER_STAGE_NAME");
    m->task_name = config_set("TRACKER_TASK_NAME");
    m->team = config_set("TRACKER_TEAM");
    m->env = config_set("TRACKER_ENV");
    m->language = config_set("TRACKER_LANGUAGE");
    m->orchestrator = config_set("TRACKER_ORCHESTRATOR");
    m->executor = config_set("TRACKER_EXECUTOR");
    m->external_run_id = config_set("TRACKER_EXTERNAL_RUN_ID");
    m->container_image = config_set("TRACKER_CONTAINER_IMAGE");
    m->tags = c->tags;
    const char *given = config_set("TRACKER_TAGS");
    struct text rest = text_of(given ? given : "");
    struct text piece;
    char       *at = c->tag_text;
    while (text_until(&rest, ',', &piece))
        add_tag(c, piece, &at, log);
}
