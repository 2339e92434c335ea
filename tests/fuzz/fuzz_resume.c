// SPDX-License-Identifier: Apache-2.0
// run.jsonl, a form feed and metrics.csv as an image after an exec, or sync, goes on with them: counters are never set
// ahead of the kernel's, progress makes sense, and what would be sent is right.
#include "base/json_write.h"
#include "engine/run.h"
#include "folder.h"
#include "sentinel/s3.h"
#include "store/journal_read.h"

static struct config config = {.token = "token", .api_url = "http://127.0.0.1:1", .upload_interval = 60000000000};
static struct run    run;

static void check_counters(const cJSON *state)
{
    enum { NOW = 1000000 };
    run.shape.clock_ticks = 100;
    run.last = (struct sample){.monotonic = 1, .real = INT64_C(1795344300000000000)};
    run.last.tree_user = run.last.tree_system = run.last.tree_disk_read = run.last.tree_disk_write = NOW;
    run.anchor = (struct anchor){.real = run.last.real, .monotonic = run.last.monotonic};
    run.load_real = run.last.real;
    run.rows = 0;
    exec_resume_read(&run, state);
    HOLDS(run.last.tree_user <= NOW && run.last.tree_system <= NOW);
    HOLDS(run.last.tree_disk_read <= NOW && run.last.tree_disk_write <= NOW);
    HOLDS(run.last.monotonic <= 1 && run.last.monotonic > -3600 * INT64_C(1000000000));
}

static void check_upload(const struct upload *u)
{
    char uri[UPLOAD_PREFIX_SIZE + 32];
    HOLDS(u->uploaded < INT64_C(1) << 53 && u->to < INT64_C(1) << 53);
    HOLDS(!u->sealed || u->to > u->from);
    if (u->prefix[0] && upload_uri(u, u->uploaded + 1, uri, sizeof uri) == 0)
        HOLDS(s3_check_uri(uri) == 0);
}

static void check_delivery(const cJSON *state)
{
    struct delivery *d = &run.delivery;
    struct network   network;
    struct log       log;
    log_init(&log, LOG_ERROR);
    network_init(&network);
    delivery_init(d, &config, &run.dir, &log, &network);
    delivery_restore(d, state);
    HOLDS(strlen(d->run_id) < sizeof d->run_id);
    HOLDS(d->registration.len == 0 || json_check(text_span(d->registration.data, d->registration.len), SIZE_MAX) == 0);
    check_upload(&d->upload);
    delivery_begin(d);
    if (delivery_end(d, state, DELIVERY_SYNC_MAX) == 0) {
        HOLDS(d->finish_facts.exit_code >= 0 && d->finish_facts.exit_code <= 255);
        check_upload(&d->upload);
    }
    delivery_done(d);
    network_done(&network);
    log_done(&log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cJSON         *state = NULL;
    const uint8_t *feed = memchr(data, '\f', size);
    size_t         first = feed ? (size_t)(feed - data) : size;
    if (!run.dir.rows)
        run_dir_init(&run.dir);
    run.dir.state = nameless_file(run.dir.state, data, first);
    run.dir.rows = nameless_file(run.dir.rows, feed ? feed + 1 : data, feed ? size - first - 1 : 0);
    run.dir.on_disk = true;
    if (journal_load_held(run.dir.state, &state) < 0)
        return 0;
    check_counters(state);
    check_delivery(state);
    cJSON_Delete(state);
    return 0;
}
