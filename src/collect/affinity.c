/* The CPUs that the calling thread may use: two lists of numbers are compared. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/affinity.h"

#include "base/file.h"
#include "base/roots.h"
#include "base/text.h"

enum { FILE_MAX = 8192 };

struct range {
    uint64_t first, last;
};

/* Takes a piece off a list such as "0-3,8"; anything but a range ends the list. */
static bool take_range(struct text *list, struct range *ret)
{
    struct text piece;
    if (!text_until(list, ',', &piece) || !text_unsigned(&piece, &ret->first))
        return false;
    ret->last = ret->first;
    if (text_skip(&piece, "-") && !text_unsigned(&piece, &ret->last))
        return false;
    return ret->last >= ret->first && ret->last < UINT32_MAX;
}

static uint64_t count_common(struct text a, struct text b)
{
    struct range of_a;
    struct range of_b;
    uint64_t     count = 0;
    while (take_range(&a, &of_a))
        for (struct text rest = b; take_range(&rest, &of_b);) {
            uint64_t first = of_a.first > of_b.first ? of_a.first : of_b.first;
            uint64_t last = of_a.last < of_b.last ? of_a.last : of_b.last;
            count += last >= first ? last - first + 1 : 0;
        }
    return count;
}

static bool read_file(const char *root, const char *path, char content[static FILE_MAX], struct text *ret)
{
    size_t len = 0;
    int    fd = roots_open(root, path, 0);
    if (fd < 0)
        return false;
    int error = file_reread(fd, content, FILE_MAX, &len);
    file_close(&fd);
    *ret = text_span(content, error ? 0 : len);
    return error == 0;
}

uint64_t affinity_count(const struct roots *roots)
{
    char        online_text[FILE_MAX];
    char        status_text[FILE_MAX];
    struct text online;
    struct text status;
    struct text line;
    if (!read_file(roots->sys, "devices/system/cpu/online", online_text, &online) ||
        !read_file(roots->proc, "thread-self/status", status_text, &status))
        return METRIC_NONE;
    while (text_line(&status, &line)) {
        if (!text_skip(&line, "Cpus_allowed_list:"))
            continue;
        uint64_t count = count_common(line, online);
        return count > 0 ? count : METRIC_NONE;
    }
    return METRIC_NONE;
}
