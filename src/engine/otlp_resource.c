/* The run, as a receiver of OTLP is told of it. A machine, a pod and an account are named with PILLION_SHARE alone;
 * what a user says in OTEL_RESOURCE_ATTRIBUTES goes out as it is. */
// SPDX-License-Identifier: Apache-2.0
#include <mbedtls/sha256.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/program_name.h"
#include "config/otel.h"
#include "engine/otlp_export.h"
#include "engine/run.h"

/* The run's own name holds the machine's. This one is the same after an exec in place, and tells nothing: a boot's ID
 * is known on the machine alone. Where it cannot be read the name is drawn, and another one after an exec. Source: RFC
 * 9562, version 8. */
void otlp_instance(const struct run *run, char ret[static OTLP_INSTANCE_SIZE])
{
    unsigned char hash[32] = {0};
    char          source[sizeof run->machine.boot_id + RUN_DIR_ID_MAX + 1];
    int           len = snprintf(source, sizeof source, "%s/%s", run->machine.boot_id, run->dir.id);
    if (run->machine.boot_id[0] || getrandom(hash, sizeof hash, GRND_NONBLOCK) != (ssize_t)sizeof hash)
        (void)mbedtls_sha256((const unsigned char *)source, (size_t)len, hash, 0);
    hash[6] = (unsigned char)(0x80 | (hash[6] & 0x0f));
    hash[8] = (unsigned char)(0x80 | (hash[8] & 0x3f));
    char *at = ret;
    for (int i = 0; i < 16; i++)
        at += snprintf(at, 4, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", hash[i]);
}

static bool names(struct text list, const char *key)
{
    struct text found;
    struct text value;
    bool        has = false;
    while (!has && otel_pair(&list, &found, &value)) {
        struct bytes decoded;
        bytes_init(&decoded, OTLP_VALUE_MAX);
        otel_decode(found, &decoded);
        has = decoded.data && strcmp(decoded.data, key) == 0;
        bytes_done(&decoded);
    }
    return has;
}

static struct text users(const struct config *config)
{
    return text_of(config->otlp_attributes ? config->otlp_attributes : "");
}

static void put(const struct run *run, struct bytes *attributes, const char *key, const char *value)
{
    if (value && *value && !names(users(&run->config), key))
        otlp_attribute(attributes, key, value);
}

/* Of two the last one counts. Two that only we can know are ours. */
static void put_users(const struct run *run, struct bytes *attributes)
{
    struct text list = users(&run->config);
    struct text key;
    struct text value;
    while (otel_pair(&list, &key, &value)) {
        struct bytes name;
        struct bytes text;
        bytes_init(&name, OTLP_VALUE_MAX);
        bytes_init(&text, CONFIG_TEXT_MAX);
        otel_decode(key, &name);
        otel_decode(value, &text);
        bool is_ours = name.failed || text.failed || !name.data || strcmp(name.data, "service.instance.id") == 0 ||
                       (run->config.otlp_service && strcmp(name.data, "service.name") == 0);
        if (!is_ours && !names(list, name.data))
            otlp_attribute(attributes, name.data, text.data ? text.data : "");
        bytes_done(&name);
        bytes_done(&text);
    }
}

static void put_container(const struct run *run, struct bytes *attributes)
{
    const struct container *c = &run->config.container;
    put(run, attributes, "container.image.name", run->config.metadata.container_image);
    put(run, attributes, "k8s.container.name", c->name);
    if (run->config.share & SHARE_HOSTNAME)
        put(run, attributes, "k8s.pod.name", c->pod);
    if (run->config.share & SHARE_ACCOUNT)
        put(run, attributes, "k8s.namespace.name", c->space);
}

static void put_run(const struct run *run, struct bytes *attributes)
{
    const struct sentinel_run *m = &run->config.metadata;
    const char *const         *arguments = (const char *const *)run->arguments;
    put(run, attributes, "process.executable.name", program_base(run->executable));
    if (run->config.share & SHARE_HOSTNAME)
        put(run, attributes, "host.name", run->machine.host_name);
    if (run->config.share & SHARE_HOST_ID)
        put(run, attributes, "host.id", run->machine.id);
    put(run, attributes, "deployment.environment.name", m->env);
    put(run, attributes, "pillion.project_name", m->project_name);
    put(run, attributes, "pillion.stage_name", m->stage_name);
    put(run, attributes, "pillion.task_name", m->task_name);
    put(run, attributes, "pillion.team", m->team);
    put(run, attributes, "pillion.orchestrator", m->orchestrator);
    put(run, attributes, "pillion.external_run_id", m->external_run_id);
    if (!run->config.otlp_service)
        put(run, attributes, "service.name", m->job_name ? m->job_name : program_name(run->executable, arguments));
}

void otlp_resource(const struct run *run, const char *instance, struct bytes *ret)
{
    put_users(run, ret);
    put_run(run, ret);
    put_container(run, ret);
    otlp_attribute(ret, "service.instance.id", instance);
    if (run->config.otlp_service)
        otlp_attribute(ret, "service.name", run->config.otlp_service);
    (void)bytes_hide(ret, run->config.secret); /* a token is for its own API alone */
}
