/* The variables, one table: name, who reads it, what an unset one stands for, meaning. The snapshot of the environment
 * and the spell check are made of it, and the manual is tested against it, because a list that is kept twice goes apart.
 * It includes nothing of ours, for libc/ expands it too. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_CONFIG_VARIABLES_H
#define PILLION_CONFIG_VARIABLES_H

#include <stdbool.h>
#include <stddef.h>

struct log;

/* Who reads a variable; a set of bits. */
enum variable_reader { IN_HOOK = 1, IN_ENGINE = 2, IN_COMMAND = 4, IN_CLIENT = 8 };

/* clang-format off */
/* Variables that users set. A default is the value, "unset", or the place that is meant. */
#define VARIABLES(ROW) \
    ROW(PILLION_DISABLE,         IN_HOOK | IN_COMMAND,             "off",   "do nothing at all") \
    ROW(SENTINEL_API_TOKEN,      IN_ENGINE | IN_CLIENT,            "unset", "the token: deliver to Sentinel") \
    ROW(SENTINEL_API_KEY,        IN_ENGINE | IN_CLIENT,            "unset", "the token, where that is unset") \
    ROW(SENTINEL_API_TOKEN_FILE, IN_ENGINE | IN_CLIENT,            "unset", "a file with it, where both are unset") \
    ROW(SENTINEL_API_URL,        IN_ENGINE | IN_CLIENT,            SENTINEL_DEFAULT_URL, "base URL of the API") \
    ROW(PILLION_INTERVAL,        IN_ENGINE,                        "1",     "seconds between rows") \
    ROW(TRACKER_UPLOAD_INTERVAL, IN_ENGINE,                        "60",    "seconds between uploads to S3") \
    ROW(PILLION_UPLOAD_INTERVAL, IN_ENGINE,                        "60",    "the same, where that is unset") \
    ROW(PILLION_S3_ENDPOINT,     IN_ENGINE | IN_COMMAND | IN_CLIENT, "AWS",   "URL of a server that speaks S3") \
    ROW(PILLION_OTLP_ENDPOINT,   IN_ENGINE,                        "unset", "a receiver of OpenTelemetry for the rows") \
    ROW(OTEL_EXPORTER_OTLP_HEADERS, IN_ENGINE,                     "unset", "headers for it, such as its key") \
    ROW(OTEL_RESOURCE_ATTRIBUTES, IN_ENGINE,                       "unset", "what else it is told of the run") \
    ROW(OTEL_SERVICE_NAME,       IN_ENGINE,                        "unset", "the name of the run there") \
    ROW(PILLION_S3_URI,          IN_ENGINE,                        "unset", "without a token: a bucket of one's own") \
    ROW(PILLION_DIR,             IN_ENGINE | IN_COMMAND, \
        "$XDG_STATE_HOME/pillion, else ~/.local/state/pillion, else /tmp/pillion-UID", "where runs are kept") \
    ROW(PILLION_KEEP,            IN_ENGINE,                        "200,1G", "how many ended runs, how much of them") \
    ROW(PILLION_OUTPUT,          IN_ENGINE,                        "unset", "another file for the CSV; .jsonl: for JSON Lines") \
    ROW(TRACKER_OUTPUT,          IN_ENGINE,                        "unset", "the same, where that is unset") \
    ROW(PILLION_SIGNALS,         IN_ENGINE,                        "on",    "signals to die of finish the run first") \
    ROW(PILLION_EXIT_TIMEOUT,    IN_ENGINE,                        "5",     "seconds for which an end may be held") \
    ROW(PILLION_INCLUDE,         IN_HOOK | IN_COMMAND,             "unset", "patterns of the programs that lead") \
    ROW(PILLION_EXCLUDE,         IN_HOOK | IN_COMMAND,             "unset", "patterns of those that do not") \
    ROW(PILLION_RANKS,           IN_HOOK | IN_ENGINE | IN_COMMAND, "node",  "runs of an MPI or Slurm step") \
    ROW(PILLION_MIN_SECONDS,     IN_ENGINE,                        "0",     "a shorter life leaves no run") \
    ROW(PILLION_SHARE,           IN_ENGINE,                        "unset", "what else goes out") \
    ROW(PILLION_LOG,             IN_ENGINE,                        "unset", "another file for the log") \
    ROW(PILLION_LOG_LEVEL,       IN_ENGINE,                        "warn",  "error, warn, info, debug") \
    ROW(TRACKER_JOB_NAME,        IN_ENGINE,                        "unset", "metadata: job_name") \
    ROW(TRACKER_PROJECT_NAME,    IN_ENGINE,                        "unset", "metadata: project_name") \
    ROW(TRACKER_STAGE_NAME,      IN_ENGINE,                        "unset", "metadata: stage_name") \
    ROW(TRACKER_TASK_NAME,       IN_ENGINE,                        "unset", "metadata: task_name") \
    ROW(TRACKER_TEAM,            IN_ENGINE,                        "unset", "metadata: team") \
    ROW(TRACKER_ENV,             IN_ENGINE,                        "unset", "metadata: env") \
    ROW(TRACKER_LANGUAGE,        IN_ENGINE,                        "unset", "metadata: language") \
    ROW(TRACKER_ORCHESTRATOR,    IN_ENGINE,                        "unset", "metadata: orchestrator") \
    ROW(TRACKER_EXECUTOR,        IN_ENGINE,                        "unset", "metadata: executor") \
    ROW(TRACKER_EXTERNAL_RUN_ID, IN_ENGINE,                        "unset", "metadata: external_run_id") \
    ROW(TRACKER_CONTAINER_IMAGE, IN_ENGINE,                        "unset", "metadata: container_image") \
    ROW(TRACKER_TAGS,            IN_ENGINE,                        "unset", "metadata: tags") \
    ROW(PILLION_CLOUD,           IN_ENGINE,                        "auto",  "whether the cloud's metadata are asked") \
    ROW(http_proxy,              IN_ENGINE | IN_CLIENT,            "unset", "proxy for http; HTTP_PROXY is CGI's") \
    ROW(https_proxy,             IN_ENGINE | IN_CLIENT,            "unset", "proxy for https") \
    ROW(HTTPS_PROXY,             IN_ENGINE | IN_CLIENT,            "unset", "the same, where that is unset") \
    ROW(no_proxy,                IN_ENGINE | IN_CLIENT,            "unset", "hosts without a proxy") \
    ROW(NO_PROXY,                IN_ENGINE | IN_CLIENT,            "unset", "the same, where that is unset") \
    ROW(AWS_CA_BUNDLE,           IN_ENGINE | IN_CLIENT,            "unset", "certificates to trust") \
    ROW(CURL_CA_BUNDLE,          IN_ENGINE | IN_CLIENT,            "unset", "the same, where that is unset") \
    ROW(SSL_CERT_FILE,           IN_ENGINE | IN_CLIENT,            "unset", "the same, where both are unset")

