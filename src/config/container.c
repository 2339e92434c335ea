// SPDX-License-Identifier: Apache-2.0
#include "config/container.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"
#include "config/config.h"

#define OF(member, name)                         \
    {                                            \
        offsetof(struct container, member), name \
    }

/* Of a member the first that is set. */
static const struct {
    unsigned char member;
    char          name[32];
} variables[] = {
    /* POD_NAME: most charts, sidecars and operators. MY_POD_NAME: kubernetes.io, "Expose Pod Information to Containers
     * Through Environment Variables". The others: agents and their manuals. */
    OF(pod, "POD_NAME"),
    OF(pod, "MY_POD_NAME"),
    OF(pod, "K8S_POD_NAME"),
    OF(pod, "KUBERNETES_POD_NAME"),
    OF(space, "POD_NAMESPACE"),
    OF(space, "MY_POD_NAMESPACE"),
    OF(space, "K8S_NAMESPACE"),
    OF(space, "KUBERNETES_NAMESPACE"),
    OF(name, "CONTAINER_NAME"),
    OF(name, "K8S_CONTAINER_NAME"),
    OF(name, "ARGO_CONTAINER_NAME"),
    /* kubernetes.io, "Indexed Job for Parallel Processing": set by Kubernetes itself. */
    OF(index, "JOB_COMPLETION_INDEX"),
    OF(image, "TRACKER_CONTAINER_IMAGE"),
    OF(image, "CONTAINER_IMAGE"),
    OF(image, "CI_JOB_IMAGE"),
    /* apptainer.org, "Environment and Metadata": the base name of the image's file; SINGULARITY_ in older ones. */
    OF(image, "APPTAINER_NAME"),
    OF(image, "SINGULARITY_NAME"),
};

static bool is_name(const char *value, const char *secret)
{
    struct text text = text_of(value);
    return text_len(text) <= CONTAINER_VALUE_MAX && text_consists_of(text, TEXT_ALPHANUMERIC "._-:/@+") &&
           !(*secret && strstr(value, secret));
}

static const char *first(const char *(*lookup)(const char *name), const char *secret, size_t member)
{
    for (size_t i = 0; i < ARRAY_LENGTH(variables); i++) {
        const char *value = variables[i].member == member ? lookup(variables[i].name) : NULL;
        if (value && is_name(value, secret))
            return value;
    }
    return NULL;
}

void container_read(const char *(*lookup)(const char *name), const char *secret, struct container *ret)
{
    *ret = (struct container){.pod = first(lookup, secret, offsetof(struct container, pod))};
    ret->image = first(lookup, secret, offsetof(struct container, image));
    if (!ret->pod && !lookup("KUBERNETES_SERVICE_HOST"))
        return; /* elsewhere the other names mean other things */
    ret->space = first(lookup, secret, offsetof(struct container, space));
    ret->name = first(lookup, secret, offsetof(struct container, name));
    ret->index = first(lookup, secret, offsetof(struct container, index));
}

static const char *last_part(const char *image)
{
    struct text text = text_of(image);
    (void)text_after_last(&text, '/');
    return *text.at ? text.at : NULL;
}

void container_fill(const struct container *container, unsigned share, struct sentinel_run *run)
{
    if (!run->external_run_id && share & SHARE_HOSTNAME)
        run->external_run_id = container->pod;
    if (!run->project_name && share & SHARE_ACCOUNT)
        run->project_name = container->space;
    if (!run->task_name)
        run->task_name = container->name;
    if (!run->container_image && container->image)
        run->container_image = share & SHARE_ACCOUNT ? container->image : last_part(container->image);
}
