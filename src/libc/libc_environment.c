// SPDX-License-Identifier: Apache-2.0
/* The environment as it was before main: what the engine calls getenv reads a copy of a few variables. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "libc/libc.h"

enum { WANTED_MAX = 32 };

/* A '*' at the end stands for all names that begin so. Of other people's variables only those that are read: many hold
 * secrets. The rows are as wide as the longest name, so that most are passed over by one comparison of a byte: this
 * runs before main, once for each variable there is. */
static const char wanted_names[][WANTED_MAX] = {
    /* the configuration, and what the network library asks for */
    "PILLION_*", "SENTINEL_*", "TRACKER_*", "AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "HOME",
    "XDG_STATE_HOME", "RES_OPTIONS", "LOCALDOMAIN", "LD_LIBRARY_PATH",
    /* config/config_metadata.c, config/env_metadata_table.c */
    "AIRFLOW_CTX_DAG_ID", "AIRFLOW_CTX_DAG_RUN_ID", "AIRFLOW_CTX_TASK_ID", "ARGO_CONTAINER_NAME", "ARGO_WORKFLOW_NAME",
    "AWS_BATCH_JOB_ID", "BRANCH_NAME", "BUILDKITE", "BUILDKITE_JOB_ID", "BUILDKITE_PIPELINE_SLUG", "BUILDKITE_STEP_KEY",
    "BUILD_BUILDID", "BUILD_NUMBER", "BUILD_TAG", "CIRCLECI", "CIRCLE_BUILD_NUM", "CIRCLE_JOB",
    "CIRCLE_PROJECT_REPONAME", "CIRCLE_WORKFLOW_JOB_ID", "CI_ENVIRONMENT_TIER", "CI_JOB_ID", "CI_JOB_IMAGE",
    "CI_JOB_NAME", "CI_JOB_STAGE", "CI_PROJECT_NAME", "CI_PROJECT_PATH", "CLOUD_RUN_EXECUTION", "CLOUD_RUN_TASK_INDEX",
    "DAGSTER_RUN_JOB_NAME", "DAGSTER_RUN_STEP_KEY", "ECS_CONTAINER_METADATA_URI_V4", "FLUX_JOB_ID", "GITHUB_ACTIONS",
    "GITHUB_JOB", "GITHUB_REPOSITORY", "GITHUB_REPOSITORY_OWNER", "GITHUB_RUN_ATTEMPT", "GITHUB_RUN_ID", "GITLAB_CI",
    "JENKINS_URL", "JOB_ID", "JOB_NAME", "KUBERNETES_SERVICE_HOST", "LSB_JOBID", "LSB_JOBINDEX", "METAFLOW_FLOW_NAME",
    "METAFLOW_RUN_ID", "METAFLOW_STEP_NAME", "NOMAD_ALLOC_ID", "NOMAD_GROUP_NAME", "NOMAD_TASK_NAME",
    "NXF_TASK_WORKDIR", "PBS_JOBID", "PBS_JOBNAME", "PREFECT__FLOW_RUN_ID", "SGE_TASK_ID", "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_ACCOUNT", "SLURM_JOB_ID", "SLURM_JOB_NAME",
    "SLURM_STEP_ID", "SLURM_STEP_NUM_NODES", "STAGE_NAME", "SYSTEM_JOBNAME", "SYSTEM_STAGENAME", "SYSTEM_TEAMPROJECT",
    "TF_BUILD", "TRAINING_JOB_ARN", "TRAINING_JOB_NAME"};
static const char *const wanted_endings[] = {"_proxy", "_PROXY"};

static bool matches(const char *pattern, const char *name, size_t len)
{
    size_t pattern_len = strlen(pattern);
    if (pattern[pattern_len - 1] == '*')
        return len >= pattern_len - 1 && memcmp(name, pattern, pattern_len - 1) == 0;
    return len == pattern_len && memcmp(name, pattern, len) == 0;
}

static bool is_wanted(const char *variable)
{
    const char *end = strchr(variable, '=');
    if (!end)
        return false;
    size_t len = (size_t)(end - variable);
    for (size_t i = 0; i < sizeof wanted_names / sizeof *wanted_names; i++)
        if (wanted_names[i][0] == variable[0] && matches(wanted_names[i], variable, len))
            return true;
    for (size_t i = 0; i < sizeof wanted_endings / sizeof *wanted_endings; i++) {
        size_t ending = strlen(wanted_endings[i]);
        if (len >= ending && end[-1] == wanted_endings[i][ending - 1] &&
            memcmp(end - ending, wanted_endings[i], ending) == 0)
            return true;
    }
    return false;
}

static char **snapshot;

int corner_environment(const char *const *envp)
{
    free(snapshot);
    snapshot = NULL;
    size_t count = 0, bytes = 0;
    for (const char *const *variable = envp; variable && *variable; variable++)
        if (is_wanted(*variable)) {
            count++;
            bytes += strlen(*variable) + 1;
        }
    char **copy = malloc((count + 1) * sizeof *copy + bytes);
    if (!copy)
        return -ENOMEM;
    char  *text = (char *)(copy + count + 1);
    size_t i = 0;
    for (const char *const *variable = envp; variable && *variable; variable++)
        if (is_wanted(*variable)) {
            size_t len = strlen(*variable) + 1;
            copy[i++] = memcpy(text, *variable, len);
            text += len;
        }
    copy[i] = NULL;
    snapshot = copy;
    return 0;
}

/* libc's reads the live environment, which the program's threads may be moving. */
char *getenv(const char *name)
{
    size_t len = strlen(name);
    for (char **variable = snapshot; variable && *variable; variable++)
        if (strncmp(*variable, name, len) == 0 && (*variable)[len] == '=')
            return *variable + len + 1;
    return NULL;
}