/* Variables that others set for purposes of their own: the system, launchers of ranks, and the batch systems, CI and workflow
 * managers of config/env_metadata_table.c. Each is named, for a prefix would copy other people's secrets too. */
#define VARIABLES_OF_OTHERS(ROW) \
    ROW(HOME, IN_ENGINE | IN_COMMAND) ROW(XDG_STATE_HOME, IN_ENGINE | IN_COMMAND) ROW(LD_LIBRARY_PATH, IN_ENGINE) \
    ROW(RES_OPTIONS, IN_ENGINE | IN_CLIENT) ROW(LOCALDOMAIN, IN_ENGINE | IN_CLIENT) /* c-ares asks for both */ \
    ROW(OMPI_COMM_WORLD_LOCAL_RANK, IN_HOOK | IN_COMMAND) ROW(OMPI_COMM_WORLD_RANK, IN_HOOK | IN_ENGINE | IN_COMMAND) \
    ROW(MV2_COMM_WORLD_LOCAL_RANK, IN_HOOK | IN_COMMAND) ROW(MV2_COMM_WORLD_RANK, IN_HOOK | IN_ENGINE | IN_COMMAND) \
    ROW(MPI_LOCALRANKID, IN_HOOK | IN_ENGINE | IN_COMMAND) ROW(PMI_RANK, IN_HOOK | IN_ENGINE | IN_COMMAND) \
    ROW(PALS_LOCAL_RANKID, IN_HOOK | IN_ENGINE | IN_COMMAND) ROW(PALS_RANKID, IN_HOOK | IN_ENGINE | IN_COMMAND) \
    ROW(FLUX_TASK_LOCAL_ID, IN_HOOK | IN_ENGINE | IN_COMMAND) ROW(FLUX_TASK_RANK, IN_HOOK | IN_ENGINE | IN_COMMAND) \
    ROW(SLURM_PROCID, IN_HOOK | IN_ENGINE | IN_COMMAND) ROW(SLURM_LOCALID, IN_HOOK | IN_COMMAND) \
    ROW(SLURM_TASK_PID, IN_HOOK | IN_COMMAND) ROW(SLURM_JOB_ID, IN_HOOK | IN_ENGINE | IN_COMMAND) \
    ROW(SLURM_STEP_ID, IN_HOOK | IN_ENGINE | IN_COMMAND) ROW(SLURM_STEP_NUM_NODES, IN_ENGINE) \
    ROW(SLURM_CPUS_ON_NODE, IN_ENGINE) ROW(SLURM_GPUS_ON_NODE, IN_ENGINE) ROW(SLURM_MEM_PER_NODE, IN_ENGINE) \
    ROW(SLURM_MEM_PER_CPU, IN_ENGINE) ROW(SLURM_JOB_START_TIME, IN_ENGINE) ROW(SLURM_JOB_END_TIME, IN_ENGINE) \
    ROW(SLURM_JOB_PARTITION, IN_ENGINE) ROW(SLURM_STEP_NUM_TASKS, IN_ENGINE) ROW(PBS_ARRAY_INDEX, IN_ENGINE) \
    ROW(SLURM_CLUSTER_NAME, IN_ENGINE) \
    ROW(PBS_ARRAYID, IN_ENGINE) ROW(PBS_QUEUE, IN_ENGINE) ROW(PBS_NUM_PPN, IN_ENGINE) ROW(PBS_WALLTIME, IN_ENGINE) \
    ROW(NCPUS, IN_ENGINE) ROW(LSB_QUEUE, IN_ENGINE) ROW(LSB_MCPU_HOSTS, IN_ENGINE) ROW(LSB_JOBINDEX_END, IN_ENGINE) \
    ROW(QUEUE, IN_ENGINE) ROW(NSLOTS, IN_ENGINE) ROW(NHOSTS, IN_ENGINE) ROW(SGE_TASK_LAST, IN_ENGINE) \
    ROW(FLUX_JOB_CC, IN_ENGINE) ROW(FLUX_JOB_SIZE, IN_ENGINE) ROW(FLUX_JOB_NNODES, IN_ENGINE) \
    ROW(OMPI_COMM_WORLD_SIZE, IN_ENGINE) ROW(OMPI_COMM_WORLD_LOCAL_SIZE, IN_ENGINE) \
    ROW(MV2_COMM_WORLD_SIZE, IN_ENGINE) ROW(PMI_SIZE, IN_ENGINE) ROW(MPI_LOCALNRANKS, IN_ENGINE) \
    ROW(AIRFLOW_CTX_DAG_ID, IN_ENGINE) ROW(AIRFLOW_CTX_DAG_RUN_ID, IN_ENGINE) ROW(AIRFLOW_CTX_TASK_ID, IN_ENGINE) \
    ROW(ARGO_CONTAINER_NAME, IN_ENGINE) ROW(ARGO_WORKFLOW_NAME, IN_ENGINE) ROW(AWS_BATCH_JOB_ID, IN_ENGINE) \
    ROW(BRANCH_NAME, IN_ENGINE) ROW(BUILDKITE, IN_ENGINE) ROW(BUILDKITE_JOB_ID, IN_ENGINE) \
    ROW(BUILDKITE_PIPELINE_SLUG, IN_ENGINE) ROW(BUILDKITE_STEP_KEY, IN_ENGINE) ROW(BUILD_BUILDID, IN_ENGINE) \
    ROW(BUILD_NUMBER, IN_ENGINE) ROW(BUILD_TAG, IN_ENGINE) ROW(CIRCLECI, IN_ENGINE) ROW(CIRCLE_BUILD_NUM, IN_ENGINE) \
    ROW(CIRCLE_JOB, IN_ENGINE) ROW(CIRCLE_PROJECT_REPONAME, IN_ENGINE) ROW(CIRCLE_WORKFLOW_JOB_ID, IN_ENGINE) \
    ROW(CI_ENVIRONMENT_TIER, IN_ENGINE) ROW(CI_JOB_ID, IN_ENGINE) ROW(CI_JOB_IMAGE, IN_ENGINE) \
    ROW(CI_JOB_NAME, IN_ENGINE) ROW(CI_JOB_STAGE, IN_ENGINE) ROW(CI_PROJECT_NAME, IN_ENGINE) \
    ROW(CI_PROJECT_PATH, IN_ENGINE) ROW(CLOUD_RUN_EXECUTION, IN_ENGINE) ROW(CLOUD_RUN_TASK_INDEX, IN_ENGINE) \
    ROW(DAGSTER_RUN_JOB_NAME, IN_ENGINE) ROW(DAGSTER_RUN_STEP_KEY, IN_ENGINE) \
    ROW(ECS_CONTAINER_METADATA_URI_V4, IN_ENGINE) ROW(FLUX_JOB_ID, IN_ENGINE) ROW(GITHUB_ACTIONS, IN_ENGINE) \
    ROW(GITHUB_JOB, IN_ENGINE) ROW(GITHUB_REPOSITORY, IN_ENGINE) ROW(GITHUB_REPOSITORY_OWNER, IN_ENGINE) \
    ROW(GITHUB_RUN_ATTEMPT, IN_ENGINE) ROW(GITHUB_RUN_ID, IN_ENGINE) ROW(GITLAB_CI, IN_ENGINE) \
    ROW(JENKINS_URL, IN_ENGINE) ROW(JOB_ID, IN_ENGINE) ROW(JOB_NAME, IN_ENGINE) \
    ROW(POD_NAME, IN_ENGINE) ROW(MY_POD_NAME, IN_ENGINE) ROW(K8S_POD_NAME, IN_ENGINE) \
    ROW(KUBERNETES_POD_NAME, IN_ENGINE) ROW(POD_NAMESPACE, IN_ENGINE) ROW(MY_POD_NAMESPACE, IN_ENGINE) \
    ROW(K8S_NAMESPACE, IN_ENGINE) ROW(KUBERNETES_NAMESPACE, IN_ENGINE) ROW(CONTAINER_NAME, IN_ENGINE) \
    ROW(K8S_CONTAINER_NAME, IN_ENGINE) ROW(JOB_COMPLETION_INDEX, IN_ENGINE) ROW(CONTAINER_IMAGE, IN_ENGINE) \
    ROW(APPTAINER_NAME, IN_ENGINE) ROW(SINGULARITY_NAME, IN_ENGINE) \
    ROW(KUBERNETES_SERVICE_HOST, IN_ENGINE) ROW(LSB_JOBID, IN_ENGINE) ROW(LSB_JOBINDEX, IN_ENGINE) \
    ROW(METAFLOW_FLOW_NAME, IN_ENGINE) ROW(METAFLOW_RUN_ID, IN_ENGINE) ROW(METAFLOW_STEP_NAME, IN_ENGINE) \
    ROW(NOMAD_ALLOC_ID, IN_ENGINE) ROW(NOMAD_GROUP_NAME, IN_ENGINE) ROW(NOMAD_TASK_NAME, IN_ENGINE) \
    ROW(NXF_TASK_WORKDIR, IN_ENGINE) ROW(PBS_JOBID, IN_ENGINE) ROW(PBS_JOBNAME, IN_ENGINE) \
    ROW(PREFECT__FLOW_RUN_ID, IN_ENGINE) ROW(SGE_TASK_ID, IN_ENGINE) ROW(SLURM_ARRAY_JOB_ID, IN_ENGINE) \
    ROW(SLURM_ARRAY_TASK_COUNT, IN_ENGINE) ROW(SLURM_ARRAY_TASK_ID, IN_ENGINE) ROW(SLURM_JOB_ACCOUNT, IN_ENGINE) \
    ROW(SLURM_JOB_NAME, IN_ENGINE) ROW(STAGE_NAME, IN_ENGINE) ROW(SYSTEM_JOBNAME, IN_ENGINE) \
    ROW(SYSTEM_STAGENAME, IN_ENGINE) ROW(SYSTEM_TEAMPROJECT, IN_ENGINE) ROW(TF_BUILD, IN_ENGINE) \
    ROW(TRAINING_JOB_ARN, IN_ENGINE) ROW(TRAINING_JOB_NAME, IN_ENGINE)

