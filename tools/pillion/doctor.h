/* What `pillion doctor` looks at, a file for each: the program, what is loaded into it, who would lead. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_DOCTOR_H
#define PILLION_DOCTOR_H

#include <cJSON.h>

#include <limits.h>
#include <stdbool.h>

#include "image.h"
#include "link/engine.h"

struct doctor {
    cJSON       *list; /* NULL: text */
    bool         found_cause;
    bool         cannot_carry;     /* the program cannot be preloaded into */
    const char  *way;              /* "LD_PRELOAD" or "/etc/ld.so.preload"; NULL: only "pillion run" observes */
    char         hook[PATH_MAX];   /* the libpillion.so that would be loaded, or the one beside the command; "": none */
    char         engine[PATH_MAX]; /* beside the one that would be loaded; "": none would be */
    struct image hook_image;
    const char  *subject;              /* the program in sentences */
    char         given[PATH_MAX];      /* the path that leads there, links and all */
    char         executable[PATH_MAX]; /* what /proc/self/exe of the program would be; "": no program was named */
};

/* One finding: a line, or an object of the list. */
__attribute__((format(printf, 4, 5))) void doctor_tell(struct doctor *d, const char *check, enum engine_finding finding,
                                                       const char *format, ...);

/* doctor_preload.c: LD_PRELOAD, /etc/ld.so.preload, and the hook that they name. Fills in way, hook, engine and
 * hook_image. */
void doctor_preload(struct doctor *d);
/* What is started here is loaded with the hook by the machine's file, not by a variable. */
bool doctor_is_machines(const struct doctor *d);
/* No runtime of AddressSanitizer is before it there. */
bool doctor_hook_is_before_sanitizer(void);

/* doctor_program.c: the file that CMD stands for, and what ld.so would make of it. Fills in executable and
 * cannot_carry. */
void doctor_program(struct doctor *d, const char *name);

/* doctor_known.c: what CMD is known to do otherwise under the preload. */
void doctor_known(struct doctor *d, char *const *command);

/* doctor_unseen.c: programs from before that left no run. */
void doctor_unseen(struct doctor *d);

/* doctor_leader.c: who would lead, by the hook's own judgement. */
void doctor_lead(struct doctor *d);

#endif
