/* Whose runs are read: one's own, or others', by --dir, --user and --all-users. Those are read and nothing else: no
 * file is made, locked, cut or touched, and root reads with the owner's rights, not with its own. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_WHOSE_H
#define PILLION_WHOSE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "store/state_dir.h"

enum whose_option { WHOSE_DIR = 1100, WHOSE_USER, WHOSE_ALL };
enum { WHOSE_NAME_MAX = 64 };

#define WHOSE_OPTIONS                               \
    {"dir", required_argument, NULL, WHOSE_DIR},    \
    {                                               \
        "user", required_argument, NULL, WHOSE_USER \
    }

#define WHOSE_HELP                                                                            \
    "Of others, whose files are read and never changed:\n"                                    \
    "  --user NAME   the runs of that user (or number), where pillion keeps them; for root\n" \
    "  --dir FOLDER  the runs in that folder: a PILLION_DIR, a copy of one, or its runs/\n"

/* A folder of runs. */
struct run_folder {
    struct state_dir home;                 /* .runs is the folder; -1: there is none yet */
    char             path[PATH_MAX];       /* of the folder */
    char             user[WHOSE_NAME_MAX]; /* "": one's own, and nobody was asked for */
};

/* 1: taken; 0: not an option of these; -1 and a sentence: it does not go with what was given before. */
int whose_take(const char *command, int option, const char *value);
/* The sentence of a command that changes runs, where it is given one of these. True: it was. */
bool whose_is_refused(const char *command, int option);

/* The folder into which the runs of a bucket were fetched is meant, and `place` is what it is called. */
void whose_use_bucket(const char *folder, const char *place);

bool        whose_is_others(void);
bool        whose_has_users(void);             /* those, but for a bucket's: nobody knows whose these are */
bool        whose_is_all(void);                /* more than one folder */
bool        whose_is_partial(void);            /* one of those that were named could not be read, with a sentence */
bool        whose_is_one(const char *command); /* else with a sentence: several were named */
const char *whose_words(void);                 /* " --user alice", to be put behind a command; "" */

/* Opens the folder of the runs that are meant; `lookup` as state_dir_open has it. 0, also where there is none yet;
 * -errno and a sentence. */
int whose_open(const char *(*lookup)(const char *name), struct run_folder *ret);
/* Opens the folders of all users of this machine one after the other, or those that were named, for `visit`.
 * *ret_refused: of so many users there may be more, and we may not look. 0, or what visit returned. */
int whose_each(const char *(*lookup)(const char *name), int (*visit)(void *context, const struct run_folder *folder),
               void *context, size_t *ret_refused);

/* What is written between these two is the reader's own. */
void whose_pause(void);
void whose_resume(void);

#endif
