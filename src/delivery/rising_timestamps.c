/* Timestamps that fall are replaced by ones that rise, at about the usual spacing. */
// SPDX-License-Identifier: Apache-2.0
#include "delivery/rising_timestamps.h"

#include <errno.h>
#include <string.h>

/* A gap of so many usual spacings means that the clock was set forward. */
enum { SPACING_UNKNOWN = 1000, JUMP = 4, MILLISECONDS = 1000 };

#define LATEST 1e12 /* s; a later time is none, but a damaged row */

static bool read_time(struct text line, int64_t *ret)
{
    struct text cell;
    double      seconds = 0;
    if (!text_until(&line, ',', &cell) || !text_decimal(cell, &seconds) || seconds <= 0 || seconds > LATEST)
        return false;
    *ret = (int64_t)(seconds * MILLISECONDS + 0.5);
    return true;
}

/* Returns the time that the row is sent with. A step back is made up for from that row on. The made-up time is taken
 * back when the clock is set forward again. */
static int64_t follow(struct rising *r, int64_t at)
{
    int64_t spacing = r->spacing > 0 ? r->spacing : SPACING_UNKNOWN;
    int64_t since = at + r->shift - r->last;
    if (r->last == 0) {
        r->last = at;
        return at;
    }
    if (since <= 0) {
        r->shift += spacing - since;
    } else if (r->shift > 0 && since > JUMP * spacing) {
        int64_t back = since - spacing;
        r->shift -= back < r->shift ? back : r->shift;
    } else if (r->spacing == 0 || since <= JUMP * spacing) {
        r->spacing = since;
    }
    r->last = at + r->shift;
    return r->last;
}

static void put_row(struct text line, int64_t at, struct bytes *ret)
{
    struct text cell;
    bool        has_more = memchr(line.at, ',', text_len(line)) != NULL;
    (void)text_until(&line, ',', &cell);
    bytes_decimal(ret, (double)at / MILLISECONDS, 3);
    if (has_more)
        bytes_char(ret, ',');
    bytes_add(ret, line.at, text_len(line));
    bytes_char(ret, '\n');
}

/* The lines go to `ret`; NULL: nowhere. */
static bool pass(struct rising *r, struct text rows, struct bytes *ret)
{
    struct text line;
    bool        any = false;
    while (text_line(&rows, &line)) {
        int64_t at = 0;
        bool    is_row = read_time(line, &at);
        bool    changes = is_row && follow(r, at) != at;
        any |= changes;
        if (ret && changes) {
            put_row(line, r->last, ret);
        } else if (ret) {
            bytes_add(ret, line.at, text_len(line));
            bytes_char(ret, '\n');
        }
    }
    return any;
}

bool rising_pass(struct rising *rising, struct text rows)
{
    return pass(rising, rows, NULL);
}

void rising_put(struct rising *rising, struct text rows, struct bytes *ret)
{
    (void)pass(rising, rows, ret);
}

int rising_mend(struct bytes *rows)
{
    struct rising rising = {0};
    struct bytes  mended;
    struct text   all = text_span(rows->data, rows->len);
    if (!rising_pass(&rising, all))
        return 0;
    bytes_init(&mended, rows->len + rows->len / 8 + 64); /* times may have a digit more */
    rising = (struct rising){0};
    rising_put(&rising, all, &mended);
    if (mended.failed) {
        bytes_done(&mended);
        return -ENOMEM;
    }
    bytes_done(rows);
    *rows = mended;
    return 0;
}
