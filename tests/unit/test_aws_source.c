// SPDX-License-Identifier: Apache-2.0
// Which keys are meant: profiles as the AWS tools write them, and the order of the sources.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "sentinel/aws/aws_profile.h"
#include "sentinel/aws/aws_source.h"

static struct aws_profile profile;
static struct aws_source  source;
static const char *const *variables; /* name, value, …, NULL */
static struct aws_files   files;

static const char *lookup(const char *name)
{
    for (const char *const *at = variables; at && *at; at += 2)
        if (strcmp(at[0], name) == 0)
            return at[1];
    return NULL;
}

static int set_up(void **state)
{
    (void)state;
    profile = (struct aws_profile){0};
    variables = NULL;
    files = (struct aws_files){.config = text_of(""), .credentials = text_of(""), .refused = ""};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    aws_source_done(&source);
    return 0;
}

static void read_profile(const char *file, enum aws_file kind, const char *name)
{
    profile = (struct aws_profile){0};
    aws_profile_read(text_of(file), kind, name, &profile);
}

static void assert_text(struct text t, const char *expected)
{
    if (!expected) {
        assert_null(t.at);
        return;
    }
    if (!t.at || !text_is(t, expected))
        fail_msg("\"%.*s\" is not \"%s\"", t.at ? (int)text_len(t) : 0, t.at ? t.at : "", expected);
}

/* As `aws configure` writes them, and the examples of the guide. */
static const char credentials_file[] = "[default]\n"
                                       "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\n"
                                       "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n"
                                       "\n"
                                       "[user1]\r\n"
                                       "aws_access_key_id=AKIAI44QH8DHBEXAMPLE\r\n"
                                       "aws_secret_access_key=je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY\r\n"
                                       "aws_session_token = AQoEXAMPLEH4aoAH0gNCAPy==  \r\n";
static const char config_file[] = "# written by hand\n"
                                  "[default]\n"
                                  "region = us-west-2 ; at home\n"
                                  "output = json\n"
                                  "[profile user1]\n"
                                  "region=us-east-1\n"
                                  "s3 =\n"
                                  "  region = not-this-one\n"
                                  "  max_concurrent_requests = 20\n"
                                  "output = text\n"
                                  "[sso-session my-sso]\n"
                                  "sso_region = eu-west-1\n"
                                  "[user2]\n"
                                  "region = no-profile\n";

