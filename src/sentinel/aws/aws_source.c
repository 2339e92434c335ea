/* The sources, one after the other. A profile that asks for what is never done ends the search: another source would be
 * another identity than the one that its owner named. */
// SPDX-License-Identifier: Apache-2.0
#include "sentinel/aws/aws_source.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/bytes.h"
#include "sentinel/aws/aws_profile.h"
#include "sentinel/aws/aws_requests.h"
#include "sentinel/requests.h"

#define DEFAULT_SESSION "pillion" /* as CloudTrail shows it */

typedef const char *lookup_function(const char *name);

/* An empty variable is an unset one. */
static const char *value_of(lookup_function *lookup, const char *name)
{
    const char *value = lookup(name);
    return value && *value ? value : NULL;
}

static const char *first_of(lookup_function *lookup, const char *name, const char *other)
{
    const char *value = value_of(lookup, name);
    return value ? value : value_of(lookup, other);
}

static int copy(struct text t, char **ret)
{
    *ret = strndup(t.at, text_len(t));
    return *ret ? 0 : -ENOMEM;
}

static int copy_word(const char *word, char **ret)
{
    return word ? copy(text_of(word), ret) : 0;
}

/* 0, -ENOMEM, -EINVAL: they could not go into a header. */
static int take_keys(struct text access, struct text secret, struct text session, struct sentinel_credentials *ret)
{
    text_trim(&access);
    text_trim(&secret);
    text_trim(&session);
    int error = copy(access, &ret->access_key);
    if (error == 0)
        error = copy(secret, &ret->secret_key);
    if (error == 0 && text_len(session) > 0)
        error = copy(session, &ret->session_token);
    ret->expires_at = INT64_MAX;
    if (error < 0)
        return error;
    return api_token_is_fine(ret->access_key) && api_token_is_fine(ret->secret_key) &&
                   (!ret->session_token || api_token_is_fine(ret->session_token))
               ? 0
               : -EINVAL;
}

__attribute__((format(printf, 2, 3))) static void refuse(struct aws_source *s, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(s->reason, sizeof s->reason, format, arguments);
    va_end(arguments);
    s->kind = AWS_NOWHERE;
}

/* Ends the search with these keys, or with a reason. */
static int settle_keys(struct aws_source *s, enum aws_kind kind, int error)
{
    s->kind = kind;
    if (error < 0)
        sentinel_credentials_done(&s->keys);
    if (error == -EINVAL)
        refuse(s, "the keys of %s hold a space, a control character or one that is not ASCII", s->from);
    return error == -EINVAL ? 0 : error;
}

