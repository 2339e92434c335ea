/* Of the encodings that were measured on a day of twelve curves, this is the smallest that a browser undoes by itself:
 * src/README.md has the figures. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <math.h>
#include <mbedtls/base64.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/array.h"
#include "curves.h"

enum { RAW_MAX = 1 << 30, QUICK = 1, GOOD = 6 }; /* levels of zlib */

static void put_varint(struct bytes *b, int64_t value)
{
    uint64_t zigzag = value < 0 ? 2 * (uint64_t) - (value + 1) + 1 : 2 * (uint64_t)value;
    char     text[10];
    size_t   len = 0;
    for (; zigzag >= 0x80; zigzag >>= 7)
        text[len++] = (char)(zigzag | 0x80);
    text[len++] = (char)zigzag;
    bytes_add(b, text, len);
}

static int64_t code(enum curve_id id, double value)
{
    double scaled = curve_is_rate(id) ? log2(1 + value) * curve_scale(id) : value * curve_scale(id);
    return value < 0 ? -1 : scaled < 4e15 ? (int64_t)(scaled + 0.5) : (int64_t)4e15;
}

/* The values of a curve, or the sums up to it in a stack. */
static void cumulate(const struct curves *curves, enum curve_id id, bool is_wanted, float *sums)
{
    const float *value = curves->list[id].value;
    for (size_t row = 0; row < curves->rows; row++) {
        bool is_upon = is_wanted && curve_is_stack(id) && sums[row] >= 0;
        sums[row] = is_upon ? sums[row] + (value[row] > 0 ? value[row] : 0) : value[row];
    }
}

static void put_curve(const struct curves *curves, enum curve_id id, const float *value, size_t per, bool highest,
                      struct bytes *b)
{
    int64_t before = 0;
    for (size_t row = 0; row < curves->rows; row += per) {
        float chosen = value[row];
        for (size_t i = row + 1; i < row + per && i < curves->rows; i++) {
            bool is_better = highest ? value[i] > chosen : value[i] < chosen || chosen < 0;
            if (value[i] >= 0 && is_better)
                chosen = value[i];
        }
        int64_t now = code(id, chosen);
        put_varint(b, now - before);
        before = now;
    }
}

static void put_all(const struct curves *curves, size_t per, float *sums, struct bytes *b)
{
    int64_t before = 0;
    for (size_t row = 0; row < curves->rows; row += per) {
        size_t  last = row + per < curves->rows ? row + per - 1 : curves->rows - 1;
        int64_t now = (int64_t)(curves->at[last] * 1000 + 0.5);
        put_varint(b, now - before);
        before = now;
    }
    for (int id = 0; id < CURVE_COUNT; id++) {
        if (curves->list[id].value == NULL)
            continue;
        cumulate(curves, (enum curve_id)id, per > 1, sums);
        put_curve(curves, (enum curve_id)id, sums, per, false, b);
        if (per > 1)
            put_curve(curves, (enum curve_id)id, sums, per, true, b);
    }
}

static int deflate_all(const struct bytes *raw, int level, unsigned char **ret, size_t *ret_len)
{
    uLongf         len = compressBound((uLong)raw->len);
    unsigned char *data = malloc(len);
    if (data == NULL)
        return -ENOMEM;
    if (compress2(data, &len, (const unsigned char *)raw->data, (uLong)raw->len, level) != Z_OK) {
        free(data);
        return -ENOMEM;
    }
    *ret = data;
    *ret_len = len;
    return 0;
}

/* Whether it fits into `most` bytes is told by the quick level, which makes a tenth more in a third of the time. */
static int encode(const struct curves *curves, size_t per, size_t most, float *sums, unsigned char **ret,
                  size_t *ret_len)
{
    struct bytes raw;
    bytes_init(&raw, RAW_MAX);
    put_all(curves, per, sums, &raw);
    bytes_char(&raw, '\0'); /* never nothing */
    int result = raw.failed ? -ENOMEM : deflate_all(&raw, QUICK, ret, ret_len);
    if (result == 0 && *ret_len <= most) {
        free(*ret);
        *ret = NULL;
        result = deflate_all(&raw, GOOD, ret, ret_len);
    }
    bytes_done(&raw);
    return result;
}

static int put_base64(const unsigned char *data, size_t len, struct bytes *ret)
{
    size_t         needed = (len + 2) / 3 * 4 + 1;
    unsigned char *text = malloc(needed);
    int            result = text != NULL && mbedtls_base64_encode(text, needed, &needed, data, len) == 0 ? 0 : -ENOMEM;
    if (result == 0)
        bytes_add(ret, text, needed);
    free(text);
    return result;
}

int curves_encode(const struct curves *curves, size_t budget, struct bytes *ret, size_t *ret_per)
{
    /* Two rows in one have as many bytes, a lowest and a highest, so that is no step. */
    static const size_t steps[] = {1, 4, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400};
    const size_t        most = budget / 4 * 3, last = ARRAY_LENGTH(steps) - 1;
    float              *sums = malloc((curves->rows + 1) * sizeof *sums);
    size_t              full = 0; /* bytes with each row */
    int                 result = sums == NULL ? -ENOMEM : 0;
    for (size_t i = 0; result == 0 && i <= last; i++) {
        unsigned char *data = NULL;
        size_t         len = 0;
        bool is_hopeless = i > 0 && i < last && full / steps[i] > most; /* it has two numbers for each point */
        if (is_hopeless)
            continue;
        result = encode(curves, steps[i], i == last ? SIZE_MAX : most, sums, &data, &len);
        full = i == 0 ? len : full;
        bool fits = result == 0 && (len <= most || i == last);
        if (fits)
            result = put_base64(data, len, ret);
        free(data);
        *ret_per = steps[i];
        if (fits)
            break;
    }
    free(sums);
    return result;
}
