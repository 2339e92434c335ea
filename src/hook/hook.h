/* The hook is the part that every process of the tree loads. All of it runs on the program's own threads, some of it
 * inside a vfork child, a signal handler or the last moments of exit. So it makes system calls only, never a call of
 * libc that a program may have replaced, or that allocates or locks. Exceptions: the engine is loaded by dlopen before
 * main, streams are flushed at the end. Memory is statics, and one page that a fork wipes. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_HOOK_HOOK_H
#define PILLION_HOOK_HOOK_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "link/engine.h"

enum { HOOK_PATH_MAX = 4096, HOOK_NAME_MAX = 256 };

/* ---- syscalls.c: raw system calls; each returns 0 or more, or -errno, and leaves errno alone ---- */
long  sys_open(const char *path, int flags, unsigned mode);
long  sys_open_in(int folder, const char *path, int flags, unsigned mode);
long  sys_read(int fd, void *data, size_t size);
void  sys_close(int fd);
long  sys_read_file(const char *path, char *ret, size_t size); /* ends with NUL; returns its length or -errno */
int   sys_mkdir(const char *path, unsigned mode);
void  sys_chmod(const char *path, unsigned mode);
void  sys_unlink(const char *path);
long  sys_readlink(const char *path, char *ret, size_t size); /* as sys_read_file */
long  sys_pid(void);
long  sys_parent(void);
long  sys_tid(void);
pid_t sys_session(pid_t pid);
uid_t sys_user(void);
uid_t sys_effective_user(void);
struct stat;
int     sys_stat(const char *path, struct stat *ret); /* follows links */
int     sys_lstat(const char *path, struct stat *ret);
int     sys_fstat(int fd, struct stat *ret);
int64_t sys_monotonic(void); /* ns */
bool    sys_has_child(void); /* also one that has ended and is not reaped */
/* One entry of a folder: getdents64(2). */
struct sys_entry {
    uint64_t       inode;
    int64_t        offset;
    unsigned short size;
    unsigned char  type;
    char           name[];
};
long sys_list(int folder, void *block, size_t size); /* entries, one after the other; 0 at the end */

/* ---- strbuf.c: text on the stack, and questions to strings ---- */
enum { STRING_WORD_SIZE = 16 }; /* of a list: words in place of pointers, which every process would have to relocate */
struct strbuf {
    char  *text;
    size_t len, size;
    bool   cut; /* something did not fit */
};
struct strbuf strbuf_in(char *buffer, size_t size);
void          strbuf_add(struct strbuf *w, const char *text);
void          strbuf_number(struct strbuf *w, uint64_t value);
bool          string_equal(const char *a, const char *b);
bool          string_among(const char *word, const char (*list)[STRING_WORD_SIZE], size_t count);
bool          string_is_no(const char *value); /* 0 false no off, in any case */
const char   *string_base_name(const char *path);
uint64_t      string_number(const char **at);                      /* decimal digits, up to the first other byte */
const char   *variable_named(const char *entry, const char *name); /* the value in "NAME=value" of that name, or NULL */
const char   *environment_of(const char *name);                    /* the value in environ, or NULL */

/* ---- conf.c: /etc/pillion.conf ---- */
/* Reads it, the first time. A process that somebody leads, and one that its environment disables, must not come here.
 */
void               conf_read(const char *path);
const struct conf *conf_found(void); /* NULL: there is none, or nothing stands in it */
/* Brings what was read into the form of struct conf, in place; there is room for one byte more. Returns its size. */
size_t conf_make_lines(char *text, size_t len);
/* What environment and file say together; the environment alone where the file was not read. An empty variable is the
 * user's word too. NULL: neither has it. */
const char *setting_of(const char *name);

/* ---- glob.c: patterns of file names ---- */
bool glob_matches(const char *pattern, size_t len, const char *text); /* knows * ? [..]; a * crosses slashes */
bool glob_in_list(const char *colon_list, const char *path);

