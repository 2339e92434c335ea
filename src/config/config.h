/* The configuration: environment variables, read once, before main. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_CONFIG_CONFIG_H
#define PILLION_CONFIG_CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "config/allotment.h"
#include "config/container.h"
#include "config/credentials.h"
#include "config/env_metadata.h"
#include "pillion/sentinel.h"

enum share {
    SHARE_HOSTNAME = 1,
    SHARE_IP = 2,
    SHARE_HOST_ID = 4,
    SHARE_ACCOUNT = 8,
    SHARE_COMMAND = 16,
    SHARE_ALL = 31,
};

/* PILLION_CLOUD: where the clouds' metadata services are asked. */
enum config_cloud { CONFIG_CLOUD_AUTO, CONFIG_CLOUD_PROBE, CONFIG_CLOUD_OFF };

enum { CONFIG_URL_MAX = 1024, CONFIG_TAGS_MAX = 64, CONFIG_TEXT_MAX = 16 * 1024 };
enum { CONFIG_JOB_TEXT_MAX = 512 };
enum { CONFIG_OWN_TAGS_MAX = 14 }; /* ten of a job, three of cgroup_tags.c, and `continues` */

struct config {
    int64_t           interval;        /* ns */
    int64_t           upload_interval; /* ns between batches to S3 */
    int64_t           min_life;        /* ns */
    int64_t           exit_timeout;    /* ns */
    bool              takes_signals;   /* PILLION_SIGNALS */
    enum config_cloud cloud;
    uint64_t          keep_runs;
    uint64_t          keep_bytes;
    uint64_t          crowd; /* nodes of the step, or tasks of the array, that this run is one of; 0: neither */
    struct allotment  allotment;
    struct container  container;
    unsigned          share; /* enum share, or'ed */
    enum log_level    log_level;
    const char       *log;    /* PILLION_LOG, NULL; like all strings here a part of the environment's snapshot */
    const char       *output; /* the pattern in PILLION_OUTPUT, NULL */
    const char       *otlp;   /* PILLION_OTLP_ENDPOINT, NULL: no row goes there, and the next three are NULL too */
    const char       *otlp_headers, *otlp_attributes, *otlp_service; /* OTEL_…, config/otel.h; NULL */
    /* Only the metadata fields are used; job_name may be NULL. */
    struct sentinel_run metadata;
    /* Long texts come last, and are left alone where nothing is set: main pays for each page. */
    char                 api_url[CONFIG_URL_MAX];
    char                 s3_endpoint[CONFIG_URL_MAX];                 /* "": AWS */
    struct sentinel_pair tags[CONFIG_TAGS_MAX + CONFIG_OWN_TAGS_MAX]; /* the user's first */
    char                 token[TOKEN_SIZE];                           /* "": everything stays local */
    char                 secret[TOKEN_SIZE]; /* the token, also where it is of no use: never written down */
    char                 tag_text[CONFIG_TEXT_MAX];
    char                 env_metadata[ENV_METADATA_TEXT_MAX];
    char                 job_text[CONFIG_JOB_TEXT_MAX]; /* values of its tags */
    char                 s3_uri[CONFIG_URL_MAX];        /* without a token: "s3://bucket/prefix", "" */
    char                 otlp_endpoint[CONFIG_URL_MAX]; /* what `otlp` points to: the scheme in lower case */
};

/* Reads everything through getenv, into a zeroed *ret. Never fails. An invalid value is logged once, with the variable,
 * the value, the allowed ones and the default that is used instead. `names` is the environment, to find unknown
 * PILLION_ names; it may be NULL. */
void config_read(struct config *ret, const char *const *names, struct log *log);

/* Fills metadata that was not set, and `container`, from the surroundings; `job` is the program's name. What is known
 * of a batch job, and what it was given, become tags. */
void config_look_around(struct config *config, const char *job);

/* Are runs to be delivered anywhere? */
bool config_delivers(const struct config *config);

/* Is there a tag of this key? */
bool config_has_tag(const struct config *config, const char *key);
/* Adds a tag of the engine's; both texts stay the caller's. False where no room is left. */
bool config_own_tag(struct config *config, const char *key, const char *value);

/* Expands %p %h %r %% of PILLION_OUTPUT. 0, -EINVAL (another %), -ENAMETOOLONG. */
int config_output(const char *pattern, long pid, const char *machine, const char *id, char *ret, size_t size);

#endif
