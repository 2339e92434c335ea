/* Where the keys for a bucket of the user's own are to be had: the first source, in the order of the AWS SDKs, that
 * there is a word of. Pure over a lookup and the text of the two files.
 * Source: AWS SDKs and Tools Reference Guide, "Standardized credential providers". */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SENTINEL_AWS_AWS_SOURCE_H
#define PILLION_SENTINEL_AWS_AWS_SOURCE_H

#include <pillion/sentinel.h>

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "sentinel/s3.h"

enum aws_kind {
    AWS_NOWHERE,      /* `reason` */
    AWS_ENVIRONMENT,  /* keys, as they stand there */
    AWS_FILES,        /* the same */
    AWS_WEB_IDENTITY, /* a token, for which STS gives the keys of a role */
    AWS_CONTAINER,    /* an address that gives them */
    AWS_MACHINE,      /* the role of an EC2 machine */
};

enum { AWS_FROM_SIZE = 192, AWS_REASON_SIZE = 448 };

struct aws_source {
    enum aws_kind               kind;
    struct sentinel_credentials keys;                    /* of AWS_ENVIRONMENT, AWS_FILES */
    char                       *role_arn, *session;      /* of AWS_WEB_IDENTITY */
    char                       *token_file;              /* the same; of AWS_CONTAINER, NULL without one */
    char                       *url;                     /* of AWS_CONTAINER; of AWS_WEB_IDENTITY the STS */
    char                       *authorization;           /* of AWS_CONTAINER, NULL without one */
    char                        region[S3_REGION_SIZE];  /* whatever the kind; "": not told */
    char                        from[AWS_FROM_SIZE];     /* in words, for a log and for doctor; no secret */
    char                        reason[AWS_REASON_SIZE]; /* of AWS_NOWHERE: why, and what to do */
};

/* What was read, and what was not. */
struct aws_files {
    struct text config, credentials;
    const char *refused; /* why one of them was not read though it is there; "" */
};

/* The environment alone tells enough: no file is asked. */
bool aws_source_needs_files(const char *(*lookup)(const char *name));

/* machine_refused: why the metadata of the machine are not asked; NULL: they may be. *ret is initialised here, and the
 * caller's in any case. 0, -ENOMEM. */
int aws_source_find(const char *(*lookup)(const char *name), const struct aws_files *files, const char *machine_refused,
                    struct aws_source *ret);
void aws_source_done(struct aws_source *source);

#endif