/* ---- procfs.c: /proc/PID ---- */
struct process {
    pid_t    pid, parent;
    uint64_t start; /* clock ticks since boot */
    uint32_t threads;
    uid_t    uid;  /* owner of /proc/PID */
    bool     dead; /* a zombie */
};
bool procfs_is_mounted(void); /* in a root that is somebody else's, /proc may be anything: a list without an end */
/* The path of /proc/PID with `file` behind it; pid 0 means self. */
void procfs_file(char ret[static 64], pid_t pid, const char *file);
/* The parent of a process whose /proc/PID is hidden; 0: there is none, or the kernel does not tell (before 6.13). */
pid_t procfs_hidden_parent(pid_t pid);
int   procfs_read(pid_t pid, struct process *ret); /* pid 0 means self, checked against getpid; returns 0 or -errno */
/* Like procfs_read, but leaves the owner of a process with one thread open (PROCFS_NO_UID), which saves a call;
 * procfs_read_owner asks for it later. */
#define PROCFS_NO_UID ((uid_t)-1)
int  procfs_read_ancestor(pid_t pid, struct process *ret);
void procfs_read_owner(struct process *p);
/* The PID namespace of a process, 0 means self; false where that may not be known. */
bool procfs_namespace(pid_t pid, uint64_t *ret);
bool procfs_has_thread_named_pillion(const struct process *p);
bool procfs_maps_hook(pid_t pid);
int  procfs_look_for_hook(pid_t pid);  /* the same: 0 or 1; -errno where that may not be known */
bool procfs_is_of_our_user(pid_t pid); /* by its real uid, which anybody may read */
bool procfs_alone(void);               /* has no thread but the calling one and ours; false when it cannot be told */
bool procfs_has_others(void);          /* the contrary, but also false when it cannot be told */
bool procfs_single(void);              /* the same on little stack; a main thread that has left counts as another one */

/* ---- mapped_file.c: /proc/PID/maps ---- */
/* Does this maps tell of code from a file whose path ends so, deleted since or not? -errno where that may not be known.
 */
int mapped_file(const char *maps, const char *name);
int mapped_file_in_text(int maps, const char *name); /* the same of any mapping: how older kernels tell */
/* The path, without links, of the file that this process has mapped at an address. 0 or -errno. */
int mapped_file_at(const void *address, char *ret, size_t size);
int mapped_file_at_in_text(int maps, const void *address, char *ret, size_t size);

/* ---- leader_marker.c: leaders, as files ---- */
enum { LEADER_MARKER_PLACES = 2 };
/* Adds the path of a user's folder of markers; false where it is none that counts. Most processes of a line have one
 * owner or root, so each folder is looked at once. */
bool leader_marker_folder(uid_t uid, size_t place, struct strbuf *ret);
void leader_marker_name(uint64_t pid_namespace, const struct process *p, struct strbuf *ret); /* "/PIDNS-PID-START" */
bool leader_marker_exists(uint64_t pid_namespace, const struct process *p, char *ret_path, size_t size);
/* A marker of this process, from before it entered a user namespace where its user has another number. */
bool leader_marker_was_made_outside(uint64_t pid_namespace, const struct process *self, char *ret_path, size_t size);
/* A marker of root's for that number. */
bool leader_marker_has_number(uint64_t pid_namespace, pid_t pid);
void leader_marker_remove(const char *path);
/* Has a process below the leader whose marker was found last announced a filter of system calls? */
bool leader_marker_last_was_filtered(void);
void leader_marker_filter(const char *path); /* makes that so, of the marker found last */
int  leader_marker_make(uint64_t pid_namespace, const struct process *p, char *ret_path, size_t size);

/* ---- orphan_mark.c: processes below a leader whose parent has ended, as files ---- */
/* Makes the mark of a process below that leader, whose user this process is. 0 or -errno. */
int  orphan_mark_make(uint64_t pid_namespace, const struct process *leader, const struct process *orphan);
bool orphan_mark_path(uint64_t pid_namespace, const struct process *leader, const struct process *orphan, char *ret,
                      size_t size);
/* Looks for a mark of one of these processes, each the parent of the one before it. *ret_leader is the leader, which
 * lives, and *ret_orphan the index of the process. */
bool orphan_mark_find(uint64_t pid_namespace, const struct process *line, size_t count, struct process *ret_leader,
                      size_t *ret_orphan);
/* The same by the number of this process's session, which is entered by birth alone: its first process lives and leads.
 * The orphan is the last one of the line that is in it. */
bool orphan_mark_session(uint64_t pid_namespace, const struct process *line, size_t count, struct process *ret_leader,
                         size_t *ret_orphan);

