// SPDX-License-Identifier: Apache-2.0
// What of a run goes into a bucket of the user's own as JSON, and what only with consent.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cJSON.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "delivery/run_document.h"
#include "store/journal_read.h"

#define STATE                                                                                                          \
    "{\"format\":1,\"id\":\"20261129T161000Z-private-host-4242\",\"state\":\"undelivered\",\"reason\":\"secret "       \
    "reason\",\"command\":[\"/home/somebody/train.py\",\"--password=hunter2\"],\"executable\":\"/home/somebody/py\","  \
    "\"pid\":4242,\"machine\":{\"boot_id\":\"private-boot\",\"pid_namespace\":1,\"host_name\":\"private-host\"},"      \
    "\"started_at\":\"2026-11-29T16:10:00.500Z\",\"interval\":0.05,\"upload_interval\":60,\"container\":{\"pod\":"     \
    "\"private-pod\"},\"cgroup_before\":{\"memory\":\"/private/path\"},\"output\":\"/home/somebody/x.csv\","           \
    "\"registration\":{\"job_name\":\"train\",\"command\":\"[\\\"py\\\"]\",\"host_vcpus\":8},\"api_url\":"             \
    "\"s3://bucket/x\",\"destination\":\"s3://bucket/x\",\"key\":\"20261129T161000Z-aabbccdd-4242-0123456789abcdef\"," \
    "\"date\":\"2026-11-29\",\"share\":%u,\"continues\":\"20261129T160000Z-private-host-4242\"%s}"
#define END                                                                                                       \
    ",\"finished_at\":\"2026-11-29T16:20:00.000Z\",\"duration_s\":599.5,\"exit_code\":137,\"signal\":9,"          \
    "\"totals\":{\"user_s\":1.25,\"system_s\":0.5,\"max_rss_kib\":2048},\"cost\":{\"cpu_s\":0.1,\"rows\":600},"   \
    "\"commands\":[{\"name\":\"private-script.py\",\"gpu_s\":1.5},{\"name\":\"b\",\"gpu_s\":2}],\"uploaded\":10," \
    "\"batch\":[1,2],\"result\":{\"x\":1}"

static char         text[8192];
static cJSON       *document;
static struct bytes made;

static void compose(unsigned share, bool ended)
{
    (void)snprintf(text, sizeof text, STATE, share, ended ? END : "");
    cJSON *state = cJSON_Parse(text);
    assert_non_null(state);
    bytes_done(&made);
    cJSON_Delete(document);
    assert_int_equal(ended ? run_document_ended(state, 10, &made) : run_document_started(state, &made), 0);
    document = cJSON_Parse(made.data);
    assert_non_null(document);
    cJSON_Delete(state);
}

static int drop(void **state)
{
    (void)state;
    bytes_done(&made);
    cJSON_Delete(document);
    document = NULL;
    return 0;
}

static void nothing_private_is_in_either(void **state)
{
    (void)state;
    static const char *const words[] = {"private", "somebody",      "hunter2", "secret",
                                        "bucket",  "cgroup_before", "result"};
    for (int ended = 0; ended < 2; ended++) {
        compose(0, ended);
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (strstr(made.data, words[i]))
                fail_msg("%s is in %s", words[i], made.data);
    }
}

static void a_start_tells_what_was_begun(void **state)
{
    (void)state;
    compose(0, false);
    assert_string_equal(
        made.data, "{\"format\":1,\"id\":\"20261129T161000Z-aabbccdd-4242-0123456789abcdef\",\"state\":\"running\","
                   "\"command\":[\"py\"],\"machine\":{\"boot\":\"57261e9a\"},\"started_at\":"
                   "\"2026-11-29T16:10:00.500Z\",\"interval\":0.05,\"upload_interval\":60,\"registration\":"
                   "{\"job_name\":\"train\",\"command\":\"[\\\"py\\\"]\",\"host_vcpus\":8}}");
}

static void an_end_tells_how_and_what_was_used(void **state)
{
    (void)state;
    compose(0, true);
    assert_true(journal_is(document, "state", "finished"));
    assert_int_equal(journal_number(document, "exit_code", -1), 137);
    assert_int_equal(journal_number(document, "signal", -1), 9);
    assert_int_equal(journal_number(document, "objects", -1), 10);
    assert_true(journal_number(document, "duration_s", -1) == 599.5);
    assert_true(journal_number(document, "gpu_s", -1) == 3.5);
    assert_true(journal_number(cJSON_GetObjectItem(document, "totals"), "user_s", -1) == 1.25);
    assert_true(journal_number(cJSON_GetObjectItem(document, "cost"), "rows", -1) == 600);
    assert_null(cJSON_GetObjectItem(document, "commands"));
}

static void consent_lets_names_out(void **state)
{
    (void)state;
    compose(SHARE_HOSTNAME, true);
    assert_true(journal_is(cJSON_GetObjectItem(document, "machine"), "host_name", "private-host"));
    assert_null(cJSON_GetObjectItem(document, "container"));
    compose(SHARE_COMMAND, true);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(document, "commands")), 2);
    compose(SHARE_ALL, true);
    assert_true(journal_is(cJSON_GetObjectItem(document, "container"), "pod", "private-pod"));
}

static void what_comes_later_changes_nothing_that_was_sent(void **state)
{
    (void)state;
    char before[sizeof text];
    compose(0, false);
    (void)snprintf(before, sizeof before, "%s", made.data);
    (void)snprintf(text, sizeof text, STATE, 0U, END ",\"state\":\"finishing\",\"command\":[\"other\"]");
    cJSON *later = cJSON_Parse(text);
    assert_non_null(later);
    bytes_done(&made);
    assert_int_equal(run_document_started(later, &made), 0);
    assert_string_equal(made.data, before);
    cJSON_Delete(later);
}

static void a_state_without_anything_makes_json_too(void **state)
{
    (void)state;
    cJSON *empty = cJSON_CreateObject();
    bytes_done(&made);
    assert_int_equal(run_document_ended(empty, 0, &made), 0);
    cJSON_Delete(document);
    document = cJSON_Parse(made.data);
    assert_true(cJSON_IsObject(document));
    cJSON_Delete(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(nothing_private_is_in_either, drop),
        cmocka_unit_test_teardown(a_start_tells_what_was_begun, drop),
        cmocka_unit_test_teardown(an_end_tells_how_and_what_was_used, drop),
        cmocka_unit_test_teardown(consent_lets_names_out, drop),
        cmocka_unit_test_teardown(what_comes_later_changes_nothing_that_was_sent, drop),
        cmocka_unit_test_teardown(a_state_without_anything_makes_json_too, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
