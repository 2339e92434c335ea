// SPDX-License-Identifier: Apache-2.0
#include "base/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"

enum { SCRATCH_FIRST = 8 * 1024, SCRATCH_MAX = 8 * 1024 * 1024 };

int scratch_init(struct scratch *scratch)
{
    *scratch = (struct scratch){.data = malloc(SCRATCH_FIRST), .size = SCRATCH_FIRST};
    return scratch->data ? 0 : -ENOMEM;
}

void scratch_done(struct scratch *scratch)
{
    free(scratch->data);
    *scratch = (struct scratch){0};
}

int scratch_reread(struct scratch *scratch, int fd, struct text *ret)
{
    for (;;) {
        size_t len = 0;
        int    error = file_reread(fd, scratch->data, scratch->size, &len);
        if (error == 0)
            *ret = text_span(scratch->data, len);
        if (error != -EFBIG || scratch->size >= SCRATCH_MAX)
            return error;
        /* Nothing of the old content is needed: the file is read anew, in one piece. */
        char *data = malloc(scratch->size * 2);
        if (!data)
            return -ENOMEM;
        free(scratch->data);
        scratch->data = data;
        scratch->size *= 2;
    }
}

int scratch_read(struct scratch *scratch, int dir, const char *path, struct text *ret)
{
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    int error = scratch_reread(scratch, fd, ret);
    close(fd);
    return error;
}
