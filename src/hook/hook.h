/* The hook is the part that every process of the tree loads. All of it runs on the program's own threads, some of it
 * inside a vfork child, a signal handler or the last moments of exit. So it makes system calls only, never a call of
 * libc that a program may have replaced, or that allocates or locks. Nothing of stdio is used but one fflush, and no
 * memory but these statics. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_HOOK_HOOK_H
#define PILLION_HOOK_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "link/engine.h"

enum { HOOK_PATH_MAX = 4096, HOOK_NAME_MAX = 256 };

/* ---- syscalls.c: raw system calls; each returns 0 or more, or -errno ---- */
long call_open(const char *path, int flags, unsigned mode);
long call_read(int fd, void *data, size_t size);
void call_close(int fd);
long call_read_file(const char *path, char *ret, size_t size); /* ends with NUL; returns its length or -errno */
void call_unlink(const char *path);
long call_readlink(const char *path, char *ret, size_t size); /* as call_read_file */
long call_pid(void);
long call_parent(void);
long call_tid(void);
struct stat;
int     call_stat(const char *path, struct stat *ret); /* follows links */
int     call_lstat(const char *path, struct stat *ret);
int64_t call_monotonic(void); /* ns */

/* ---- strbuf.c: text on the stack ---- */
struct word {
    char  *text;
    size_t len, size;
    bool   cut; /* something did not fit */
};
struct word word_in(char *buffer, size_t size);
void        word_add(struct word *w, const char *text);
void        word_number(struct word *w, uint64_t value);
bool        word_equal(const char *a, const char *b);
bool        word_among(const char *word, const char *const *list, size_t count);
bool        word_is_no(const char *value); /* 0 false no off, in any case */
const char *word_base_name(const char *path);
bool        word_matches(const char *pattern, size_t len, const char *text); /* knows * ? [..]; a * crosses slashes */
bool        word_in_patterns(const char *colon_list, const char *path);
uint64_t    word_parse(const char **at);        /* decimal digits, up to the first other byte */
const char *word_environment(const char *name); /* the value in environ, or NULL */

/* ---- procfs.c: /proc/PID ---- */
struct process {
    pid_t    pid, parent;
    uint64_t start; /* clock ticks since boot */
    uint64_t threads;
    uid_t    uid; /* owner of /proc/PID */
};
/* The path of /proc/PID with `file` behind it; pid 0 means self. */
void process_file(char ret[static 64], pid_t pid, const char *file);
int  process_read(pid_t pid, struct process *ret); /* pid 0 means self, checked against getpid; returns 0 or -errno */
bool process_has_thread_named_pillion(const struct process *p);
bool process_maps_hook(pid_t pid);
bool process_alone(void);  /* has no thread but the calling one and ours; false when it cannot be told */
bool process_single(void); /* the same on little stack; a main thread that has left counts as another one */

/* ---- leader_marker.c: leaders, as files ---- */
bool marker_exists(uint64_t pid_namespace, const struct process *p, char *ret_path, size_t size);
/* A marker of this process, from before it entered a user namespace where its user has another number. */
bool marker_was_made_outside(uint64_t pid_namespace, const struct process *self, char *ret_path, size_t size);
int  marker_make(uint64_t pid_namespace, const struct process *p, char *ret_path, size_t size);

/* ---- mpi_slurm.c: steps of MPI and Slurm ---- */
enum ranks { RANKS_NODE, RANKS_ALL, RANKS_FIRST };
int64_t    step_rank(bool of_all); /* on this node, or of all; -1 outside of a step */
enum ranks step_ranks(void);       /* PILLION_RANKS; RANKS_NODE outside of a step */
bool       step_is_launcher(const char *executable);
bool       step_is_prolog(void); /* the prolog of a Slurm task, or its epilog */

