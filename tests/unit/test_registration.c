// SPDX-License-Identifier: Apache-2.0
// What is told about a run when it is registered, and what only with consent.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cJSON.h>
#include <string.h>

#include "base/json_write.h"
#include "base/text.h"
#include "collect/machine.h"
#include "engine/registration.h"
#include "store/journal_read.h"

static struct config  config;
static struct machine machine;
static cJSON         *body;
static char           text[4096];

static const char *const arguments[] = {"python3", "/home/somebody/secret-folder/train.py", "--password=hunter2", NULL};

static int make(void **state)
{
    (void)state;
    config = (struct config){0};
    machine = (struct machine){.host_name = "private-host",
                               .boot_id = "private-boot",
                               .cpu_model = "A CPU",
                               .id = "private-id",
                               .cpus = 8,
                               .memory_mib = 16000,
                               .storage_bytes = 500000000000};
    body = NULL;
    return 0;
}

static int drop(void **state)
{
    (void)state;
    cJSON_Delete(body);
    return 0;
}

static void compose(const char *const *with)
{
    struct bytes b;
    bytes_init(&b, sizeof text - 1);
    assert_int_equal(registration_compose(&config, &machine, "/usr/bin/python3.11", with, &b), 0);
    assert_true(b.len < sizeof text);
    memcpy(text, b.data, b.len + 1);
    assert_int_equal(json_check(text_span(b.data, b.len), 1000), 0);
    bytes_done(&b);
    cJSON_Delete(body);
    body = cJSON_Parse(text);
    assert_true(cJSON_IsObject(body));
}

static void assert_absent(const char *key)
{
    assert_null(cJSON_GetObjectItemCaseSensitive(body, key));
}

static void without_consent_nothing_personal_goes_out(void **state)
{
    (void)state;
    compose(arguments);
    static const char *const personal[] = {"private", "somebody", "secret-folder", "hunter2", "password", "/home"};
    for (size_t i = 0; i < sizeof personal / sizeof *personal; i++)
        assert_null(strstr(text, personal[i]));
    static const char *const keys[] = {"host_hostname", "host_ip", "host_id", "pid", "cloud_account_id"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_absent(keys[i]);
    assert_string_equal(journal_text(body, "command"), "[\"python3.11\"]");
    assert_string_equal(journal_text(body, "job_name"), "train.py");
}

static void facts_about_the_machine_go_out(void **state)
{
    (void)state;
    compose(arguments);
    assert_true(journal_number(body, "host_vcpus", 0) == 8);
    assert_true(journal_number(body, "host_memory_mib", 0) == 16000);
    assert_true(journal_number(body, "host_storage_gb", 0) == 500);
    assert_string_equal(journal_text(body, "host_cpu_model"), "A CPU");
}

static void what_is_unknown_is_left_out(void **state)
{
    (void)state;
    config.share = SHARE_ALL;
    machine = (struct machine){.cpus = METRIC_NONE, .memory_mib = METRIC_NONE, .storage_bytes = METRIC_NONE};
    compose(arguments);
    static const char *const keys[] = {"host_vcpus",    "host_memory_mib", "host_storage_gb", "host_cpu_model",
                                       "host_hostname", "host_id",         "project_name",    "tags"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_absent(keys[i]);
    assert_null(strstr(text, "null"));
}

static void each_word_shares_its_own_field(void **state)
{
    (void)state;
    char ip[46];
    config.share = SHARE_HOSTNAME;
    compose(arguments);
    assert_string_equal(journal_text(body, "host_hostname"), "private-host");
    assert_absent("host_id");
    config.share = SHARE_HOST_ID;
    compose(arguments);
    assert_string_equal(journal_text(body, "host_id"), "private-id");
    assert_absent("host_hostname");
    config.share = SHARE_IP;
    compose(arguments);
    if (machine_ip(ip, sizeof ip) == 0)
        assert_string_equal(journal_text(body, "host_ip"), ip);
    else
        assert_absent("host_ip");
    assert_null(strstr(text, "private"));
    config.share = SHARE_COMMAND;
    compose(arguments);
    assert_string_equal(journal_text(body, "command"),
                        "[\"python3\",\"/home/somebody/secret-folder/train.py\",\"--password=hunter2\"]");
    assert_null(strstr(text, "private"));
}

static void the_users_names_stand(void **state)
{
    (void)state;
    config.metadata.job_name = "my job";
    config.metadata.team = "team";
    config.tags[0] = (struct sentinel_pair){"key", "value"};
    config.metadata.tags = config.tags;
    config.metadata.tag_count = 1;
    compose(arguments);
    assert_string_equal(journal_text(body, "job_name"), "my job");
    assert_string_equal(journal_text(body, "team"), "team");
    const cJSON *tag = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(body, "tags"), 0);
    assert_string_equal(journal_text(tag, "key"), "key");
    assert_string_equal(journal_text(tag, "value"), "value");
}

static void a_program_without_arguments_has_its_name(void **state)
{
    (void)state;
    config.share = SHARE_COMMAND;
    compose(NULL);
    assert_string_equal(journal_text(body, "command"), "[\"python3.11\"]");
    assert_string_equal(journal_text(body, "job_name"), "python3.11");
}

static void the_language_is_the_interpreters_unless_the_user_says_otherwise(void **state)
{
    (void)state;
    compose(arguments);
    assert_string_equal(journal_text(body, "language"), "python");
    config.metadata.language = "fortran";
    compose(arguments);
    assert_string_equal(journal_text(body, "language"), "fortran");
}

static void code_on_the_command_line_does_not_go_out(void **state)
{
    (void)state;
    const char *const code[] = {"python3", "-c", "token = 'hunter2'", NULL};
    compose(code);
    assert_null(strstr(text, "hunter2"));
    assert_string_equal(journal_text(body, "job_name"), "python3.11");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_consent_nothing_personal_goes_out),
        TEST(facts_about_the_machine_go_out),
        TEST(what_is_unknown_is_left_out),
        TEST(each_word_shares_its_own_field),
        TEST(the_users_names_stand),
        TEST(a_program_without_arguments_has_its_name),
        TEST(the_language_is_the_interpreters_unless_the_user_says_otherwise),
        TEST(code_on_the_command_line_does_not_go_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