/* Variables of the AWS SDKs, for a bucket of the user's own: where PILLION_S3_URI is unset, or empty, nobody looks at them.
 * They are no part of the list above, for they hold keys, and their names are longer than all that share a width there. */
#define VARIABLES_OF_AWS(ROW) \
    ROW(AWS_ACCESS_KEY_ID,                      IN_ENGINE, "unset",   "the keys for PILLION_S3_URI") \
    ROW(AWS_SECRET_ACCESS_KEY,                  IN_ENGINE, "unset",   "their secret half") \
    ROW(AWS_SESSION_TOKEN,                      IN_ENGINE, "unset",   "of keys that expire") \
    ROW(AWS_PROFILE,                            IN_ENGINE, "default", "the profile that has the keys") \
    ROW(AWS_SHARED_CREDENTIALS_FILE,            IN_ENGINE, "unset",   "in place of ~/.aws/credentials") \
    ROW(AWS_CONFIG_FILE,                        IN_ENGINE, "unset",   "in place of ~/.aws/config") \
    ROW(AWS_ROLE_ARN,                           IN_ENGINE, "unset",   "the role of a web identity") \
    ROW(AWS_WEB_IDENTITY_TOKEN_FILE,            IN_ENGINE, "unset",   "the file with its token") \
    ROW(AWS_ROLE_SESSION_NAME,                  IN_ENGINE, "pillion", "what CloudTrail shows") \
    ROW(AWS_ENDPOINT_URL_STS,                   IN_ENGINE, "AWS",     "the server that gives the role's keys") \
    ROW(AWS_ENDPOINT_URL_S3,                    IN_ENGINE | IN_COMMAND, "AWS",     "the bucket's server, where PILLION_S3_ENDPOINT is unset") \
    ROW(AWS_ENDPOINT_URL,                       IN_ENGINE | IN_COMMAND, "AWS",     "either, where that is unset") \
    ROW(AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, IN_ENGINE, "unset",   "where Amazon ECS gives keys") \
    ROW(AWS_CONTAINER_CREDENTIALS_FULL_URI,     IN_ENGINE, "unset",   "where a container's server does") \
    ROW(AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, IN_ENGINE, "unset",   "a file with the word for it") \
    ROW(AWS_CONTAINER_AUTHORIZATION_TOKEN,      IN_ENGINE, "unset",   "the word itself") \
    ROW(AWS_EC2_METADATA_DISABLED,              IN_ENGINE, "false",   "the machine's role is not asked for") \
    ROW(AWS_REGION,                             IN_ENGINE, "unset",   "the bucket's region") \
    ROW(AWS_DEFAULT_REGION,                     IN_ENGINE, "unset",   "the same, where that is unset")
/* clang-format on */

#define VARIABLE_NUMBER(name, ...) VARIABLE_##name,
enum variable { VARIABLES(VARIABLE_NUMBER) VARIABLE_COUNT };
#undef VARIABLE_NUMBER

/* The number of the variable whose name are the first `len` bytes; VARIABLE_COUNT: none. */
size_t variable_find(const char *name, size_t len);
/* Does this "NAME=value" set that variable, or one that stands for the same and may come before it? */
bool variable_stands_for(const char *entry, size_t variable);
bool variable_is_secret(size_t variable);
/* It is the user's to say: whether anything is done at all, what goes out, and where to. */
bool variable_is_users(size_t variable);
/* The name of ours that is nearest to these `len` bytes. */
const char *variable_nearest(const char *name, size_t len);

/* The default of an unset variable, as VARIABLES says; "" for a name that is not in it. */
const char *variable_default(const char *name);

/* Logs every PILLION_ name of the environment that is none of ours, with the nearest that is. */
void variables_check(const char *const *environment, struct log *log);

#endif