/* ---- leader.c: does this process lead? ---- */
enum role { ROLE_NONE, ROLE_PASSENGER, ROLE_LEADER };
/* The answer at which the questions ended. */
enum lead_why {
    LEAD_NOTHING_AGAINST, /* a new run begins */
    LEAD_CONTINUES,       /* the run of this process from before its exec */
    LEAD_DISABLED,
    LEAD_SECURE,
    LEAD_NO_PROC,
    LEAD_EXCLUDED,
    LEAD_NOT_INCLUDED,
    LEAD_WRAPPER,
    LEAD_OTHER_RANK,
    LEAD_PROLOG,
    LEAD_BELOW_MARKER, /* `above` leads */
    LEAD_BELOW_THREAD, /* `above` leads; its marker cannot be seen from here */
    LEAD_BELOW_HOOK,   /* `above`, the parent, carries the hook and leads no more */
    LEAD_FROM_OUTSIDE, /* put into a container that has a process from before */
};
struct lead {
    enum role      role;
    enum lead_why  why;
    bool           continues;
    bool           in_step;
    struct process above; /* as `why` says */
    struct process self;
    uint64_t       pid_namespace;
    char           executable[HOOK_PATH_MAX];
    char           marker[HOOK_NAME_MAX];
};
void lead_decide(struct lead *ret);
/* The answer for a program with this executable in the place of this process; "" stands for any executable that is not
 * excluded. Makes nothing, removes nothing. */
void lead_predict(const char *executable, struct lead *ret);

/* ---- next_symbol.c: the definition behind ours in the search order ---- */
void *next_symbol(const char *name); /* NULL when nobody else has it */

/* ---- engine_load.c ---- */
const struct engine *load_engine(void); /* NULL where it cannot be had */

/* ---- entry.c ---- */
struct hook {
    pid_t                owner; /* the leader's pid; has a meaning while hook_owns() */
    volatile uint32_t   *alive; /* on a page that a fork wipes; NULL: this process does not lead */
    const struct engine *engine;
    struct link          link;
};
extern struct hook hook;

/* This very process leads, is no vfork child, and is on a thread that may make system calls. Safe everywhere. */
bool hook_owns(void);
/* The same where a filter is only suspected: for calls that the program cannot do without. */
bool hook_leads(void);
/* A leader's child by fork, which has its handlers and nothing to finish; a vfork child is none. Makes no system call.
 */
bool hook_is_forked_child(void);
/* This process leads, and exit is the place to hold it: its globals must still stand, or nothing of ours comes later.
 */
bool hook_ends_here(void);

/* ---- exit.c ---- */
void ends_resolve(void); /* finds the next _exit, before a vfork child or a handler needs it */
void ends_flush(void);   /* flushes what stdio holds, unless a stream is locked for good */

/* ---- signals.c ---- */
void signals_resolve(void); /* finds the next sigaction and signal */
void signals_begin(void);   /* from now on the run is finished when one of the four signals ends the program */
void signals_end(void);     /* gives the four the action again that the program knows */
struct sigaction;
/* libc's own sigaction, behind our wrapper. */
int signals_action(int number, const struct sigaction *action, struct sigaction *old);
/* Sets the default action, with flags and mask of `known`. */
void signals_put_default(int number, const struct sigaction *known);

/* ---- seccomp.c: may the calling thread make system calls that the program does not? ---- */
enum confinement {
    FREE,
    SUSPECTED, /* the call before a filter was made: no call is made at the end, where most programs make none */
    CONFINED,  /* no call at all */
};
enum confinement confinement(void);   /* makes no call itself */
void             confine_watch(void); /* to be called on main's thread */
/* Before a prctl: the state of the calling thread after it; FREE when the call changes nothing. */
enum confinement confine_begins(long option, long argument);
void             confine(enum confinement to, bool done); /* after the call */

/* ---- exit_hold.c ---- */
#define HOLD_PAUSE_LAST INT64_C(1000000000) /* ns, before main's thread leaves a threaded program */
enum hold_place { HOLD_MAIN_RETURNED, HOLD_EXIT_ENTERED, HOLD_LAST_HANDLER, HOLD_DIRECT_EXIT };
/* Ends the run with that exit status and waits for it as long as the contract allows. Works once a process; returns at
 * once everywhere else. */
void hold(enum hold_place place, int status);
/* The same in a signal's handler, for a program that will die of that signal. */
void hold_for_signal(int number);
/* Ends the hold, since another signal came meanwhile. */
void hold_hurry(void);
/* Ends the run of process 1, which has got a signal that does not end it. Waits for nothing. */
void hold_interrupt(int number);
/* Has our thread make a call that counts for the calling thread alone, and waits for it. `data` is copied, and the
 * copy's address put into arguments where that of `data` stood. */
void hold_mirror(const struct link_call *call);
/* Stops the thread for good or for a while; false when it did not stop in time. */
bool hold_pause(int64_t limit_ns);
void hold_pause_for_good(int64_t limit_ns);
void hold_resume(void);

#endif
