// SPDX-License-Identifier: Apache-2.0
/* Variables of each system, by its own documentation, or, where it has none, by its source. */
#include "base/array.h"
#include "config/config.h"
#include "config/env_metadata.h"

#define SAYS(field, from)                                 \
    {                                                     \
        offsetof(struct sentinel_run, field), 0, from, "" \
    }
#define SHARES(share, field, from)                            \
    {                                                         \
        offsetof(struct sentinel_run, field), share, from, "" \
    }
#define OF_RANKS(field, from)                                            \
    {                                                                    \
        offsetof(struct sentinel_run, field), 0, from, ENV_METADATA_RANK \
    }
#define OF_SCRIPT(script, field, from)                        \
    {                                                         \
        offsetof(struct sentinel_run, field), 0, from, script \
    }

const struct env_metadata_system env_metadata_table[] = {
    /* Workflow managers. */
    /* Nextflow: the task wrapper (.command.run) exports it */
    {"nextflow", "NXF_TASK_WORKDIR", false, {{0}}},
    /* Metaflow: metaflow/plugins/kubernetes, aws/batch. Run IDs of production branches have a user's name in them. */
    {"metaflow",
     "METAFLOW_RUN_ID",
     false,
     {SHARES(SHARE_ACCOUNT, external_run_id, "{METAFLOW_RUN_ID}"), SAYS(external_run_id, "{METAFLOW_RUN_ID+}"),
      SAYS(project_name, "{METAFLOW_FLOW_NAME}"), SAYS(task_name, "{METAFLOW_STEP_NAME}")}},
    /* Dagster: the run launchers and step handlers of dagster-k8s, -docker, -aws */
    {"dagster",
     "DAGSTER_RUN_JOB_NAME",
     false,
     {SAYS(project_name, "{DAGSTER_RUN_JOB_NAME}"), SAYS(task_name, "{DAGSTER_RUN_STEP_KEY}")}},
    /* Prefect: prefect.runtime.flow_run, the workers' job configuration */
    {"prefect", "PREFECT__FLOW_RUN_ID", false, {SAYS(external_run_id, "{PREFECT__FLOW_RUN_ID}")}},
    /* airflow.apache.org, BashOperator: "the following variables"; airflow.utils.operator_helpers */
    {"airflow",
     "AIRFLOW_CTX_DAG_ID",
     false,
     {SAYS(external_run_id, "{AIRFLOW_CTX_DAG_RUN_ID}"), SAYS(project_name, "{AIRFLOW_CTX_DAG_ID}"),
      SAYS(task_name, "{AIRFLOW_CTX_TASK_ID}")}},
    /* Argo Workflows: workflow/common, EnvVarContainerName, EnvVarWorkflowName. Metaflow names its workflows. */
    {"argo-workflows", "ARGO_CONTAINER_NAME", false, {SAYS(external_run_id, "{!METAFLOW_RUN_ID}{ARGO_WORKFLOW_NAME}")}},

    /* Batch systems. */
    /* Flux: flux-environment(7), first because it is started inside the others' allocations */
    {"flux", "FLUX_JOB_ID", true, {SAYS(external_run_id, "{FLUX_JOB_ID}")}},
    /* Slurm: sbatch(1), srun(1), OUTPUT ENVIRONMENT VARIABLES; IDs as squeue and sacct write them */
    {"slurm",
     "SLURM_JOB_ID",
     true,
     {SAYS(external_run_id, "{SLURM_ARRAY_JOB_ID}_{SLURM_ARRAY_TASK_ID}(.{SLURM_STEP_ID-})"),
      SAYS(external_run_id, "{SLURM_JOB_ID}(.{SLURM_STEP_ID-})"),
      OF_SCRIPT("slurm_script", job_name, "{SLURM_JOB_NAME}"), OF_RANKS(job_name, "{SLURM_JOB_NAME}"),
      SHARES(SHARE_ACCOUNT, team, "{SLURM_JOB_ACCOUNT}")}},
    /* OpenPBS, PBS Professional: qsub(1B), ENVIRONMENT VARIABLES. Behind the ID's first dot is the server's name. */
    {"pbs",
     "PBS_JOBID",
     true,
     {SHARES(SHARE_HOSTNAME, external_run_id, "{PBS_JOBID}"), SAYS(external_run_id, "{PBS_JOBID%.}"),
      OF_SCRIPT("{PBS_JOBID}.SC", job_name, "{PBS_JOBNAME}"), OF_SCRIPT("{PBS_JOBID}.SC", job_name, "{PBS_JOBID%.}"),
      OF_RANKS(job_name, "{PBS_JOBNAME}")}},
    /* IBM Spectrum LSF: "Environment variables set for job execution". LSB_JOBNAME may be the whole command line. */
    {"lsf", "LSB_JOBID", true, {SAYS(external_run_id, "{LSB_JOBID}([{LSB_JOBINDEX+}])")}},
    /* Grid Engine: qsub(1), ENVIRONMENTAL VARIABLES; "undefined" outside of an array */
    {"sge",
     "SGE_TASK_ID",
     true,
     {SAYS(external_run_id, "{JOB_ID}(.{SGE_TASK_ID+})"), OF_SCRIPT("{JOB_ID}", job_name, "{JOB_NAME}"),
      OF_RANKS(job_name, "{JOB_NAME}")}},
    /* Amazon SageMaker AI: the variables that its training containers are started with */
    {"sagemaker", "TRAINING_JOB_ARN", true, {SAYS(external_run_id, "{TRAINING_JOB_NAME}")}},
    /* AWS Batch User Guide, "Job environment variables"; the ID of a child of an array has its index */
    {"aws-batch", "AWS_BATCH_JOB_ID", true, {SAYS(external_run_id, "{AWS_BATCH_JOB_ID}")}},
    /* Cloud Run, "Container runtime contract", environment variables for jobs */
    {"cloud-run",
     "CLOUD_RUN_EXECUTION",
     true,
     {SAYS(external_run_id, "{CLOUD_RUN_EXECUTION}(.{CLOUD_RUN_TASK_INDEX})")}},
    /* Nomad, "Runtime environment settings" */
    {"nomad",
     "NOMAD_ALLOC_ID",
     true,
     {SAYS(external_run_id, "{NOMAD_ALLOC_ID}"), SAYS(stage_name, "{NOMAD_GROUP_NAME}"),
      SAYS(task_name, "{NOMAD_TASK_NAME}")}},

    /* CI. */
    /* docs.github.com, "Variables reference", default environment variables; Gitea and Forgejo set the same */
    {"github-actions",
     "GITHUB_ACTIONS",
     false,
     {SAYS(external_run_id, "{GITHUB_RUN_ID}(-{GITHUB_RUN_ATTEMPT})"),
      SHARES(SHARE_ACCOUNT, project_name, "{GITHUB_REPOSITORY}"), SAYS(project_name, "{GITHUB_REPOSITORY#/}"),
      SAYS(task_name, "{GITHUB_JOB}"), SHARES(SHARE_ACCOUNT, team, "{GITHUB_REPOSITORY_OWNER}")}},
    /* docs.gitlab.com, "Predefined CI/CD variables reference". The path of an image has its owner in it, too. */
    {"gitlab-ci",
     "GITLAB_CI",
     false,
     {SAYS(external_run_id, "{CI_JOB_ID}"), SHARES(SHARE_ACCOUNT, project_name, "{CI_PROJECT_PATH}"),
      SAYS(project_name, "{CI_PROJECT_NAME}"), SAYS(stage_name, "{CI_JOB_STAGE}"), SAYS(task_name, "{CI_JOB_NAME}"),
      SAYS(env, "{CI_ENVIRONMENT_TIER}"), SHARES(SHARE_ACCOUNT, container_image, "{CI_JOB_IMAGE}"),
      SAYS(container_image, "{CI_JOB_IMAGE#/}")}},
    /* buildkite.com/docs, "Environment variables" */
    {"buildkite",
     "BUILDKITE",
     false,
     {SAYS(external_run_id, "{BUILDKITE_JOB_ID}"), SAYS(project_name, "{BUILDKITE_PIPELINE_SLUG}"),
      SAYS(task_name, "{BUILDKITE_STEP_KEY}")}},
    /* circleci.com/docs, "Project values and variables" */
    {"circleci",
     "CIRCLECI",
     false,
     {SAYS(external_run_id, "{CIRCLE_WORKFLOW_JOB_ID}"), SAYS(external_run_id, "{CIRCLE_BUILD_NUM}"),
      SAYS(project_name, "{CIRCLE_PROJECT_REPONAME}"), SAYS(task_name, "{CIRCLE_JOB}")}},
    /* learn.microsoft.com, Azure Pipelines, "Use predefined variables" */
    {"azure-pipelines",
     "TF_BUILD",
     false,
     {SAYS(external_run_id, "{BUILD_BUILDID}"), SAYS(project_name, "{SYSTEM_TEAMPROJECT}"),
      SAYS(stage_name, "{SYSTEM_STAGENAME}"), SAYS(task_name, "{SYSTEM_JOBNAME}")}},
    /* jenkins.io, "Using environment variables": BUILD_TAG is the job's name, with its folders, between "jenkins-" and
     * the number. In a multibranch project the job's name is the branch's. */
    {"jenkins",
     "JENKINS_URL",
     false,
     {SHARES(SHARE_ACCOUNT, external_run_id, "{!BRANCH_NAME}{BUILD_TAG}"),
      SAYS(external_run_id, "{!BRANCH_NAME}jenkins-{JOB_NAME#/}-{BUILD_NUMBER}"),
      SAYS(external_run_id, "{BUILD_NUMBER}"), SHARES(SHARE_ACCOUNT, project_name, "{!BRANCH_NAME}{JOB_NAME}"),
      SAYS(project_name, "{!BRANCH_NAME}{JOB_NAME#/}"), SAYS(stage_name, "{STAGE_NAME}")}},

    /* Container platforms. */
    /* kubernetes.io, "The Kubernetes API server", "Accessing the API from a Pod": set in every container. What
     * the pod says of itself: container.c. */
    {"kubernetes", "KUBERNETES_SERVICE_HOST", true, {{0}}},
    /* Amazon ECS Developer Guide, "Task metadata endpoint version 4" */
    {"aws-ecs", "ECS_CONTAINER_METADATA_URI_V4", true, {{0}}},
};

