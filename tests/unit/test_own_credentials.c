// SPDX-License-Identifier: Apache-2.0
// Keys for a bucket of the user's own: when they are looked for, asked for and renewed, and which files count.
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>

#include "base/clock.h"
#include "delivery/own_credentials.h"
#include "sentinel/aws/aws_profile.h"

#define SECONDS CLOCK_SECOND
#define ROLE    "arn:aws:iam::123456789012:role/r"

static struct fixture         f;
static struct own_credentials o;
static struct http_request    request;
static int64_t                now;

static const char *const variables[] = {"AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_PROFILE",
                                        "AWS_SHARED_CREDENTIALS_FILE",
                                        "AWS_CONFIG_FILE",
                                        "AWS_ROLE_ARN",
                                        "AWS_WEB_IDENTITY_TOKEN_FILE",
                                        "AWS_ENDPOINT_URL_STS",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                        "AWS_EC2_METADATA_DISABLED",
                                        "AWS_REGION",
                                        "AWS_DEFAULT_REGION"};

static void begin(enum config_cloud cloud)
{
    static struct config config;
    config.cloud = cloud;
    own_credentials_done(&o);
    own_credentials_init(&o, &config);
    o.roots = f.roots;
}

static int set_up(void **state)
{
    (void)state;
    fixture_open(&f);
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        (void)unsetenv(variables[i]);
    (void)setenv("HOME", f.root, 1);
    now = clock_monotonic();
    begin(CONFIG_CLOUD_AUTO);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    http_request_done(&request);
    own_credentials_done(&o);
    fixture_close(&f);
    return 0;
}

static const char *path(const char *name)
{
    static char full[512];
    fixture_path(&f, name, full);
    return full;
}

static enum own_step next(void)
{
    int64_t due = 0;
    return own_credentials_next(&o, now, &due);
}

static int64_t due_in(void)
{
    int64_t due = 0;
    assert_int_equal(own_credentials_next(&o, now, &due), OWN_NOTHING);
    return due == INT64_MAX ? due : (due - now) / SECONDS;
}

static void ask(enum own_step step)
{
    assert_int_equal(next(), step);
    http_request_done(&request);
    assert_int_equal(own_credentials_request(&o, step, &request), 0);
}

static void answer(enum own_step step, long status, const char *body)
{
    struct http_answer a = {.status = status, .retry_after_s = -1};
    bytes_init(&a.body, HTTP_ANSWER_MAX);
    bytes_text(&a.body, body);
    own_credentials_answer(&o, step, &a, now);
    bytes_done(&a.body);
}

static void no_answer(enum own_step step)
{
    const struct http_answer a = {.error = -ETIMEDOUT, .message = "nothing came", .retry_after_s = -1};
    own_credentials_answer(&o, step, &a, now);
}

static void answer_json(enum own_step step, const char *key, int64_t seconds)
{
    char body[256];
    char expires[21];
    clock_format_utc(clock_real() / SECONDS + seconds, expires);
    (void)snprintf(body, sizeof body,
                   "{\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"%s\"}", key,
                   expires);
    answer(step, 200, body);
}

static void answer_xml(const char *key, int64_t seconds)
{
    char body[512];
    char expires[21];
    clock_format_utc(clock_real() / SECONDS + seconds, expires);
    (void)snprintf(body, sizeof body,
                   "<R><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
                   "<SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials></R>",
                   key, expires);
    answer(OWN_WEB_IDENTITY, 200, body);
}

static void assert_keys(const char *key)
{
    assert_true(own_credentials_are_good(&o));
    assert_string_equal(o.credentials.access_key, key);
    assert_string_equal(o.reason, "");
}

static void assert_hopeless(const char *reason)
{
    assert_int_equal(next(), OWN_NOTHING);
    assert_true(o.hopeless);
    assert_false(own_credentials_are_good(&o));
    if (!strstr(o.reason, reason))
        fail_msg("\"%s\" is not in: %s", reason, o.reason);
}

static void be_on_ec2(void)
{
    fixture_write(&f, "sys/class/dmi/id/sys_vendor", "Amazon EC2\n");
}

static void be_in_a_container(void)
{
    (void)setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/keys", 1);
}

/* ---- environment and files ---- */

