// SPDX-License-Identifier: Apache-2.0
#include "engine/registration.h"

#include <netinet/in.h>

#include "collect/machine.h"
#include "config/job_name.h"
#include "sentinel/requests.h"

static const char *known(const char *text)
{
    return *text ? text : NULL;
}

static uint64_t number(uint64_t value)
{
    return value == METRIC_NONE ? 0 : value;
}

int registration_compose(const struct config *config, const struct machine *machine, const char *executable,
                         const char *const *arguments, struct bytes *ret)
{
    struct sentinel_run run = config->metadata;
    const char *const   program[] = {job_program(executable), NULL};
    char                ip[INET_ADDRSTRLEN];
    if (!run.job_name)
        run.job_name = job_name(executable, arguments);
    if (!run.language)
        run.language = job_language(executable);
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
    return request_register_body(&run, ret);
}
