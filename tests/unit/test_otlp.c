// SPDX-License-Identifier: Apache-2.0
// OTLP as data: a request's JSON, an answer's, and the lists of OpenTelemetry's variables.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/json_read.h"
#include "config/otel.h"
#include "engine/otlp_export.h"
#include "engine/run.h"
#include "otlp/otlp.h"

#define BEGIN "{\"resourceMetrics\":[{\"resource\":{\"attributes\":["
#define SCOPE "]},\"scopeMetrics\":[{\"scope\":{\"name\":\"pillion\",\"version\":\"" PILLION_VERSION "\"},\"metrics\":["
#define END                                                          \
    "],\"schemaUrl\":\"https://opentelemetry.io/schemas/1.44.0\"}]," \
    "\"schemaUrl\":\"https://opentelemetry.io/schemas/1.44.0\"}]}"
#define TIMES "\"startTimeUnixNano\":\"1700000000000000000\",\"timeUnixNano\":\"1700000001500000000\""

static struct otlp_figures nothing(void)
{
    struct otlp_figures figures;
    memset(&figures, 0xff, sizeof figures);
    return figures;
}

static unsigned compose(const char *attributes, const struct otlp_figures *figures, const struct otlp_gpu *gpus,
                        unsigned gpu_count, struct bytes *ret)
{
    const struct otlp_row row = {1700000000000000000, 1700000001500000000, figures, gpus, gpu_count};
    unsigned              count = otlp_body(attributes, &row, ret);
    assert_false(ret->failed);
    assert_int_equal(json_check(text_span(ret->data, ret->len), JSON_VALUES_MAX), 0);
    return count;
}

static void a_sum_has_its_points_together_with_their_times(void **state)
{
    (void)state;
    struct bytes        body;
    struct otlp_figures figures = nothing();
    figures.process_user = 1250000;
    figures.process_system = 0;
    figures.system_sent = UINT64_MAX - 1;
    assert_int_equal(compose("", &figures, NULL, 0, &body), 3);
    assert_string_equal(
        body.data, BEGIN SCOPE
        "{\"name\":\"process.cpu.time\",\"unit\":\"s\",\"sum\":{\"dataPoints\":["
        "{\"attributes\":[{\"key\":\"cpu.mode\",\"value\":{\"stringValue\":\"user\"}}]," TIMES
        ",\"asDouble\":1.250000},"
        "{\"attributes\":[{\"key\":\"cpu.mode\",\"value\":{\"stringValue\":\"system\"}}]," TIMES
        ",\"asDouble\":0.000000}],\"aggregationTemporality\":2,\"isMonotonic\":true}},"
        "{\"name\":\"system.network.io\",\"unit\":\"By\",\"sum\":{\"dataPoints\":["
        "{\"attributes\":[{\"key\":\"network.io.direction\",\"value\":{\"stringValue\":\"transmit\"}}]," TIMES
        ",\"asInt\":\"18446744073709551614\"}],\"aggregationTemporality\":2,\"isMonotonic\":true}}" END);
    bytes_done(&body);
}

static void a_gauge_has_no_start_and_a_level_may_fall(void **state)
{
    (void)state;
    struct bytes        body;
    struct otlp_figures figures = nothing();
    figures.process_gpu = 5000;
    figures.process_memory = 1;
    assert_int_equal(compose("", &figures, NULL, 0, &body), 2);
    assert_non_null(strstr(body.data,
                           "{\"name\":\"pillion.process.gpu.utilization\",\"unit\":\"1\",\"gauge\":{\"dataPoints\":["
                           "{\"attributes\":[],\"timeUnixNano\":\"1700000001500000000\",\"asDouble\":0.500000}]}}"));
    assert_non_null(strstr(body.data, "\"asInt\":\"1\"}],\"aggregationTemporality\":2,\"isMonotonic\":false}}"));
    bytes_done(&body);
}

