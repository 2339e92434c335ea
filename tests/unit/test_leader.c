// SPDX-License-Identifier: Apache-2.0
// Who leads. This program runs copies of itself under other names and below each other; each says by its exit status
// what it decided.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "folder.h"
#include "hook/hook.h"

struct hook hook;

enum { CONTINUES = 4, IN_STEP = 8, MADE = 64, FAILED = 99 };

static struct folder folder;

static int spawn(const char *program, const char *const *arguments)
{
    int   status = 0;
    pid_t child = fork();
    if (child == 0) {
        execv(program, (char *const *)(uintptr_t)arguments);
        _exit(FAILED);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
}

/* ---- as a copy: WHAT [PROGRAM WHAT …]; "predicts" answers with the reason, and 64 where something was made ---- */

static char executable[HOOK_PATH_MAX];

static int predict(void)
{
    struct leader lead = {.executable = executable};
    char          marker[HOOK_NAME_MAX];
    leader_predict("/bin/true", "/bin/true", &lead);
    bool made = lead.role == ROLE_LEADER && leader_marker_exists(lead.pid_namespace, &lead.self, marker, sizeof marker);
    bool right = lead.why < LEADER_BELOW_MARKER || lead.why == LEADER_FROM_OUTSIDE || lead.above.pid == getppid();
    return right ? (int)lead.why | (made ? MADE : 0) : FAILED;
}

static void *wait_for_ever(void *unused)
{
    (void)unused;
    (void)prctl(PR_SET_NAME, "pillion");
    for (;;)
        pause();
    return NULL;
}

static bool prepare(const char *what, const char *self)
{
    pthread_t thread;
    char      path[FOLDER_PATH];
    if (strcmp(what, "has_thread") == 0)
        return pthread_create(&thread, NULL, wait_for_ever, NULL) == 0;
    if (strcmp(what, "maps_hook") != 0)
        return true;
    (void)snprintf(path, sizeof path, "%.*s/libpillion.so", (int)(strrchr(self, '/') - self), self);
    int   fd = open(path, O_RDONLY | O_CLOEXEC);
    void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    close(fd);
    return at != MAP_FAILED;
}

static int copy(int argc, char **argv)
{
    struct leader lead = {.executable = executable};
    int           result = FAILED;
    bool          further = argc > 3;
    if (!prepare(argv[1], argv[0]))
        return FAILED;
    if (strcmp(argv[1], "predicts") == 0)
        return predict();
    if (strcmp(argv[1], "has_thread") == 0)
        (void)usleep(100000);
    if (strcmp(argv[1], "maps_hook") != 0 && strcmp(argv[1], "has_thread") != 0)
        leader_decide("true", &lead);
    if (strcmp(argv[1], "execs") == 0 && further) {
        execv(argv[2], argv + 2);
        return FAILED;
    }
    if (further)
        result = spawn(argv[2], (const char *const *)(argv + 2));
    else
        result = (int)lead.role | (lead.continues ? CONTINUES : 0) | (lead.in_step ? IN_STEP : 0);
    if (lead.marker[0])
        (void)unlink(lead.marker);
    return result;
}

/* ---- the tests ---- */

static bool copy_self(const char *name)
{
    static char block[1 << 16];
    char        path[FOLDER_PATH];
    int         from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int         to = open(folder_path(&folder, name, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    bool        good = from >= 0 && to >= 0;
    for (ssize_t n; good && (n = read(from, block, sizeof block)) != 0;)
        good = n > 0 && write(to, block, (size_t)n) == n;
    close(from);
    close(to);
    return good;
}

/* Entered from outside, everything here is a passenger; and what an observed shell starts is one too. */
static bool nobody_leads_us(void)
{
    struct process p;
    for (pid_t pid = getpid(); pid != 1; pid = p.parent)
        if (pid <= 0 || procfs_read(pid, &p) < 0 || procfs_has_thread_named_pillion(&p) || procfs_maps_hook(pid))
            return false;
    return true;
}

static bool leading_is_possible;

static int make(void **state)
{
    (void)state;
    static const char page[4096];
    leading_is_possible = nobody_leads_us();
    (void)clearenv();
    return folder_make(&folder) && copy_self("outer") && folder_write(&folder, "libpillion.so", page, sizeof page) ? 0
                                                                                                                   : -1;
}

static int drop(void **state)
{
    (void)state;
    folder_remove(&folder);
    return 0;
}

static const char *at(const char *name)
{
    static char paths[4][FOLDER_PATH];
    static int  next;
    next = (next + 1) % 4;
    return folder_path(&folder, name, paths[next]);
}

static void rename_outer(const char *name)
{
    assert_int_equal(rename(at("outer"), at(name)), 0);
}

static int decide(const char *name)
{
    const char *const arguments[] = {at(name), "decides", NULL};
    return spawn(arguments[0], arguments);
}

static int decide_below(const char *outer, const char *what, const char *inner)
{
    const char *const arguments[] = {at(outer), what, at(inner), "decides", NULL};
    return spawn(arguments[0], arguments);
}

static int decide_with(const char *name, const char *value)
{
    assert_int_equal(setenv(name, value, 1), 0);
    int result = decide("outer");
    assert_int_equal(unsetenv(name), 0);
    return result;
}

#define NEEDS_LEAD()                                                  \
    do {                                                              \
        if (!leading_is_possible)                                     \
            skip("somebody above leads already, or /proc is hidden"); \
    } while (0)

static void the_first_of_a_tree_leads(void **state)
{
    (void)state;
    NEEDS_LEAD();
    assert_int_equal(decide("outer"), ROLE_LEADER);
}

static void a_word_of_disabling_switches_it_off(void **state)
{
    (void)state;
    static const char *const off[] = {"1", "yes", "true", "on", "anything"};
    static const char *const on[] = {"", "0", "no", "false", "Off"};
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        assert_int_equal(decide_with("PILLION_DISABLE", off[i]), ROLE_NONE);
    NEEDS_LEAD();
    for (size_t i = 0; i < sizeof on / sizeof *on; i++)
        assert_int_equal(decide_with("PILLION_DISABLE", on[i]), ROLE_LEADER);
}

static void excluded_programs_have_no_part(void **state)
{
    (void)state;
    char below[FOLDER_PATH];
    assert_int_equal(decide_with("PILLION_EXCLUDE", "x:outer"), ROLE_NONE);
    assert_int_equal(decide_with("PILLION_EXCLUDE", folder_path(&folder, "*", below)), ROLE_NONE);
    assert_int_equal(decide_with("PILLION_INCLUDE", "inner"), ROLE_NONE);
    assert_int_equal(setenv("PILLION_INCLUDE", "outer", 1), 0);
    assert_int_equal(decide_with("PILLION_EXCLUDE", "o*"), ROLE_NONE);
    NEEDS_LEAD();
    assert_int_equal(decide_with("PILLION_EXCLUDE", "inner"), ROLE_LEADER);
    assert_int_equal(decide_with("PILLION_INCLUDE", ""), ROLE_LEADER);
}

static void wrappers_have_no_part(void **state)
{
    (void)state;
    static const char *const names[] = {"srun", "mpirun", "timeout", "sudo", "pillion", "valgrind.bin"};
    const char              *now = "outer";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(rename(at(now), at(names[i])), 0);
        now = names[i];
        assert_int_equal(decide(now), ROLE_NONE);
    }
}

static void what_a_wrapper_starts_leads(void **state)
{
    (void)state;
    NEEDS_LEAD();
    rename_outer("nohup");
    assert_true(copy_self("inner"));
    assert_int_equal(decide_below("nohup", "decides", "inner"), ROLE_LEADER);
}

static void what_a_leader_starts_is_a_passenger(void **state)
{
    (void)state;
    NEEDS_LEAD();
    assert_int_equal(decide_below("outer", "decides", "outer"), ROLE_PASSENGER);
    const char *const deeper[] = {at("outer"), "decides", at("outer"), "decides", at("outer"), "decides", NULL};
    assert_int_equal(spawn(deeper[0], deeper), ROLE_PASSENGER);
}

static void exec_in_place_goes_on(void **state)
{
    (void)state;
    NEEDS_LEAD();
    assert_int_equal(decide_below("outer", "execs", "outer"), ROLE_LEADER | CONTINUES);
}

static void an_excluded_program_passes_the_lead_on(void **state)
{
    (void)state;
    NEEDS_LEAD();
    assert_true(copy_self("inner"));
    assert_int_equal(setenv("PILLION_EXCLUDE", "outer", 1), 0);
    assert_int_equal(decide_below("outer", "decides", "inner"), ROLE_LEADER);
    assert_int_equal(decide_below("outer", "execs", "inner"), ROLE_LEADER);
    assert_int_equal(decide_below("outer", "maps_hook", "inner"), ROLE_LEADER);
}

static void below_a_run_that_ended_nothing_begins_again(void **state)
{
    (void)state;
    assert_true(copy_self("inner"));
    assert_int_equal(decide_below("outer", "maps_hook", "inner"), ROLE_PASSENGER);
}

static void a_leader_without_a_marker_is_known_by_its_thread(void **state)
{
    (void)state;
    assert_int_equal(decide_below("outer", "has_thread", "outer"), ROLE_PASSENGER);
}

static void of_the_ranks_of_a_node_the_first_leads(void **state)
{
    (void)state;
    NEEDS_LEAD();
    assert_int_equal(decide_with("OMPI_COMM_WORLD_LOCAL_RANK", "0"), ROLE_LEADER | IN_STEP);
    assert_int_equal(decide_with("OMPI_COMM_WORLD_LOCAL_RANK", "1") & 3, ROLE_NONE);
    assert_int_equal(decide_with("MPI_LOCALRANKID", "12") & 3, ROLE_NONE);
    assert_int_equal(decide_with("OMPI_COMM_WORLD_LOCAL_RANK", "x"), ROLE_LEADER);
    assert_int_equal(decide_with("SLURM_LOCALID", "1"), ROLE_LEADER); /* of a batch script, no step */
    assert_int_equal(setenv("SLURM_STEP_ID", "0", 1), 0);
    assert_int_equal(decide_with("SLURM_LOCALID", "1") & 3, ROLE_NONE);
    assert_int_equal(decide_with("SLURM_LOCALID", "0"), ROLE_LEADER | IN_STEP);
}

static int predict_below(const char *what)
{
    const char *const arguments[] = {at("outer"), what, at("outer"), "predicts", NULL};
    return spawn(arguments[0], arguments);
}

static int predict_with(const char *name, const char *value)
{
    const char *const arguments[] = {at("outer"), "predicts", NULL};
    assert_int_equal(setenv(name, value, 1), 0);
    int result = spawn(arguments[0], arguments);
    assert_int_equal(unsetenv(name), 0);
    return result;
}

static void a_prediction_has_a_reason_and_makes_nothing(void **state)
{
    (void)state;
    assert_int_equal(predict_with("PILLION_DISABLE", "1"), LEADER_DISABLED);
    NEEDS_LEAD();
    assert_int_equal(predict_with("PILLION_DISABLE", "0"), LEADER_NOTHING_AGAINST);
    assert_int_equal(predict_with("PILLION_EXCLUDE", "true"), LEADER_EXCLUDED);
    assert_int_equal(predict_with("PILLION_INCLUDE", "outer"), LEADER_NOT_INCLUDED);
    assert_int_equal(predict_with("MPI_LOCALRANKID", "1"), LEADER_OTHER_RANK);
    assert_int_equal(predict_below("decides"), LEADER_BELOW_MARKER);
    assert_int_equal(predict_below("has_thread"), LEADER_BELOW_THREAD);
    assert_int_equal(predict_below("maps_hook"), LEADER_BELOW_HOOK);
}

static int decide_below_as(const char *ranks, const char *outer, const char *what, const char *inner)
{
    assert_int_equal(setenv("PILLION_RANKS", ranks, 1), 0);
    int result = decide_below(outer, what, inner);
    assert_int_equal(unsetenv("PILLION_RANKS"), 0);
    return result;
}

static void every_rank_leads_where_that_is_wanted(void **state)
{
    (void)state;
    NEEDS_LEAD();
    assert_true(copy_self("inner") && copy_self("orted"));
    assert_int_equal(setenv("OMPI_COMM_WORLD_LOCAL_RANK", "3", 1), 0);
    assert_int_equal(decide_with("PILLION_RANKS", "all"), ROLE_LEADER);
    assert_int_equal(decide_with("PILLION_RANKS", "some") & 3, ROLE_NONE);
    assert_int_equal(decide_below_as("all", "outer", "decides", "inner"), ROLE_PASSENGER);
    assert_int_equal(decide_below_as("all", "outer", "has_thread", "inner"), ROLE_PASSENGER);
    assert_int_equal(decide_below_as("all", "outer", "execs", "inner"), ROLE_LEADER | CONTINUES);
    const char *const script[] = {at("outer"), "has_thread", at("orted"), "decides", at("inner"), "decides", NULL};
    assert_int_equal(setenv("PILLION_RANKS", "all", 1), 0);
    assert_int_equal(spawn(script[0], script), ROLE_LEADER); /* a rank of a script that leads */
    assert_int_equal(unsetenv("PILLION_RANKS"), 0);
    assert_int_equal(spawn(script[0], script) & 3, ROLE_NONE);
    assert_int_equal(unsetenv("OMPI_COMM_WORLD_LOCAL_RANK"), 0);
    assert_int_equal(decide_below_as("all", "outer", "has_thread", "inner"), ROLE_PASSENGER); /* no step */
}

static void the_first_rank_of_all_nodes_leads_alone(void **state)
{
    (void)state;
    NEEDS_LEAD();
    assert_int_equal(setenv("SLURM_STEP_ID", "0", 1), 0);
    assert_int_equal(setenv("SLURM_LOCALID", "0", 1), 0);
    assert_int_equal(setenv("SLURM_PROCID", "2", 1), 0);
    assert_int_equal(decide_with("PILLION_RANKS", "first"), ROLE_NONE);
    assert_int_equal(decide_with("PILLION_RANKS", "node"), ROLE_LEADER | IN_STEP);
    assert_int_equal(setenv("SLURM_PROCID", "0", 1), 0);
    assert_int_equal(decide_with("PILLION_RANKS", "first"), ROLE_LEADER);
    assert_int_equal(setenv("OMPI_COMM_WORLD_LOCAL_RANK", "0", 1), 0);
    assert_int_equal(setenv("OMPI_COMM_WORLD_RANK", "1", 1), 0);
    assert_int_equal(decide_with("PILLION_RANKS", "first"), ROLE_NONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(int argc, char **argv)
{
    if (argc > 1)
        _exit(copy(argc, argv)); /* threads may still be there */
    const struct CMUnitTest tests[] = {
        TEST(the_first_of_a_tree_leads),
        TEST(a_word_of_disabling_switches_it_off),
        TEST(excluded_programs_have_no_part),
        TEST(wrappers_have_no_part),
        TEST(what_a_wrapper_starts_leads),
        TEST(what_a_leader_starts_is_a_passenger),
        TEST(exec_in_place_goes_on),
        TEST(an_excluded_program_passes_the_lead_on),
        TEST(below_a_run_that_ended_nothing_begins_again),
        TEST(a_leader_without_a_marker_is_known_by_its_thread),
        TEST(of_the_ranks_of_a_node_the_first_leads),
        TEST(a_prediction_has_a_reason_and_makes_nothing),
        TEST(every_rank_leads_where_that_is_wanted),
        TEST(the_first_rank_of_all_nodes_leads_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
