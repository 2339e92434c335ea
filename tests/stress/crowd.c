/* Thousands of leaders that start in the same second and end in the same second, against an API with a limited rate.
 * Their delivery is what is shipped (src/delivery); clock, randomness and network are made here, so that minutes take a
 * second and each call gives the same figures. One leader stands for one node, whatever the ranks on it; with --all
 * each rank is one. Linked with --wrap for the functions below.
 *
 *   crowd [--nodes N] [--ranks N] [--all] [--rate N] [--life S] [--answer 429|503|0] [--retry-after S]
 *         [--exit-timeout S] [--curve S] [--strangers]
 *         [--bucket [--upload-interval S] [--rows FILE]]
 *
 * --answer 0: the API takes all. --strangers: they know nothing of each other. --bucket: a bucket of one's own stands
 * in the API's place (tools/recipes/fleet.md), with a row, or the text of FILE, in each batch, and PUTs are counted.
 * The curve: second, requests, of these answered with 2xx; then the figures of it, one a line. */
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/file.h"
#include "config/config.h"
#include "delivery/delivery.h"
#include "sentinel/http/http.h"
#include "sentinel/http/network.h"
#include "store/journal_read.h"
#include "store/journal_write.h"
#include "store/run_dir.h"

#define LATENCY       (50 * CLOCK_MILLISECOND)
#define RESERVE       (50 * CLOCK_MILLISECOND) /* engine/hold.c, of the hold */
#define CROWD_PERCENT 80                       /* the same */
#define CROWD_HOLD    16                       /* the same */
#define FIRST_ROW     CLOCK_SECOND
#define RECENTLY      (60 * CLOCK_SECOND) /* engine/hold.c: after a failure as new as that nobody is held */
#define HEADER_ROW    "timestamp,system_processes\n1795000000.000,1\n"
#define ROW           "1795000001.000,1\n"
#define SECONDS_MAX   3600

int64_t __wrap_clock_monotonic(void);
ssize_t __wrap_getrandom(void *data, size_t len, unsigned flags);
int     __wrap_network_open(struct network *network, const char *url);
int     __wrap_http_start(struct http *http, struct http_request *request, struct http_call **ret);
bool    __wrap_http_finished(struct http *http, struct http_call *call, struct http_answer *ret);
void    __wrap_http_cancel(struct http *http, struct http_call *call);
void    __wrap_http_close(struct http *http);
bool    __wrap_http_has_connected(const struct http_call *call);

struct http_call {
    int64_t answered; /* ns, when its answer comes */
    long    status;
    bool    is_register, is_finish;
};

struct leader {
    struct run_dir   run;
    struct network   network;
    struct delivery  delivery;
    struct http_call call;
    int64_t          due;
    bool             ends;
    struct leader   *next; /* in the list of its millisecond */
};

static struct {
    int64_t  now;
    uint64_t seed;
    double   tokens; /* what the API would take at this moment */
    int64_t  refilled;
    unsigned requests[SECONDS_MAX], good[SECONDS_MAX];
    unsigned registered, finished, objects;
    uint64_t bytes; /* of the objects with rows */
} world;

static struct {
    long        nodes, ranks, rate, life, answer, retry_after, exit_timeout, curve, upload_interval;
    bool        all, bucket, strangers;
    const char *rows;
} order = {.nodes = 10000,
           .ranks = 64,
           .rate = 200,
           .life = 120,
           .answer = 429,
           .retry_after = 0,
           .exit_timeout = 5,
           .curve = 40,
           .upload_interval = 60};

/* ------------------------------------------------------------------------------------------- clock and network */

int64_t __wrap_clock_monotonic(void)
{
    return world.now;
}

ssize_t __wrap_getrandom(void *data, size_t len, unsigned flags)
{
    (void)flags;
    for (size_t i = 0; i < len; i++) {
        world.seed = world.seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        ((unsigned char *)data)[i] = (unsigned char)(world.seed >> 56);
    }
    return (ssize_t)len;
}

int __wrap_network_open(struct network *network, const char *url)
{
    (void)url;
    network->http = (struct http *)network;
    return 0;
}

/* A bucket that holds a second's worth. */
static bool is_taken(void)
{
    world.tokens += (double)(world.now - world.refilled) / 1e9 * (double)order.rate;
    world.refilled = world.now;
    if (world.tokens > (double)order.rate)
        world.tokens = (double)order.rate;
    if (order.answer != 0 && world.tokens < 1)
        return false;
    world.tokens -= 1;
    return true;
}

