// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "account.h"
#include "base/clock.h"
#include "base/environment.h"
#include "base/file.h"
#include "command.h"
#include "hook/hook.h"
#include "launch.h"
#include "libraries.h"
#include "marker.h"
#include "output.h"
#include "run_file.h"
#include "runs.h"
#include "store/journal_read.h"
#include "watch.h"

static const char help[] = "Usage: pillion run [--name N] [-o FILE] [--summary | --quiet] [--] CMD [ARGUMENT...]\n"
                           "\n"
                           "Makes one run of CMD and everything below it. CMD itself is not touched: static and\n"
                           "setuid programs are covered, and the run is finished even when CMD is killed.\n"
                           "\n"
                           "  -n, --name N       the run's job name\n"
                           "  -o, --output FILE  also write the CSV there (%p pid, %h machine, %r run ID)\n"
                           "  -s, --summary      one line on stderr at the end, even if that is no terminal\n"
                           "  -q, --quiet        no such line\n"
                           "\n"
                           "The exit status is CMD's; 126 if it cannot be executed, 127 if it is not found,\n"
                           "128 + n if signal n killed it.\n"
                           "\n"
                           "Examples:\n"
                           "  pillion run -- make -j8\n"
                           "  pillion run --name nightly -o %r.csv -- python3 train.py --epochs 2\n";

struct order {
    const char *name;
    const char *output;
    bool        summary;
    bool        quiet;
    char      **command;
    char        path[PATH_MAX];       /* what is executed */
    char        executable[PATH_MAX]; /* the same without links */
};

/* -1: go on. */
static int read_order(int argc, char **argv, struct order *ret)
{
    static const struct option options[] = {{"name", required_argument, NULL, 'n'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"summary", no_argument, NULL, 's'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            OPTIONS_COMMON};
    opterr = 0;
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "+:n:o:sqhV", options, NULL)) != -1;) {
        switch (option) {
        case 'n':
            ret->name = optarg;
            break;
        case 'o':
            ret->output = optarg;
            break;
        case 's':
            ret->summary = true;
            break;
        case 'q':
            ret->quiet = true;
            break;
        default:
            return options_common(option, argv, options, help);
        }
    }
    if (ret->summary && ret->quiet) {
        complain("run: --summary and --quiet exclude each other");
        return EXIT_WRONG_CALL;
    }
    if (optind == argc) {
        complain("run: which command? see pillion run --help");
        return EXIT_WRONG_CALL;
    }
    ret->command = argv + optind;
    return -1;
}

static bool says_yes(const char *value)
{
    return value != NULL && value[0] != '\0' && !string_is_no(value);
}

/* Whom the environment disables reads no file. */
static bool is_disabled(void)
{
    if (says_yes(getenv("PILLION_DISABLE")))
        return true;
    conf_read(CONF_PATH);
    return says_yes(setting_of("PILLION_DISABLE"));
}

static int exit_code_of(int status)
{
    return WIFSIGNALED(status) ? EXIT_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The state that was kept of this process's run, and its ID; false: there is none. */
static bool load_run(const struct marker *marker, char id[static RUN_DIR_ID_MAX], cJSON **ret_state)
{
    struct state_dir home;
    int              dir = -1;
    *ret_state = NULL;
    if (state_dir_open(runs_lookup, false, &home) < 0)
        return false;
    bool found = runs_of_process(&home, getpid(), marker->start, id) == 0 && runs_open(&home, id, &dir) == 0;
    if (found && run_file_state(dir, ret_state) < 0)
        *ret_state = NULL;
    file_close(&dir);
    state_dir_close(&home);
    return found;
}

/* The run's own: what this process has reaped may be older than it (an exec in place), and have been larger. */
static void print_figures(const cJSON *state)
{
    char   figure[FIGURE_MAX];
    double user = account_number(state, "totals", "user_s");
    double system = account_number(state, "totals", "system_s");
    double peak = account_peak_mib(state, SUBJECT_PROCESS);
    if (user >= 0 && system >= 0) {
        figure_seconds(user + system, figure);
        fprintf(stderr, "CPU %s, ", figure);
    }
    if (peak >= 0) {
        figure_bytes(peak * 1024 * 1024, figure);
        fprintf(stderr, "peak %s, ", figure);
    }
}

static void print_summary(int status, double seconds, const struct marker *marker)
{
    char   ended[FIGURE_MAX], took[FIGURE_MAX], id[RUN_DIR_ID_MAX];
    cJSON *state;
    if (WIFSIGNALED(status))
        signal_text(WTERMSIG(status), ended);
    else
        (void)snprintf(ended, sizeof ended, "exit %d", WEXITSTATUS(status));
    figure_seconds(seconds, took);
    bool is_kept = load_run(marker, id, &state);
    fprintf(stderr, "pillion: %s, %s, ", ended, took);
    print_figures(state);
    const char *name = journal_text(state, "state");
    if (is_kept)
        fprintf(stderr, "%s: %s\n", name == NULL ? "damaged" : strcmp(name, "finished") == 0 ? "delivered" : name, id);
    else
        fputs("no run was kept\n", stderr);
    cJSON_Delete(state);
}

/* A preload of others may have opened files in this process, which look like those that it was handed. */
static bool has_foreign_files(void)
{
    return environment_value("LD_PRELOAD") != NULL || environment_value("LD_AUDIT") != NULL ||
           access("/etc/ld.so.preload", F_OK) == 0;
}

/* Keeps nothing busy that CMD may leave: a folder, a file, the end of a pipe. stderr is kept for what is to be said.
 * The thread must have left this process's table before. */
static void leave_everything(const struct link *link)
{
    if (atomic_load(&link->state) != LINK_RUNNING)
        return;
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing >= 0) {
        (void)dup2(nothing, STDIN_FILENO);
        (void)dup2(nothing, STDOUT_FILENO);
    }
    if (!environment_names_relative())
        (void)chdir("/");
    if (!has_foreign_files())
        (void)syscall(SYS_close_range, (unsigned)STDERR_FILENO + 1U, ~0U, 0U); /* the gate too */
}

