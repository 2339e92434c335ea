/* The cloud that this machine is in: the words of DMI, the questions to each vendor's metadata service, and the meaning
 * of answers. Requests and answers are data: nothing here knows a network or a clock (sentinel/cloud/probe.h drives
 * it).
 *
 * Only words that a vendor alone says count as its answer: any web server may give 200 to anything, and others live at
 * the same address. Every value is [A-Za-z0-9._-], 63 bytes at most. Allocates: no.
 * Sources: sysfs-class-dmi, and the vendors' own pages on instance metadata, named beside each service in cloud.c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SENTINEL_CLOUD_CLOUD_H
#define PILLION_SENTINEL_CLOUD_CLOUD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/roots.h"
#include "base/text.h"

enum { CLOUD_VALUE_SIZE = 64, CLOUD_TOKEN_SIZE = 512, CLOUD_QUESTIONS_MAX = 6, CLOUD_ANSWER_MAX = 64 * 1024 };

/* Vendors in the order of precedence, should several answer. */
enum cloud_vendor {
    CLOUD_AWS,
    CLOUD_GCP,
    CLOUD_AZURE,
    CLOUD_HCLOUD,
    CLOUD_UPCLOUD,
    CLOUD_VULTR,
    CLOUD_ALICLOUD,
    CLOUD_OVH,
    CLOUD_VENDORS,
};

#define CLOUD_EVERY_VENDOR ((1U << CLOUD_VENDORS) - 1U)

/* Files of /sys/class/dmi/id that everybody may read; "" where there is none. */
struct cloud_dmi {
    char sys_vendor[64], product_name[64], bios_version[64], chassis_asset_tag[64];
};

/* The result; "" where unknown. The vendor's ID is that of Spare Cores, all else is in the vendor's own words. */
struct cloud {
    char vendor[16];
    char account[CLOUD_VALUE_SIZE];
    char region[CLOUD_VALUE_SIZE];
    char zone[CLOUD_VALUE_SIZE];
    char instance_type[CLOUD_VALUE_SIZE];
};

/* The facts that one vendor's service has told so far. Begins zeroed, but for with_account. */
struct cloud_told {
    struct cloud facts;
    bool         with_account; /* without it, no account is asked for or kept */
    bool         proven;       /* an answer that only this vendor gives */
    char         token[CLOUD_TOKEN_SIZE];
};

struct cloud_question {
    const char *path; /* NULL: no question */
    bool        of_account;
    bool (*hear)(struct text body, struct cloud_told *told); /* false: that is no answer to it */
};

struct cloud_service {
    const char *id;
    const char *base;   /* URL, the address itself: no name is looked up */
    const char *header; /* of each question; a NULL value is the token's */
    const char *value;
    /* Not NULL: the first question is a PUT with this header, and gives the token without which nothing else is
     * asked. The others are GETs, all at once. */
    const char           *token_header;
    const char           *token_value;
    bool                  flavored; /* each answer has to carry `Metadata-Flavor: Google` */
    struct cloud_question questions[CLOUD_QUESTIONS_MAX];
};

void cloud_read_dmi(const struct roots *roots, struct cloud_dmi *ret);
/* Names the vendors (1 << enum cloud_vendor) whose machines have this DMI; OpenStack's is OVH's and many others'. */
unsigned cloud_named_by(const struct cloud_dmi *dmi);

const struct cloud_service *cloud_service(enum cloud_vendor vendor);
/* True when this question is to be asked now, as far as that depends on earlier answers. */
bool cloud_asks(enum cloud_vendor vendor, size_t question, const struct cloud_told *told);

struct cloud_answer {
    long        status;
    const char *flavor; /* the header Metadata-Flavor, "" without */
    struct text body;
};

/* Takes an answer; false: it is none of this vendor's. */
bool cloud_hear(enum cloud_vendor vendor, size_t question, const struct cloud_answer *answer, struct cloud_told *told);

/* Settles on the first vendor that is proven, with what it told; without one, on the one that DMI alone proves. False:
 * there is neither. */
bool cloud_settle(const struct cloud_told told[static CLOUD_VENDORS], const struct cloud_dmi *dmi, struct cloud *ret);

#endif
