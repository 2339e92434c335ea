// SPDX-License-Identifier: Apache-2.0
#include "sentinel/aws/aws_profile.h"

#include <stddef.h>
#include <string.h>

#include "base/array.h"

/* A setting's place in struct aws_profile. SSO has several, of which one is enough to know it by. */
static const struct {
    const char *name;
    size_t      offset;
} settings[] = {
    {"aws_access_key_id", offsetof(struct aws_profile, access_key)},
    {"aws_secret_access_key", offsetof(struct aws_profile, secret_key)},
    {"aws_session_token", offsetof(struct aws_profile, session_token)},
    {"region", offsetof(struct aws_profile, region)},
    {"role_arn", offsetof(struct aws_profile, role_arn)},
    {"role_session_name", offsetof(struct aws_profile, role_session_name)},
    {"web_identity_token_file", offsetof(struct aws_profile, web_identity_token_file)},
    {"credential_source", offsetof(struct aws_profile, credential_source)},
    {"mfa_serial", offsetof(struct aws_profile, mfa_serial)},
    {"credential_process", offsetof(struct aws_profile, credential_process)},
    {"sso_session", offsetof(struct aws_profile, sso)},
    {"sso_account_id", offsetof(struct aws_profile, sso)},
    {"login_session", offsetof(struct aws_profile, sso)},
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* A comment within a line has a blank before it: keys may hold the sign itself. */
static struct text without_comment(struct text t)
{
    for (const char *p = t.at; p + 1 < t.end; p++)
        if (is_blank(*p) && (p[1] == '#' || p[1] == ';')) {
            t.end = p;
            break;
        }
    text_trim(&t);
    return t;
}

static void unquote(struct text *t)
{
    if (text_len(*t) >= 2 && (*t->at == '"' || *t->at == '\'') && t->end[-1] == *t->at) {
        t->at++;
        t->end--;
    }
}

/* Reads "[name]"; false: this line begins no section. */
static bool section_name(struct text line, struct text *ret)
{
    if (!text_skip(&line, "["))
        return false;
    *ret = line;
    (void)text_until(&line, ']', ret);
    text_trim(ret);
    return true;
}

/* Takes "profile" off the name of a section; false: it is not there. */
static bool skip_profile(struct text *name)
{
    struct text rest = *name;
    if (!text_skip(&rest, "profile") || text_len(rest) == 0 || !is_blank(*rest.at))
        return false;
    text_trim(&rest);
    unquote(&rest);
    *name = rest;
    return true;
}

static bool is_section(struct text name, enum aws_file kind, const char *wanted, bool bare)
{
    bool has_word = kind == AWS_FILE_CONFIG && skip_profile(&name);
    return has_word != bare && text_is(name, wanted);
}

static bool has_section(struct text file, enum aws_file kind, const char *wanted, bool bare)
{
    struct text line;
    struct text name;
    while (text_line(&file, &line))
        if (section_name(line, &name) && is_section(name, kind, wanted, bare))
            return true;
    return false;
}

static void set(struct text line, enum aws_file kind, struct aws_profile *profile)
{
    struct text key;
    if (!memchr(line.at, '=', text_len(line)))
        return;
    (void)text_until(&line, '=', &key);
    text_trim(&key);
    struct text value = without_comment(line);
    for (size_t i = 0; i < ARRAY_LENGTH(settings); i++)
        if (text_len(key) == strlen(settings[i].name) && text_starts_caseless(key, settings[i].name) &&
            text_len(value) > 0) {
            *(struct text *)((char *)profile + settings[i].offset) = value;
            if (i == 0)
                profile->keys_of_config = kind == AWS_FILE_CONFIG;
        }
}

/* "s3 =", and what is indented below it, which are no settings of the profile. */
static bool opens_a_group(struct text line)
{
    text_trim(&line);
    return text_len(line) > 0 && line.end[-1] == '=';
}

static void read_sections(struct text file, enum aws_file kind, const char *wanted, bool bare,
                          struct aws_profile *profile)
{
    bool        inside = false;
    bool        grouped = false;
    struct text line;
    struct text name;
    while (text_line(&file, &line)) {
        if (section_name(line, &name)) {
            inside = is_section(name, kind, wanted, bare);
            profile->found |= inside;
            grouped = false;
            continue;
        }
        if (!inside || text_len(line) == 0 || *line.at == '#' || *line.at == ';')
            continue;
        bool indented = is_blank(*line.at);
        if (!indented)
            grouped = opens_a_group(line);
        if (!indented || !grouped)
            set(line, kind, profile);
    }
}

void aws_profile_read(struct text file, enum aws_file kind, const char *name, struct aws_profile *profile)
{
    bool bare = kind == AWS_FILE_CREDENTIALS;
    (void)text_skip(&file, "\xef\xbb\xbf"); /* some editors begin a file so */
    if (!bare && strcmp(name, "default") == 0)
        bare = !has_section(file, kind, name, false);
    read_sections(file, kind, name, bare, profile);
}
