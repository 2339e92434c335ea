/* The door to the engine: the table of functions that the hook and the command call, on the program's threads. */
// SPDX-License-Identifier: Apache-2.0
#include "link/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/program_name.h"
#include "base/registers.h"
#include "base/text.h"
#include "collect/tree/command_name.h"
#include "config/conf_environment.h"
#include "delivery/resend.h"
#include "engine/core_file.h"
#include "engine/doctor.h"
#include "engine/run.h"
#include "libc/libc.h"
#include "store/journal_read.h"

enum { ARGUMENTS_MAX = 4096, ARGUMENT_BYTES = 256 * 1024 };

#define HOLD_LOCAL CLOCK_SECOND /* for the last row and line on disk, whatever the network may take */

static struct run the_run;

static char **copy_arguments(const char *const *arguments)
{
    size_t count = 0;
    size_t total = 0;
    while (arguments && arguments[count] && count < ARGUMENTS_MAX && total < ARGUMENT_BYTES)
        total += strlen(arguments[count++]) + 1;
    char **copy = calloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy && i < count; i++)
        copy[i] = strdup(arguments[i]);
    return copy;
}

/* DIRECTORY/LEADER is the marker, DIRECTORY/below/LEADER has the marks. */
static char *marks_of(const char *marker)
{
    struct bytes path;
    struct text  name = text_of(marker);
    bytes_init(&path, PATH_MAX);
    if (!text_after_last(&name, '/'))
        return NULL;
    bytes_add(&path, marker, (size_t)(name.at - marker));
    bytes_text(&path, ENGINE_MARKS "/");
    bytes_add(&path, name.at, text_len(name));
    return bytes_take(&path);
}

/* Before main both names are at hand; our thread would have to read two files for them. */
static void name_program(struct run *run, bool root_is_ours)
{
    if (!run->executable || !run->arguments)
        return;
    if (root_is_ours) {
        run->tree.program = program_base(run->executable);
    } else if (syscall(SYS_prctl, PR_GET_NAME, run->comm, 0, 0, 0) == 0) {
        command_name_by(run->comm, (const char *const *)run->arguments, run->program);
        run->tree.program = run->program;
        run->tree.comm = run->comm;
    }
}

static void prepare(struct run *run, struct link *link, const struct engine_start *start)
{
    run->link = link; /* members that are 0 stay untouched, for the sake of their pages */
    run->roots = (struct roots){.proc = "/proc", .sys = "/sys"};
    run->tree.root = start->root;
    run->tree.root_is_ours = start->root_is_ours;
    run->wake = run->asks = run->output.fd = -1;
    run->load = clock_monotonic();
    run->load_real = clock_real();
    run->anchor = (struct anchor){run->load_real / 1000 * 1000, run->load / 1000 * 1000,
                                  clock_suspended() / 1000 * 1000};
    run->is_the_program = !start->root_is_ours || start->in_step;
    run->origin = start->continues ? ORIGIN_SOUGHT : ORIGIN_HERE;
    run->tree.main_process = atomic_load(&link->main_process);
    tree_begin(&run->tree, &run->account.before);
    run->shape.clock_ticks = (long)getauxval(AT_CLKTCK);
    run->shape.main_process = run->tree.main_process;
    log_init(&run->log, LOG_WARN);
    config_read(&run->config, start->environment, &run->log);
    if (start->conf)
        conf_check(start->conf, &run->log);
    run->arguments = copy_arguments(start->arguments);
    run->executable = strdup(start->executable ? start->executable : "");
    name_program(run, start->root_is_ours);
    run->marker = start->marker ? strdup(start->marker) : NULL;
    run->tree.marks = run->marks = run->marker ? marks_of(run->marker) : NULL;
    const char *output = start->output ? start->output : run->config.output;
    run->output.pattern = output ? strdup(output) : NULL;
    if (start->job_name)
        run->config.metadata.job_name = strdup(start->job_name);
}

/* From now on getenv knows what the environment and the site's file say together. */
static int take_environment(const char *const *environment, const struct conf *conf, bool with_keys)
{
    const char **both = NULL;
    int          error = conf ? conf_environment(environment, conf, &both) : 0;
    if (error == 0)
        error = with_keys ? libc_environment_with_keys(both ? both : environment)
                          : libc_environment(both ? both : environment);
    free(both);
    return error;
}

static int start(struct link *link, const struct engine_start *start)
{
    struct run *run = &the_run;
    core_file_without_data();
    if (take_environment(start->environment, start->conf, false) < 0)
        return -ENOMEM;
    prepare(run, link, start);
    if (!run->executable || !run->arguments)
        return -ENOMEM;
    link->hold_limit = run->config.exit_timeout > HOLD_LOCAL ? run->config.exit_timeout : HOLD_LOCAL;
    link->takes_signals = run->config.takes_signals;
    collect_prepare(&run->roots);
    registers_ask_libc();
    registers_wipe(); /* they go on into the program */
    int error = thread_start(run);
    if (error < 0)
        log_line(&run->log, LOG_WARN, "no thread could be made (%s): the run has one row, taken at exit",
                 strerror(-error));
    return 0;
}

static int resume(struct link *link)
{
    (void)link;
    return thread_start(&the_run);
}

static void step_out(struct link *link)
{
    (void)link;
    thread_step_out(&the_run);
}

/* Signals such as SIGXFSZ, raised by our writing, must not end the program: they are taken back before anything is
 * unblocked. */
static void end_here(struct link *link)
{
    struct run     *run = &the_run;
    struct timespec now = {0};
    sigset_t        ours;
    sigset_t        before;
    sigset_t        pending;
    (void)sigemptyset(&ours);
    (void)sigaddset(&ours, SIGXFSZ);
    (void)sigaddset(&ours, SIGPIPE);
    if (!pthread_sigmask || pthread_sigmask(SIG_BLOCK, &ours, &before) != 0 || sigpending(&pending) < 0)
        return;
    run->seat = SEAT_PROGRAM;
    loop_prepare(run);
    loop_open(run);
    finish_run(run);
    marker_remove(run);
    loop_close(run);
    thread_tell(link, LINK_ENDED);
    if (!sigismember(&pending, SIGXFSZ) && !sigismember(&pending, SIGPIPE))
        while (sigtimedwait(&ours, NULL, &now) > 0)
            ;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static int sync_runs(const struct engine_sync *sync)
{
    struct log log;
    core_file_without_data();
    core_file_without_stack(NULL);
    if (take_environment(sync->environment, sync->conf, true) < 0)
        return -ENOMEM;
    struct config *config = calloc(1, sizeof *config);
    if (!config)
        return -ENOMEM;
    log_init(&log, LOG_WARN);
    config_read(config, NULL, &log);
    log_done(&log);
    int left = resend_all(sync, config, cgroup_tags_of_lost);
    bytes_wipe(config, sizeof *config);
    free(config);
    return left;
}

static int examine(struct engine_examination *examination)
{
    core_file_without_data();
    core_file_without_stack(NULL);
    if (take_environment(examination->environment, examination->conf, false) < 0)
        return -ENOMEM;
    return doctor_examine(examination);
}

const struct engine pillion_engine __attribute__((visibility("default"))) = {
    .version = ENGINE_VERSION,
    .release = PILLION_VERSION,
    .start = start,
    .resume = resume,
    .join = thread_join,
    .step_out = step_out,
    .end_here = end_here,
    .sync = sync_runs,
    .examine = examine,
};
