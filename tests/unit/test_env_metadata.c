// SPDX-License-Identifier: Apache-2.0
// Metadata from the surroundings: each system as it documents itself, one inside the other, and what is nobody's
// business.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/env_metadata.h"
#include "config/variables.h"
#include "surroundings.h"

static const char         *job;         /* what the program is called */
static struct sentinel_run run;
static char                text[ENV_METADATA_TEXT_MAX];

static void fill_sharing(unsigned share, const char *const *with)
{
    environment = with;
    run = (struct sentinel_run){0};
    env_metadata_fill(lookup, share, job ? job : "program", &run, text);
}

#define FILL(...)             fill_sharing(0, (const char *const[]){__VA_ARGS__, NULL})
#define FILL_SHARED(bit, ...) fill_sharing(bit, (const char *const[]){__VA_ARGS__, NULL})

static void assert_run(const char *orchestrator, const char *executor, const char *id, const char *project,
                       const char *stage, const char *task)
{
    assert_text(run.orchestrator, orchestrator);
    assert_text(run.executor, executor);
    assert_text(run.external_run_id, id);
    assert_text(run.project_name, project);
    assert_text(run.stage_name, stage);
    assert_text(run.task_name, task);
}

static void nothing_around_says_nothing(void **state)
{
    (void)state;
    FILL("HOME=/root", "CI=true", "JOB_NAME=x", "BUILD_TAG=y", "SLURM_JOB_ID=", "STAGE_NAME=z");
    struct sentinel_run none = {0};
    assert_memory_equal(&run, &none, sizeof none);
}

static void slurm_is_told_by_the_ids_that_its_own_commands_show(void **state)
{
    (void)state;
    FILL("SLURM_JOB_ID=42", "SLURM_JOB_NAME=nightly", "SLURM_JOB_ACCOUNT=physics", "SLURM_JOB_USER=alice");
    assert_run("slurm", NULL, "42", NULL, NULL, NULL);
    assert_text(run.team, NULL);
    FILL("SLURM_JOB_ID=42", "SLURM_STEP_ID=0");
    assert_text(run.external_run_id, "42.0");
    FILL("SLURM_JOB_ID=42", "SLURM_STEP_ID=4294967290"); /* a shell of salloc */
    assert_text(run.external_run_id, "42");
    FILL("SLURM_JOB_ID=44", "SLURM_ARRAY_JOB_ID=42", "SLURM_ARRAY_TASK_ID=7", "SLURM_STEP_ID=3");
    assert_text(run.external_run_id, "42_7.3");
    FILL_SHARED(SHARE_ACCOUNT, "SLURM_JOB_ID=42", "SLURM_JOB_ACCOUNT=physics", "SLURM_JOB_USER=alice");
    assert_text(run.team, "physics");
}

static void assert_job(const char *called, const char *expected)
{
    const char *const *with = environment;
    job = called;
    fill_sharing(0, with);
    assert_text(run.job_name, expected);
    job = NULL;
}

static void a_script_under_a_name_of_the_batch_systems_is_called_as_the_job_is(void **state)
{
    (void)state;
    FILL("SLURM_JOB_ID=42", "SLURM_JOB_NAME=nightly");
    assert_text(run.job_name, NULL);
    assert_job("slurm_script", "nightly");
    assert_job("train.py", NULL);
    FILL("PBS_JOBID=123.head", "PBS_JOBNAME=fit");
    assert_job("123.head.SC", "fit");
    assert_job("124.head.SC", NULL);
    FILL("SGE_TASK_ID=undefined", "JOB_ID=9", "JOB_NAME=fit");
    assert_job("9", "fit");
    assert_job("slurm_script", NULL);
    FILL("SLURM_JOB_NAME=nightly");
    assert_job("slurm_script", NULL);
}

static void a_job_that_nobody_named_is_called_by_its_program(void **state)
{
    (void)state;
    FILL("SLURM_JOB_ID=42", "SLURM_JOB_NAME=wrap");
    assert_job("slurm_script", NULL);
    FILL("PBS_JOBID=1.head", "PBS_JOBNAME=STDIN");
    assert_job("1.head.SC", "1"); /* the script's name has the server's in it */
    FILL("SGE_TASK_ID=undefined", "JOB_ID=1", "JOB_NAME=STDIN");
    assert_job("1", NULL);
}

