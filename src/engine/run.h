/* One run, as its thread holds it. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_ENGINE_RUN_H
#define PILLION_ENGINE_RUN_H

#include "base/log.h"
#include "collect/collect.h"
#include "collect/tree/command_name.h"
#include "config/config.h"
#include "delivery/delivery.h"
#include "delivery/resend.h"
#include "engine/cgroup_tags.h"
#include "engine/gpus.h"
#include "engine/row.h"
#include "link/engine.h"
#include "pillion/columns.h"
#include "sentinel/cloud/cloud.h"
#include "sentinel/cloud/probe.h"
#include "store/run_dir.h"
#include "store/state_dir.h"

/* The instant by which a run's rows are dated: from it on the wall clock is not asked any more. */
struct anchor {
    int64_t real, monotonic, suspended; /* ns, whole microseconds */
};

/* How far a run is, what may happen in each state, and which function leaves it. */
enum run_state {
    RUN_UNMADE, /* rows wait in memory; nothing on disk, nothing sent. Left by create_run, create_continued */
    RUN_MADE,   /* the directory is there, or rows stay in memory; PILLION_OUTPUT, delivery. Left by finish_run */
    RUN_ENDED,  /* complete on disk, delivered or not; no row follows. Left by pid1_end, in process 1 */
    RUN_RESTS,  /* the same, and the program goes on; rows in memory are delivered. Left by pid1_begin: a new run */
};

/* Which thread the run is on, in whose descriptor table. Nothing is open when that changes. */
enum run_seat {
    SEAT_GUEST,   /* the thread, in the program's table: takes the baseline, and leaves nothing open */
    SEAT_OWN,     /* the thread, in a table of its own: descriptors stay open, network and drivers may be asked */
    SEAT_PROGRAM, /* the program's thread at its end: one row, nothing left open; its CPU is not pillion's cost */
};

/* Which image of the process began the run. */
enum run_origin {
    ORIGIN_HERE,     /* this one, which composes the registration */
    ORIGIN_SOUGHT,   /* one before an exec, if its run is found once it is time to make one: ORIGIN_HERE otherwise */
    ORIGIN_BEFORE,   /* one before an exec: rows, output and registration go on */
    ORIGIN_ANOTHERS, /* the same, but registered with a URL or token that is not ours: nothing is sent */
};

/* PILLION_OUTPUT. */
struct output {
    int                  fd;         /* -1 */
    char                *pattern;    /* NULL: not wanted by this image */
    char                *path;       /* what the pattern became, here or in an image before; NULL: not known yet */
    char                *before;     /* the path of process 1's run before this one: its rows stay there */
    bool                 has_header; /* it has those rows */
    struct output_jsonl *jsonl;      /* NULL: CSV */
};

/* The clouds' answers, on their way into the registration. Until they are there, delivery does not begin. */
struct registration {
    enum { REGISTRATION_OVER, REGISTRATION_WANTED, REGISTRATION_UNDER_WAY } state;
    struct probe     probe;
    struct cloud_dmi dmi;
    struct cloud     cloud; /* once it is known */
};

/* The run's use, and pillion's own cost. */
struct account {
    struct usage      before;             /* of the process, when the run began */
    enum usage_images images;             /* that the run has had */
    uint64_t          user_us, system_us; /* what the rows so far say, those before an exec in place included */
    uint64_t          cpu_energy, cpu_energy_share, gpu_energy, gpu_energy_share; /* microjoules */
    bool              has_cpu_energy, has_gpu_energy;
    int64_t           cost_before; /* ns of CPU of the threads before this one */
};

