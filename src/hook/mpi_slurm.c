/* Steps of MPI and Slurm, as launchers tell of them in the environment. */
// SPDX-License-Identifier: Apache-2.0
#include "hook/hook.h"

static const char launchers[][STRING_WORD_SIZE] = {"srun",    "slurmstepd",    "mpirun",         "mpiexec",
                                                   "orterun", "prterun",       "prte",           "orted",
                                                   "prted",   "mpiexec.hydra", "hydra_pmi_proxy"};

bool mpi_slurm_is_launcher(const char *executable)
{
    return string_among(string_base_name(executable), launchers, sizeof launchers / sizeof *launchers);
}

/* The rank in an MPI or Slurm step, on this node or of all; -1 outside of one. The launchers' own names go before
 * Slurm's: under mpirun in an allocation Slurm's describe the batch script. */
int64_t mpi_slurm_rank(bool of_all)
{
    static const char names[][2][28] = {{"OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_RANK"},
                                        {"MV2_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_RANK"},
                                        {"MPI_LOCALRANKID", "PMI_RANK"},
                                        {"PALS_LOCAL_RANKID", "PALS_RANKID"},
                                        {"FLUX_TASK_LOCAL_ID", "FLUX_TASK_RANK"}};
    const char       *value = NULL;
    for (size_t i = 0; !value && i < sizeof names / sizeof *names; i++)
        if (environment_of(names[i][0]))
            value = environment_of(names[i][of_all]);
    if (!value && environment_of("SLURM_STEP_ID"))
        value = environment_of(of_all ? "SLURM_PROCID" : "SLURM_LOCALID");
    if (!value || *value < '0' || *value > '9')
        return -1;
    return (int64_t)string_number(&value);
}

enum ranks mpi_slurm_ranks(void)
{
    const char *given = setting_of("PILLION_RANKS");
    if (!given || mpi_slurm_rank(false) < 0)
        return RANKS_NODE;
    return string_equal(given, "all") ? RANKS_ALL : string_equal(given, "first") ? RANKS_FIRST : RANKS_NODE;
}

/* A prolog or epilog of a Slurm task has the task's environment, and a child of slurmstepd for a parent. Only a task is
 * itself the process that SLURM_TASK_PID names. */
bool mpi_slurm_is_prolog(void)
{
    char        path[64];
    char        name[32];
    const char *task = environment_of("SLURM_TASK_PID");
    if (!environment_of("SLURM_JOB_ID") || (task && string_number(&task) == (uint64_t)sys_pid()))
        return false;
    procfs_file(path, (pid_t)sys_parent(), "/comm");
    return sys_read_file(path, name, sizeof name) > 0 && string_equal(name, "slurmstepd\n");
}