static void devices_are_told_by_their_numbers(void **state)
{
    (void)state;
    struct bytes          body;
    struct otlp_figures   figures = nothing();
    const struct otlp_gpu gpus[] = {{2500, OTLP_NONE, 7, OTLP_NONE, 41, OTLP_NONE},
                                    {OTLP_NONE, OTLP_NONE, 9, OTLP_NONE, OTLP_NONE, 61500}};
    assert_int_equal(compose("", &figures, gpus, 2, &body), 5);
    assert_non_null(strstr(body.data, "{\"key\":\"hw.id\",\"value\":{\"stringValue\":\"1\"}}],\"startTimeUnixNano\""));
    assert_non_null(strstr(body.data, "\"asDouble\":61.500000"));
    assert_non_null(strstr(body.data, "\"asInt\":\"41\""));
    assert_int_equal(strstr(body.data, "hw.gpu.memory.usage") == strstr(body.data, "pillion.hw.gpu.memory.usage"), 0);
    assert_null(strstr(body.data, "pillion.hw.gpu"));
    bytes_done(&body);
}

static void without_a_figure_there_is_no_point(void **state)
{
    (void)state;
    struct bytes        body;
    struct otlp_figures figures = nothing();
    assert_int_equal(compose("", &figures, NULL, 0, &body), 0);
    assert_string_equal(body.data, BEGIN SCOPE END);
    bytes_done(&body);
}

static void every_figure_has_a_point(void **state)
{
    (void)state;
    struct bytes        body;
    struct otlp_figures figures = {0};
    assert_int_equal(compose("", &figures, NULL, 0, &body), sizeof figures / sizeof(uint64_t));
    bytes_done(&body);
}

static void an_attribute_is_quoted_and_cut(void **state)
{
    (void)state;
    struct bytes b;
    struct bytes body;
    char         value[OTLP_VALUE_MAX + 2];
    bytes_init(&b, sizeof value * 8);
    memset(value, '"', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    otlp_attribute(&b, "a", "x\"\n\xff");
    otlp_attribute(&b, "b", value);
    struct otlp_figures figures = nothing();
    (void)compose(b.data, &figures, NULL, 0, &body);
    static const char first[] = "{\"key\":\"a\",\"value\":{\"stringValue\":\"x\\\"\\n\xef\xbf\xbd\"}},{";
    assert_memory_equal(b.data, first, sizeof first - 1);
    assert_non_null(strstr(b.data, "\xe2\x80\xa6\"}}"));
    bytes_done(&b);
    bytes_done(&body);
}

static void an_answer_says_what_was_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        uint64_t    refused;
        const char *message;
    } cases[] = {
        {"{}", 0, ""},
        {"", 0, ""},
        {"{\"partialSuccess\":{}}", 0, ""},
        {"{\"partialSuccess\":{\"rejectedDataPoints\":\"3\",\"errorMessage\":\"too old\"}}", 3, "too old"},
        {"{\"partialSuccess\":{\"rejectedDataPoints\":4}}", 4, ""},
        {"{\"partialSuccess\":{\"errorMessage\":\"a \\\"hint\\\"\"}}", 0, "a \\\"hint\\\""},
        {"{\"partialSuccess\":{\"rejectedDataPoints\":-1,\"errorMessage\":7}}", 0, ""},
        {"{\"partialSuccess\":null}", 0, ""},
        {"{\"code\":3,\"message\":\"no JSON here\"}", 0, "no JSON here"},
        {"{\"partialSuccess\":{\"rejectedDataPoints\":\"3\"}", 0, ""},
        {"<html>", 0, ""},
        {"[1]", 0, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct otlp_answer answer;
        otlp_read_answer(text_of(cases[i].body), &answer);
        assert_int_equal(answer.refused, cases[i].refused);
        assert_string_equal(answer.message, cases[i].message);
    }
}

static void a_long_message_is_cut(void **state)
{
    (void)state;
    char               body[1024] = "{\"message\":\"";
    struct otlp_answer answer;
    for (int i = 0; i < 200; i++)
        strcat(body, "\xc3\xa4");
    strcat(body, "\"}");
    otlp_read_answer(text_of(body), &answer);
    assert_int_equal(strlen(answer.message), sizeof answer.message - 2);
}

