// SPDX-License-Identifier: Apache-2.0
// When a request is made again, and after which pause.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "delivery/retry.h"

static struct http_answer status(long code)
{
    return (struct http_answer){.status = code, .retry_after_s = -1, .sent = true};
}

static void a_register_is_judged_by_its_status(void **state)
{
    (void)state;
    static const struct {
        long         status;
        enum verdict first, repaired;
    } cases[] = {
        {200, VERDICT_OK, VERDICT_OK},           {201, VERDICT_OK, VERDICT_OK},
        {204, VERDICT_OK, VERDICT_OK},           {299, VERDICT_OK, VERDICT_OK},
        {101, VERDICT_REFUSED, VERDICT_REFUSED}, {301, VERDICT_REFUSED, VERDICT_REFUSED},
        {307, VERDICT_REFUSED, VERDICT_REFUSED}, {400, VERDICT_REFUSED, VERDICT_REFUSED},
        {401, VERDICT_REFUSED, VERDICT_REFUSED}, {403, VERDICT_REFUSED, VERDICT_REFUSED},
        {404, VERDICT_REFUSED, VERDICT_REFUSED}, {408, VERDICT_RETRY, VERDICT_RETRY},
        {409, VERDICT_REFUSED, VERDICT_REFUSED}, {413, VERDICT_REFUSED, VERDICT_REFUSED},
        {422, VERDICT_REPAIR, VERDICT_REFUSED},  {429, VERDICT_RETRY, VERDICT_RETRY},
        {500, VERDICT_RETRY, VERDICT_RETRY},     {503, VERDICT_RETRY, VERDICT_RETRY},
        {599, VERDICT_RETRY, VERDICT_RETRY},     {600, VERDICT_REFUSED, VERDICT_REFUSED},
        {0, VERDICT_REFUSED, VERDICT_REFUSED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_answer answer = status(cases[i].status);
        assert_int_equal(retry_judge_register(&answer, &(struct attempts){.count = 1}), cases[i].first);
        assert_int_equal(retry_judge_register(&answer, &(struct attempts){.count = 2, .repaired = true}),
                         cases[i].repaired);
        assert_int_not_equal(retry_judge_register(&answer, &(struct attempts){.unanswered = true}), VERDICT_ARRIVED);
    }
}

static void a_finish_is_judged_by_its_status_and_by_what_was_before(void **state)
{
    (void)state;
    static const struct {
        long         status;
        enum verdict first, unanswered, repaired, both;
    } cases[] = {
        {200, VERDICT_OK, VERDICT_OK, VERDICT_OK, VERDICT_OK},
        {302, VERDICT_REFUSED, VERDICT_REFUSED, VERDICT_REFUSED, VERDICT_REFUSED},
        {400, VERDICT_REFUSED, VERDICT_REFUSED, VERDICT_REFUSED, VERDICT_REFUSED},
        {401, VERDICT_REFUSED, VERDICT_REFUSED, VERDICT_REFUSED, VERDICT_REFUSED},
        {404, VERDICT_REFUSED, VERDICT_ARRIVED, VERDICT_REFUSED, VERDICT_ARRIVED},
        {408, VERDICT_RETRY, VERDICT_RETRY, VERDICT_RETRY, VERDICT_RETRY},
        {409, VERDICT_REFUSED, VERDICT_ARRIVED, VERDICT_REFUSED, VERDICT_ARRIVED},
        {410, VERDICT_REFUSED, VERDICT_ARRIVED, VERDICT_REFUSED, VERDICT_ARRIVED},
        {413, VERDICT_REPAIR, VERDICT_REPAIR, VERDICT_REFUSED, VERDICT_REFUSED},
        {422, VERDICT_REFUSED, VERDICT_ARRIVED, VERDICT_REFUSED, VERDICT_REFUSED},
        {429, VERDICT_RETRY, VERDICT_RETRY, VERDICT_RETRY, VERDICT_RETRY},
        {502, VERDICT_RETRY, VERDICT_RETRY, VERDICT_RETRY, VERDICT_RETRY},
    };
    const struct attempts both = {.count = 3, .unanswered = true, .repaired = true};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_answer answer = status(cases[i].status);
        assert_int_equal(retry_judge_finish(&answer, &(struct attempts){.count = 1}), cases[i].first);
        assert_int_equal(retry_judge_finish(&answer, &(struct attempts){.count = 2, .unanswered = true}),
                         cases[i].unanswered);
        assert_int_equal(retry_judge_finish(&answer, &(struct attempts){.count = 2, .repaired = true}),
                         cases[i].repaired);
        assert_int_equal(retry_judge_finish(&answer, &both), cases[i].both);
    }
}

static void what_the_network_did_is_retried(void **state)
{
    (void)state;
    static const int errors[] = {-ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH, -ECONNRESET, -EPROTO, -EKEYREJECTED, -EIO};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct http_answer answer = {.error = errors[i], .status = 422};
        assert_int_equal(retry_judge_register(&answer, &(struct attempts){.count = 1}), VERDICT_RETRY);
        assert_int_equal(retry_judge_finish(&answer, &(struct attempts){.count = 1, .unanswered = true}),
                         VERDICT_RETRY);
    }
    struct http_answer flood = {.error = -EMSGSIZE};
    assert_int_equal(retry_judge_register(&flood, &(struct attempts){.count = 1}), VERDICT_REFUSED);
    assert_int_equal(retry_judge_finish(&flood, &(struct attempts){.count = 1}), VERDICT_RETRY);
}

static void delays_double_up_to_five_minutes(void **state)
{
    (void)state;
    struct http_answer answer = status(503);
    int64_t            whole = 1000;
    for (unsigned attempts = 1; attempts < 40; attempts++) {
        assert_int_equal(retry_delay_ms(&answer, attempts, 0), whole / 2);
        assert_in_range(retry_delay_ms(&answer, attempts, UINT32_MAX), whole - whole / 1000 - 1, whole);
        assert_in_range(retry_delay_ms(&answer, attempts, 1U << 31), whole * 3 / 4 - 1, whole * 3 / 4);
        whole = whole * 2 < 300000 ? whole * 2 : 300000;
    }
    assert_in_range(retry_delay_ms(&answer, 0, 0), 500, 1000);
    assert_in_range(retry_delay_ms(&answer, UINT32_MAX, UINT32_MAX), 299000, 300000);
}

static void retry_after_is_honoured_within_five_minutes(void **state)
{
    (void)state;
    struct http_answer answer = status(429);
    answer.retry_after_s = 7;
    assert_int_equal(retry_delay_ms(&answer, 1, UINT32_MAX), 7000);
    answer.retry_after_s = 86400;
    assert_int_equal(retry_delay_ms(&answer, 1, 0), 300000);
    answer.retry_after_s = INT32_MAX;
    assert_int_equal(retry_delay_ms(&answer, 1, 0), 300000);
    answer.retry_after_s = 1;
    assert_int_equal(retry_delay_ms(&answer, 4, 0), 4000);
    answer.retry_after_s = 0;
    assert_int_equal(retry_delay_ms(&answer, 1, 0), 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_register_is_judged_by_its_status),
        cmocka_unit_test(a_finish_is_judged_by_its_status_and_by_what_was_before),
        cmocka_unit_test(what_the_network_did_is_retried),
        cmocka_unit_test(delays_double_up_to_five_minutes),
        cmocka_unit_test(retry_after_is_honoured_within_five_minutes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
