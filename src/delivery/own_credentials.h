/* Keys for a bucket of the user's own, by the order of the AWS SDKs: environment, profile of the shared files, web
 * identity, container, role of the EC2 machine. This state machine has no network and no loop: its owner asks what is
 * next, sends the request that is composed here, and hands back its answer.
 *
 * The first own_credentials_next looks around, once: variables, the two files of ~/.aws, DMI. So it belongs on the
 * thread, behind the first row: a home on a dead server blocks it. Nothing is looked at before. The source that is
 * found then stays the source; what it gives is renewed five minutes before it expires, at most once a minute. Never:
 * credential_process, SSO, role_arn with another profile's keys, MFA. `reason` names them. Source: AWS SDKs and Tools
 * Reference Guide, "Standardized credential providers", "Shared config and credentials files". */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_DELIVERY_OWN_CREDENTIALS_H
#define PILLION_DELIVERY_OWN_CREDENTIALS_H

#include <pillion/sentinel.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/roots.h"
#include "config/config.h"
#include "sentinel/aws/aws_requests.h"
#include "sentinel/aws/aws_source.h"
#include "sentinel/http_message.h"
#include "sentinel/s3.h"

enum own_step {
    OWN_NOTHING,
    OWN_WEB_IDENTITY, /* STS, AssumeRoleWithWebIdentity */
    OWN_CONTAINER,    /* ECS, EKS pod identity */
    OWN_MACHINE,      /* IMDS: its token, the role's name, the role's keys, one after the other */
};

struct own_credentials {
    enum config_cloud  cloud;
    struct roots       roots;  /* of DMI; "/proc" and "/sys", a test's to change */
    bool               looked; /* `source` is known, though it may be nowhere */
    struct aws_source  source; /* .region: AWS_REGION, AWS_DEFAULT_REGION, the profile's, or ""; .from in words */
    struct aws_machine machine;
    int64_t            machine_until;        /* ns CLOCK_MONOTONIC; 0: it is not asked just now */
    struct sentinel_credentials credentials; /* access_key NULL: none now; session_token and region may be NULL */
    char                        reason[AWS_REASON_SIZE]; /* why there are none, or no new ones; "" */
    bool                        hopeless;                /* there will be none: `reason` */
    bool                        rejected;                /* S3 does not take them any more */
    bool                        ending;     /* the owner's to set: keys that still serve are not renewed any more */
    int64_t                     skew;       /* the owner's to set: s, S3's clock minus ours */
    int64_t                     next_try;   /* ns CLOCK_MONOTONIC */
    int64_t                     may_reject; /* the same: a refusal before then is not answered at once */
    unsigned                    tries;
    char                       *sent;  /* with the question under way: a token, which its answer may repeat; NULL */
    const void                 *asker; /* the owner's to set: whose question is under way, of those that share them */
};

/* Nothing is read yet. */
void own_credentials_init(struct own_credentials *o, const struct config *config);
void own_credentials_done(struct own_credentials *o);

/* There are keys, and as far as is known they serve. */
bool own_credentials_are_good(const struct own_credentials *o);
/* S3 has refused the keys as expired or unknown. Those that can be had anew are, at once, but not twice a minute; else
 * it is hopeless. */
void own_credentials_rejected(struct own_credentials *o, int64_t now);
/* Where there are none they are asked for at once, also after a no; a machine's role after a yes alone. */
void own_credentials_try_again(struct own_credentials *o);

/* Tells what is to be asked now; OWN_NOTHING: *ret_due says when to ask again (INT64_MAX: no need). Keys of the
 * environment and of files need no question: they are there behind the first call. */
enum own_step own_credentials_next(struct own_credentials *o, int64_t now, int64_t *ret_due);
/* Composes that request. 0; -errno: the caller then calls own_credentials_failed. */
int  own_credentials_request(struct own_credentials *o, enum own_step step, struct http_request *ret);
void own_credentials_answer(struct own_credentials *o, enum own_step step, const struct http_answer *answer,
                            int64_t now);
void own_credentials_failed(struct own_credentials *o, enum own_step step, int error, int64_t now);

#endif