struct run {
    /* What engine.start writes, before main, stands together: each page costs main some us. */
    enum run_state     state;
    enum run_seat      seat;
    enum run_origin    origin;
    struct link       *link;
    int                wake;      /* signalfd */
    int                asks;      /* signalfd, never read: the program's signals for each of its tasks */
    bool               is_raised; /* descriptors_raise was called in this table */
    struct roots       roots;
    struct tree        tree;
    struct account     account;
    struct row_shape   shape;
    struct output      output;
    struct collectors *collectors; /* NULL before the baseline, and without memory for them: then there are no rows */
    int64_t            load;       /* ns CLOCK_MONOTONIC, of engine.start */
    int64_t            load_real;  /* ns since 1970 */
    struct anchor      anchor;
    /* copies of what engine.start was given */
    char **arguments;
    char  *executable;
    char   comm[16];                   /* the name that the kernel has for the program */
    char   program[COMMAND_NAME_SIZE]; /* the name by which its use is told */
    char  *marker;
    char  *marks; /* the folder with the marks of orphans, beside the marker */
    /* facts about the process, whatever the run does */
    bool          is_the_program; /* not `pillion run` */
    bool          others_outlived_main;
    char         *log_path; /* of PILLION_LOG, absolute; NULL: no file */
    struct log    log;
    struct config config;
    /* What is the thread's. */
    struct machine          machine;
    struct sample           baseline;
    struct sample           last; /* the row before, or the baseline */
    struct state_dir        home;
    struct run_dir          dir;
    struct gpus_told        gpus_told;
    struct run_dir          ahead; /* of root: the directory before it is time for one */
    struct bytes            line;  /* one row */
    uint64_t                rows;
    struct network          network;
    struct delivery         delivery;
    struct registration     registration;
    struct cgroup_tags      cgroup_tags;
    struct own_credentials *keys;        /* for a bucket of the user's own; NULL: none yet */
    struct otlp_export     *otlp;        /* rows for PILLION_OTLP_ENDPOINT; NULL: none so far */
    struct resend_backlog   backlog;     /* the runs of others that are delivered along the way */
    int                     pruned;      /* the mark of that name, locked while old runs are pruned */
    bool                    is_pruned;   /* all of it: markers of the dead may be swept too */
    uint32_t                wakes;       /* of the link's, those taken off it */
    int64_t                 next_upkeep; /* this and the next two: ns CLOCK_MONOTONIC */
    int64_t                 next_look;
    int64_t                 rests_until; /* in RUN_RESTS */
    uint64_t                pid_start;
    uint64_t                pid_namespace;
};

/* The program ends: what is for the time until then need not be made. */
static inline bool run_is_asked_to_end(const struct run *run)
{
    return atomic_load(&run->link->request) == LINK_END;
}

/* ---- thread.c ---- */
int  thread_start(struct run *run);                         /* LINK_OFF afterwards: it could not be made; 0 or -errno */
void thread_tell(struct link *link, enum link_state state); /* and wakes who waits for it */
bool thread_join(struct link *link, int64_t limit);
void thread_step_out(struct run *run); /* the calling thread is the run's no more, but one of the program's */

/* ---- descriptors.c: the descriptor table of the thread ---- */
/* Makes a table of the thread's own, with nothing of the program's in it but `kept` (-1: nothing). False: it is still
 * the program's, and nothing may be held open in it. */
bool descriptors_own(int kept);
void descriptors_give_back(void);        /* the program's numbers are the calling thread's too, where they are low */
void descriptors_raise(struct run *run); /* above the numbers that programs have, once; all may be open or closed */

/* ---- broadcast.c: signals that the program sends to each of its tasks ---- */
int broadcast_open(void); /* a signalfd to be polled and never read; -1 */
/* Lets those in that were sent to this thread. False: there was none, and the signalfd is deaf to what is pending,
 * which would keep it readable. */
bool broadcast_answer(struct run *run);
void broadcast_listen(const struct run *run); /* it hears all of them again */

/* ---- loop.c ---- */
void              loop_prepare(struct run *run); /* what main need not wait for, once; before any of the others */
void              loop_open(struct run *run);    /* collectors and baseline; after a pause: descriptors again */
enum link_request loop_run(struct run *run);     /* until the link asks for PAUSE or END: which */
void              loop_close(struct run *run);   /* gives up every descriptor but the log's copy; the run can go on */

/* ---- sampling.c ---- */
void    sampling_row(struct run *run); /* takes a sample and appends its row */
int64_t sampling_date(const struct run *run,
                      int64_t           monotonic); /* ns since 1970: rises, whatever the wall clock does */