static void ranks_of_a_step_are_called_as_the_job_is_and_the_program_is_their_task(void **state)
{
    (void)state;
    job = "train.py";
    FILL("SLURM_JOB_ID=42", "SLURM_JOB_NAME=nightly", "SLURM_STEP_ID=2", "SLURM_PROCID=0");
    assert_text(run.job_name, "nightly");
    assert_run("slurm", NULL, "42.2", NULL, NULL, "train.py");
    FILL("SLURM_JOB_ID=42", "SLURM_JOB_NAME=nightly", "SLURM_PROCID=0"); /* what the script starts: no step */
    assert_text(run.job_name, NULL);
    assert_text(run.task_name, NULL);
    FILL("PBS_JOBID=1.head", "PBS_JOBNAME=fit", "OMPI_COMM_WORLD_RANK=3");
    assert_text(run.job_name, "fit");
    assert_text(run.task_name, "train.py");
    FILL("SGE_TASK_ID=2", "JOB_ID=1", "JOB_NAME=fit", "MPI_LOCALRANKID=0", "PMI_RANK=8");
    assert_text(run.job_name, "fit");
    FILL("LSB_JOBID=3", "LSB_JOBNAME=./x hunter2", "OMPI_COMM_WORLD_RANK=0"); /* perhaps the command line */
    assert_text(run.job_name, NULL);
    assert_text(run.task_name, NULL);
    FILL("OMPI_COMM_WORLD_RANK=0"); /* mpirun on a laptop */
    assert_text(run.job_name, NULL);
    FILL("SLURM_JOB_ID=42", "SLURM_JOB_NAME=wrap", "SLURM_STEP_ID=0", "SLURM_PROCID=0");
    assert_text(run.job_name, NULL);
    assert_text(run.task_name, NULL);
    FILL("SLURM_JOB_ID=42", "SLURM_JOB_NAME=python3", "SLURM_STEP_ID=0", "SLURM_PROCID=0"); /* srun without a script */
    assert_text(run.job_name, NULL);
    job = NULL;
}

static void assert_tag(const char *key, const char *expected)
{
    char        value[ENV_METADATA_VALUE_MAX + 1];
    const char *found = NULL;
    for (size_t i = 0; i < env_metadata_tag_count && !found; i++)
        if (strcmp(env_metadata_tags[i].key, key) == 0 &&
            env_metadata_tag(lookup, &env_metadata_tags[i], value, sizeof value))
            found = value;
    assert_text(found, expected);
}

static void assert_job_tags(const char *partition, const char *index, const char *rank, const char *ranks)
{
    assert_tag("job_partition", partition);
    assert_tag("job_array_index", index);
    assert_tag("job_rank", rank);
    assert_tag("job_ranks", ranks);
}

