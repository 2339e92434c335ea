// SPDX-License-Identifier: Apache-2.0
#include "base/cpu_count.h"

#include <unistd.h>

#include "base/file.h"
#include "base/scratch.h"

unsigned cpu_count_list(struct text t)
{
    uint64_t    count = 0;
    struct text range;
    while (text_until(&t, ',', &range)) {
        uint64_t first = 0;
        uint64_t last = 0;
        if (!text_unsigned(&range, &first))
            return 0;
        last = first;
        if (text_skip(&range, "-") && !text_unsigned(&range, &last))
            return 0;
        count += last >= first ? last - first + 1 : 0;
    }
    return (unsigned)count;
}

static unsigned count_lines(const struct roots *roots)
{
    struct scratch scratch;
    unsigned       count = 0;
    int            fd = roots_open(roots->proc, "stat", 0);
    if (fd < 0)
        return 0;
    struct text t;
    struct text line;
    if (scratch_init(&scratch) == 0 && scratch_reread(&scratch, fd, &t) == 0)
        while (text_line(&t, &line))
            count += text_skip(&line, "cpu") && text_len(line) > 0 && ascii_is_digit(*line.at);
    scratch_done(&scratch);
    close(fd);
    return count;
}

unsigned cpu_count_online(const struct roots *roots)
{
    char     ranges[1024];
    size_t   len = 0;
    unsigned count = 0;
    int      fd = roots_open(roots->sys, "devices/system/cpu/online", 0);
    if (fd >= 0) {
        if (file_reread(fd, ranges, sizeof ranges, &len) == 0)
            count = cpu_count_list(text_span(ranges, len));
        close(fd);
    }
    return count ? count : count_lines(roots);
}
