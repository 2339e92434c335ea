// SPDX-License-Identifier: Apache-2.0
#include "clocks.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "output.h"
#include "store/journal_read.h"

#define OFFSET_MAX (100 * 365 * 86400.0) /* beyond this a file was tampered with */

/* Where S3 has refused the clock of a run's machine, its name in the bucket begins by S3's (object_key_correct). */
static double by_name(const cJSON *state)
{
    const char *id = journal_text(state, "id"), *told = journal_text(state, "started_at");
    char        text[24];
    int64_t     named = 0, started = 0;
    if (id == NULL || told == NULL || strlen(id) < strlen("20261122T104500Z"))
        return 0;
    (void)snprintf(text, sizeof text, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", id, id + 4, id + 6, id + 9, id + 11, id + 13);
    bool is_known = clock_parse_utc(text, &named) == 0 && clock_parse_utc(told, &started) == 0;
    return is_known && llabs(started - named) > 60 ? (double)(started - named) : 0;
}

double clocks_offset(const cJSON *state)
{
    const cJSON *told = cJSON_GetObjectItemCaseSensitive(state, "clock_offset_ms");
    double       seconds = cJSON_IsNumber(told) ? told->valuedouble / 1000 : by_name(state);
    return seconds > -OFFSET_MAX && seconds < OFFSET_MAX ? seconds : 0;
}

void clocks_text(double offset, char *ret, size_t size)
{
    char much[FIGURE_MAX];
    figure_seconds(fabs(offset), much);
    (void)snprintf(ret, size, "%s %s", much, offset > 0 ? "ahead of" : "behind");
}
