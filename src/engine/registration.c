/* The registration, and what comes to it later: the GPUs once their drivers have answered, and the cloud's word on this
 * machine, before it is sent. From the start it stands in run.jsonl without them, so that a killed run can be
 * registered; later with them. */
// SPDX-License-Identifier: Apache-2.0
#include "engine/registration.h"

#include <netinet/in.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_write.h"
#include "collect/machine.h"
#include "base/program_name.h"
#include "delivery/api_mark.h"
#include "engine/run.h"
#include "sentinel/requests.h"
#include "store/journal_write.h"

static const char *known(const char *text)
{
    return *text ? text : NULL;
}

static uint64_t number(uint64_t value)
{
    return value == METRIC_NONE ? 0 : value;
}

/* Metadata may hold it, and the body stands in run.jsonl. */
static void hide_token(const struct config *config, struct bytes *body)
{
    struct bytes spelled;
    bytes_init(&spelled, (size_t)2 * TOKEN_SIZE);
    json_string(&spelled, config->secret, strlen(config->secret));
    if (spelled.len > 2 && body->data) {
        spelled.data[--spelled.len] = '\0';
        (void)bytes_hide(body, spelled.data + 1);
    }
    bytes_done(&spelled);
}

int registration_compose(const struct config *config, const struct machine *machine, const char *executable,
                         const char *const *arguments, struct bytes *ret)
{
    struct sentinel_run run = config->metadata;
    const char *const   program[] = {program_base(executable), NULL};
    char                ip[INET_ADDRSTRLEN];
    if (!run.job_name)
        run.job_name = program_name(executable, arguments);
    if (!run.language)
        run.language = program_language(executable);
    run.command = config->share & SHARE_COMMAND && arguments ? arguments : program;
    run.host_vcpus = number(machine->cpus);
    run.host_memory_mib = number(machine->memory_mib);
    run.host_cpu_model = known(machine->cpu_model);
    if (machine->storage_bytes != METRIC_NONE)
        run.host_storage_gb = (double)machine->storage_bytes / 1e9;
    run.host_gpu_model = known(machine->gpu_model);
    run.host_gpu_count = number(machine->gpu_count);
    run.host_gpu_memory_mib = number(machine->gpu_memory_mib);
    if (config->share & SHARE_HOSTNAME)
        run.host_hostname = known(machine->host_name);
    if (config->share & SHARE_HOST_ID)
        run.host_id = known(machine->id);
    if (config->share & SHARE_IP && machine_ip(ip, sizeof ip) == 0)
        run.host_ip = known(ip);
    int error = request_register_body(&run, ret);
    hide_token(config, ret);
    return error;
}

#define SLICE     (20 * CLOCK_MILLISECOND)
#define LATER_MAX (60 * CLOCK_SECOND)

void registration_begin(struct run *run)
{
    if (run->delivery.registration.len == 0)
        (void)registration_compose(&run->config, &run->machine, run->executable, (const char *const *)run->arguments,
                                   &run->delivery.registration);
}

static void add(struct run *run, const struct sentinel_run *more)
{
    struct bytes *registration = &run->delivery.registration;
    if (request_register_add(more, registration) == 0)
        journal_registration(&run->dir, registration->data);
}

void registration_add_gpus(struct run *run)
{
    const struct machine *m = &run->machine;
    if (!run->collectors || run->seat != SEAT_OWN)
        return;
    collect_gpus(run->collectors, &run->machine);
    const struct sentinel_run more = {.host_gpu_model = known(m->gpu_model),
                                      .host_gpu_count = m->gpu_count,
                                      .host_gpu_memory_mib = m->gpu_memory_mib == METRIC_NONE ? 0 : m->gpu_memory_mib};
    if (run->origin == ORIGIN_HERE && m->gpu_count != METRIC_NONE)
        add(run, &more);
}

/* The image before the exec may have learned the cloud, and registered with it. */
static bool is_said(const struct bytes *registration)
{
    struct text value;
    struct text body = text_span(registration->data, registration->len);
    return json_check(body, SIZE_MAX) == 0 && json_find(body, "cloud_vendor_id", &value);
}

static void say(struct run *run)
{
    const struct cloud       *c = &run->registration.cloud;
    const struct sentinel_run more = {.cloud_vendor_id = known(c->vendor),
                                      .cloud_account_id = known(c->account),
                                      .cloud_region_id = known(c->region),
                                      .cloud_zone_id = known(c->zone),
                                      .cloud_instance_type = known(c->instance_type)};
    if (more.cloud_vendor_id)
        add(run, &more);
}

/* While the API's mark stands, a program that may end in a moment does not register yet: its end would have to wait for
 * the answer, or the run would be registered twice. */
static void begin_delivery(struct run *run)
{
    run->registration.state = REGISTRATION_OVER;
    delivery_begin(&run->delivery);
    int64_t now = clock_monotonic();
    int64_t left = api_mark_left(&run->config, &run->home) * CLOCK_SECOND;
    if (run->delivery.phase == DELIVERY_REGISTER && left > 0)
        run->delivery.next_try = (run->delivery.next_try > now ? run->delivery.next_try : now) +
                                 clock_earlier(left, LATER_MAX);
}

void registration_start(struct run *run)
{
    bool is_registered = run->delivery.run_id[0] != '\0';
    if (is_registered || !run->config.token[0] || run->config.cloud == CONFIG_CLOUD_OFF ||
        is_said(&run->delivery.registration)) {
        begin_delivery(run);
    } else if (run->registration.cloud.vendor[0]) { /* process 1's run before this one has asked */
        say(run);
        begin_delivery(run);
    } else {
        cloud_read_dmi(&run->roots, &run->registration.dmi);
        run->registration.state = REGISTRATION_WANTED;
    }
}

/* Asks the clouds. Without a word of DMI's there is none to ask, unless the user knows better. */
static void ask(struct run *run, int64_t now)
{
    unsigned vendors = cloud_named_by(&run->registration.dmi);
    if (vendors == 0 && run->config.cloud == CONFIG_CLOUD_PROBE)
        vendors = CLOUD_EVERY_VENDOR;
    if (vendors != 0)
        probe_begin(&run->registration.probe, &run->network, vendors, run->config.share & SHARE_ACCOUNT, now);
    run->registration.state = REGISTRATION_UNDER_WAY;
}

static void settle(struct run *run)
{
    probe_stop(&run->registration.probe);
    (void)cloud_settle(run->registration.probe.told, &run->registration.dmi, &run->registration.cloud);
    say(run);
    begin_delivery(run);
}

bool registration_step(struct run *run, int64_t now)
{
    if (run->registration.state == REGISTRATION_WANTED)
        ask(run, now);
    if (run->registration.state == REGISTRATION_UNDER_WAY && probe_step(&run->registration.probe, now))
        settle(run);
    return run->registration.state == REGISTRATION_OVER;
}

void registration_settle(struct run *run, int64_t until)
{
    int64_t now = clock_monotonic();
    for (; now < until && !atomic_load(&run->link->hurry) && !registration_step(run, now); now = clock_monotonic()) {
        int64_t due = clock_earlier(probe_due(&run->registration.probe), until);
        network_poll(&run->network, NULL, 0, clock_earlier(due - now, SLICE));
    }
    if (run->registration.state != REGISTRATION_OVER)
        settle(run);
}
