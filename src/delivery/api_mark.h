/* The mark of an API, or of an S3, by its URL and the token: while it stands, no program's end waits for that place. It
 * is what the field calls a circuit breaker. A bad end sets it, for a time that doubles; when that has run out, one
 * process tries, and the others still do not wait. So a loop of short programs pays for a sick API once, and finds out
 * when it is well.
 *
 * A mark is an empty file beside the leaders' markers, so it counts for the user's programs on this machine, wherever
 * they keep their runs; where there is no such folder, in PILLION_DIR; else there is none. Its first time says when it
 * was set, its second until when it stands. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_DELIVERY_API_MARK_H
#define PILLION_DELIVERY_API_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "config/config.h"
#include "store/state_dir.h"

#define API_MARK_LONG CLOCK_SECOND /* an end that is held longer is a bad one, delivered or not */

enum { API_MARK_NAME = 32, API_MARK_FIRST_S = 10, API_MARK_MAX_S = 600, API_MARK_ASKED_MAX_S = 3600 };

struct api_mark {
    int     folder; /* -1: there is nowhere to put one */
    int     file;   /* the mark that has run out, locked: this process tries; -1 */
    int64_t pause;  /* s, for which it stood */
    char    name[API_MARK_NAME];
};

enum api_mark_answer {
    API_MARK_NONE,    /* the API is well as far as anybody knows */
    API_MARK_STANDS,  /* nobody waits for it */
    API_MARK_TO_TRY,  /* run out, and it is this process that tries: until api_mark_close */
    API_MARK_IS_TRIED /* run out, and another process tries */
};

/* How an end went. */
struct api_mark_end {
    int64_t took; /* ns */
    bool    delivered;
    bool    failed;        /* for a reason that the next program would meet too */
    int     retry_after_s; /* that the API has asked for; -1 */
};

/* The mark of the place that runs go to: the API, or the server of the user's own bucket and the bucket. */
void api_mark_open(struct api_mark *m, const struct config *config, const struct state_dir *home);
/* That of the S3 which Sentinel names. */
void                 api_mark_open_s3(struct api_mark *m, const struct config *config, const struct state_dir *home);
enum api_mark_answer api_mark_ask(struct api_mark *m);
void                 api_mark_note(struct api_mark *m, const struct api_mark_end *end);
void                 api_mark_close(struct api_mark *m);

/* Seconds for which the mark stands on; 0: none does. Nothing is locked. */
int64_t api_mark_left(const struct config *config, const struct state_dir *home);
/* Seconds for which an end sets the mark, 0: it does not, -1: it takes it away. `before`: for which the one that has
 * run out stood, 0: there was none. */
int64_t api_mark_pause(const struct api_mark_end *end, int64_t before);
/* Removes the marks beside this one that ran out long ago. */
void api_mark_sweep(const struct api_mark *m);

#endif