int __wrap_http_start(struct http *http, struct http_request *request, struct http_call **ret)
{
    struct leader *leader = (struct leader *)((char *)http - offsetof(struct leader, network));
    size_t         second = (size_t)(world.now / CLOCK_SECOND);
    size_t         len = strlen(request->url);
    size_t         size = request->body.len;
    bool           good = is_taken();
    second = second < SECONDS_MAX ? second : SECONDS_MAX - 1;
    world.requests[second]++;
    world.good[second] += good;
    leader->call = (struct http_call){
        .answered = world.now + LATENCY,
        .status = good ? 200 : order.answer,
        .is_register = order.bucket ? strstr(request->url, "/started/") != NULL
                                    : len > 5 && strcmp(request->url + len - 5, "/runs") == 0,
        .is_finish = order.bucket ? strstr(request->url, "/runs/") != NULL : strstr(request->url, "/finish") != NULL};
    if (order.bucket && good && !leader->call.is_register && !leader->call.is_finish)
        world.bytes += size;
    http_request_done(request);
    *ret = &leader->call;
    return 0;
}

bool __wrap_http_finished(struct http *http, struct http_call *call, struct http_answer *ret)
{
    (void)http;
    if (world.now < call->answered)
        return false;
    *ret = (struct http_answer){.status = call->status, .sent = true, .retry_after_s = -1};
    bytes_init(&ret->body, HTTP_ANSWER_MAX);
    if (call->status == 200 && order.bucket) {
        unsigned *count = call->is_register ? &world.registered : call->is_finish ? &world.finished : &world.objects;
        (*count)++;
    } else if (call->status == 200 && call->is_register)
        bytes_format(&ret->body, "{\"run_id\":\"r%u\"}", ++world.registered);
    else if (call->status == 200)
        bytes_format(&ret->body, "{\"number\":%u}", ++world.finished);
    else if (order.bucket)
        bytes_text(&ret->body, "<Error><Code>SlowDown</Code></Error>");
    else if (order.retry_after > 0)
        ret->retry_after_s = (int)order.retry_after;
    return true;
}

void __wrap_http_cancel(struct http *http, struct http_call *call)
{
    (void)http;
    (void)call;
}

void __wrap_http_close(struct http *http)
{
    (void)http;
}

bool __wrap_http_has_connected(const struct http_call *call)
{
    return world.now >= call->answered - LATENCY / 2;
}

/* ------------------------------------------------------------------------------------------------------ leaders */

static struct log    said;
static struct bytes  rows;
static struct config config = {.token = "token", .api_url = "http://127.0.0.1:1", .upload_interval = 60 * CLOCK_SECOND};

/* The run's own lines stand in memory, as of a run without a disk. */
static void name_run(struct leader *leader)
{
    static const struct machine machine = {.boot_id = "c0ffee00-0000-4000-8000-000000000000", .host_name = "node"};
    char                        prefix[BUCKET_PREFIX_SIZE];
    struct journal_bucket       bucket;
    const struct delivery_run   named = {
          .started_s = 1795000000, .host_name = "node", .boot_id = machine.boot_id, .pid = 4242};
    const char *const    arguments[] = {"train", NULL};
    struct journal_begin begin = {.config = &config,
                                  .bucket = &bucket,
                                  .machine = &machine,
                                  .arguments = arguments,
                                  .executable = "/usr/bin/train",
                                  .baseline = "{}",
                                  .registration = "{\"job_name\":\"nightly\"}",
                                  .pid = 4242};
    leader->run.keeps_facts = true;
    if (delivery_name(&leader->delivery, &named, &bucket, prefix))
        journal_begin(&leader->run, &begin);
}

static void begin(struct leader *leader)
{
    run_dir_init(&leader->run);
    network_init(&leader->network);
    (void)run_dir_append_row(&leader->run, HEADER_ROW, strlen(HEADER_ROW));
    delivery_init(&leader->delivery, &config, &leader->run, &said, &leader->network);
    bytes_text(&leader->delivery.registration, "{\"job_name\":\"nightly\"}");
    if (order.bucket)
        name_run(leader);
    world.now = FIRST_ROW;
    delivery_begin(&leader->delivery);
    leader->due = leader->delivery.next_try;
}

static int64_t hold(void)
{
    return order.exit_timeout * CLOCK_SECOND - RESERVE;
}