static void nothing_is_looked_at_before_the_first_question(void **state)
{
    (void)state;
    assert_false(o.looked);
    assert_false(own_credentials_are_good(&o));
    (void)setenv("AWS_ACCESS_KEY_ID", "AK", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    (void)setenv("AWS_REGION", "eu-west-1", 1);
    assert_true(due_in() == INT64_MAX);
    assert_keys("AK");
    assert_null(o.credentials.session_token);
    assert_string_equal(o.source.region, "eu-west-1");
}

static void keys_of_the_environment_keep_files_unopened(void **state)
{
    (void)state;
    (void)setenv("AWS_ACCESS_KEY_ID", "AK", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    fixture_write(&f, ".aws/config", "[default]\nregion = eu-west-2\n");
    assert_true(due_in() == INT64_MAX);
    assert_keys("AK");
    assert_string_equal(o.source.region, "");
}

static void the_files_of_home_are_read_once(void **state)
{
    (void)state;
    fixture_write(&f, ".aws/credentials", "[default]\naws_access_key_id = A1\naws_secret_access_key = s\n");
    fixture_write(&f, ".aws/config", "[default]\nregion = eu-west-2\n");
    assert_true(due_in() == INT64_MAX);
    assert_keys("A1");
    assert_string_equal(o.source.region, "eu-west-2");
    fixture_write(&f, ".aws/credentials", "[default]\naws_access_key_id = A2\naws_secret_access_key = s\n");
    assert_true(due_in() == INT64_MAX);
    assert_keys("A1");
}

static void files_that_variables_name_are_read_instead(void **state)
{
    (void)state;
    fixture_write(&f, ".aws/credentials", "[default]\naws_access_key_id = A1\naws_secret_access_key = s\n");
    fixture_write(&f, "mine", "[default]\naws_access_key_id = A2\naws_secret_access_key = s\n");
    (void)setenv("AWS_SHARED_CREDENTIALS_FILE", path("mine"), 1);
    assert_int_equal(next(), OWN_NOTHING);
    assert_keys("A2");
    begin(CONFIG_CLOUD_AUTO);
    (void)setenv("AWS_SHARED_CREDENTIALS_FILE", "~/mine", 1);
    assert_int_equal(next(), OWN_NOTHING);
    assert_keys("A2");
}

static void what_is_no_file_of_this_users_is_not_read(void **state)
{
    (void)state;
    (void)setenv("AWS_SHARED_CREDENTIALS_FILE", path("pipe"), 1);
    assert_int_equal(mkfifo(path("pipe"), 0600), 0);
    assert_hopeless("pipe is not read: it is no regular file");
    begin(CONFIG_CLOUD_AUTO);
    (void)setenv("AWS_SHARED_CREDENTIALS_FILE", path(""), 1);
    assert_hopeless("it is no regular file");
    begin(CONFIG_CLOUD_AUTO);
    (void)setenv("AWS_SHARED_CREDENTIALS_FILE", path("nowhere"), 1);
    assert_hopeless("nowhere is not read: No such file");
    (void)unsetenv("AWS_SHARED_CREDENTIALS_FILE");
    begin(CONFIG_CLOUD_AUTO);
    (void)setenv("HOME", path("sys"), 1);
    assert_hopeless("there are no keys in the environment");
    if (geteuid() != 0)
        return;
    fixture_write(&f, "theirs", "[default]\naws_access_key_id = A2\naws_secret_access_key = s\n");
    assert_int_equal(chown(path("theirs"), 4711, 4711), 0);
    (void)setenv("AWS_SHARED_CREDENTIALS_FILE", path("theirs"), 1);
    begin(CONFIG_CLOUD_AUTO);
    assert_hopeless("theirs is not read");
    (void)unsetenv("AWS_SHARED_CREDENTIALS_FILE");
    fixture_write(&f, "home/.aws/credentials", "[default]\naws_access_key_id = A2\naws_secret_access_key = s\n");
    assert_int_equal(chown(path("home"), 4711, 4711), 0);
    (void)setenv("HOME", path("home"), 1);
    begin(CONFIG_CLOUD_AUTO);
    assert_hopeless("there are no keys in the environment");
    assert_int_equal(chown(path("home"), 0, 0), 0);
    begin(CONFIG_CLOUD_AUTO);
    assert_int_equal(next(), OWN_NOTHING);
    assert_keys("A2");
}

static void a_file_beyond_measure_is_not_read(void **state)
{
    (void)state;
    char *text = malloc(AWS_FILE_MAX + 1);
    assert_non_null(text);
    memset(text, '\n', AWS_FILE_MAX + 1);
    fixture_write_bytes(&f, ".aws/credentials", text, AWS_FILE_MAX + 1);
    free(text);
    assert_hopeless("~/.aws/credentials is not read");
}

static void keys_that_s3_refuses_are_not_had_anew_from_where_they_stand(void **state)
{
    (void)state;
    (void)setenv("AWS_ACCESS_KEY_ID", "AK", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    assert_int_equal(next(), OWN_NOTHING);
    own_credentials_rejected(&o, now);
    assert_hopeless("S3 does not take AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
}

/* ---- keys that are asked for ---- */

static void a_containers_keys_are_renewed_before_they_expire(void **state)
{
    (void)state;
    be_in_a_container();
    (void)setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "word", 1);
    ask(OWN_CONTAINER);
    assert_string_equal(request.url, "http://127.0.0.1:9/keys");
    assert_string_equal(request.headers[1], "Authorization: word");
    answer_json(OWN_CONTAINER, "A1", 3600);
    assert_keys("A1");
    assert_in_range(due_in(), 3295, 3301);
    now += 3300 * SECONDS; /* on the monotonic clock; the other one has not moved */
    o.credentials.expires_at -= 3300;
    ask(OWN_CONTAINER);
    answer_json(OWN_CONTAINER, "A2", 3600);
    assert_keys("A2");
}

static void keys_that_live_shortly_are_renewed_once_a_minute(void **state)
{
    (void)state;
    be_in_a_container();
    ask(OWN_CONTAINER);
    answer_json(OWN_CONTAINER, "A1", 30);
    assert_in_range(due_in(), 59, 60);
    now += 60 * SECONDS;
    ask(OWN_CONTAINER);
}

static void keys_that_serve_are_not_renewed_at_the_end(void **state)
{
    (void)state;
    be_in_a_container();
    ask(OWN_CONTAINER);
    answer_json(OWN_CONTAINER, "A1", 100);
    now += 60 * SECONDS;
    assert_int_equal(next(), OWN_CONTAINER);
    o.ending = true;
    assert_true(due_in() == INT64_MAX);
    o.credentials.expires_at -= 200;
    assert_int_equal(next(), OWN_CONTAINER);
}

static void old_keys_serve_while_new_ones_cannot_be_had(void **state)
{
    (void)state;
    be_in_a_container();
    ask(OWN_CONTAINER);
    answer_json(OWN_CONTAINER, "A1", 200);
    now += 60 * SECONDS;
    ask(OWN_CONTAINER);
    answer(OWN_CONTAINER, 404, "{}");
    assert_true(own_credentials_are_good(&o));
    assert_string_equal(o.credentials.access_key, "A1");
    assert_non_null(strstr(o.reason, "HTTP 404"));
    assert_in_range(due_in(), 299, 300);
    now += 300 * SECONDS;
    ask(OWN_CONTAINER);
    no_answer(OWN_CONTAINER);
    assert_in_range(due_in(), 59, 60);
    now += 60 * SECONDS;
    ask(OWN_CONTAINER);
    answer_json(OWN_CONTAINER, "A2", 3600);
    assert_keys("A2");
}

static void a_server_that_is_sick_is_asked_again_and_one_that_says_no_is_not(void **state)
{
    (void)state;
    be_in_a_container();
    ask(OWN_CONTAINER);
    answer(OWN_CONTAINER, 503, "busy");
    assert_in_range(due_in(), 0, 1);
    assert_non_null(strstr(o.reason, "HTTP 503"));
    now += SECONDS;
    ask(OWN_CONTAINER);
    answer(OWN_CONTAINER, 200, "{\"nonsense\":1}");
    assert_in_range(due_in(), 1, 2);
    assert_non_null(strstr(o.reason, "makes no sense"));
    now += 2 * SECONDS;
    ask(OWN_CONTAINER);
    answer(OWN_CONTAINER, 403, "{\"Code\":\"no\"}");
    assert_hopeless("HTTP 403");
}

static void rejected_keys_are_asked_for_anew_at_once_but_not_twice_a_minute(void **state)
{
    (void)state;
    be_in_a_container();
    ask(OWN_CONTAINER);
    answer_json(OWN_CONTAINER, "A1", 3600);
    own_credentials_rejected(&o, now);
    assert_false(own_credentials_are_good(&o));
    ask(OWN_CONTAINER);
    answer_json(OWN_CONTAINER, "A2", 3600);
    assert_keys("A2");
    own_credentials_rejected(&o, now);
    assert_in_range(due_in(), 59, 60);
    now += 60 * SECONDS;
    ask(OWN_CONTAINER);
    answer_json(OWN_CONTAINER, "A3", 3600);
    assert_keys("A3");
}

static void the_token_of_a_web_identity_is_read_anew_each_time(void **state)
{
    (void)state;
    (void)setenv("AWS_ROLE_ARN", ROLE, 1);
    (void)setenv("AWS_WEB_IDENTITY_TOKEN_FILE", path("token"), 1);
    (void)setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9", 1);
    fixture_write(&f, "token", "first");
    ask(OWN_WEB_IDENTITY);
    assert_string_equal(request.url, "http://127.0.0.1:9/");
    assert_non_null(strstr(request.body.data, "WebIdentityToken=first"));
    answer(OWN_WEB_IDENTITY, 400, "<E><Error><Code>ExpiredTokenException</Code></Error></E>");
    assert_in_range(due_in(), 0, 1);
    fixture_write(&f, "token", "second");
    now += SECONDS;
    ask(OWN_WEB_IDENTITY);
    assert_non_null(strstr(request.body.data, "WebIdentityToken=second"));
    answer_xml("A1", 3600);
    assert_keys("A1");
}

static void a_token_that_is_not_there_is_looked_for_again(void **state)
{
    (void)state;
    (void)setenv("AWS_ROLE_ARN", ROLE, 1);
    (void)setenv("AWS_WEB_IDENTITY_TOKEN_FILE", path("token"), 1);
    assert_int_equal(next(), OWN_WEB_IDENTITY);
    assert_int_equal(own_credentials_request(&o, OWN_WEB_IDENTITY, &request), -ENOENT);
    assert_null(request.url);
    own_credentials_failed(&o, OWN_WEB_IDENTITY, -ENOENT, now);
    assert_non_null(strstr(o.reason, "its token cannot be read or sent: No such file"));
    assert_in_range(due_in(), 0, 1);
    fixture_write_bytes(&f, "token", "", 0);
    assert_int_equal(own_credentials_request(&o, OWN_WEB_IDENTITY, &request), -ENODATA);
    fixture_write(&f, "token", "t");
    now += SECONDS;
    ask(OWN_WEB_IDENTITY);
    answer(OWN_WEB_IDENTITY, 403, "<E><Error><Code>AccessDenied</Code></Error></E>");
    assert_hopeless("AccessDenied");
}

/* ---- the machine ---- */

static void hear_the_machine(const char *key)
{
    ask(OWN_MACHINE);
    assert_non_null(strstr(request.url, "/latest/api/token"));
    assert_in_range(request.timeout_ms, 1, 1000);
    answer(OWN_MACHINE, 200, "machines-token");
    ask(OWN_MACHINE);
    answer(OWN_MACHINE, 200, "a-role");
    ask(OWN_MACHINE);
    assert_non_null(strstr(request.url, "/security-credentials/a-role"));
    answer_json(OWN_MACHINE, key, 6 * 3600);
    assert_keys(key);
}

static void a_machine_is_asked_only_where_it_is_one_of_ec2(void **state)
{
    (void)state;
    assert_hopeless("none of EC2's");
    be_on_ec2();
    begin(CONFIG_CLOUD_OFF);
    assert_hopeless("PILLION_CLOUD is off");
    begin(CONFIG_CLOUD_AUTO);
    (void)setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    assert_hopeless("AWS_EC2_METADATA_DISABLED");
    (void)unsetenv("AWS_EC2_METADATA_DISABLED");
    begin(CONFIG_CLOUD_AUTO);
    hear_the_machine("A1");
    assert_in_range(due_in(), 6 * 3600 - 301, 6 * 3600 - 299);
    now += (int64_t)6 * 3600 * SECONDS;
    o.credentials.expires_at -= 6 * 3600;
    hear_the_machine("A2");
}

static void a_machine_that_gives_no_keys_is_not_asked_again(void **state)
{
    (void)state;
    be_on_ec2();
    ask(OWN_MACHINE);
    no_answer(OWN_MACHINE);
    assert_hopeless("nothing came");
    begin(CONFIG_CLOUD_AUTO);
    ask(OWN_MACHINE);
    answer(OWN_MACHINE, 200, "t");
    ask(OWN_MACHINE);
    answer(OWN_MACHINE, 404, "no role");
    assert_hopeless("HTTP 404");
    begin(CONFIG_CLOUD_AUTO);
    ask(OWN_MACHINE);
    answer(OWN_MACHINE, 200, "<html>a portal</html>");
    assert_hopeless("makes no sense");
}

static void a_machine_whose_answer_never_came_back_is_asked_from_the_start(void **state)
{
    (void)state;
    be_on_ec2();
    ask(OWN_MACHINE);
    answer(OWN_MACHINE, 200, "t");
    now += 2 * SECONDS; /* the owner gave up: the program has forked, or became another */
    hear_the_machine("A1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_looked_at_before_the_first_question, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_of_the_environment_keep_files_unopened, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_files_of_home_are_read_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_that_variables_name_are_read_instead, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_file_of_this_users_is_not_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_beyond_measure_is_not_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_that_s3_refuses_are_not_had_anew_from_where_they_stand, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_containers_keys_are_renewed_before_they_expire, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_that_live_shortly_are_renewed_once_a_minute, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_that_serve_are_not_renewed_at_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(old_keys_serve_while_new_ones_cannot_be_had, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_server_that_is_sick_is_asked_again_and_one_that_says_no_is_not, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(rejected_keys_are_asked_for_anew_at_once_but_not_twice_a_minute, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_token_of_a_web_identity_is_read_anew_each_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_token_that_is_not_there_is_looked_for_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_machine_is_asked_only_where_it_is_one_of_ec2, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_machine_that_gives_no_keys_is_not_asked_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_machine_whose_answer_never_came_back_is_asked_from_the_start, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