static void partition_array_index_and_rank_are_told_by_each_system(void **state)
{
    (void)state;
    FILL("SLURM_JOB_ID=44", "SLURM_JOB_NAME=nightly", "SLURM_JOB_PARTITION=gpu", "SLURM_ARRAY_JOB_ID=42",
         "SLURM_ARRAY_TASK_ID=0", "SLURM_PROCID=0");
    assert_job_tags("gpu", "0", NULL, NULL);
    assert_tag("job_name", "nightly");
    FILL("SLURM_JOB_ID=44", "SLURM_STEP_ID=1", "SLURM_PROCID=4", "SLURM_STEP_NUM_TASKS=8");
    assert_job_tags(NULL, NULL, "4", "8");
    assert_tag("job_cluster", NULL);
    FILL("SLURM_JOB_ID=44", "SLURM_CLUSTER_NAME=north");
    assert_tag("job_cluster", "north");
    FILL("SLURM_JOB_ID=44", "SLURM_STEP_ID=1", "SLURM_PROCID=1", "SLURM_STEP_NUM_TASKS=2", "OMPI_COMM_WORLD_RANK=16",
         "OMPI_COMM_WORLD_SIZE=32"); /* mpirun's daemons are the step, its ranks are the program's */
    assert_job_tags(NULL, NULL, "16", "32");
    FILL("PBS_JOBID=1[7].head", "PBS_JOBNAME=fit", "PBS_QUEUE=long", "PBS_ARRAY_INDEX=7", "MPI_LOCALRANKID=1",
         "PMI_RANK=5", "PMI_SIZE=8");
    assert_job_tags("long", "7", "5", "8");
    FILL("PBS_JOBID=1[7].head", "PBS_ARRAYID=7", "PMI_RANK=5"); /* Torque; somebody else's PMI */
    assert_job_tags(NULL, "7", NULL, NULL);
    FILL("LSB_JOBID=7", "LSB_QUEUE=normal", "LSB_JOBINDEX=12", "LSB_JOBNAME=./fit --password=hunter2");
    assert_job_tags("normal", "12", NULL, NULL);
    assert_tag("job_name", NULL);
    FILL("LSB_JOBID=7", "LSB_JOBINDEX=0");
    assert_job_tags(NULL, NULL, NULL, NULL);
    FILL("SGE_TASK_ID=3", "JOB_ID=9", "JOB_NAME=fit", "QUEUE=all.q");
    assert_job_tags("all.q", "3", NULL, NULL);
    FILL("SGE_TASK_ID=undefined", "JOB_ID=9", "JOB_NAME=STDIN");
    assert_job_tags(NULL, NULL, NULL, NULL);
    assert_tag("job_name", NULL);
    FILL("FLUX_JOB_ID=f1", "FLUX_TASK_LOCAL_ID=0", "FLUX_TASK_RANK=4", "FLUX_JOB_SIZE=8", "FLUX_JOB_CC=2");
    assert_job_tags(NULL, "2", "4", "8");
    FILL("QUEUE=mail", "JOB_NAME=x", "PBS_QUEUE=q", "LSB_QUEUE=q", "SLURM_JOB_PARTITION=p",
         "SLURM_PROCID=0"); /* no job */
    assert_job_tags(NULL, NULL, NULL, NULL);
    assert_tag("job_name", NULL);
}

static void other_batch_systems(void **state)
{
    (void)state;
    FILL("PBS_JOBID=123[4].head.cluster.example", "PBS_JOBNAME=fit");
    assert_run("pbs", NULL, "123[4]", NULL, NULL, NULL);
    FILL_SHARED(SHARE_HOSTNAME, "PBS_JOBID=123.head");
    assert_text(run.external_run_id, "123.head");
    FILL("LSB_JOBID=7", "LSB_JOBINDEX=0", "LSB_JOBNAME=./fit --password=hunter2");
    assert_run("lsf", NULL, "7", NULL, NULL, NULL);
    FILL("LSB_JOBID=7", "LSB_JOBINDEX=12");
    assert_text(run.external_run_id, "7[12]");
    FILL("SGE_TASK_ID=undefined", "JOB_ID=9", "JOB_NAME=fit");
    assert_run("sge", NULL, "9", NULL, NULL, NULL);
    FILL("SGE_TASK_ID=3", "JOB_ID=9");
    assert_text(run.external_run_id, "9.3");
    FILL("FLUX_JOB_ID=\xc6\x92uzsjmtHyj", "SLURM_JOB_ID=1");
    assert_run("flux", "slurm", "\xc6\x92uzsjmtHyj", NULL, NULL, NULL);
    FILL("AWS_BATCH_JOB_ID=uuid:3", "AWS_BATCH_JOB_ATTEMPT=1", "ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4");
    assert_run("aws-batch", "aws-ecs", "uuid:3", NULL, NULL, NULL);
    FILL("TRAINING_JOB_ARN=arn:aws:sagemaker:eu-west-1:123456789012:training-job/t", "TRAINING_JOB_NAME=t");
    assert_run("sagemaker", NULL, "t", NULL, NULL, NULL);
    FILL("CLOUD_RUN_EXECUTION=job-x7", "CLOUD_RUN_TASK_INDEX=0");
    assert_run("cloud-run", NULL, "job-x7.0", NULL, NULL, NULL);
    FILL("NOMAD_ALLOC_ID=uuid", "NOMAD_GROUP_NAME=web", "NOMAD_TASK_NAME=server");
    assert_run("nomad", NULL, "uuid", NULL, "web", "server");
}

