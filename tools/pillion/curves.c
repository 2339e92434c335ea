// SPDX-License-Identifier: Apache-2.0
#include "curves.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "pillion/columns.h"

#define UNKNOWN          (-1.0F)
#define FIGURE_TOO_LARGE 1e18

static const struct {
    enum pillion_column column;
    bool                is_delta; /* of which the curve is the rate */
} sources[CURVE_CPU_BY] = {
    [CURVE_GPU] = {PILLION_COLUMN_process_gpu_usage, false},
    [CURVE_GPU_MACHINE] = {PILLION_COLUMN_system_gpu_usage, false},
    [CURVE_VRAM] = {PILLION_COLUMN_process_gpu_vram_mib, false},
    [CURVE_VRAM_MACHINE] = {PILLION_COLUMN_system_gpu_vram_mib, false},
    [CURVE_CPU] = {PILLION_COLUMN_process_utime, true},
    [CURVE_CPU_SYSTEM] = {PILLION_COLUMN_process_stime, true},
    [CURVE_CPU_MACHINE] = {PILLION_COLUMN_system_cpu_usage, false},
    [CURVE_MEMORY] = {PILLION_COLUMN_process_memory_mib, false},
    [CURVE_MEMORY_MACHINE] = {PILLION_COLUMN_system_memory_used_mib, false},
    [CURVE_READ] = {PILLION_COLUMN_process_disk_read_bytes, true},
    [CURVE_WRITE] = {PILLION_COLUMN_process_disk_write_bytes, true},
    [CURVE_RECV] = {PILLION_COLUMN_system_net_recv_bytes, true},
    [CURVE_SENT] = {PILLION_COLUMN_system_net_sent_bytes, true},
};

void curves_init(struct curves *curves)
{
    *curves = (struct curves){0};
}

void curves_done(struct curves *curves)
{
    for (size_t i = 0; i < CURVE_COUNT; i++)
        free(curves->list[i].value);
    free(curves->at);
    free(curves->timestamp);
    free(curves->total);
    *curves = (struct curves){0};
}

bool curve_is_rate(enum curve_id id)
{
    return id >= CURVE_READ && id <= CURVE_SENT;
}

bool curve_is_stack(enum curve_id id)
{
    bool is_by = id > CURVE_CPU_BY && id < CURVE_GPU_USE && id != CURVE_MEMORY_BY;
    return id == CURVE_CPU_SYSTEM || is_by;
}

double curve_scale(enum curve_id id)
{
    bool is_mib = id == CURVE_VRAM || id == CURVE_VRAM_MACHINE || id == CURVE_MEMORY || id == CURVE_MEMORY_MACHINE ||
                  (id >= CURVE_MEMORY_BY && id < CURVE_GPU_USE) || (id >= CURVE_GPU_MEMORY && id < CURVE_GPU_HEAT);
    bool is_coarse = id >= CURVE_GPU_HEAT; /* a decimal is what the file has */
    return curve_is_rate(id) ? 64 : is_mib || is_coarse ? 10 : 1000;
}

static bool widen(void *pointer, size_t room, size_t size)
{
    void *old;
    memcpy(&old, pointer, sizeof old);
    void *more = realloc(old, room * size);
    if (more != NULL)
        memcpy(pointer, &more, sizeof more);
    return more != NULL;
}

static bool make_room(struct curves *curves)
{
    if (curves->rows < curves->room)
        return true;
    size_t room = curves->room == 0 ? 256 : 2 * curves->room;
    bool   good = widen(&curves->at, room, sizeof *curves->at) &&
                widen(&curves->timestamp, room, sizeof *curves->timestamp) &&
                widen(&curves->total, room, sizeof *curves->total);
    for (size_t i = 0; good && i < CURVE_CPU_BY; i++)
        good = widen(&curves->list[i].value, room, sizeof(float));
    if (good)
        curves->room = room;
    curves->failed |= !good;
    return good;
}

/* Negative: the row has no such figure. */
static double figure_of(enum curve_id id, const double *value, const bool *known, double seconds)
{
    enum pillion_column column = sources[id].column;
    if (known[column] && !sources[id].is_delta)
        return value[column];
    if (known[column] && seconds > 0)
        return value[column] / seconds;
    bool is_told = id == CURVE_CPU && known[PILLION_COLUMN_process_cpu_usage];
    return is_told ? value[PILLION_COLUMN_process_cpu_usage] : (double)UNKNOWN;
}

void curves_row(void *context, const double *value, const bool *known, double seconds, double elapsed)
{
    struct curves *curves = context;
    size_t         at = curves->rows;
    curves->is_cut |= curves->rows >= CURVES_ROWS_MAX;
    if (curves->is_cut || curves->failed || !make_room(curves))
        return;
    seconds = seconds > 0 ? seconds : 0;
    for (int id = 0; id < CURVE_CPU_BY; id++) {
        double figure = figure_of((enum curve_id)id, value, known, seconds);
        bool   is_good = figure >= 0 && figure < FIGURE_TOO_LARGE;
        curves->list[id].value[at] = is_good ? (float)figure : UNKNOWN;
    }
    const float *user = curves->list[CURVE_CPU].value, *system = curves->list[CURVE_CPU_SYSTEM].value;
    curves->total[at] = user[at] < 0 ? UNKNOWN : user[at] + (system[at] > 0 ? system[at] : 0);
    curves->at[at] = elapsed;
    curves->timestamp[at] = value[PILLION_COLUMN_timestamp];
    curves->rows++;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The median of at most 1,001 steps, evenly taken. */
static double usual_step(const struct curves *curves)
{
    double step[1001];
    size_t count = 0, stride = curves->rows / ARRAY_LENGTH(step) + 1;
    for (size_t i = 1; i < curves->rows && count < ARRAY_LENGTH(step); i += stride)
        step[count++] = curves->at[i] - curves->at[i - 1];
    if (count == 0)
        return curves->rows > 0 ? curves->at[0] : 0;
    qsort(step, count, sizeof *step, by_size);
    return step[count / 2];
}

void curves_close(struct curves *curves)
{
    for (size_t i = 0; i < CURVE_CPU_BY; i++) {
        struct curve *curve = &curves->list[i];
        bool          is_known = false;
        for (size_t row = 0; row < curves->rows && !is_known; row++)
            is_known = curve->value[row] >= 0;
        if (!is_known) {
            free(curve->value);
            curve->value = NULL;
        }
    }
    curves->usual = usual_step(curves);
}

void curve_figures(const struct curves *curves, enum curve_id id, double *ret_mean, double *ret_max)
{
    const float *value = curves->list[id].value;
    double       sum = 0, seconds = 0;
    *ret_mean = *ret_max = -1;
    for (size_t row = 0; value != NULL && row < curves->rows; row++) {
        double length = curves->at[row] - (row > 0 ? curves->at[row - 1] : 0);
        if (value[row] < 0)
            continue;
        sum += (double)value[row] * length;
        seconds += length;
        if ((double)value[row] > *ret_max)
            *ret_max = (double)value[row];
    }
    if (seconds > 0)
        *ret_mean = sum / seconds;
}
