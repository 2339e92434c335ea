// SPDX-License-Identifier: Apache-2.0
// What may stand in ~/.aws: whatever it is, keys that come of it can go into a header, and there is a source, or a
// reason that shows no key. The first byte picks the file, and whether a profile is named.
#include "fuzz.h"
#include "sentinel/aws/aws_profile.h"
#include "sentinel/aws/aws_source.h"
#include "sentinel/requests.h"

static bool named;

static const char *lookup(const char *name)
{
    return named && strcmp(name, "AWS_PROFILE") == 0 ? "work" : NULL;
}

static void is_within(struct text t, const char *text, size_t size)
{
    HOLDS(!t.at || (t.at >= text && t.end >= t.at && t.end <= text + size));
}

static void read_profile(const char *text, size_t size, enum aws_file kind)
{
    struct aws_profile p = {0};
    aws_profile_read(text_span(text, size), kind, named ? "work" : "default", &p);
    const struct text all[] = {p.access_key,
                               p.secret_key,
                               p.session_token,
                               p.region,
                               p.role_arn,
                               p.role_session_name,
                               p.web_identity_token_file,
                               p.credential_source,
                               p.mfa_serial,
                               p.credential_process,
                               p.sso};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        is_within(all[i], text, size);
        HOLDS(!all[i].at || (p.found && text_len(all[i]) > 0 && !memchr(all[i].at, '\n', text_len(all[i]))));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    named = data[0] & 1;
    enum aws_file     kind = data[0] & 2 ? AWS_FILE_CONFIG : AWS_FILE_CREDENTIALS;
    char             *text = fuzz_text(data + 1, size - 1);
    struct text       file = text_span(text, size - 1);
    struct aws_source source;
    struct aws_files  files = {.config = text_of(""), .credentials = text_of(""), .refused = ""};
    *(kind == AWS_FILE_CONFIG ? &files.config : &files.credentials) = file;
    read_profile(text, size - 1, kind);
    HOLDS(aws_source_find(lookup, &files, "no machine", &source) == 0);
    HOLDS((source.kind == AWS_NOWHERE) == (source.reason[0] != '\0'));
    HOLDS((source.kind == AWS_FILES) == (source.keys.access_key != NULL));
    if (source.keys.access_key)
        HOLDS(api_token_is_fine(source.keys.access_key) && api_token_is_fine(source.keys.secret_key) &&
              (!source.keys.session_token || api_token_is_fine(source.keys.session_token)));
    HOLDS(source.region[0] == '\0' || s3_region_is_fine(source.region));
    HOLDS(source.kind == AWS_NOWHERE || source.kind == AWS_FILES || (source.kind == AWS_WEB_IDENTITY && source.url));
    aws_source_done(&source);
    free(text);
    return 0;
}