static void a_profile_is_read_as_the_aws_tools_write_it(void **state)
{
    (void)state;
    read_profile(credentials_file, AWS_FILE_CREDENTIALS, "default");
    assert_true(profile.found);
    assert_text(profile.access_key, "AKIAIOSFODNN7EXAMPLE");
    assert_text(profile.secret_key, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    assert_text(profile.session_token, NULL);
    read_profile(credentials_file, AWS_FILE_CREDENTIALS, "user1");
    assert_text(profile.access_key, "AKIAI44QH8DHBEXAMPLE");
    assert_text(profile.session_token, "AQoEXAMPLEH4aoAH0gNCAPy==");
    read_profile(config_file, AWS_FILE_CONFIG, "default");
    assert_text(profile.region, "us-west-2");
    read_profile(config_file, AWS_FILE_CONFIG, "user1");
    assert_text(profile.region, "us-east-1");
    assert_text(profile.access_key, NULL);
}

static void sections_that_are_no_profile_are_none(void **state)
{
    (void)state;
    static const char *const names[] = {"user2", "my-sso", "profile user1", "", "profile"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        read_profile(config_file, AWS_FILE_CONFIG, names[i]);
        assert_false(profile.found);
    }
    read_profile(credentials_file, AWS_FILE_CREDENTIALS, "profile user1");
    assert_false(profile.found);
}

static void a_default_profile_by_its_full_name_counts_alone(void **state)
{
    (void)state;
    static const char both[] = "[default]\nregion = a\nrole_arn = b\n[profile default]\nregion = c\n";
    read_profile(both, AWS_FILE_CONFIG, "default");
    assert_text(profile.region, "c");
    assert_text(profile.role_arn, NULL);
}

static void odd_spellings_are_understood(void **state)
{
    (void)state;
    read_profile("\xef\xbb\xbf[ profile \"my profile\" ] # mine\n"
                 "   AWS_Access_Key_ID =  A#B;C  # a comment\n"
                 "\taws_secret_access_key\t=\tx=y==\n"
                 ";region = no\n#region = no\nregion =\nregion\n=x\n[",
                 AWS_FILE_CONFIG, "my profile");
    assert_true(profile.found && profile.keys_of_config);
    assert_text(profile.access_key, "A#B;C");
    assert_text(profile.secret_key, "x=y==");
    assert_text(profile.region, NULL);
    read_profile("[profile 'x']\nregion=a\n[profile x]\nregion=b\n[profile y]\nregion=c", AWS_FILE_CONFIG, "x");
    assert_text(profile.region, "b");
}

static void what_credentials_say_counts_more_than_config(void **state)
{
    (void)state;
    aws_profile_read(text_of("[default]\naws_access_key_id=a\nregion=r\n"), AWS_FILE_CONFIG, "default", &profile);
    aws_profile_read(text_of("[default]\naws_access_key_id=b\n"), AWS_FILE_CREDENTIALS, "default", &profile);
    assert_text(profile.access_key, "b");
    assert_text(profile.region, "r");
    assert_false(profile.keys_of_config);
}

/* ---- the order of the sources ---- */

#define KEYS      "AWS_ACCESS_KEY_ID", "AKENV", "AWS_SECRET_ACCESS_KEY", "secret-of-env"
#define IDENTITY  "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r", "AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token"
#define CONTAINER "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"
#define NO_EC2    "this machine is none of EC2's"

static enum aws_kind find_on(const char *machine_refused, const char *const *with)
{
    variables = with;
    aws_source_done(&source);
    assert_int_equal(aws_source_find(lookup, &files, machine_refused, &source), 0);
    assert_int_equal(source.kind == AWS_NOWHERE, source.reason[0] != '\0');
    assert_int_equal(source.keys.access_key != NULL, source.kind == AWS_ENVIRONMENT || source.kind == AWS_FILES);
    return source.kind;
}

#define FIND(...) find_on(NO_EC2, (const char *const[]){__VA_ARGS__, NULL, NULL})

static void the_first_source_in_the_order_of_the_sdks_counts(void **state)
{
    (void)state;
    files.credentials = text_of(credentials_file);
    files.config = text_of(config_file);
    assert_int_equal(FIND(KEYS, IDENTITY, CONTAINER), AWS_ENVIRONMENT);
    assert_string_equal(source.keys.access_key, "AKENV");
    assert_string_equal(source.keys.secret_key, "secret-of-env");
    assert_null(source.keys.session_token);
    assert_true(source.keys.expires_at == INT64_MAX);
    assert_int_equal(FIND(IDENTITY, CONTAINER), AWS_FILES);
    assert_string_equal(source.keys.access_key, "AKIAIOSFODNN7EXAMPLE");
    assert_string_equal(source.from, "the profile default of the credentials file");
    files.credentials = text_of("");
    assert_int_equal(FIND(IDENTITY, CONTAINER), AWS_WEB_IDENTITY);
    assert_string_equal(source.role_arn, "arn:aws:iam::123456789012:role/r");
    assert_string_equal(source.token_file, "/var/run/token");
    assert_string_equal(source.session, "pillion");
    assert_int_equal(FIND(CONTAINER), AWS_CONTAINER);
    assert_string_equal(source.url, "http://169.254.170.23/v1/credentials");
    assert_int_equal(find_on(NULL, NULL), AWS_MACHINE);
    assert_int_equal(find_on(NO_EC2, NULL), AWS_NOWHERE);
    assert_non_null(strstr(source.reason, NO_EC2));
}

static void half_a_pair_of_keys_is_no_source(void **state)
{
    (void)state;
    assert_int_equal(FIND("AWS_ACCESS_KEY_ID", "A", CONTAINER), AWS_CONTAINER);
    assert_int_equal(FIND("AWS_ACCESS_KEY_ID", "A", "AWS_SECRET_ACCESS_KEY", "", CONTAINER), AWS_CONTAINER);
    assert_int_equal(FIND("AWS_ROLE_ARN", "arn", CONTAINER), AWS_CONTAINER);
    files.credentials = text_of("[default]\naws_access_key_id = A\n");
    assert_int_equal(FIND(CONTAINER), AWS_CONTAINER);
}

static void a_session_token_belongs_to_the_keys(void **state)
{
    (void)state;
    assert_int_equal(FIND(KEYS, "AWS_SESSION_TOKEN", " token\n"), AWS_ENVIRONMENT);
    assert_string_equal(source.keys.session_token, "token");
    files.credentials = text_of(credentials_file);
    assert_int_equal(FIND("AWS_PROFILE", "user1", "AWS_SESSION_TOKEN", "another"), AWS_FILES);
    assert_string_equal(source.keys.session_token, "AQoEXAMPLEH4aoAH0gNCAPy==");
}

static void a_profile_that_is_named_is_the_one_or_there_is_none(void **state)
{
    (void)state;
    files.credentials = text_of(credentials_file);
    files.config = text_of(config_file);
    assert_int_equal(FIND("AWS_PROFILE", "user1", CONTAINER), AWS_FILES);
    assert_string_equal(source.keys.access_key, "AKIAI44QH8DHBEXAMPLE");
    assert_string_equal(source.region, "us-east-1");
    files.refused = "~/.aws/config is not read: Permission denied";
    assert_int_equal(FIND("AWS_PROFILE", "user3", CONTAINER), AWS_NOWHERE);
    assert_string_equal(source.reason, "AWS_PROFILE=user3 is in none of the two files of ~/.aws (~/.aws/config is not "
                                       "read: Permission denied)");
    assert_int_equal(FIND("AWS_PROFILE", "user3", KEYS), AWS_ENVIRONMENT);
}

static void what_is_never_done_ends_the_search_by_its_name(void **state)
{
    (void)state;
    static const char *const never[][2] = {
        {"credential_process = /opt/tool --x", "a credential_process"},
        {"sso_session = s\nsso_account_id = 1", "SSO"},
        {"sso_account_id = 1\nsso_start_url = u", "SSO"},
        {"login_session = arn", "SSO"},
        {"role_arn = r\nsource_profile = default", "a role with a source_profile"},
        {"role_arn = r\nsource_profile = default\nmfa_serial = m", "a role with MFA"},
        {"role_arn = r\ncredential_source = Ec2InstanceMetadata", "a role with a credential_source"},
        {"role_arn = r\nsource_profile = a\naws_access_key_id = A\naws_secret_access_key = s", "a role with a"},
    };
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        char file[256];
        (void)snprintf(file, sizeof file, "[default]\n%s\n", never[i][0]);
        files.config = text_of(file);
        assert_int_equal(FIND(CONTAINER, IDENTITY), AWS_NOWHERE);
        if (!strstr(source.reason, never[i][1]) || !strstr(source.reason, "never done"))
            fail_msg("%s: %s", never[i][0], source.reason);
        assert_int_equal(FIND(KEYS), AWS_ENVIRONMENT);
    }
    files.config = text_of("[default]\ncredential_process = x\naws_access_key_id = A\naws_secret_access_key = s\n");
    assert_int_equal(FIND(CONTAINER), AWS_FILES);
    assert_string_equal(source.from, "the profile default of the config file");
}

