/* The vendors' metadata services and DMI words, as tables. */
// SPDX-License-Identifier: Apache-2.0
#include "sentinel/cloud/cloud.h"

#include <string.h>

#include "base/array.h"
#include "sentinel/cloud/cloud_answers.h"

#define LINK_LOCAL  "http://169.254.169.254"
#define TOKEN_LIVES "60" /* seconds; 1 to 21600 are allowed */

static const struct cloud_service services[CLOUD_VENDORS] = {
    /* docs.aws.amazon.com, "Use the Instance Metadata Service", version 2 alone: administrators switch version 1 off,
     * and have alarms on it. */
    [CLOUD_AWS] = {.id = "aws",
                   .base = LINK_LOCAL,
                   .header = "X-aws-ec2-metadata-token",
                   .token_header = "X-aws-ec2-metadata-token-ttl-seconds",
                   .token_value = TOKEN_LIVES,
                   .questions = {{"/latest/api/token", false, cloud_hear_token},
                                 {"/latest/meta-data/services/domain", false, cloud_hear_aws_domain},
                                 {"/latest/meta-data/instance-type", false, cloud_hear_type},
                                 {"/latest/meta-data/placement/region", false, cloud_hear_region},
                                 {"/latest/meta-data/placement/availability-zone", false, cloud_hear_zone},
                                 {"/latest/meta-data/identity-credentials/ec2/info", true, cloud_hear_aws_account}}},
    /* cloud.google.com/compute/docs/metadata: "Querying". */
    [CLOUD_GCP] = {.id = "gcp",
                   .base = LINK_LOCAL,
                   .header = "Metadata-Flavor",
                   .value = "Google",
                   .flavored = true,
                   .questions = {{"/computeMetadata/v1/instance/machine-type", false, cloud_hear_gcp_type},
                                 {"/computeMetadata/v1/instance/zone", false, cloud_hear_gcp_zone},
                                 {"/computeMetadata/v1/project/project-id", true, cloud_hear_gcp_account}}},
    /* learn.microsoft.com, "Azure Instance Metadata Service". Later versions of the document hold the user's data. */
    [CLOUD_AZURE] = {.id = "azure",
                     .base = LINK_LOCAL,
                     .header = "Metadata",
                     .value = "true",
                     .questions = {{"/metadata/instance?api-version=2020-09-01", false, cloud_hear_azure}}},
    /* docs.hetzner.cloud, "Server metadata": it names no server type. */
    [CLOUD_HCLOUD] = {.id = "hcloud",
                      .base = LINK_LOCAL,
                      .questions = {{"/hetzner/v1/metadata", false, cloud_hear_hcloud}}},
    /* upcloud.com/docs, "Metadata service". */
    [CLOUD_UPCLOUD] = {.id = "upcloud",
                       .base = LINK_LOCAL,
                       .questions = {{"/metadata/v1.json", false, cloud_hear_upcloud}}},
    /* vultr.com/metadata. */
    [CLOUD_VULTR] = {.id = "vultr", .base = LINK_LOCAL, .questions = {{"/v1.json", false, cloud_hear_vultr}}},
    /* alibabacloud.com/help/en/ecs, "Instance metadata", security hardening mode. */
    [CLOUD_ALICLOUD] = {.id = "alicloud",
                        .base = "http://100.100.100.200",
                        .header = "X-aliyun-ecs-metadata-token",
                        .token_header = "X-aliyun-ecs-metadata-token-ttl-seconds",
                        .token_value = TOKEN_LIVES,
                        .questions = {{"/latest/api/token", false, cloud_hear_token},
                                      {"/latest/meta-data/instance/instance-type", false, cloud_hear_alicloud_type},
                                      {"/latest/meta-data/region-id", false, cloud_hear_region},
                                      {"/latest/meta-data/zone-id", false, cloud_hear_zone},
                                      {"/latest/meta-data/owner-account-id", true, cloud_hear_alicloud_account}}},
    /* docs.openstack.org/nova, "Metadata service"; OVH's own resolver tells it from other OpenStacks. */
    [CLOUD_OVH] = {.id = "ovh",
                   .base = LINK_LOCAL,
                   .questions = {{"/openstack/latest/network_data.json", false, cloud_hear_ovh_network},
                                 {"/openstack/latest/meta_data.json", false, cloud_hear_ovh_machine},
                                 {"/latest/meta-data/instance-type", false, cloud_hear_type}}},
};

enum field { SYS_VENDOR, PRODUCT_NAME, BIOS_VERSION, CHASSIS_ASSET_TAG };
enum match { EQUALS, BEGINS, CONTAINS };

