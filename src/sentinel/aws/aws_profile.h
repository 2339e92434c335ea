/* A profile of the files that the AWS SDKs share, ~/.aws/credentials and ~/.aws/config. Pure, no allocation.
 * Source: AWS SDKs and Tools Reference Guide, "Shared config and credentials files". */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SENTINEL_AWS_AWS_PROFILE_H
#define PILLION_SENTINEL_AWS_AWS_PROFILE_H

#include <stdbool.h>

#include "base/text.h"

enum { AWS_FILE_MAX = 256 * 1024 };

enum aws_file { AWS_FILE_CONFIG, AWS_FILE_CREDENTIALS };

/* Settings, which point into the files; .at is NULL where there is none. */
struct aws_profile {
    bool        found;
    struct text access_key, secret_key, session_token;
    bool        keys_of_config; /* which file the access key stood in */
    struct text region;
    struct text role_arn, role_session_name, web_identity_token_file;
    struct text credential_source, mfa_serial, credential_process, sso;
};

/* Adds what a file says of a profile. What it sets counts more than what was there: so config is read first. A section
 * of config is [profile NAME]; of the default one [default] too, unless there is that. */
void aws_profile_read(struct text file, enum aws_file kind, const char *name, struct aws_profile *profile);

#endif
