/* What a batch system says that it has given to a job on this node. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config/allotment.h"
#include "surroundings.h"

static struct allotment given;

#define READ(...) read_those((const char *const[]){__VA_ARGS__, NULL})

static void read_those(const char *const *those)
{
    environment = those;
    allotment_read(lookup, &given);
}

static void assert_given(uint64_t cpus, uint64_t memory_mib, uint64_t gpus, uint64_t seconds)
{
    assert_true(given.cpus == cpus && given.memory_mib == memory_mib);
    assert_true(given.gpus == gpus && given.seconds == seconds);
    assert_true((given.by != NULL) == (cpus + memory_mib + gpus + seconds > 0));
}

static void a_job_has_its_cores_memory_gpus_and_time_of_the_node(void **state)
{
    (void)state;
    READ("SLURM_JOB_ID=7", "SLURM_CPUS_ON_NODE=4", "SLURM_MEM_PER_NODE=8192", "SLURM_GPUS_ON_NODE=2",
         "SLURM_JOB_START_TIME=1795000000", "SLURM_JOB_END_TIME=1795007200");
    assert_given(4, 8192, 2, 7200);
    assert_string_equal(given.by, "slurm");
    assert_true(given.ends == 1795007200);
    READ("SLURM_JOB_ID=7", "SLURM_CPUS_ON_NODE=4", "SLURM_MEM_PER_CPU=2000");
    assert_given(4, 8000, 0, 0);
}

static void what_is_not_told_or_is_no_number_is_not_given(void **state)
{
    (void)state;
    READ("SLURM_CPUS_ON_NODE=4"); /* no job: left over */
    assert_given(0, 0, 0, 0);
    READ("SLURM_JOB_ID=7");
    assert_given(0, 0, 0, 0);
    READ("SLURM_JOB_ID=7", "SLURM_CPUS_ON_NODE=-4", "SLURM_MEM_PER_NODE=8G",
         "SLURM_GPUS_ON_NODE=", "SLURM_JOB_START_TIME=1795007200", "SLURM_JOB_END_TIME=1795000000");
    assert_given(0, 0, 0, 0);
    READ("SLURM_JOB_ID=7", "SLURM_MEM_PER_NODE=99999999999999999999");
    assert_given(0, 0, 0, 0);
}

static void other_batch_systems_tell_less(void **state)
{
    (void)state;
    READ("PBS_JOBID=1.head", "NCPUS=8");
    assert_given(8, 0, 0, 0);
    assert_string_equal(given.by, "pbs");
    READ("PBS_JOBID=1.head", "NCPUS=16", "PBS_NUM_PPN=8", "PBS_WALLTIME=7200"); /* Torque */
    assert_given(8, 0, 0, 7200);
    READ("LSB_JOBID=7", "LSB_MCPU_HOSTS=node1 16 ", "LSB_DJOB_NUMPROC=16");
    assert_given(16, 0, 0, 0);
    assert_string_equal(given.by, "lsf");
    READ("LSB_JOBID=7", "LSB_MCPU_HOSTS=node1 16 node2 16");
    assert_given(0, 0, 0, 0);
    READ("SGE_TASK_ID=undefined", "JOB_ID=9", "NSLOTS=4", "NHOSTS=1");
    assert_given(4, 0, 0, 0);
    assert_string_equal(given.by, "sge");
    READ("SGE_TASK_ID=undefined", "JOB_ID=9", "NSLOTS=64", "NHOSTS=4");
    assert_given(0, 0, 0, 0);
    READ("NCPUS=8", "NSLOTS=4", "NHOSTS=1", "PBS_WALLTIME=60"); /* no job: left over */
    assert_given(0, 0, 0, 0);
    READ("SLURM_JOB_ID=7", "SLURM_CPUS_ON_NODE=4", "PBS_JOBID=1.head", "NCPUS=8");
    assert_given(4, 0, 0, 0);
}

static void words_that_are_no_request_give_nothing(void **state)
{
    (void)state;
    static const char *const hosts[] = {"LSB_MCPU_HOSTS=", "LSB_MCPU_HOSTS=node1", "LSB_MCPU_HOSTS=node1 x",
                                        "LSB_MCPU_HOSTS=node1 -4", "LSB_MCPU_HOSTS=node1 99999999999999999999"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        READ("LSB_JOBID=7", hosts[i]);
        assert_given(0, 0, 0, 0);
    }
    READ("PBS_JOBID=1", "NCPUS=many", "PBS_WALLTIME=01:00:00");
    assert_given(0, 0, 0, 0);
}

static void a_rank_has_only_the_time_for_itself(void **state)
{
    (void)state;
    READ("SLURM_JOB_ID=7", "SLURM_CPUS_ON_NODE=4", "SLURM_MEM_PER_NODE=8192", "PILLION_RANKS=all",
         "SLURM_JOB_START_TIME=1", "SLURM_JOB_END_TIME=61");
    assert_given(0, 0, 0, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_has_its_cores_memory_gpus_and_time_of_the_node),
        cmocka_unit_test(other_batch_systems_tell_less),
        cmocka_unit_test(words_that_are_no_request_give_nothing),
        cmocka_unit_test(what_is_not_told_or_is_no_number_is_not_given),
        cmocka_unit_test(a_rank_has_only_the_time_for_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