static void a_profile_may_have_a_web_identity(void **state)
{
    (void)state;
    files.config = text_of(
        "[default]\nrole_arn = r\nweb_identity_token_file = /t\nrole_session_name = s\nregion=cn-x\n");
    assert_int_equal(FIND(CONTAINER), AWS_WEB_IDENTITY);
    assert_string_equal(source.role_arn, "r");
    assert_string_equal(source.token_file, "/t");
    assert_string_equal(source.session, "s");
    assert_string_equal(source.url, "https://sts.cn-x.amazonaws.com.cn/");
}

static void the_region_is_that_of_the_environment_or_the_profile(void **state)
{
    (void)state;
    files.config = text_of(config_file);
    assert_int_equal(FIND(CONTAINER, "AWS_REGION", "a-1", "AWS_DEFAULT_REGION", "b-1"), AWS_CONTAINER);
    assert_string_equal(source.region, "a-1");
    assert_int_equal(FIND(CONTAINER, "AWS_DEFAULT_REGION", "b-1"), AWS_CONTAINER);
    assert_string_equal(source.region, "b-1");
    assert_int_equal(FIND(CONTAINER), AWS_CONTAINER);
    assert_string_equal(source.region, "us-west-2");
    assert_int_equal(FIND(CONTAINER, "AWS_REGION", "evil.example/"), AWS_CONTAINER);
    assert_string_equal(source.region, "");
    assert_int_equal(FIND(KEYS, "AWS_REGION", "a-1"), AWS_ENVIRONMENT);
    assert_string_equal(source.region, "a-1");
}