static void pairs_are_taken_apart(void **state)
{
    (void)state;
    struct text  list = text_of(" a=1,, b = x y ,c=%2C%3d%C3%a4=%,d,=e");
    struct text  key;
    struct text  value;
    struct bytes decoded;
    bytes_init(&decoded, 100);
    assert_true(otel_pair(&list, &key, &value) && text_is(key, "a") && text_is(value, "1"));
    assert_true(otel_pair(&list, &key, &value) && text_is(key, "b") && text_is(value, "x y"));
    assert_true(otel_pair(&list, &key, &value) && text_is(key, "c"));
    otel_decode(value, &decoded);
    assert_string_equal(decoded.data, ",=\xc3\xa4=");
    assert_true(otel_pair(&list, &key, &value) && text_len(key) == 0);
    assert_true(otel_pair(&list, &key, &value) && text_len(key) == 0 && text_is(value, "e"));
    assert_false(otel_pair(&list, &key, &value));
    bytes_done(&decoded);
}

static void lists_are_judged_as_a_whole(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        bool        attributes, headers;
    } cases[] = {
        {"a=b", true, true},
        {"a=b,", true, true},
        {"Authorization=Bearer%20a.b", true, true},
        {"x-scope-orgid=", true, true},
        {"a", false, false},
        {"=b", false, false},
        {"a=b,c", false, false},
        {"a=%", false, false},
        {"a=%4", false, false},
        {"a=%4g", false, false},
        {"a=%00", false, false},
        {"a%20b=c", true, false},
        {"a b=c", true, false},
        {"a=b%0d%0ax: y", true, false},
        {"a=%c3%a4", true, false},
        {"content-length=5", true, false},
        {"Host=elsewhere", true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (otel_attributes_are_fine(cases[i].list) != cases[i].attributes ||
            otel_headers_are_fine(cases[i].list) != cases[i].headers)
            fail_msg("%s", cases[i].list);
    }
    char many[(OTEL_HEADERS_MAX + 1) * 4 + 1] = "";
    for (int i = 0; i < OTEL_HEADERS_MAX; i++)
        strcat(many, "a=b,");
    assert_true(otel_headers_are_fine(many));
    strcat(many, "a=b,");
    assert_false(otel_headers_are_fine(many));
}

static void a_run_is_called_by_what_only_its_machine_knows(void **state)
{
    (void)state;
    static struct run run;
    char              one[OTLP_INSTANCE_SIZE];
    char              other[OTLP_INSTANCE_SIZE];
    memcpy(run.dir.id, "20260101T000000Z-m-1", sizeof "20260101T000000Z-m-1");
    otlp_instance(&run, one); /* the boot's ID cannot be read */
    otlp_instance(&run, other);
    assert_string_not_equal(one, other);
    assert_int_equal(strlen(one), OTLP_INSTANCE_SIZE - 1);
    assert_true(one[14] == '8' && strchr("89ab", one[19]));
    memcpy(run.machine.boot_id, "7ed146a0", sizeof "7ed146a0");
    otlp_instance(&run, one);
    otlp_instance(&run, other);
    assert_string_equal(one, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sum_has_its_points_together_with_their_times),
        cmocka_unit_test(a_gauge_has_no_start_and_a_level_may_fall),
        cmocka_unit_test(devices_are_told_by_their_numbers),
        cmocka_unit_test(without_a_figure_there_is_no_point),
        cmocka_unit_test(every_figure_has_a_point),
        cmocka_unit_test(an_attribute_is_quoted_and_cut),
        cmocka_unit_test(an_answer_says_what_was_refused),
        cmocka_unit_test(a_long_message_is_cut),
        cmocka_unit_test(pairs_are_taken_apart),
        cmocka_unit_test(lists_are_judged_as_a_whole),
        cmocka_unit_test(a_run_is_called_by_what_only_its_machine_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
