/* The engine, as the hook, `pillion run`, `sync` and `doctor` see it. Two things cross between the two sides. The first
 * is a table of functions behind `pillion_engine`, the one exported symbol of libpillion-engine.so. The second is
 * `struct link`, the few words that the program's threads and the thread `pillion` share. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_LINK_ENGINE_H
#define PILLION_LINK_ENGINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "link/conf.h"

enum { ENGINE_VERSION = 4 };

/* The thread blocks it and reads it from a signalfd; should it ever go astray, the default is to ignore it. */
#define ENGINE_WAKE_SIGNAL SIGURG

/* Beside a leader's marker: the folder with the marks of orphans below it, in a folder of the marker's name. Such a
 * mark's times are those of its making, or the CPU time that its process has used, user and system, once that ends. */
#define ENGINE_MARKS "below"

enum link_request {
    LINK_NONE,
    LINK_PREPARING, /* a program's thread writes `call` */
    LINK_CALL,      /* the thread makes it and puts LINK_NONE */
    LINK_PAUSE,
    LINK_STEPPED, /* the thread has seen LINK_PAUSE and will be PAUSED in a moment */
    LINK_END,
};

/* A system call that counts for the calling thread alone. */
struct link_call {
    long          number;
    long          arguments[5];
    unsigned char header[8]; /* capset's, in place of arguments 0 and 1 when has_data */
    unsigned char data[24];
    bool          has_data;
};

enum link_state {
    LINK_OFF,      /* no thread was ever made, or it could not be */
    LINK_STARTING, /* the thread has not yet left the program's descriptor table */
    LINK_RUNNING,
    LINK_PAUSED, /* the thread is gone, but not the run: engine.resume() */
    LINK_ENDED,  /* the run is complete on disk, delivered or not; the thread is gone or going */
};

struct link {
    /* From program to thread, written before the wake-up. */
    _Atomic uint32_t request; /* enum link_request; a futex word for LINK_CALL */
    _Atomic uint32_t wakes;   /* wake-up signals sent; counted after each */
    struct link_call call;
    _Atomic uint32_t local_only;   /* not 0: finish the run on disk, without waiting for the network */
    _Atomic uint32_t hurry;        /* not 0: a signal wants the hold to end now */
    _Atomic int32_t  wait_status;  /* as from wait(2), valid with LINK_END; -1: unknown */
    _Atomic int32_t  interrupted;  /* not 0: a signal that process 1 survives; the run ends, but not the program */
    _Atomic int32_t  main_process; /* the column process_pid; set by engine.start, by `pillion run` later */
    _Atomic int64_t  hold_began;   /* ns CLOCK_MONOTONIC, valid with LINK_END */
    _Atomic int64_t  hold_most;    /* ns, not 0: this hold is shorter than the configured one */
    /* From thread to program. */
    _Atomic uint32_t state;  /* enum link_state; a futex word */
    _Atomic int32_t  tid;    /* the thread, 0 when there is none */
    _Atomic uint32_t tidies; /* not 0, with LINK_ENDED: the thread has other things to do that nobody need wait for */
    /* From engine.start to program. */
    int64_t hold_limit;    /* ns: the longest that a hold may last, local work included */
    bool    takes_signals; /* PILLION_SIGNALS */
};

struct engine_start {
    const char *const *environment; /* from before main, NULL-terminated; read during the call only */
    const struct conf *conf;        /* NULL: none; it stays */
    const char *const *arguments;   /* argument vector of the program; read during the call only */
    const char        *executable;  /* target of /proc/self/exe; for `pillion run` that of the command */
    pid_t              root;        /* struct tree */
    bool               root_is_ours;
    bool               continues; /* after an exec in place: the run of this process goes on */
    bool               in_step;   /* local rank 0 of a step: the tree is the parent's children */
    const char        *marker;    /* absolute path of the marker to renew and remove; NULL: none */
    /* For `pillion run` only. */
    const char *job_name; /* --name, NULL */
    const char *output;   /* -o, NULL */
};

/* The runs that `pillion sync` wants delivered, and how it hears about them. */
struct engine_sync {
    const char *const *environment;
    const struct conf *conf;
    const char *const *runs;  /* run directory names (IDs) under PILLION_DIR/runs, NULL-terminated; NULL: all */
    bool               named; /* the user named them: local runs are delivered too */
    /* Called once for each run looked at. The outcome is "delivered", "left" (with the reason) or "failed" (with it).
     */
    void (*report)(void *context, const char *id, const char *outcome, const char *reason);
    void *context;
};

enum engine_finding { ENGINE_FINE, ENGINE_CAUSE, ENGINE_NOTE };

/* The questions of `pillion doctor`, and how it hears the answers. They are about the variables, PILLION_DIR and, with
 * a token alone, the API and S3, which get one request each that changes nothing there. */
struct engine_examination {
    const char *const *environment;
    const struct conf *conf;
    /* Called for each thing looked at: "conf", "variables", "directory", "output", "token", "destination", "keys", "ca-bundle", "api",
     * "clock", "s3". */
    void (*report)(void *context, const char *check, enum engine_finding finding, const char *sentence);
    void *context;
    char  unknown_host[256]; /* filled in: the host that DNS does not know; "": none */
};

struct engine {
    uint32_t    version;
    const char *release; /* "0.1.0" */
    /* Reads the configuration and starts the thread. Returns 0; -ECANCELED when the configuration switches it off;
     * -errno. The state is LINK_OFF when only the thread could not be made: end_here() then writes the one row at exit.
     */
    int (*start)(struct link *link, const struct engine_start *start);
    /* Makes a new thread after LINK_PAUSED. 0, -errno. */
    int (*resume)(struct link *link);
    /* Waits until the thread, paused or ended, is gone from the process; false after limit ns. */
    bool (*join)(struct link *link, int64_t limit);
    /* On the thread itself, in a handler of the program's that ends the thread or the program: LINK_PAUSED. The caller
     * is one of the program's threads from now on. */
    void (*step_out)(struct link *link);
    /* Without a thread: writes the run directory with one row, on the calling thread; every file is closed at once. */
    void (*end_here)(struct link *link);
    /* Delivers what is not delivered, and blocks meanwhile. Returns the number of runs that stay undelivered, or
     * -errno. */
    int (*sync)(const struct engine_sync *sync);
    /* Answers the doctor's questions. 0, -errno. */
    int (*examine)(struct engine_examination *examination);
};

extern const struct engine pillion_engine;

#endif
