// SPDX-License-Identifier: Apache-2.0
#include "clocks.h"

#include <math.h>
#include <stdio.h>

#include "output.h"

#define OFFSET_MAX (100 * 365 * 86400.0) /* beyond this a file was tampered with */

double clocks_offset(const cJSON *state)
{
    const cJSON *told = cJSON_GetObjectItemCaseSensitive(state, "clock_offset_ms");
    double       seconds = cJSON_IsNumber(told) ? told->valuedouble / 1000 : 0;
    return seconds > -OFFSET_MAX && seconds < OFFSET_MAX ? seconds : 0;
}

void clocks_text(double offset, char *ret, size_t size)
{
    char much[FIGURE_MAX];
    figure_seconds(fabs(offset), much);
    (void)snprintf(ret, size, "%s %s", much, offset > 0 ? "ahead of" : "behind");
}