/* As engine/hold.c: within the budget, not for a back-off, and not at all after a failure that is new. */
static void end(struct leader *leader)
{
    struct delivery *d = &leader->delivery;
    cJSON           *state = cJSON_Parse("{\"exit_code\":0,\"finished_at\":\"2026-11-29T12:00:00Z\"}");
    leader->ends = true;
    if (order.bucket) { /* there is always a last row that is not sent yet */
        (void)run_dir_append_row(&leader->run, ROW, strlen(ROW));
        const struct totals      totals = {0};
        const struct journal_end said_of_it = {.totals = &totals, .state = "undelivered"};
        journal_end(&leader->run, &said_of_it);
    }
    if (!delivery_registers(d) && d->last_failure && world.now - d->last_failure < RECENTLY) {
        leader->due = INT64_MAX;
    } else if (delivery_end(d, state, DELIVERY_INLINE_MAX) == 0) {
        d->finish_after = d->next_try = config.crowd > CROWD_HOLD
                                            ? world.now + retry_spread(hold() * CROWD_PERCENT / 100)
                                            : 0;
        d->deadline = world.now + hold();
        d->holds = true;
        d->failed = false;
        leader->due = world.now;
    }
    cJSON_Delete(state);
}

static void step(struct leader *leader)
{
    struct delivery *d = &leader->delivery;
    if (world.now >= d->deadline) { /* whoever is held has gone */
        leader->due = INT64_MAX;
        return;
    }
    delivery_step(d, world.now);
    int64_t due = d->call ? d->call->answered : delivery_due(d);
    bool    backs_off = leader->ends && !d->call && due > world.now && due > d->finish_after;
    leader->due = delivery_is_over(d) || backs_off ? INT64_MAX : due > world.now ? due : world.now + CLOCK_MILLISECOND;
}

/* Those of a millisecond stand in a list; a step of a second's worth of leaders costs no more than they do. */
static void wait_for_turn(struct leader *leader, struct leader **slots, size_t count)
{
    size_t slot = (size_t)((leader->due + CLOCK_MILLISECOND - 1) / CLOCK_MILLISECOND);
    if (leader->due == INT64_MAX || slot >= count)
        return;
    leader->next = slots[slot];
    slots[slot] = leader;
}

/* Each has rows for another batch, and another turn. */
static void grow(struct leader *leaders, size_t count, struct leader **slots, size_t slot_count)
{
    memset(slots, 0, slot_count * sizeof *slots);
    for (size_t i = 0; i < count; i++) {
        struct leader *one = &leaders[i];
        (void)run_dir_append_row(&one->run, rows.data, rows.len);
        if (one->delivery.call)
            one->due = one->delivery.call->answered;
        else
            one->due = clock_earlier(one->due, delivery_due(&one->delivery));
        one->due = one->due > world.now ? one->due : world.now;
        wait_for_turn(one, slots, slot_count);
    }
}

