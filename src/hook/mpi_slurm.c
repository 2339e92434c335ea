/* Steps of MPI and Slurm, as launchers tell of them in the environment. */
// SPDX-License-Identifier: Apache-2.0
#include "hook/hook.h"

static const char *const launchers[] = {"srun", "slurmstepd", "mpirun", "mpiexec",       "orterun",        "prterun",
                                        "prte", "orted",      "prted",  "mpiexec.hydra", "hydra_pmi_proxy"};

bool step_is_launcher(const char *executable)
{
    return word_among(word_base_name(executable), launchers, sizeof launchers / sizeof *launchers);
}

/* The rank in an MPI or Slurm step, on this node or of all; -1 outside of one. The launchers' own names go before
 * Slurm's: under mpirun in an allocation Slurm's describe the batch script. */
int64_t step_rank(bool of_all)
{
    static const char *const names[][2] = {{"OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_RANK"},
                                           {"MV2_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_RANK"},
                                           {"MPI_LOCALRANKID", "PMI_RANK"},
                                           {"PALS_LOCAL_RANKID", "PALS_RANKID"},
                                           {"FLUX_TASK_LOCAL_ID", "FLUX_TASK_RANK"}};
    const char              *value = NULL;
    for (size_t i = 0; !value && i < sizeof names / sizeof *names; i++)
        if (word_environment(names[i][0]))
            value = word_environment(names[i][of_all]);
    if (!value && word_environment("SLURM_STEP_ID"))
        value = word_environment(of_all ? "SLURM_PROCID" : "SLURM_LOCALID");
    if (!value || *value < '0' || *value > '9')
        return -1;
    return (int64_t)word_parse(&value);
}

enum ranks step_ranks(void)
{
    const char *given = word_environment("PILLION_RANKS");
    if (!given || step_rank(false) < 0)
        return RANKS_NODE;
    return word_equal(given, "all") ? RANKS_ALL : word_equal(given, "first") ? RANKS_FIRST : RANKS_NODE;
}

/* A prolog or epilog of a Slurm task has the task's environment, and a child of slurmstepd for a parent. Only a task is
 * itself the process that SLURM_TASK_PID names. */
bool step_is_prolog(void)
{
    char        path[64];
    char        name[32];
    const char *task = word_environment("SLURM_TASK_PID");
    if (!word_environment("SLURM_JOB_ID") || (task && word_parse(&task) == (uint64_t)call_pid()))
        return false;
    process_file(path, (pid_t)call_parent(), "/comm");
    return call_read_file(path, name, sizeof name) > 0 && word_equal(name, "slurmstepd\n");
}
