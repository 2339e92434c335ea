/* The questions for keys, and the answers to them. Pure.
 * Sources: AWS STS API reference, AssumeRoleWithWebIdentity; AWS SDKs and Tools Reference Guide, "Container credential
 * provider"; Amazon EC2 user guide, "Use the Instance Metadata Service", "Retrieve security credentials". */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SENTINEL_AWS_AWS_REQUESTS_H
#define PILLION_SENTINEL_AWS_AWS_REQUESTS_H

#include <pillion/sentinel.h>

#include "base/bytes.h"
#include "base/text.h"
#include "sentinel/aws/aws_source.h"
#include "sentinel/http_message.h"

enum { AWS_TOKEN_MAX = 32 * 1024, AWS_MACHINE_TOKEN_SIZE = 512, AWS_ROLE_SIZE = 128 };

/* The address of a container's keys: `relative` (of ECS) counts first. http goes to this machine, and to the addresses
 * of ECS and EKS, alone. *ret is the caller's. 0, -EINVAL, -EACCES (another host by http), -ENOMEM. */
int aws_container_url(const char *relative, const char *full, char **ret);
/* The STS of a region ("": the one for all), or `endpoint`. Returns as above. */
int aws_sts_url(const char *region, const char *endpoint, char **ret);

/* Compose whole requests; *ret is the caller's on success, empty otherwise. `token`: what the file had. 0, -EINVAL,
 * -ENOMEM. */
int aws_web_identity_request(const struct aws_source *source, struct text token, struct http_request *ret);
int aws_container_request(const struct aws_source *source, struct text token, struct http_request *ret);

/* What IMDS, in its version 2, has told so far. Zeroed: nothing, and its token is asked for first. */
struct aws_machine {
    char token[AWS_MACHINE_TOKEN_SIZE];
    char role[AWS_ROLE_SIZE];
};

int aws_machine_request(const struct aws_machine *machine, struct http_request *ret);
/* Takes the token, then the role's name, off a body. False: it is none. */
bool aws_machine_hear(struct text body, struct aws_machine *machine);

/* Read an answer that gives keys: the XML of STS, the JSON of a container or a machine. 0, -EBADMSG, -ENOMEM; *ret is
 * zeroed on errors. */
int aws_sts_answer(struct text body, struct sentinel_credentials *ret);
int aws_json_answer(struct text body, struct sentinel_credentials *ret);

/* An answer of STS with 400 that another try may change: the token in the file is replaced, its issuer asked again. */
bool aws_sts_may_change(struct text body);

#endif
