/* The one buffer into which collectors read files of unknown length, as large as the longest file ever met. Allocates:
 * only while growing. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_SCRATCH_H
#define PILLION_BASE_SCRATCH_H

#include <stddef.h>

#include "base/text.h"

struct scratch {
    char  *data;
    size_t size;
};

int  scratch_init(struct scratch *scratch); /* 0 or -ENOMEM */
void scratch_done(struct scratch *scratch);

/* Reads the whole content of a held descriptor, from offset 0. *ret points into the buffer: valid until the next read
 * into the same one. -EFBIG beyond 8 MiB, -ENOMEM, or the error of pread. */
int scratch_reread(struct scratch *scratch, int fd, struct text *ret);
/* Opens, reads, closes. */
int scratch_read(struct scratch *scratch, int dir, const char *path, struct text *ret);

#endif