static void continuous_integration(void **state)
{
    (void)state;
    FILL("GITHUB_ACTIONS=true", "GITHUB_RUN_ID=1658821493", "GITHUB_RUN_ATTEMPT=2", "GITHUB_REPOSITORY=octocat/hello",
         "GITHUB_JOB=build", "GITHUB_ACTOR=octocat", "GITHUB_REPOSITORY_OWNER=octocat", "GITHUB_HEAD_REF=octocat/fix");
    assert_run("github-actions", NULL, "1658821493-2", "hello", NULL, "build");
    FILL("GITLAB_CI=true", "CI_JOB_ID=50", "CI_PROJECT_PATH=alice/tool", "CI_PROJECT_NAME=tool", "CI_JOB_STAGE=test",
         "CI_JOB_NAME=unit 1/3", "CI_JOB_IMAGE=debian:12", "CI_ENVIRONMENT_TIER=staging", "GITLAB_USER_LOGIN=alice",
         "CI_ENVIRONMENT_NAME=review/alice");
    assert_run("gitlab-ci", NULL, "50", "tool", "test", "unit 1/3");
    assert_text(run.container_image, "debian:12");
    assert_text(run.env, "staging");
    FILL("BUILDKITE=true", "BUILDKITE_JOB_ID=uuid", "BUILDKITE_PIPELINE_SLUG=tool", "BUILDKITE_STEP_KEY=unit");
    assert_run("buildkite", NULL, "uuid", "tool", NULL, "unit");
    FILL("CIRCLECI=true", "CIRCLE_BUILD_NUM=370", "CIRCLE_PROJECT_REPONAME=tool", "CIRCLE_JOB=unit");
    assert_run("circleci", NULL, "370", "tool", NULL, "unit");
    FILL("CIRCLECI=true", "CIRCLE_BUILD_NUM=370", "CIRCLE_WORKFLOW_JOB_ID=uuid");
    assert_text(run.external_run_id, "uuid");
    FILL("TF_BUILD=True", "BUILD_BUILDID=12", "SYSTEM_TEAMPROJECT=tool", "SYSTEM_STAGENAME=test", "SYSTEM_JOBNAME=unit",
         "BUILD_REQUESTEDFOR=Alice");
    assert_run("azure-pipelines", NULL, "12", "tool", "test", "unit");
    FILL("JENKINS_URL=https://j.example/", "BUILD_TAG=jenkins-tool-5", "BUILD_NUMBER=5", "JOB_NAME=tool",
         "STAGE_NAME=Test");
    assert_run("jenkins", NULL, "jenkins-tool-5", "tool", "Test", NULL);
}

static void a_branch_of_a_multibranch_project_is_not_told(void **state)
{
    (void)state;
    FILL("JENKINS_URL=https://j.example/", "BRANCH_NAME=alice/fix", "BUILD_TAG=jenkins-tool-alice%2Ffix-5",
         "BUILD_NUMBER=5", "JOB_NAME=tool/alice%2Ffix");
    assert_run("jenkins", NULL, "5", NULL, NULL, NULL);
}

static void a_folder_of_jenkins_is_its_owners_and_told_with_account(void **state)
{
    (void)state;
    static const char *const with[] = {"JENKINS_URL=https://j.example/", "BUILD_TAG=jenkins-alice-tool-5",
                                       "BUILD_NUMBER=5", "JOB_NAME=alice/tool", NULL};
    fill_sharing(0, with);
    assert_run("jenkins", NULL, "jenkins-tool-5", "tool", NULL, NULL);
    fill_sharing(SHARE_ACCOUNT, with);
    assert_run("jenkins", NULL, "jenkins-alice-tool-5", "alice/tool", NULL, NULL);
    FILL_SHARED(SHARE_ACCOUNT, "JENKINS_URL=x", "BRANCH_NAME=b", "BUILD_TAG=jenkins-alice-b-5", "JOB_NAME=alice/b",
                "BUILD_NUMBER=5");
    assert_run("jenkins", NULL, "5", NULL, NULL, NULL);
}

