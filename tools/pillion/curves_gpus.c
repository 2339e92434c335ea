/* gpus.csv: a line for a GPU at a row, with the row's timestamp; where it has none, it is as it was. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/bytes.h"
#include "base/csv.h"
#include "base/text.h"
#include "curves.h"
#include "run_file.h"
#include "store/run_dir.h"

#define HALF_MILLISECOND 0.0005 /* timestamps have three decimals */
#define UNKNOWN          (-1.0F)

enum { FILE_MAX = 512 * 1024 * 1024 };

/* Columns of the file behind timestamp and number; what the tree has of each is in the rows. */
enum { USE, MEMORY, RUN_USE, RUN_MEMORY, HEAT, POWER, CELLS };

static const struct {
    enum curve_id first;
    size_t        cell;
} kept[] = {{CURVE_GPU_USE, USE}, {CURVE_GPU_MEMORY, MEMORY}, {CURVE_GPU_HEAT, HEAT}, {CURVE_GPU_POWER, POWER}};

struct line {
    double timestamp, gpu;
    float  cells[CELLS];
};

static bool read_line(struct text t, struct line *ret)
{
    char   cell[32];
    double value;
    if (!csv_take(&t, cell, sizeof cell) || !text_decimal(text_of(cell), &ret->timestamp) ||
        !csv_take(&t, cell, sizeof cell) || !text_decimal(text_of(cell), &ret->gpu))
        return false;
    for (size_t i = 0; i < CELLS; i++) {
        bool good = csv_take(&t, cell, sizeof cell) && text_decimal(text_of(cell), &value);
        ret->cells[i] = good && value >= 0 && value < 1e9 ? (float)value : UNKNOWN;
    }
    return ret->gpu >= 0 && ret->gpu < CURVES_GPUS;
}

static bool next_line(struct text *rest, struct line *ret)
{
    struct text text;
    while (text_line(rest, &text))
        if (read_line(text, ret))
            return true;
    return false;
}

static int make_curve(struct curves *curves, enum curve_id id, unsigned gpu)
{
    struct curve *curve = &curves->list[id];
    if (curve->value != NULL)
        return 0;
    curve->value = malloc((curves->rows + 1) * sizeof *curve->value);
    (void)snprintf(curve->name, sizeof curve->name, "GPU %u", gpu);
    for (size_t row = 0; curve->value != NULL && row < curves->rows; row++)
        curve->value[row] = UNKNOWN;
    return curve->value != NULL ? 0 : -ENOMEM;
}

/* The row's values of a GPU into its curves. */
static int keep(struct curves *curves, unsigned gpu, const float *now, size_t row)
{
    for (size_t k = 0; k < ARRAY_LENGTH(kept); k++) {
        enum curve_id id = kept[k].first + gpu;
        float         value = now[kept[k].cell];
        if (value >= 0 && make_curve(curves, id, gpu) < 0)
            return -ENOMEM;
        if (curves->list[id].value != NULL)
            curves->list[id].value[row] = value;
    }
    return 0;
}

static int fill(struct curves *curves, struct text rest)
{
    float       now[CURVES_GPUS][CELLS];
    struct line line;
    bool        is_there = next_line(&rest, &line);
    int         result = 0;
    for (size_t i = 0; i < (size_t)CURVES_GPUS * CELLS; i++)
        now[i / CELLS][i % CELLS] = UNKNOWN;
    for (size_t row = 0; result == 0 && row < curves->rows; row++) {
        for (; is_there && line.timestamp <= curves->timestamp[row] + HALF_MILLISECOND;
             is_there = next_line(&rest, &line))
            memcpy(now[(unsigned)line.gpu], line.cells, sizeof line.cells);
        for (unsigned gpu = 0; result == 0 && gpu < CURVES_GPUS; gpu++)
            result = keep(curves, gpu, now[gpu], row);
    }
    return result;
}

int curves_gpus(struct curves *curves, int dir)
{
    struct bytes content;
    bytes_init(&content, FILE_MAX);
    int result = run_file_load(dir, RUN_DIR_GPUS_ROWS, &content);
    if (result == 0 && content.data != NULL && curves->rows > 0)
        result = fill(curves, text_span(content.data, content.len));
    bytes_done(&content);
    return result;
}
