/* Where the fields of /proc/PID/stat stand: proc_pid_stat(5). */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_PROC_STAT_H
#define PILLION_BASE_PROC_STAT_H

#include "base/text.h"

enum { PROC_STAT_STATE = 3, PROC_STAT_START = 22, PROC_STAT_EXIT_CODE = 52 };

/* Moves to a field, from the third on; false where there is none. The second is the name, which may hold blanks and
 * parentheses: it ends with the last one. */
static inline bool proc_stat_field(struct text *t, int field)
{
    struct text passed;
    if (!text_after_last(t, ')'))
        return false;
    for (int at = PROC_STAT_STATE; at < field; at++)
        if (!text_word(t, &passed))
            return false;
    return true;
}

#endif
