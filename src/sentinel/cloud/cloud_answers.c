/* The parsers of each answer, and the words that prove a vendor. */
// SPDX-License-Identifier: Apache-2.0
#include "sentinel/cloud/cloud_answers.h"

#include <string.h>

#include "base/json_read.h"

bool cloud_value(struct text t, char ret[static CLOUD_VALUE_SIZE])
{
    ret[0] = '\0';
    text_trim(&t);
    if (text_len(t) == 0 || text_len(t) >= CLOUD_VALUE_SIZE || !ascii_is_alphanumeric(*t.at) ||
        !text_consists_of(t, TEXT_ALPHANUMERIC "._-"))
        return false;
    if (text_is(t, "unknown") || text_is(t, "null") || text_is(t, "none")) /* in the place of one */
        return false;
    return text_copy(t, ret, CLOUD_VALUE_SIZE);
}

static bool number(struct text t, char ret[static CLOUD_VALUE_SIZE])
{
    if (cloud_value(t, ret) && text_consists_of(text_of(ret), TEXT_DIGITS))
        return true;
    ret[0] = '\0';
    return false;
}

static struct text empty(void)
{
    return text_of("");
}

/* Returns the text of a string that is a member of a checked object. A string with an escape in it is no value of ours.
 */
static struct text string_of(struct text object, const char *key)
{
    struct text value;
    if (!json_find(object, key, &value) || *value.at != '"')
        return empty();
    return (struct text){value.at + 1, value.end - 1};
}

static struct text object_of(struct text object, const char *key)
{
    struct text value;
    return json_find(object, key, &value) && *value.at == '{' ? value : empty();
}

static bool is_json(struct text body)
{
    return json_check(body, JSON_VALUES_MAX) == 0;
}

/* The token goes into a header, so its alphabet is that of base64, in both its forms. */
bool cloud_hear_token(struct text body, struct cloud_told *told)
{
    text_trim(&body);
    return text_consists_of(body, TEXT_ALPHANUMERIC "+/=_-.") && text_copy(body, told->token, sizeof told->token);
}

bool cloud_hear_type(struct text body, struct cloud_told *told)
{
    return cloud_value(body, told->facts.instance_type);
}

bool cloud_hear_region(struct text body, struct cloud_told *told)
{
    return cloud_value(body, told->facts.region);
}

bool cloud_hear_zone(struct text body, struct cloud_told *told)
{
    return cloud_value(body, told->facts.zone);
}

/* Checks the domains of the partitions: the world, China, Europe's own. */
bool cloud_hear_aws_domain(struct text body, struct cloud_told *told)
{
    text_trim(&body);
    told->proven = text_is(body, "amazonaws.com") || text_is(body, "amazonaws.com.cn") || text_is(body, "amazonaws.eu");
    return told->proven;
}

bool cloud_hear_aws_account(struct text body, struct cloud_told *told)
{
    return told->with_account && is_json(body) && number(string_of(body, "AccountId"), told->facts.account);
}

/* Takes the last part of "projects/123/zones/europe-west1-b", when the others are what they have to be. */
static bool last_part(struct text t, const char *kind, char ret[static CLOUD_VALUE_SIZE])
{
    struct text project;
    text_trim(&t);
    return text_skip(&t, "projects/") && text_until(&t, '/', &project) && text_len(project) > 0 &&
           text_skip(&t, kind) && cloud_value(t, ret);
}

bool cloud_hear_gcp_type(struct text body, struct cloud_told *told)
{
    bool good = last_part(body, "machineTypes/", told->facts.instance_type);
    told->proven |= good;
    return good;
}

/* A zone's name is its region's, and a letter: us-central1-a, us-central1-ai1a. */
bool cloud_hear_gcp_zone(struct text body, struct cloud_told *told)
{
    struct cloud *facts = &told->facts;
    if (!last_part(body, "zones/", facts->zone))
        return false;
    const char *dash = strrchr(facts->zone, '-');
    if (dash && dash > facts->zone)
        (void)text_copy((struct text){facts->zone, dash}, facts->region, sizeof facts->region);
    told->proven = true;
    return true;
}

bool cloud_hear_gcp_account(struct text body, struct cloud_told *told)
{
    return told->with_account && cloud_value(body, told->facts.account);
}