/* From CMD's start to the end of its run: the exit code. */
static int ride(const struct order *order, const struct engine *engine, struct link *link, const struct marker *marker,
                const struct signals *signals)
{
    int64_t began = clock_monotonic();
    int     status = EXIT_NOT_EXECUTABLE << 8;
    int     gate = -1;
    pid_t   child = launch_child(order->path, order->command, signals, &gate);
    if (child > 0) {
        atomic_store(&link->main_process, child);
        leave_everything(link);
        (void)close(gate);
        status = watch_child(child);
    } else {
        complain("%s: cannot be started: %s", order->command[0], strerror(-child));
    }
    double seconds = (double)(clock_monotonic() - began) / 1e9;
    hold(engine, link, status);
    marker_remove(marker);
    if (order->summary || (!order->quiet && isatty(STDERR_FILENO)))
        print_summary(status, seconds, marker);
    return exit_code_of(status);
}

static int begin(const struct order *order, const struct engine *engine, struct link *link, const struct marker *marker)
{
    struct engine_start start = {
        .environment = (const char *const *)environ,
        .conf = conf_found(),
        .arguments = (const char *const *)order->command,
        .executable = order->executable,
        .root = getpid(),
        .root_is_ours = true,
        .marker = marker->path[0] != '\0' ? marker->path : NULL,
        .job_name = order->name,
        .output = order->output,
    };
    return engine->start(link, &start);
}

/* What the engine will find, said where its user sees it. */
static void look_at_output(const char *path)
{
    struct stat info;
    int         fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0666);
    if (fd < 0)
        complain("-o %s: %s: no rows go there", path, errno == ELOOP ? "it is a link" : strerror(errno));
    else if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || info.st_nlink > 1)
        complain("-o %s: not a regular file with one name: no rows go there", path);
    if (fd >= 0)
        (void)close(fd);
}

int command_run(int argc, char **argv)
{
    static struct link link;
    struct order       order = {.name = NULL};
    struct marker      marker;
    struct signals     signals;
    const char        *reason = NULL;
    int                code = read_order(argc, argv, &order);
    if (code >= 0 || order.command == NULL)
        return code;
    code = launch_find(order.command[0], order.path);
    if (code != 0)
        return code;
    if (realpath(order.path, order.executable) == NULL)
        (void)snprintf(order.executable, PATH_MAX, "%s", order.path);
    const struct engine *engine = is_disabled() ? NULL : engine_open(&reason);
    if (engine == NULL) {
        if (!is_disabled())
            complain("%s; CMD runs unobserved", reason);
        return launch_here(order.path, order.command);
    }
    if (order.output != NULL && strchr(order.output, '%') == NULL)
        look_at_output(order.output);
    signals_take(&signals);
    (void)marker_make_own(&marker); /* without one, a hook below may begin a run of its own: no reason to give up */
    int result = begin(&order, engine, &link, &marker);
    if (result < 0) {
        if (result != -ECANCELED)
            complain("no run: %s; CMD runs unobserved", strerror(-result));
        marker_remove(&marker);
        signals_give_back(&signals);
        return launch_here(order.path, order.command);
    }
    /* What daemonises below stays in the tree, and its CPU time is counted when it ends. */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    return ride(&order, engine, &link, &marker, &signals);
}
