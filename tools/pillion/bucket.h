/* Runs in a bucket of one's own, as programs with PILLION_S3_URI put them there (delivery/object_key.h): they are
 * listed and fetched into a folder that looks as a PILLION_DIR does, which all screens then read. Rows are fetched of
 * those runs alone that are looked into. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BUCKET_H
#define PILLION_BUCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "store/run_dir.h"

/* Which runs are wanted; zeroed: all. */
struct bucket_wanted {
    double      since;  /* s since 1970: those that began then or later, and some more; 0 */
    size_t      newest; /* so many, and some more; 0: all */
    const char *run;    /* as runs_find has it: "last~2", or the beginning of an ID; NULL */
};

bool bucket_is_place(const char *word); /* "s3://…" */

/* Takes the place off the operands behind optind, if the first of them is one, and reads it: from then on its runs are
 * the ones that are meant. -1: go on; else the exit code, and a sentence was said. */
int bucket_take(const char *command, int argc, char **argv, const struct bucket_wanted *wanted);

/* Is a bucket read? Then: is a run of that name in it? */
bool bucket_is_read(void);
bool bucket_has(const char *id);
/* Brings the rows of these runs. 0; -errno and a sentence. */
int bucket_fetch_rows(const char *const *ids, size_t count);
/* Of some of them rows are missing: there was a sentence, and the exit status is 1. */
bool bucket_is_partial(void);
/* All that is shown was read: another pillion may go on, however long a pager or a browser stays. No rows are fetched
 * afterwards. */
void bucket_release(void);

#endif