/* ---- create.c ---- */
#define CREATE_AHEAD_MARK "ahead-"      /* and the folder's name: a mark in PILLION_DIR */
void create_ahead(struct run *run);     /* root's run directory, while its files can be opened */
void create_not(struct run *run);       /* the run is not to be: what was made ahead goes */
void create_again(struct run *run);     /* opens what loop_close closed; without permission rows wait in memory */
bool create_continued(struct run *run); /* the run of this process before its exec, if there is one */
void create_run(struct run *run);       /* the run directory: a new one, or the one of this process before its exec */

/* ---- output.c: PILLION_OUTPUT ---- */
void output_prepare(struct run *run); /* before the baseline: JSON Lines have to have the details from there on */
void output_open(struct run *run);    /* the run is made, or its files are opened again */
void output_row(struct run *run, const struct sample *now); /* run->line has been encoded */

/* ---- registration.c: the registration; delivery begins when all is in it ---- */
void registration_begin(struct run *run);    /* the registration, unless it is there */
void registration_add_gpus(struct run *run); /* asks their drivers; before registration_step */
void registration_start(struct run *run);
bool registration_step(struct run *run, int64_t now); /* true: over, delivery has begun */
void registration_settle(struct run *run,
                         int64_t     until); /* over by then, as it stands; `until` past: nothing is asked */

/* ---- exec_resume.c ---- */
/* Of each column the sum over the run's rows. */
struct row_sums {
    double   of[PILLION_COLUMN_COUNT];
    bool     is_known[PILLION_COLUMN_COUNT]; /* some row has a figure there */
    double   timestamp;                      /* of the last row */
    uint64_t rows;
};
bool exec_resume_sums(const struct run *run, struct row_sums *ret); /* false: they cannot be read */
void exec_resume_record(struct run *run, struct bytes *ret);        /* the baseline as JSON text, for run.jsonl */
void exec_resume_read(struct run *run, const cJSON *state);         /* run->last becomes the old image's last row */

/* ---- finish.c ---- */
void finish_run(struct run *run); /* the program ends: last row, totals, delivery within the hold */

/* ---- hold.c ---- */
void hold_deliver(struct run *run, int64_t finished_at); /* while the program waits, if it has to */

/* ---- otlp_export.c: each row to a receiver of OpenTelemetry's, where PILLION_OTLP_ENDPOINT names one ----
 * One request is under way at most, and nothing waits for its answer: not a row, not the program, not its end. What
 * cannot be sent is dropped and counted; sums are the run's so far, so the next row brings it all the same. */
void otlp_export_row(struct run *run, const struct sample *now); /* is on disk; run->last is still the one before */
void otlp_export_step(struct run *run);                          /* takes an answer, sends the row that waited for it */
void otlp_export_last(struct run *run);                          /* the last row gets as far as it does at once */
void otlp_export_end(struct run *run);                           /* tells what was sent, and what was not */
void otlp_export_suspend(struct run *run);                       /* before the network is closed */
void otlp_export_drop(struct run *run);                          /* another run begins */

/* ---- pid1.c: process 1, which a signal does not end ---- */
bool pid1_owes(const struct run *run);      /* its rows are in memory alone, and not delivered */
void pid1_end(struct run *run, int signal); /* its run ends */
/* The program ends by itself soon after that signal: the run was not over. One that the API knows the end of is
 * followed by another. */
void pid1_outlived(struct run *run);
void pid1_begin(struct run *run); /* it is alive after all: another run goes on from the last row of that one */

/* ---- marker.c ---- */
void marker_make_by_number(struct run *run); /* a second one, which root's leaders have */
void marker_renew(const struct run *run);
void marker_remove(struct run *run); /* with the marks of its orphans */
/* Removes what leaders of our PID namespace have left that are gone: their markers, and the marks below. */
void marker_sweep_dead(const struct run *run);

/* ---- cleanup.c ---- */
void cleanup_hourly(struct run *run); /* all that is due */
bool cleanup_is_due(struct run *run); /* for one process at a time: hourly, until done, or when many are new */
/* After the run: some ms of pruning old runs. True: there is something to sweep. */
bool cleanup_step(struct run *run);
/* On time that nobody waits for: markers of dead leaders, where old runs are pruned; and what root made ahead. */
void cleanup_sweep(struct run *run);
/* Removes what PILLION_KEEP does not keep; never the run `current`, nor one that may be alive. */
void cleanup_prune(const struct state_dir *home, const struct config *config, const char *current);

#endif