/* ---- orphan_end.c: what a process that ends says about its children ---- */
/* To be called where a program starts. `asks`: whether it asks for its children at the end at all; `parent`: its parent
 * before it was decided who leads. */
void orphan_end_watch(bool asks, pid_t parent);
void orphan_end_filter(void); /* this process is about to filter its system calls, for those that it becomes too */
/* This process has a mark, which is to say at its end what CPU time it has used. */
void orphan_end_keep(uint64_t pid_namespace, const struct process *leader, const struct process *self);
void orphan_end(void); /* to be called at the end, whichever way; of a leader it does nothing */

/* ---- mpi_slurm.c: steps of MPI and Slurm ---- */
enum ranks { RANKS_NODE, RANKS_ALL, RANKS_FIRST };
int64_t    mpi_slurm_rank(bool of_all); /* on this node, or of all; -1 outside of a step */
enum ranks mpi_slurm_ranks(void);       /* PILLION_RANKS; RANKS_NODE outside of a step */
bool       mpi_slurm_is_launcher(const char *executable);
bool       mpi_slurm_is_prolog(void); /* the prolog of a Slurm task, or its epilog */

/* ---- leader.c: does this process lead? ---- */
enum role { ROLE_NONE, ROLE_PASSENGER, ROLE_LEADER };
/* The answer at which the questions ended. */
enum leader_why {
    LEADER_NOTHING_AGAINST, /* a new run begins */
    LEADER_CONTINUES,       /* the run of this process from before its exec */
    LEADER_DISABLED,
    LEADER_SECURE,
    LEADER_NO_PROC,
    LEADER_EXCLUDED,
    LEADER_NOT_INCLUDED,
    LEADER_WRAPPER,
    LEADER_OTHER_RANK,
    LEADER_PROLOG,
    LEADER_BELOW_MARKER, /* `above` leads */
    LEADER_ORPHAN,       /* `above` leads; `orphan`, this process or one above it, has a mark */
    LEADER_IN_SESSION,   /* `above` leads, and this is its session; `orphan` has no mark yet */
    LEADER_BELOW_THREAD, /* `above` leads; its marker cannot be seen from here */
    LEADER_BELOW_HOOK,   /* `above`, the parent, carries the hook and leads no more */
    LEADER_FROM_OUTSIDE, /* put into a container that has a process from before */
};
struct leader {
    enum role       role;
    enum leader_why why;
    bool            continues;
    bool            in_step;
    pid_t           parent; /* of this process */
    struct process  above;  /* as `why` says */
    struct process  orphan;
    struct process  self;
    uint64_t        pid_namespace;
    char           *executable; /* of HOOK_PATH_MAX, the caller's; of a process below a marker it is not asked for */
    char            marker[HOOK_NAME_MAX];
};
void leader_decide(const char *zeroth, struct leader *ret); /* argument 0 of this process; "" */
/* The answer for a program with this executable, and this name for it, in the place of this process; "" stands for any
 * executable that is not excluded. Makes nothing, removes nothing. */
void leader_predict(const char *executable, const char *given, struct leader *ret);

/* ---- next_symbol.c: the definition behind ours in the search order ---- */
void *next_symbol(const char *name); /* NULL when nobody else has it */
/* What the wrappers pass on to. All of it is looked up before main: later the loader's lock may be held by a thread
 * that waits for the ending one, or by code that a handler has interrupted. */
enum next {
    NEXT_START_MAIN,
    NEXT_EXIT,
    NEXT__EXIT,
    NEXT_QUICK_EXIT,
    NEXT_THRD_EXIT,
    NEXT_PTHREAD_EXIT,
    NEXT_SIGACTION,
    NEXT_SIGNAL,
    NEXT_STREAMS, /* the first of libc's streams; missing on musl */
    NEXT_COUNT
};
void  next_look_up(void);
void *next_of(enum next which);    /* NULL when nobody else has it */
void *next_known(enum next which); /* the same; also NULL where nothing was looked up yet: it takes no lock */

/* ---- engine_file.c ---- */
bool engine_file_is_whole(const char *path); /* false also where it is no library, or not to be read */

/* ---- engine_load.c ---- */
const struct engine *engine_load(void); /* NULL where it cannot be had */

