/* Which runs are one job: IDs of each system, and what tells two jobs with one number apart. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "../../tools/pillion/clocks.c"
#include "../../tools/pillion/membership.c"

static void the_job_s_own_part_of_an_id_is_what_its_system_counts(void **state)
{
    (void)state;
    static const struct {
        const char *orchestrator, *id, *root, *allocation;
    } ids[] = {
        {"slurm", "4711", "4711", "4711"},
        {"slurm", "4711.0", "4711", "4711"},
        {"slurm", "4711_7.0", "4711", "4711_7"},
        {"slurm", "mine_1.5", "mine_1.5", "mine_1.5"},
        {"pbs", "12[3].head", "12", "12[3].head"},
        {"lsf", "12[3]", "12", "12[3]"},
        {"sge", "12.3", "12", "12.3"},
        {"flux", "f23ab", "f23ab", "f23ab"},
        {"cloud-run", "exec-x7k2p.3", "exec-x7k2p", "exec-x7k2p.3"},
        {"cloud-run", "exec.a", "exec.a", "exec.a"},
        {"aws-batch", "0a1b-2c:3", "0a1b-2c", "0a1b-2c:3"},
        {"github-actions", "99-2", "99-2", "99-2"},
        {NULL, "4711.0", "4711.0", "4711.0"},
        {"kubernetes", "ml/train", "ml/train", "ml/train"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        assert_int_equal(membership_root(ids[i].id, ids[i].orchestrator), strlen(ids[i].root));
        assert_int_equal(membership_allocation(ids[i].id, ids[i].orchestrator), strlen(ids[i].allocation));
    }
}

static void a_part_of_a_job_is_of_it_and_a_longer_number_is_not(void **state)
{
    (void)state;
    static const char *const of[][2] = {{"42", "42"},   {"42_1", "42"},     {"42.0", "42"},        {"42[3]", "42"},
                                        {"42-2", "42"}, {"42_1.0", "42_1"}, {"ml/train", "train"}, {"a:3", "a"}};
    static const char *const other[][2] = {
        {"421", "42"}, {"4", "42"}, {"42_12", "42_1"}, {"ml/train", "ml"}, {"42", ""}};
    for (size_t i = 0; i < ARRAY_LENGTH(of); i++)
        assert_true(membership_is_of(of[i][0], of[i][1]));
    for (size_t i = 0; i < ARRAY_LENGTH(other); i++)
        assert_false(membership_is_of(other[i][0], other[i][1]));
    assert_false(membership_is_of(NULL, "42"));
    assert_true(membership_is("42_1.0", "slurm", "42"));
    assert_false(membership_is("42_1.0", NULL, "42"));
    assert_true(membership_is("ml/train", "kubernetes", "train"));
    assert_false(membership_is("ml/train-28", "kubernetes", "train"));
}

static void a_pod_is_of_what_made_it(void **state)
{
    (void)state;
    static const struct {
        const char *pod, *index, *space, *id;
    } pods[] = {{"train-x7k2p", NULL, "ml", "ml/train"},
                {"train-3-x7k2p", "3", "ml", "ml/train"},
                {"train-3-x7k2p", NULL, "ml", "ml/train-3"},
                {"nightly-28934520-x7k2p", NULL, NULL, "nightly-28934520"},
                {"web-0", NULL, "ml", NULL},
                {"train-hello", NULL, "ml", NULL}, /* Kubernetes has no vowels there */
                {"x7k2p", NULL, "ml", NULL},
                {"-x7k2p", NULL, "ml", NULL},
                {"3-x7k2p", "3", NULL, "3"}};
    char id[MEMBERSHIP_ID_MAX], text[300];
    for (size_t i = 0; i < ARRAY_LENGTH(pods); i++) {
        (void)snprintf(text, sizeof text, "{\"container\":{\"pod\":\"%s\"%s%s%s%s%s%s}}", pods[i].pod,
                       pods[i].index != NULL ? ",\"index\":\"" : "", pods[i].index != NULL ? pods[i].index : "",
                       pods[i].index != NULL ? "\"" : "", pods[i].space != NULL ? ",\"namespace\":\"" : "",
                       pods[i].space != NULL ? pods[i].space : "", pods[i].space != NULL ? "\"" : "");
        cJSON *run = cJSON_Parse(text);
        assert_int_equal(membership_id(run, id), pods[i].id != NULL);
        assert_string_equal(id, pods[i].id != NULL ? pods[i].id : "");
        cJSON_Delete(run);
    }
    cJSON *run = cJSON_Parse(
        "{\"registration\":{\"external_run_id\":\"mine\"},\"container\":{\"pod\":\"train-x7k2p\"}}");
    assert_true(membership_id(run, id));
    assert_string_equal(id, "mine");
    cJSON_Delete(run);
    run = cJSON_Parse(
        "{\"registration\":{\"external_run_id\":\"train-x7k2p\"},\"container\":{\"pod\":\"train-x7k2p\"}}");
    assert_true(membership_id(run, id));
    assert_string_equal(id, "train"); /* PILLION_SHARE=hostname told the pod's name in the job's place */
    cJSON_Delete(run);
}

