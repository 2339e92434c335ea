/* One run, as its thread holds it. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_ENGINE_RUN_H
#define PILLION_ENGINE_RUN_H

#include "base/log.h"
#include "collect/collect.h"
#include "config/config.h"
#include "delivery/delivery.h"
#include "delivery/resend.h"
#include "engine/cgroup_tags.h"
#include "engine/row.h"
#include "link/engine.h"
#include "sentinel/cloud/cloud.h"
#include "sentinel/cloud/probe.h"
#include "store/run_dir.h"
#include "store/state_dir.h"

/* The instant by which a run's rows are dated: from it on the wall clock is not asked any more. */
struct anchor {
    int64_t real, monotonic, suspended; /* ns, whole microseconds */
};

/* What the clouds say, on its way into the registration; until it is over, delivery does not begin. */
enum introduction { INTRODUCTION_OVER, INTRODUCTION_WANTED, INTRODUCTION_UNDER_WAY };

struct run {
    struct link       *link;
    struct config      config;
    struct log         log;
    struct roots       roots;
    struct tree        tree;
    struct machine     machine;
    struct row_shape   shape;
    struct collectors *collectors;
    struct sample      baseline;
    struct sample      last;               /* the row before, or the baseline */
    struct usage       usage_before;       /* of the process, when the run began */
    uint64_t           user_us, system_us; /* what the rows so far say, those before an exec in place included */
    struct home        home;
    struct rundir      dir;
    struct bytes       line; /* one row */
    uint64_t           rows;
    struct network     network;
    struct delivery    delivery;
    enum introduction  introduction;
    struct probe       probe;
    struct cloud_dmi   dmi;
    struct cloud       cloud; /* once it is known */
    struct limits      limits;
    struct backlog     backlog;   /* the runs of others that are delivered along the way */
    int                wake;      /* signalfd */
    uint32_t           wakes;     /* of the link's, those taken off it */
    int                output;    /* PILLION_OUTPUT, -1 */
    int64_t            load;      /* ns CLOCK_MONOTONIC, of engine.start */
    int64_t            load_real; /* ns since 1970 */
    struct anchor      anchor;
    int64_t            finished_at; /* ns since 1970, 0: not yet */
    int64_t            next_upkeep;
    int64_t            next_look;
    int64_t  rests_until; /* ns CLOCK_MONOTONIC; not 0: the run has ended, and the program, process 1, goes on */
    int64_t  cost_before; /* ns of CPU of the threads before this one */
    uint64_t pid_start;
    uint64_t pid_namespace;
    /* copies of what engine.start was given */
    char **arguments;
    char  *executable;
    char  *marker;
    char  *output_pattern;
    char  *output_before; /* what process 1's run before this one wrote to: its rows stay there */
    /* what is so */
    bool has_baseline;
    bool made;           /* the run directory, or its stand-in in memory */
    bool own_table;      /* our descriptors are not the program's */
    bool is_the_program; /* this process; not `pillion run` */
    bool continues;
    bool is_carried; /* an image of the process before the exec began the run */
    bool is_again;   /* process 1's run after the first, in the same image */
    bool others_outlived_main;
    bool is_anothers;     /* an image before the exec registered it, with a URL or token that is not ours */
    bool unobserved_exit; /* no thread: everything on the program's own at its end */
    bool composed;        /* the registration is of this image, not of one before an exec in place */
    bool output_goes_on;  /* it has the rows of process 1's run before this one, and their header */
    bool output_is_known; /* the pattern is a path that an image before made of it */
};

/* ---- thread.c ---- */
int  thread_start(struct run *run);                         /* LINK_OFF afterwards: it could not be made; 0 or -errno */
void thread_tell(struct link *link, enum link_state state); /* and wakes who waits for it */
bool thread_join(struct link *link, int64_t limit);

/* ---- loop.c ---- */
void              loop_open(struct run *run);  /* collectors and baseline; after a pause: descriptors again */
enum link_request loop_run(struct run *run);   /* until the link asks for PAUSE or END: which */
void              loop_close(struct run *run); /* gives up every descriptor; the run can go on */
void              loop_row(struct run *run);   /* takes a sample and appends its row */
int64_t loop_date(const struct run *run, int64_t monotonic); /* ns since 1970: rises, whatever the wall clock does */

/* ---- make.c ---- */
void make_again(struct run *run);     /* opens what loop_close closed; without permission rows wait in memory */
bool make_continued(struct run *run); /* the run of this process before its exec, if there is one */
void make_run(struct run *run);       /* the run directory: a new one, or the one of this process before its exec */

/* ---- introduce.c: the registration; delivery begins when all is in it ---- */
void introduce_compose(struct run *run); /* the registration, unless it is there */
void introduce_gpus(struct run *run);    /* asks their drivers; before introduce_step */
void introduce_begin(struct run *run);
bool introduce_step(struct run *run, int64_t now);  /* true: over, delivery has begun */
void introduce_end(struct run *run, int64_t until); /* over by then, as it stands; `until` past: nothing is asked */

/* ---- carry.c ---- */
void carry_record(struct run *run, struct bytes *ret); /* the baseline as JSON text, for run.jsonl */
void carry_on(struct run *run, const cJSON *state);    /* run->last becomes the old image's last row */

/* ---- finish.c ---- */
void finish_run(struct run *run); /* the program ends: last row, totals, delivery within the hold */

/* ---- again.c: process 1, which a signal does not end ---- */
bool again_owes(const struct run *run);      /* its rows are in memory alone, and not delivered */
void again_end(struct run *run, int signal); /* its run ends */
void again_begin(struct run *run); /* it is alive after all: another run goes on from the last row of that one */

/* ---- upkeep.c ---- */
void upkeep_hourly(struct run *run); /* renews the marker, and tidies up */
bool upkeep_is_due(struct run *run); /* once an hour over all runs, and then it is this one's to do */
void upkeep_tidy(struct run *run);   /* sweeps dead leaders' markers, prunes old runs */
void upkeep_remove_marker(struct run *run);
/* Removes what PILLION_KEEP does not keep; never the run `current`, nor one that may be alive. */
void upkeep_prune(const struct home *home, const struct config *config, const char *current);

#endif