/* `proves`: nobody else's machines say so, and the vendor is known without an answer. */
static const struct {
    char              text[40];
    enum cloud_vendor vendor;
    enum field        field;
    enum match        match;
    bool              proves;
} rules[] = {
    {"Amazon EC2", CLOUD_AWS, SYS_VENDOR, EQUALS, true},  /* Nitro, and bare metal */
    {".amazon", CLOUD_AWS, BIOS_VERSION, CONTAINS, true}, /* Xen: 4.11.amazon */
    {"Google Compute Engine", CLOUD_GCP, PRODUCT_NAME, EQUALS, true},
    {"7783-7084-3265-9085-8269-3286-77", CLOUD_AZURE, CHASSIS_ASSET_TAG, EQUALS, false}, /* on premises, too */
    {"Hetzner", CLOUD_HCLOUD, SYS_VENDOR, EQUALS, true},
    {"UpCloud", CLOUD_UPCLOUD, SYS_VENDOR, EQUALS, true},
    {"Vultr", CLOUD_VULTR, SYS_VENDOR, EQUALS, true},
    {"Alibaba Cloud", CLOUD_ALICLOUD, SYS_VENDOR, EQUALS, true},
    {"Alibaba Cloud ECS", CLOUD_ALICLOUD, PRODUCT_NAME, BEGINS, true},
    {"OVH", CLOUD_OVH, SYS_VENDOR, BEGINS, false}, /* bare metal, too */
    {"OpenStack Foundation", CLOUD_OVH, SYS_VENDOR, EQUALS, false},
    {"OpenStack ", CLOUD_OVH, PRODUCT_NAME, BEGINS, false}, /* Nova, Compute */
    {"OpenStack ", CLOUD_OVH, CHASSIS_ASSET_TAG, BEGINS, false},
};

const struct cloud_service *cloud_service(enum cloud_vendor vendor)
{
    return &services[vendor];
}

void cloud_read_dmi(const struct roots *roots, struct cloud_dmi *ret)
{
    roots_read_line(roots->sys, "class/dmi/id/sys_vendor", ret->sys_vendor, sizeof ret->sys_vendor);
    roots_read_line(roots->sys, "class/dmi/id/product_name", ret->product_name, sizeof ret->product_name);
    roots_read_line(roots->sys, "class/dmi/id/bios_version", ret->bios_version, sizeof ret->bios_version);
    roots_read_line(roots->sys, "class/dmi/id/chassis_asset_tag", ret->chassis_asset_tag,
                    sizeof ret->chassis_asset_tag);
}

static bool holds(size_t rule, const struct cloud_dmi *dmi)
{
    const char *const fields[] = {[SYS_VENDOR] = dmi->sys_vendor,
                                  [PRODUCT_NAME] = dmi->product_name,
                                  [BIOS_VERSION] = dmi->bios_version,
                                  [CHASSIS_ASSET_TAG] = dmi->chassis_asset_tag};
    const char       *value = fields[rules[rule].field];
    const char       *text = rules[rule].text;
    if (rules[rule].match == CONTAINS)
        return strstr(value, text) != NULL;
    return rules[rule].match == BEGINS ? strncmp(value, text, strlen(text)) == 0 : strcmp(value, text) == 0;
}

unsigned cloud_named_by(const struct cloud_dmi *dmi)
{
    unsigned vendors = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(rules); i++)
        if (holds(i, dmi))
            vendors |= 1U << rules[i].vendor;
    return vendors;
}

bool cloud_asks(enum cloud_vendor vendor, size_t question, const struct cloud_told *told)
{
    const struct cloud_service *service = &services[vendor];
    if (question >= CLOUD_QUESTIONS_MAX || !service->questions[question].path)
        return false;
    if (service->token_header && question > 0 && told->token[0] == '\0')
        return false;
    return told->with_account || !service->questions[question].of_account;
}

bool cloud_hear(enum cloud_vendor vendor, size_t question, const struct cloud_answer *answer, struct cloud_told *told)
{
    const struct cloud_service *service = &services[vendor];
    if (answer->status != 200 || text_len(answer->body) > CLOUD_ANSWER_MAX)
        return false;
    if (service->flavored && strcmp(answer->flavor, "Google") != 0)
        return false;
    return service->questions[question].hear(answer->body, told);
}

static bool proven_by_dmi(enum cloud_vendor vendor, const struct cloud_dmi *dmi)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rules); i++)
        if (rules[i].vendor == vendor && rules[i].proves && holds(i, dmi))
            return true;
    return false;
}

bool cloud_settle(const struct cloud_told told[static CLOUD_VENDORS], const struct cloud_dmi *dmi, struct cloud *ret)
{
    enum cloud_vendor vendor = CLOUD_AWS;
    *ret = (struct cloud){0};
    while (vendor < CLOUD_VENDORS && !told[vendor].proven)
        vendor++;
    if (vendor < CLOUD_VENDORS)
        *ret = told[vendor].facts;
    else
        for (vendor = CLOUD_AWS; vendor < CLOUD_VENDORS && !proven_by_dmi(vendor, dmi);)
            vendor++;
    if (vendor == CLOUD_VENDORS)
        return false;
    (void)text_copy(text_of(services[vendor].id), ret->vendor, sizeof ret->vendor);
    /* Containers may not reach the service (a hop limit of 1): then Nitro's DMI still names the type. */
    if (vendor == CLOUD_AWS && ret->instance_type[0] == '\0' && strcmp(dmi->sys_vendor, "Amazon EC2") == 0 &&
        strchr(dmi->product_name, '.'))
        (void)cloud_value(text_of(dmi->product_name), ret->instance_type);
    return true;
}
