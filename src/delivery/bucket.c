/* Places in buckets of the user's own. */
// SPDX-License-Identifier: Apache-2.0
#include "delivery/bucket.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "sentinel/s3.h"
#include "store/journal_read.h"

/* AWS's first region knows each bucket's own; servers of other makes have it by default. */
#define FIRST_REGION "us-east-1"

static struct bucket *new_bucket(const struct config *config)
{
    struct bucket *b = calloc(1, sizeof *b);
    if (b)
        b->keys = calloc(1, sizeof *b->keys);
    if (!b || !b->keys) {
        free(b);
        return NULL;
    }
    own_credentials_init(b->keys, config);
    return b;
}

struct bucket *bucket_of_config(const struct config *config)
{
    struct bucket *b = new_bucket(config);
    if (!b)
        return NULL;
    (void)text_copy(text_of(config->s3_uri), b->uri, sizeof b->uri);
    (void)text_copy(text_of(config->s3_endpoint), b->endpoint, sizeof b->endpoint);
    b->share = config->share;
    return b;
}

/* All of it goes into a URL: what stands on disk is checked as if a user had set it. */
static bool read_state(const cJSON *state, struct bucket *ret)
{
    const char *uri = journal_text(state, "destination");
    const char *endpoint = journal_text(state, "s3_endpoint");
    double      share = journal_number(state, "share", 0);
    ret->share = share >= 0 && share <= SHARE_ALL ? (unsigned)share : 0;
    return uri && s3_check_place(uri, ret->uri, sizeof ret->uri) == 0 &&
           (!endpoint || s3_check_endpoint(endpoint, ret->endpoint, sizeof ret->endpoint) == 0) &&
           object_key_take(journal_text(state, "key"), journal_text(state, "date"), &ret->name);
}

struct bucket *bucket_of_state(const struct config *config, const cJSON *state)
{
    struct bucket *b = journal_text(state, "destination") ? new_bucket(config) : NULL;
    if (b && !read_state(state, b)) {
        bucket_free(b);
        b = NULL;
    }
    return b;
}

void bucket_free(struct bucket *b)
{
    if (b && b->keys->asker == b) /* the answer will not come here */
        b->keys->asker = NULL;
    if (b && !b->keys_are_lent)
        bucket_keys_free(b->keys);
    free(b);
}

void bucket_keys_free(struct own_credentials *keys)
{
    if (keys)
        own_credentials_done(keys);
    free(keys);
}

void bucket_share_keys(struct bucket *b, struct own_credentials **keys)
{
    if (*keys && !b->keys_are_lent)
        bucket_keys_free(b->keys);
    if (!*keys)
        *keys = b->keys;
    b->keys = *keys;
    b->keys_are_lent = true;
}

bool bucket_is_configured(const struct config *config, const cJSON *state)
{
    const char *endpoint = journal_text(state, "s3_endpoint");
    return config->s3_uri[0] && journal_is(state, "destination", config->s3_uri) &&
           strcmp(endpoint ? endpoint : "", config->s3_endpoint) == 0;
}

const char *bucket_region(const struct bucket *b)
{
    if (b->keys->credentials.region && s3_region_is_fine(b->keys->credentials.region))
        return b->keys->credentials.region;
    return s3_region_is_fine(b->keys->source.region) ? b->keys->source.region : FIRST_REGION;
}

struct journal_bucket bucket_for_journal(const struct bucket *b, char prefix[static BUCKET_PREFIX_SIZE])
{
    if (object_key_uri(&b->name, OBJECT_METRICS, b->uri, prefix, BUCKET_PREFIX_SIZE) < 0)
        prefix[0] = '\0';
    return (struct journal_bucket){.uri = b->uri,
                                   .endpoint = b->endpoint,
                                   .key = b->name.key,
                                   .date = b->name.date,
                                   .prefix = prefix,
                                   .share = b->share};
}