/* A record whose texts are those of the test. */
static struct record record(const char *id, const char *orchestrator, const char *cluster, const char *name,
                            const char *began, double took)
{
    struct record made = {.command = NULL};
    made.values[RUN_FIELD_job].text = (char *)(uintptr_t)id;
    made.values[RUN_FIELD_orchestrator].text = (char *)(uintptr_t)orchestrator;
    made.values[RUN_FIELD_cluster].text = (char *)(uintptr_t)cluster;
    made.values[RUN_FIELD_job_name].text = (char *)(uintptr_t)name;
    made.values[RUN_FIELD_started_at].text = (char *)(uintptr_t)began;
    made.values[RUN_FIELD_duration_s].number = took;
    return made;
}

static void assert_groups(const struct record *records, size_t count, const char *wanted, const char *expected)
{
    size_t jobs[16], made = 0;
    char   text[17] = "";
    assert_int_equal(membership_group(records, count, wanted, jobs, &made), 0);
    for (size_t i = 0; i < count; i++)
        text[i] = jobs[i] == SIZE_MAX ? '-' : (char)('a' + jobs[i]);
    assert_string_equal(text, expected);
}

static void what_tells_jobs_apart(void **state)
{
    (void)state;
    const char *const   day = "2026-11-28T12:00:00Z";
    const struct record records[] = {
        record("7.0", "slurm", "north", "fit", day, 60),
        record("7.1", "slurm", "north", "fit", "2026-11-30T12:00:00Z", 60),
        record("7.0", "slurm", "south", "fit", day, 60),
        record("7.0", "slurm", "north", "other", day, 60),
        record("7.head", "pbs", NULL, "fit", day, 60),
        record("7.0", "slurm", "north", "fit", "2026-12-30T12:00:00Z", 60),
        record(NULL, NULL, NULL, NULL, day, 60),
        record("7", NULL, NULL, NULL, day, 7200),
        record("7", NULL, NULL, NULL, "2026-11-28T19:59:00Z", 60), /* six hours after its end */
        record("7", NULL, NULL, NULL, "2026-11-29T03:00:00Z", 60),
    };
    const struct record older[] = {records[0], record("7.1", "slurm", NULL, "fit", day, 60)};
    assert_groups(records, ARRAY_LENGTH(records), NULL, "aabcdg-eef");
    assert_groups(older, 2, NULL, "aa"); /* an older version does not say where it ran */
}

static void many_jobs_take_no_longer_than_their_number(void **state)
{
    (void)state;
    enum { JOBS = 30000, MANY = 2 * JOBS };
    static char          ids[MANY][12];
    static struct record records[MANY];
    static size_t        jobs[MANY];
    size_t               made = 0;
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "%d", 1000000 + i % JOBS);
        records[i] = record(ids[i], "slurm", NULL, NULL, "2026-11-28T12:00:00Z", 60);
    }
    clock_t began = clock();
    assert_int_equal(membership_group(records, MANY, NULL, jobs, &made), 0);
    assert_true(clock() - began < 2 * CLOCKS_PER_SEC); /* not each held against each */
    assert_int_equal(made, JOBS);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(jobs[i], i % JOBS);
}

static void what_is_wanted_joins_what_begins_so(void **state)
{
    (void)state;
    const char *const   day = "2026-11-28T12:00:00Z";
    const struct record records[] = {record("sweep_1", NULL, NULL, NULL, day, 60),
                                     record("sweep_2", NULL, NULL, NULL, day, 60)};
    assert_groups(records, 2, NULL, "ab");
    assert_groups(records, 2, "sweep", "aa");
}

static void an_offset_is_a_number_that_a_clock_can_have(void **state)
{
    (void)state;
    static const struct {
        const char *state;
        double      offset;
    } told[] = {{"{\"clock_offset_ms\":3000}", 3},
                {"{\"clock_offset_ms\":-7500}", -7.5},
                {"{}", 0},
                {"{\"clock_offset_ms\":\"3000\"}", 0},
                {"{\"id\":\"20261128T110000Z-a-1-b\",\"started_at\":\"2026-11-28T12:00:00Z\"}", 3600},
                {"{\"id\":\"20261128T115959Z-a-1-b\",\"started_at\":\"2026-11-28T12:00:00Z\"}", 0},
                {"{\"id\":\"mine\",\"started_at\":\"2026-11-28T12:00:00Z\"}", 0},
                {"{\"clock_offset_ms\":1e300}", 0},
                {"{\"clock_offset_ms\":-1e300}", 0}};
    char text[64];
    for (size_t i = 0; i < ARRAY_LENGTH(told); i++) {
        cJSON *run = cJSON_Parse(told[i].state);
        assert_true(clocks_offset(run) >= told[i].offset && clocks_offset(run) <= told[i].offset);
        cJSON_Delete(run);
    }
    clocks_text(3, text, sizeof text);
    assert_string_equal(text, "3.0 s ahead of");
    clocks_text(-7.5, text, sizeof text);
    assert_string_equal(text, "7.5 s behind");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_job_s_own_part_of_an_id_is_what_its_system_counts),
        cmocka_unit_test(a_part_of_a_job_is_of_it_and_a_longer_number_is_not),
        cmocka_unit_test(a_pod_is_of_what_made_it),
        cmocka_unit_test(what_tells_jobs_apart),
        cmocka_unit_test(many_jobs_take_no_longer_than_their_number),
        cmocka_unit_test(what_is_wanted_joins_what_begins_so),
        cmocka_unit_test(an_offset_is_a_number_that_a_clock_can_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