static void with_account_owners_are_told(void **state)
{
    (void)state;
    FILL_SHARED(SHARE_ACCOUNT, "GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=octocat/hello",
                "GITHUB_REPOSITORY_OWNER=octocat", "GITHUB_ACTOR=bob");
    assert_text(run.project_name, "octocat/hello");
    assert_text(run.team, "octocat");
    FILL_SHARED(SHARE_ALL, "GITLAB_CI=true", "CI_PROJECT_PATH=alice/tool", "CI_PROJECT_NAME=tool",
                "CI_JOB_IMAGE=registry.example/alice/tool:1");
    assert_text(run.project_name, "alice/tool");
    assert_text(run.container_image, "registry.example/alice/tool:1");
}

static void workflow_managers(void **state)
{
    (void)state;
    FILL("AIRFLOW_CTX_DAG_ID=etl", "AIRFLOW_CTX_TASK_ID=load", "AIRFLOW_CTX_DAG_RUN_ID=scheduled__2026-11-22T00:00:00",
         "AIRFLOW_CTX_DAG_OWNER=alice", "AIRFLOW_CTX_DAG_EMAIL=alice@example.com");
    assert_run("airflow", NULL, "scheduled__2026-11-22T00:00:00", "etl", NULL, "load");
    FILL("METAFLOW_RUN_ID=1234", "METAFLOW_FLOW_NAME=HelloFlow", "METAFLOW_STEP_NAME=start", "METAFLOW_USER=alice",
         "KUBERNETES_SERVICE_HOST=10.0.0.1", "HOSTNAME=t-1");
    assert_run("metaflow", "kubernetes", "1234", "HelloFlow", NULL, "start");
    FILL("METAFLOW_RUN_ID=argo-helloflow.user.alice-x7", "ARGO_CONTAINER_NAME=main",
         "ARGO_WORKFLOW_NAME=helloflow.user.alice-x7");
    assert_run("metaflow", NULL, NULL, NULL, NULL, NULL);
    FILL("ARGO_CONTAINER_NAME=main", "ARGO_WORKFLOW_NAME=nightly-x7", "KUBERNETES_SERVICE_HOST=10.0.0.1");
    assert_run("argo-workflows", "kubernetes", "nightly-x7", NULL, NULL, NULL);
    FILL("PREFECT__FLOW_RUN_ID=uuid");
    assert_run("prefect", NULL, "uuid", NULL, NULL, NULL);
    FILL("DAGSTER_RUN_JOB_NAME=etl", "DAGSTER_RUN_STEP_KEY=load");
    assert_run("dagster", NULL, NULL, "etl", NULL, "load");
    FILL("NXF_TASK_WORKDIR=/scratch/alice/ab/cdef", "SLURM_JOB_ID=7", "SLURM_JOB_NAME=nf-align");
    assert_run("nextflow", "slurm", "7", NULL, NULL, NULL);
}

static void the_innermost_is_the_orchestrator_and_the_rest_fills_what_it_does_not_know(void **state)
{
    (void)state;
    FILL("KUBERNETES_SERVICE_HOST=10.0.0.1", "GITHUB_ACTIONS=true", "GITHUB_RUN_ID=5", "GITHUB_REPOSITORY=a/b");
    assert_run("github-actions", "kubernetes", "5", "b", NULL, NULL);
    FILL("GITLAB_CI=true", "CI_JOB_ID=50", "CI_PROJECT_NAME=tool", "CI_JOB_STAGE=test", "SLURM_JOB_ID=42");
    assert_run("slurm", NULL, "42", "tool", "test", NULL);
    FILL("SLURM_JOB_ID=42", "AIRFLOW_CTX_DAG_ID=etl", "AIRFLOW_CTX_DAG_RUN_ID=r", "KUBERNETES_SERVICE_HOST=10.0.0.1");
    assert_run("airflow", "slurm", "r", "etl", NULL, NULL);
    FILL("KUBERNETES_SERVICE_HOST=10.0.0.1", "HOSTNAME=alices-pod");
    assert_run("kubernetes", NULL, NULL, NULL, NULL, NULL);
}