bool cloud_hear_azure(struct text body, struct cloud_told *told)
{
    struct cloud *facts = &told->facts;
    if (!is_json(body))
        return false;
    struct text compute = object_of(body, "compute");
    bool        has_type = cloud_value(string_of(compute, "vmSize"), facts->instance_type);
    bool        has_region = cloud_value(string_of(compute, "location"), facts->region);
    (void)cloud_value(string_of(compute, "zone"), facts->zone);
    if (told->with_account)
        (void)cloud_value(string_of(compute, "subscriptionId"), facts->account);
    told->proven = has_type && has_region;
    return told->proven;
}

/* Reads a value of YAML. Only keys that begin a line are the document's own; all else may be within a block of text. */
static struct text yaml_value(struct text body, const char *key)
{
    struct text line;
    while (text_line(&body, &line)) {
        if (!text_skip(&line, key) || !text_skip(&line, ":"))
            continue;
        text_trim(&line);
        if (text_len(line) >= 2 && (*line.at == '"' || *line.at == '\'') && line.end[-1] == *line.at)
            line = (struct text){line.at + 1, line.end - 1};
        return line;
    }
    return empty();
}

bool cloud_hear_hcloud(struct text body, struct cloud_told *told)
{
    char          id[CLOUD_VALUE_SIZE];
    struct cloud *facts = &told->facts;
    bool          has_region = cloud_value(yaml_value(body, "region"), facts->region);
    bool          has_zone = cloud_value(yaml_value(body, "availability-zone"), facts->zone);
    told->proven = number(yaml_value(body, "instance-id"), id) && (has_region || has_zone);
    return told->proven;
}

bool cloud_hear_upcloud(struct text body, struct cloud_told *told)
{
    if (!is_json(body) || !text_is(string_of(body, "cloud_name"), "upcloud"))
        return false;
    told->proven = true;
    (void)cloud_value(string_of(body, "region"), told->facts.region);
    return true;
}

bool cloud_hear_vultr(struct text body, struct cloud_told *told)
{
    char id[CLOUD_VALUE_SIZE];
    if (!is_json(body))
        return false;
    if (!cloud_value(string_of(body, "instanceid"), id) && !cloud_value(string_of(body, "instance-v2-id"), id))
        return false;
    told->proven = cloud_value(string_of(object_of(body, "region"), "regioncode"), told->facts.region);
    return told->proven;
}

/* Every type of an ECS begins so, and nothing else at that address does. */
bool cloud_hear_alicloud_type(struct text body, struct cloud_told *told)
{
    text_trim(&body);
    if (!text_starts(body, "ecs.") || !cloud_value(body, told->facts.instance_type))
        return false;
    told->proven = true;
    return true;
}

bool cloud_hear_alicloud_account(struct text body, struct cloud_told *told)
{
    return told->with_account && number(body, told->facts.account);
}

bool cloud_hear_ovh_network(struct text body, struct cloud_told *told)
{
    struct text services;
    struct text one;
    if (!is_json(body) || !json_find(body, "services", &services) || !json_enter_array(&services))
        return false;
    while (!told->proven && json_value(&services, &one))
        told->proven = text_is(string_of(one, "type"), "dns") && text_is(string_of(one, "address"), "213.186.33.99");
    return told->proven;
}

/* "nova" is what OpenStack says where there are no zones. A zone is its region's name and a letter (eu-west-par-a);
 * where it is not, the region has no more than that one. */
bool cloud_hear_ovh_machine(struct text body, struct cloud_told *told)
{
    struct cloud *facts = &told->facts;
    char          zone[CLOUD_VALUE_SIZE];
    if (!is_json(body))
        return false;
    if (told->with_account)
        (void)cloud_value(string_of(body, "project_id"), facts->account);
    if (!cloud_value(string_of(body, "availability_zone"), zone) || strcmp(zone, "nova") == 0)
        return true;
    size_t len = strlen(zone);
    memcpy(facts->region, zone, len + 1);
    if (len > 2 && zone[len - 2] == '-' && !ascii_is_digit(zone[len - 1])) {
        memcpy(facts->zone, zone, len + 1);
        facts->region[len - 2] = '\0';
    }
    return true;
}
