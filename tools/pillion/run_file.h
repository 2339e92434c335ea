/* The files of a run, opened for reading. Whoever owns the directory may have put anything there: a link, a FIFO, a
 * file of terabytes, another user's file. So nothing is followed or waited for, and only regular files of the
 * directory's owner are read. Where the kernel allows it, their time of access stays as it was. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_RUN_FILE_H
#define PILLION_RUN_FILE_H

#include <cJSON.h>

#include <sys/types.h>

#include "base/bytes.h"

/* 0; -ENOENT; -EPERM: it is a link, no regular file, or another user's; -errno. */
int run_file_open(int dir, const char *name, int *ret);
/* Appends all of it; -EFBIG, and nothing is read, where it is larger than ret->max. */
int run_file_load(int dir, const char *name, struct bytes *ret);
/* The merged state of run.jsonl; free it with cJSON_Delete. -ENOTSUP: a later version of pillion wrote it, in a format
 * that this one does not know. Else as run_file_open and journal_load_held have it. */
int run_file_state(int dir, cJSON **ret);
/* From now on the states that are read have an end in all: a hundred thousand runs may share a file of megabytes. What
 * is beyond it has -EFBIG. Called for each owner anew. */
void run_file_limit(void);
/* When the run's files last changed, in s since 1970: of a bucket's, when the last that is known of it was stored. */
double run_file_heard(int dir);
/* Opens a folder by its name in another: no link, and that user's. -EPERM otherwise; -errno. */
int run_file_folder(int at, const char *name, uid_t owner, int *ret);

#endif