const size_t env_metadata_count = ARRAY_LENGTH(env_metadata_table);

/* Launchers of ranks: Open MPI, "Environment variables exported to MPI processes"; MVAPICH2; Hydra (MPICH, Intel MPI);
 * HPE PALS. They go before Slurm's, which under mpirun describe what mpirun was started by. */
const struct env_metadata_tag env_metadata_tags[] = {
    {"job_name", "{SLURM_JOB_ID?}{SLURM_JOB_NAME}"},
    {"job_name", "{PBS_JOBID?}{PBS_JOBNAME}"},
    {"job_name", "{SGE_TASK_ID?}{JOB_NAME}"},
    {"job_partition", "{SLURM_JOB_ID?}{SLURM_JOB_PARTITION}"},
    {"job_partition", "{PBS_JOBID?}{PBS_QUEUE}"},
    {"job_partition", "{LSB_JOBID?}{LSB_QUEUE}"},
    {"job_partition", "{SGE_TASK_ID?}{QUEUE}"},
    {"job_cluster", "{SLURM_JOB_ID?}{SLURM_CLUSTER_NAME}"}, /* its numbers are another's, too */
    {"job_array_index", "{SLURM_JOB_ID?}{SLURM_ARRAY_TASK_ID}"},
    {"job_array_index", "{PBS_JOBID?}{PBS_ARRAY_INDEX}"},
    {"job_array_index", "{PBS_JOBID?}{PBS_ARRAYID}"}, /* Torque */
    {"job_array_index", "{LSB_JOBID?}{LSB_JOBINDEX+}"},
    {"job_array_index", "{SGE_TASK_ID+}"},
    {"job_array_index", "{FLUX_JOB_ID?}{FLUX_JOB_CC}"},
    {ENV_METADATA_TAG_RANK, "{OMPI_COMM_WORLD_RANK}"},
    {ENV_METADATA_TAG_RANK, "{MV2_COMM_WORLD_RANK}"},
    {ENV_METADATA_TAG_RANK, "{MPI_LOCALRANKID?}{PMI_RANK}"},
    {ENV_METADATA_TAG_RANK, "{PALS_LOCAL_RANKID?}{PALS_RANKID}"},
    {ENV_METADATA_TAG_RANK, "{FLUX_TASK_LOCAL_ID?}{FLUX_TASK_RANK}"},
    {ENV_METADATA_TAG_RANK, "{SLURM_STEP_ID?}{SLURM_PROCID}"},
    {"job_ranks", "{OMPI_COMM_WORLD_SIZE}"},
    {"job_ranks", "{MV2_COMM_WORLD_SIZE}"},
    {"job_ranks", "{MPI_LOCALRANKID?}{PMI_SIZE}"},
    {"job_ranks", "{FLUX_TASK_LOCAL_ID?}{FLUX_JOB_SIZE}"},
    {"job_ranks", "{SLURM_STEP_ID?}{SLURM_STEP_NUM_TASKS}"},
};

const size_t env_metadata_tag_count = ARRAY_LENGTH(env_metadata_tags);