static void the_sts_is_the_regions_or_one_that_tests_name(void **state)
{
    (void)state;
    assert_int_equal(FIND(IDENTITY), AWS_WEB_IDENTITY);
    assert_string_equal(source.url, "https://sts.amazonaws.com/");
    assert_int_equal(FIND(IDENTITY, "AWS_REGION", "eu-west-1"), AWS_WEB_IDENTITY);
    assert_string_equal(source.url, "https://sts.eu-west-1.amazonaws.com/");
    assert_int_equal(FIND(IDENTITY, "AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9/x/"), AWS_WEB_IDENTITY);
    assert_string_equal(source.url, "http://127.0.0.1:9/x/");
    assert_int_equal(FIND(IDENTITY, "AWS_ENDPOINT_URL", "https://minio.example"), AWS_WEB_IDENTITY);
    assert_string_equal(source.url, "https://minio.example/");
    assert_int_equal(FIND(IDENTITY, "AWS_ENDPOINT_URL_STS", "http://minio.example"), AWS_NOWHERE);
    assert_non_null(strstr(source.reason, "plain http"));
    assert_int_equal(FIND(IDENTITY, "AWS_ENDPOINT_URL_STS", "minio"), AWS_NOWHERE);
}

static void keys_that_are_none_are_refused_without_being_shown(void **state)
{
    (void)state;
    assert_int_equal(FIND("AWS_ACCESS_KEY_ID", "AK", "AWS_SECRET_ACCESS_KEY", "se cret\x01"), AWS_NOWHERE);
    assert_null(strstr(source.reason, "cret"));
    assert_non_null(strstr(source.reason, "AWS_SECRET_ACCESS_KEY"));
}

static void the_machine_may_be_left_out(void **state)
{
    (void)state;
    static const char *const off[] = {"AWS_EC2_METADATA_DISABLED", "True", NULL, NULL};
    static const char *const on[] = {"AWS_EC2_METADATA_DISABLED", "false", NULL, NULL};
    assert_int_equal(find_on(NULL, off), AWS_NOWHERE);
    assert_non_null(strstr(source.reason, "AWS_EC2_METADATA_DISABLED"));
    assert_int_equal(find_on(NULL, on), AWS_MACHINE);
}

static void a_containers_token_is_the_files_before_the_variables(void **state)
{
    (void)state;
    assert_int_equal(FIND(CONTAINER, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "t"), AWS_CONTAINER);
    assert_string_equal(source.authorization, "t");
    assert_null(source.token_file);
    assert_int_equal(
        FIND(CONTAINER, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "t", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/f"),
        AWS_CONTAINER);
    assert_null(source.authorization);
    assert_string_equal(source.token_file, "/f");
    assert_int_equal(FIND(CONTAINER, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x"), AWS_CONTAINER);
    assert_string_equal(source.url, "http://169.254.170.2/v2/x");
    assert_int_equal(FIND("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/"), AWS_NOWHERE);
}

static void files_are_needed_unless_the_environment_has_the_keys(void **state)
{
    (void)state;
    variables = (const char *const[]){KEYS, NULL, NULL};
    assert_false(aws_source_needs_files(lookup));
    variables = (const char *const[]){IDENTITY, "AWS_ACCESS_KEY_ID", "x", NULL, NULL};
    assert_true(aws_source_needs_files(lookup));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_profile_is_read_as_the_aws_tools_write_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sections_that_are_no_profile_are_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_default_profile_by_its_full_name_counts_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(odd_spellings_are_understood, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_credentials_say_counts_more_than_config, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_source_in_the_order_of_the_sdks_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(half_a_pair_of_keys_is_no_source, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_session_token_belongs_to_the_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_profile_that_is_named_is_the_one_or_there_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_never_done_ends_the_search_by_its_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_profile_may_have_a_web_identity, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_region_is_that_of_the_environment_or_the_profile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_sts_is_the_regions_or_one_that_tests_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_that_are_none_are_refused_without_being_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_machine_may_be_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_containers_token_is_the_files_before_the_variables, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_are_needed_unless_the_environment_has_the_keys, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