/* ---- owner.c ---- */
struct hook {
    pid_t                owner; /* the leader's pid; has a meaning while hook_owns() */
    volatile uint32_t   *alive; /* on a page that a fork wipes; NULL: this process does not lead */
    const struct engine *engine;
    struct link          link;
    bool                 has_last_handler; /* libc registers one before everything else; not on musl */
};
extern struct hook hook;

/* In a process with several copies of the hook, of whatever versions, the loader gives each the address of the first
 * one's mark: that copy alone is at work. So the name, and what it stands for, stay for ever. */
extern const char pillion_hook_1;
extern const char hook_mark __attribute__((visibility("hidden"))); /* this copy's, by a name that is not looked up */

/* This very process leads, is no vfork child, and is on a thread that may make system calls. Safe everywhere. */
bool hook_owns(void);
/* The same where a filter is only suspected: for calls that the program cannot do without. */
bool hook_leads(void);
/* A leader's child by fork, which has its handlers and nothing to finish; a vfork child is none. Makes no system call.
 */
bool hook_is_forked_child(void);
/* From now on this process leads. False where a page cannot be had. */
bool hook_own(void);

/* ---- signals.c: four signals that end a program ---- */
struct sigaction;
typedef void signals_handler(int number, siginfo_t *info, void *context);
/* From now on the handler stands in the place of the default action of the four. */
void signals_begin(signals_handler *handler);
void signals_end(void); /* gives the four the action again that the program knows */
/* libc's own sigaction, behind our wrapper. */
int signals_action(int number, const struct sigaction *action, struct sigaction *old);
/* Sets the default action, with flags and mask of `known`. */
void signals_set_default(int number, const struct sigaction *known);
void signals_show_default(int number); /* the same as the program knows it; one of the four */

/* ---- signal_end.c ---- */
signals_handler signal_end; /* finishes the run, then dies of the signal */

/* ---- seccomp.c: may the calling thread make system calls that the program does not? ---- */
enum confinement {
    FREE,
    SUSPECTED, /* the call before a filter was made: no call is made at the end, where most programs make none */
    CONFINED,  /* no call at all */
};
enum confinement seccomp_confinement(void); /* makes no call itself */
void             seccomp_watch(void);       /* to be called on main's thread */
bool             seccomp_is_watched(void);
/* What that prctl would make of the calling thread; FREE when it changes nothing. */
enum confinement seccomp_announced(long option, long argument);
void             seccomp_confine(enum confinement to);

/* ---- exit_hold.c ---- */
enum hold_place { HOLD_MAIN_RETURNED, HOLD_EXIT_ENTERED, HOLD_LAST_HANDLER, HOLD_DIRECT_EXIT };
/* This process leads, and exit is the place to hold it: its globals must still stand, or nothing of ours comes later.
 */
bool exit_hold_is_due(void);
/* Ends the run with that exit status and waits for it as long as the contract allows. Works once a process; returns at
 * once everywhere else. */
void exit_hold(enum hold_place place, int status);
/* The same in a signal's handler, for a program that will die of that signal. */
void exit_hold_for_signal(int number);
/* Ends the hold, since another signal came meanwhile. */
void exit_hold_hurry(void);
/* Ends the run of process 1, which has got a signal that does not end it. Waits for nothing. */
void exit_hold_interrupt(int number);

/* ---- thread_link.c: our thread, as the program's threads reach it ---- */
#define THREAD_LINK_LAST_PAUSE INT64_C(1000000000) /* ns, before main's thread leaves a threaded program */
void thread_link_wake(void);
/* Sleeps while the word has that value, for `left` ns at most. */
void thread_link_sleep_on(_Atomic uint32_t *word, uint32_t while_it_is, int64_t left);
/* Waits until the thread is paused, ended, or gone for good; false at the deadline or when in a hurry. */
bool thread_link_rests(int64_t deadline);
/* Has our thread make a call that counts for the calling thread alone, and waits for it. `data` is copied, and the
 * copy's address put into arguments where that of `data` stood. */
void thread_link_mirror(const struct link_call *call);
/* Stops the thread for good or for a while; false when it did not stop in time. */
bool thread_link_pause(int64_t limit_ns);
void thread_link_pause_for_good(int64_t limit_ns);
/* True on our thread, where a handler of the program's that was let in wants to end: it is the program's now. */
bool thread_link_step_out(void);
void thread_link_resume(void);

#endif
