/* What was fetched from buckets, kept between calls: $XDG_CACHE_HOME/pillion, else ~/.cache/pillion. A place in a
 * bucket is a folder s3-HASH there, with runs/ as in a PILLION_DIR, and etags/ with a file a run: what of it is here.
 * The folders are this user's and no links. One process at a time works on them. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BUCKET_CACHE_H
#define PILLION_BUCKET_CACHE_H

#include <limits.h>
#include <stdint.h>

#include "base/bytes.h"
#include "sentinel/s3_keys.h"
#include "sentinel/sigv4.h"

struct bucket_cache {
    int      root, runs, etags;
    char     path[PATH_MAX]; /* of the folder that runs/ is in */
    uint64_t left;           /* bytes that this call may write */
};

/* What is here of a run. */
struct bucket_kept {
    char     state[S3_ETAG_SIZE];   /* the document's ETag, "": none is */
    uint64_t objects, rows_size;    /* objects of rows, 1 to that number, and the bytes that they made */
    char     hash[SIGV4_HASH_SIZE]; /* of their ETags; "": none */
    uint64_t settled;               /* s since 1970: long after that time nothing newer of the run was listed; 0 */
};

/* Opens, and makes, the folders of a place at a server; waits for another process, and makes room. From then on half
 * of what the disk has free may be written. 0; -errno and a sentence. */
int  bucket_cache_open(const char *place, const char *endpoint, struct bucket_cache *ret);
void bucket_cache_close(struct bucket_cache *cache);

void bucket_cache_kept(const struct bucket_cache *cache, const char *id, struct bucket_kept *ret);
/* Notes it, and that the run was used now. 0, -errno. */
int bucket_cache_note(const struct bucket_cache *cache, const char *id, const struct bucket_kept *kept);

/* The run was used now. */
void bucket_cache_touch(const struct bucket_cache *cache, const char *id);

/* To be called before bytes are written. 0; -EDQUOT: this call has written as many as it may. */
int bucket_cache_spend(struct bucket_cache *cache, uint64_t bytes);
/* Says why a run's file cannot be written. True: nor can another one's. */
bool bucket_cache_tell(const struct bucket_cache *cache, const char *id, int error);

/* Replaces a file of a run. 0, -errno. */
int bucket_cache_write(struct bucket_cache *cache, const char *id, const char *name, const void *data, size_t len);
/* Opens a file of a run to write at `offset`, beyond which it is cut. A descriptor, or -errno. */
int bucket_cache_cut(const struct bucket_cache *cache, const char *id, const char *name, uint64_t offset);
/* The time of a file, by which a run without an end is told to go on. */
int64_t bucket_cache_time(const struct bucket_cache *cache, const char *id, const char *name);
void    bucket_cache_set_time(const struct bucket_cache *cache, const char *id, const char *name, int64_t seconds);

#endif