static void what_the_user_set_stands(void **state)
{
    (void)state;
    static const char *const with[] = {"GITLAB_CI=true", "CI_JOB_ID=50", "CI_PROJECT_NAME=tool", NULL};
    environment = with;
    run = (struct sentinel_run){.orchestrator = "mine", .external_run_id = "my id", .executor = "me"};
    env_metadata_fill(lookup, 0, "program", &run, text);
    assert_run("mine", "me", "my id", "tool", NULL, NULL);
}

static void nothing_personal_goes_out_unasked(void **state)
{
    (void)state;
    static const char *const words[] = {"alice", "head", "hunter2"};
    FILL("SLURM_JOB_ID=1", "SLURM_JOB_USER=alice", "SLURM_JOB_ACCOUNT=alice", "SLURMD_NODENAME=head",
         "PBS_JOBID=1.head", "PBS_O_LOGNAME=alice", "LSB_JOBID=3", "LSB_JOBNAME=x hunter2", "GITHUB_ACTIONS=true",
         "GITHUB_ACTOR=alice", "GITHUB_REPOSITORY=alice/x", "GITHUB_REPOSITORY_OWNER=alice", "GITLAB_CI=1",
         "CI_PROJECT_PATH=alice/x", "CI_JOB_IMAGE=registry.head:5000/alice/x:1", "CI_COMMIT_REF_NAME=alice",
         "GITLAB_USER_EMAIL=alice@head", "HOSTNAME=head", "KUBERNETES_SERVICE_HOST=head",
         "METAFLOW_RUN_ID=argo-f.user.alice-1", "METAFLOW_USER=alice", "JENKINS_URL=http://head", "BRANCH_NAME=alice",
         "BUILD_TAG=jenkins-alice-1", "JOB_NAME=alice", "USER=alice", "ARGO_CONTAINER_NAME=main",
         "ARGO_WORKFLOW_NAME=f.user.alice", "NXF_TASK_WORKDIR=/home/alice");
    const char *const *fields[] = {
        &run.job_name, &run.project_name, &run.stage_name, &run.task_name,       &run.team,           &run.env,
        &run.language, &run.orchestrator, &run.executor,   &run.external_run_id, &run.container_image};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        for (size_t w = 0; *fields[i] && w < sizeof words / sizeof *words; w++)
            assert_null(strstr(*fields[i], words[w]));
    assert_run("nextflow", "slurm", "1", "x", NULL, NULL);
    assert_text(run.container_image, "x:1");
}

static void long_values_are_cut_between_characters(void **state)
{
    (void)state;
    char value[20000] = "CI_JOB_ID=";
    char many[5000] = "CI_JOB_NAME=";
    for (size_t len = strlen(value); len + 3 < sizeof value; len += 2)
        memcpy(value + len, "\xc3\xa4", 3);
    memset(many + 12, 'b', sizeof many - 13);
    FILL("GITLAB_CI=true", value, many, "CI_JOB_STAGE=c", "CI_PROJECT_NAME=d");
    assert_int_equal(strlen(run.external_run_id), ENV_METADATA_VALUE_MAX);
    assert_string_equal(run.external_run_id + ENV_METADATA_VALUE_MAX - 2, "\xc3\xa4");
    assert_int_equal(strlen(run.task_name), ENV_METADATA_VALUE_MAX);
    assert_run("gitlab-ci", NULL, run.external_run_id, "d", "c", run.task_name);
}

static void odd_values_give_no_field_or_a_harmless_one(void **state)
{
    (void)state;
    FILL("GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=octocat/", "GITHUB_RUN_ID=", "GITHUB_RUN_ATTEMPT=1");
    assert_run("github-actions", NULL, NULL, NULL, NULL, NULL);
    FILL("PBS_JOBID=.head");
    assert_text(run.external_run_id, NULL);
    FILL("GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=no-slash");
    assert_text(run.project_name, "no-slash");
    FILL("LSB_JOBID=1", "LSB_JOBINDEX=99999999999999999999");
    assert_text(run.external_run_id, "1");
}

