/* Process 1 of a container, without a handler of its own, outlives the SIGTERM that asks it to end: the kernel drops
 * it. The SIGKILL comes some seconds later, or after years. So the run ends at the SIGTERM, and a process that lives on
 * gets another run. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "engine/run.h"
#include "store/journal_write.h"

#define GRACE (30 * CLOCK_SECOND) /* by then the SIGKILL is not coming any more */

void pid1_end(struct run *run, int signal)
{
    int64_t now = clock_monotonic();
    atomic_store(&run->link->wait_status, signal);
    atomic_store(&run->link->hold_began, now);
    finish_run(run);
    if (run->state == RUN_UNMADE) /* younger than PILLION_MIN_SECONDS: nothing has begun */
        return;
    delivery_suspend(&run->delivery);
    run->state = RUN_RESTS;
    run->rests_until = now + GRACE;
    run->delivery.deadline = run->delivery.flush_deadline = INT64_MAX; /* the hold's deadlines do not count here */
}

bool pid1_owes(const struct run *run)
{
    return run_dir_is_in_memory(&run->dir) && config_delivers(&run->config) && run->origin != ORIGIN_ANOTHERS &&
           !delivery_is_over(&run->delivery);
}

/* Tags the run with the API's name of the one before, where the API knows that: our own name has the machine's in it.
 */
static void tag(struct run *run)
{
    static char id[DELIVERY_RUN_ID_MAX];
    bool        tagged = id[0] != '\0';
    if (!run->delivery.run_id[0])
        return;
    memcpy(id, run->delivery.run_id, sizeof id);
    if (!tagged)
        (void)config_own_tag(&run->config, "continues", id);
}

static void forget(struct run *run)
{
    struct log log;
    resend_backlog_drop(&run->backlog);
    delivery_done(&run->delivery);
    bucket_keys_free(run->keys);
    run->keys = NULL;
    otlp_export_drop(run);
    run_dir_close(&run->dir);
    state_dir_close(&run->home);
    file_close(&run->output.fd);
    log_init(&log, run->log.level);
    log.secret = run->log.secret;
    log.copy = run->log.copy;
    log.copy_limit = run->log.copy_limit;
    bytes_done(&run->log.early);
    run->log = log;
    free(run->output.before);
    run->output.before = run->output.path;
    run->output.path = NULL;
    run->state = RUN_UNMADE;
    run->origin = ORIGIN_HERE;
    run->rows = 0;
    run->account = (struct account){.images = USAGE_PART_OF_ONE, .cost_before = -clock_thread_cpu()};
}

void pid1_begin(struct run *run)
{
    char before[RUN_DIR_ID_MAX];
    memcpy(before, run->dir.id, sizeof before);
    tag(run);
    forget(run);
    run_dir_init(&run->dir);
    cgroup_tags_again(&run->cgroup_tags);
    delivery_init(&run->delivery, &run->config, &run->dir, &run->log, &run->network);
    run->delivery.keys = &run->keys;
    run->baseline = run->last;
    usage_read(&run->tree, &run->account.before);
    if (run->collectors)
        collect_begin_again(run->collectors);
    run->shape.is_last = false;
    run->load_real = run->last.real;
    run->anchor = (struct anchor){run->last.real / 1000 * 1000, run->last.monotonic / 1000 * 1000, clock_suspended()};
    create_run(run);
    journal_continues(&run->dir, before);
}

void pid1_outlived(struct run *run)
{
    if (run->state != RUN_RESTS)
        return;
    if (config_delivers(&run->config)) {
        pid1_begin(run);
        return;
    }
    journal_goes_on(&run->dir);
    run->shape.is_last = false;
    run->state = RUN_MADE;
}