static int from_environment(lookup_function *lookup, struct aws_source *s)
{
    const char *session = value_of(lookup, "AWS_SESSION_TOKEN");
    (void)snprintf(s->from, sizeof s->from, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
    return settle_keys(s, AWS_ENVIRONMENT,
                       take_keys(text_of(value_of(lookup, "AWS_ACCESS_KEY_ID")),
                                 text_of(value_of(lookup, "AWS_SECRET_ACCESS_KEY")), text_of(session ? session : ""),
                                 &s->keys));
}

static int from_web_identity(lookup_function *lookup, struct text role, struct text file, struct text session,
                             struct aws_source *s)
{
    const char *endpoint = first_of(lookup, "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL");
    int         error = copy(role, &s->role_arn);
    if (error == 0)
        error = copy(file, &s->token_file);
    if (error == 0)
        error = copy(text_len(session) > 0 ? session : text_of(DEFAULT_SESSION), &s->session);
    if (error < 0)
        return error;
    s->kind = AWS_WEB_IDENTITY;
    (void)snprintf(s->from, sizeof s->from, "the web identity in %.80s, for %.80s", s->token_file, s->role_arn);
    error = aws_sts_url(s->region, endpoint, &s->url);
    if (error == -EACCES)
        refuse(s, "the STS of AWS_ENDPOINT_URL_STS would get a token by plain http, which goes to this machine alone");
    else if (error == -EINVAL)
        refuse(s, "AWS_ENDPOINT_URL_STS is no http or https URL");
    return error == -ENOMEM ? error : 0;
}

/* What a profile may ask for, and nobody gets here. */
static const char *never_done(const struct aws_profile *p)
{
    if (p->role_arn.at && p->mfa_serial.at)
        return "a role with MFA";
    if (p->role_arn.at)
        return p->credential_source.at ? "a role with a credential_source" : "a role with a source_profile";
    if (p->credential_process.at)
        return "a credential_process, which is another program";
    return p->sso.at ? "a login by the browser (SSO)" : NULL;
}

/* *ret_over: the search ends here. */
static int from_profile(lookup_function *lookup, const struct aws_profile *p, const char *name, struct aws_source *s,
                        bool *ret_over)
{
    *ret_over = true;
    if (p->role_arn.at && p->web_identity_token_file.at)
        return from_web_identity(lookup, p->role_arn, p->web_identity_token_file, p->role_session_name, s);
    const char *never = p->access_key.at && p->secret_key.at && !p->role_arn.at ? NULL : never_done(p);
    if (never) {
        refuse(s,
               "the profile %.60s wants %s, which is never done in another program's process: give keys by the "
               "environment, or another profile by AWS_PROFILE",
               name, never);
        return 0;
    }
    *ret_over = p->access_key.at && p->secret_key.at;
    if (!*ret_over)
        return 0;
    (void)snprintf(s->from, sizeof s->from, "the profile %.60s of the %s file", name,
                   p->keys_of_config ? "config" : "credentials");
    return settle_keys(
        s, AWS_FILES,
        take_keys(p->access_key, p->secret_key, p->session_token.at ? p->session_token : text_of(""), &s->keys));
}

static int from_container(lookup_function *lookup, struct aws_source *s)
{
    const char *relative = value_of(lookup, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *token_file = value_of(lookup, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *name = relative ? "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" : "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    int         error = copy_word(token_file, &s->token_file);
    if (error == 0 && !token_file)
        error = copy_word(value_of(lookup, "AWS_CONTAINER_AUTHORIZATION_TOKEN"), &s->authorization);
    if (error < 0)
        return error;
    s->kind = AWS_CONTAINER;
    (void)snprintf(s->from, sizeof s->from, "%s", name);
    error = aws_container_url(relative, value_of(lookup, "AWS_CONTAINER_CREDENTIALS_FULL_URI"), &s->url);
    if (error == -EACCES)
        refuse(s, "%s names a host that gets nothing by plain http: use https", name);
    else if (error == -EINVAL)
        refuse(s, "%s is no http or https URL", name);
    return error == -ENOMEM ? error : 0;
}

static bool names_container(lookup_function *lookup)
{
    return first_of(lookup, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI");
}

static bool has_keys(lookup_function *lookup)
{
    return value_of(lookup, "AWS_ACCESS_KEY_ID") && value_of(lookup, "AWS_SECRET_ACCESS_KEY");
}

bool aws_source_needs_files(const char *(*lookup)(const char *name))
{
    return !has_keys(lookup);
}

static void read_region(lookup_function *lookup, const struct aws_profile *p, struct aws_source *s)
{
    const char *region = first_of(lookup, "AWS_REGION", "AWS_DEFAULT_REGION");
    struct text told = region ? text_of(region) : p->region.at ? p->region : text_of("");
    if (!text_copy(told, s->region, sizeof s->region) || !s3_region_is_fine(s->region))
        s->region[0] = '\0';
}

static bool is_on(const char *value)
{
    return value && text_len(text_of(value)) == strlen("true") && text_starts_caseless(text_of(value), "true");
}

static void from_machine(lookup_function *lookup, const struct aws_files *files, const char *machine_refused,
                         struct aws_source *s)
{
    s->kind = AWS_MACHINE;
    (void)snprintf(s->from, sizeof s->from, "the role of this EC2 machine");
    if (is_on(value_of(lookup, "AWS_EC2_METADATA_DISABLED")))
        machine_refused = "AWS_EC2_METADATA_DISABLED is true";
    if (machine_refused)
        refuse(s,
               "there are no keys in the environment or ~/.aws, no web identity and no container's role%s%.100s%s; %s",
               *files->refused ? " (" : "", files->refused, *files->refused ? ")" : "", machine_refused);
}

int aws_source_find(const char *(*lookup)(const char *name), const struct aws_files *files, const char *machine_refused,
                    struct aws_source *ret)
{
    struct aws_profile p = {0};
    const char        *named = value_of(lookup, "AWS_PROFILE");
    const char        *name = named ? named : "default";
    const char        *role = value_of(lookup, "AWS_ROLE_ARN");
    const char        *token_file = value_of(lookup, "AWS_WEB_IDENTITY_TOKEN_FILE");
    const char        *session = value_of(lookup, "AWS_ROLE_SESSION_NAME");
    bool               over = false;
    *ret = (struct aws_source){0};
    aws_profile_read(files->config, AWS_FILE_CONFIG, name, &p);
    aws_profile_read(files->credentials, AWS_FILE_CREDENTIALS, name, &p);
    read_region(lookup, &p, ret);
    if (has_keys(lookup))
        return from_environment(lookup, ret);
    if (named && !p.found) {
        refuse(ret, "AWS_PROFILE=%.60s is in none of the two files of ~/.aws%s%.100s%s", named,
               *files->refused ? " (" : "", files->refused, *files->refused ? ")" : "");
        return 0;
    }
    int error = from_profile(lookup, &p, name, ret, &over);
    if (over || error < 0)
        return error;
    if (role && token_file)
        return from_web_identity(lookup, text_of(role), text_of(token_file), text_of(session ? session : ""), ret);
    if (names_container(lookup))
        return from_container(lookup, ret);
    from_machine(lookup, files, machine_refused, ret);
    return 0;
}

void aws_source_done(struct aws_source *source)
{
    sentinel_credentials_done(&source->keys);
    if (source->authorization)
        bytes_wipe(source->authorization, strlen(source->authorization));
    free(source->authorization);
    free(source->role_arn);
    free(source->session);
    free(source->token_file);
    free(source->url);
    *source = (struct aws_source){0};
}