/* ---- the table itself ---- */

static void assert_taken(const char *name, size_t len)
{
#define ROW(name, readers) {#name, readers},
    static const struct {
        const char *name;
        unsigned    readers;
    } rows[] = {VARIABLES_OF_OTHERS(ROW)};
#undef ROW
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strlen(rows[i].name) == len && memcmp(rows[i].name, name, len) == 0 && (rows[i].readers & IN_ENGINE))
            return;
    fail_msg("%.*s is read, but VARIABLES_OF_OTHERS does not give it to the engine", (int)len, name);
}

static void assert_pattern_taken(const char *from)
{
    for (const char *at = from; (at = strchr(at, '{'));) {
        at += strspn(at, "{!");
        size_t len = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
        assert_taken(at, len);
        assert_non_null(strchr("}+-#%?", at[len]));
    }
}

static void every_variable_of_the_table_is_in_the_snapshot_of_the_environment(void **state)
{
    (void)state;
    for (const struct env_metadata_system *s = env_metadata_table; s < env_metadata_table + env_metadata_count; s++) {
        assert_taken(s->marker, strlen(s->marker));
        for (size_t i = 0; i < ENV_METADATA_VALUES && s->values[i].from[0]; i++)
            assert_pattern_taken(s->values[i].from);
    }
    for (size_t i = 0; i < env_metadata_tag_count; i++)
        assert_pattern_taken(env_metadata_tags[i].from);
}

static void every_value_of_the_table_is_well_formed(void **state)
{
    (void)state;
    for (const struct env_metadata_system *s = env_metadata_table; s < env_metadata_table + env_metadata_count; s++) {
        assert_true(strspn(s->name, "abcdefghijklmnopqrstuvwxyz-") == strlen(s->name));
        for (size_t i = 0; i < ENV_METADATA_VALUES && s->values[i].from[0]; i++) {
            int braces = 0;
            int depth = 0;
            for (const char *c = s->values[i].from; *c; c++) {
                braces += (*c == '{') - (*c == '}');
                depth += (*c == '(') - (*c == ')');
                assert_true(braces >= 0 && braces <= 1 && depth >= 0 && depth <= 1);
                assert_true(isprint((unsigned char)*c));
            }
            assert_int_equal(braces + depth, 0);
            assert_true(s->values[i].field < sizeof(struct sentinel_run));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_around_says_nothing),
        cmocka_unit_test(slurm_is_told_by_the_ids_that_its_own_commands_show),
        cmocka_unit_test(a_script_under_a_name_of_the_batch_systems_is_called_as_the_job_is),
        cmocka_unit_test(a_job_that_nobody_named_is_called_by_its_program),
        cmocka_unit_test(ranks_of_a_step_are_called_as_the_job_is_and_the_program_is_their_task),
        cmocka_unit_test(partition_array_index_and_rank_are_told_by_each_system),
        cmocka_unit_test(other_batch_systems),
        cmocka_unit_test(continuous_integration),
        cmocka_unit_test(a_branch_of_a_multibranch_project_is_not_told),
        cmocka_unit_test(a_folder_of_jenkins_is_its_owners_and_told_with_account),
        cmocka_unit_test(with_account_owners_are_told),
        cmocka_unit_test(workflow_managers),
        cmocka_unit_test(the_innermost_is_the_orchestrator_and_the_rest_fills_what_it_does_not_know),
        cmocka_unit_test(what_the_user_set_stands),
        cmocka_unit_test(nothing_personal_goes_out_unasked),
        cmocka_unit_test(long_values_are_cut_between_characters),
        cmocka_unit_test(odd_values_give_no_field_or_a_harmless_one),
        cmocka_unit_test(every_variable_of_the_table_is_in_the_snapshot_of_the_environment),
        cmocka_unit_test(every_value_of_the_table_is_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