/* Everything that is due, a millisecond after the other, until all have ended and nobody waits. */
static int run(struct leader *leaders, size_t count)
{
    int64_t         ends = order.life * CLOCK_SECOND;
    size_t          slot_count = (size_t)((ends + 2 * hold()) / CLOCK_MILLISECOND);
    struct leader **slots = calloc(slot_count, sizeof *slots);
    if (!slots)
        return -1;
    for (size_t i = 0; i < count; i++)
        wait_for_turn(&leaders[i], slots, slot_count);
    for (size_t slot = 0; slot < slot_count; slot++) {
        world.now = (int64_t)slot * CLOCK_MILLISECOND;
        int64_t interval = order.upload_interval * CLOCK_SECOND;
        if (order.bucket && world.now < ends && world.now % interval == interval / 2)
            grow(leaders, count, slots, slot_count);
        if (world.now == ends) { /* all have another turn */
            memset(slots, 0, slot_count * sizeof *slots);
            for (size_t i = 0; i < count; i++) {
                end(&leaders[i]);
                wait_for_turn(&leaders[i], slots, slot_count);
            }
        }
        for (struct leader *one = slots[slot], *next; one; one = next) {
            next = one->next;
            step(one);
            wait_for_turn(one, slots, slot_count);
        }
    }
    free(slots);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------- figures */

static void tell(size_t leaders)
{
    unsigned peak = 0, peak_at_end = 0, all = 0;
    size_t   last = 0;
    for (size_t s = 0; s < SECONDS_MAX; s++) {
        bool at_end = s >= (size_t)order.life;
        if (at_end && world.requests[s] > peak_at_end)
            peak_at_end = world.requests[s];
        if (!at_end && world.requests[s] > peak)
            peak = world.requests[s];
        all += world.requests[s];
        if (!at_end && world.requests[s] > 0)
            last = s;
        bool is_shown = s < (size_t)order.curve || (at_end && s < (size_t)(order.life + order.exit_timeout + 1));
        if (is_shown && (world.requests[s] > 0 || s < last))
            printf("%4zu %6u %6u\n", s, world.requests[s], world.good[s]);
    }
    printf("leaders %zu\ncrowd %llu\nrequests %u\npeak_registering %u\nlast_registering_s %zu\npeak_finishing %u\n"
           "registered %u\nfinished %u\nleft_to_sync %zu\nobjects %u\nbytes %llu\n",
           leaders, (unsigned long long)config.crowd, all, peak, last, peak_at_end, world.registered, world.finished,
           leaders - world.finished, world.objects, (unsigned long long)world.bytes);
}

static int read_order(int argc, char **argv)
{
    static const struct option options[] = {{"nodes", required_argument, NULL, 'n'},
                                            {"ranks", required_argument, NULL, 'r'},
                                            {"all", no_argument, NULL, 'a'},
                                            {"rate", required_argument, NULL, 'l'},
                                            {"life", required_argument, NULL, 's'},
                                            {"answer", required_argument, NULL, 'w'},
                                            {"curve", required_argument, NULL, 'c'},
                                            {"exit-timeout", required_argument, NULL, 'e'},
                                            {"retry-after", required_argument, NULL, 't'},
                                            {"bucket", no_argument, NULL, 'b'},
                                            {"strangers", no_argument, NULL, 'x'},
                                            {"upload-interval", required_argument, NULL, 'u'},
                                            {"rows", required_argument, NULL, 'f'},
                                            {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        long *number = option == 'n'   ? &order.nodes
                       : option == 'r' ? &order.ranks
                       : option == 'l' ? &order.rate
                       : option == 's' ? &order.life
                       : option == 'w' ? &order.answer
                       : option == 'c' ? &order.curve
                       : option == 't' ? &order.retry_after
                       : option == 'u' ? &order.upload_interval
                       : option == 'e' ? &order.exit_timeout
                                       : NULL;
        if (option == 'a')
            order.all = true;
        else if (option == 'b')
            order.bucket = true;
        else if (option == 'x')
            order.strangers = true;
        else if (option == 'f')
            order.rows = optarg;
        else if (number == NULL)
            return -1;
        else
            *number = strtol(optarg, NULL, 10);
    }
    return optind == argc && order.nodes > 0 && order.ranks > 0 && order.life > 0 && order.life < SECONDS_MAX - 20 ? 0
                                                                                                                   : -1;
}

static void go_to_bucket(void)
{
    config.token[0] = '\0';
    config.upload_interval = order.upload_interval * CLOCK_SECOND;
    strcpy(config.s3_uri, "s3://bucket/fleet");
    (void)setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    (void)setenv("AWS_REGION", "us-east-1", 1);
}

int main(int argc, char **argv)
{
    if (read_order(argc, argv) < 0) {
        fputs("crowd: see the head of tests/stress/crowd.c\n", stderr);
        return 2;
    }
    bytes_init(&rows, 1024 * 1024);
    if (order.rows ? file_load(AT_FDCWD, order.rows, &rows) < 0 : (bytes_text(&rows, ROW), false))
        return 1;
    size_t         count = (size_t)(order.all ? order.nodes * order.ranks : order.nodes);
    struct leader *leaders = calloc(count, sizeof *leaders);
    if (!leaders)
        return 1;
    (void)mallopt(M_MMAP_THRESHOLD, 8 << 20); /* each batch's buffers would be mapped and unmapped */
    (void)mallopt(M_TRIM_THRESHOLD, 64 << 20);
    world.tokens = (double)order.rate;
    config.crowd = order.strangers ? 0 : count;
    if (order.bucket)
        go_to_bucket();
    log_init(&said, LOG_ERROR);
    for (size_t i = 0; i < count; i++)
        begin(&leaders[i]);
    if (run(leaders, count) < 0)
        return 1;
    tell(count);
    for (size_t i = 0; i < count; i++) {
        delivery_done(&leaders[i].delivery);
        run_dir_close(&leaders[i].run);
    }
    log_done(&said);
    bytes_done(&rows);
    free(leaders);
    return 0;
}
