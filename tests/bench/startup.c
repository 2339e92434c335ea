/* What starting a program costs: with the hook, as passenger and as leader, against an empty preload and against none.
 *
 * Every figure is a ratio within one run: in each round all variants run once, in random order, and the median over
 * the rounds of (variant / empty preload of the same round) is told beside its budget. Never bare times: they say
 * more about the machine than about pillion.
 *
 * Three processes do the measuring, as who starts a program decides what the hook in it does: this one, below no
 * leader; one that leads; and one four forks below that. The last two take turns, so that what a level costs is told
 * of pairs.
 *
 * usage: bench_startup [ROUNDS [FOLDER]]  finds lib/libpillion.so and programs/says_when above itself, libempty.so
 * beside. The runs go to FOLDER, which has to be empty, and stay there; without it they are removed. ext4 passes over
 * inodes that were removed in the last five minutes one by one: files are dearer to make after a series whose runs are
 * removed.
 * Lines as in measure.h; 1: something could not be measured.
 */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "measure.h"

enum { NONE, EMPTY, HOOK, VARIANTS, LEVELS = 5, WARM_UP = 3, TURN = 25, ROUNDS_AT_MOST = 5000 };

struct paths {
    char self[PATH_MAX], hook[PATH_MAX + 32], empty[PATH_MAX + 32], says_when[PATH_MAX + 32], state[512];
};

/* Nanoseconds of one life: until main (where the program says when), until it was reaped. */
struct life {
    int64_t until_main, whole;
};

/* One round of all variants: ratios over EMPTY. */
struct round {
    double whole[VARIANTS], until_main[VARIANTS];
    double over_none;    /* of HOOK's whole life */
    double beyond_empty; /* us by which HOOK takes longer than EMPTY */
};

/* What one measuring process tells another. */
struct figures {
    struct spread whole[VARIANTS], until_main[VARIANTS], over_none;
};

/* What the process that leads tells: of programs one level below it, five levels below it, and what a level adds. */
struct below {
    struct figures one, five;
    struct spread  level; /* us */
};

static struct paths paths;

static void fail(const char *why)
{
    fprintf(stderr, "bench_startup: %s\n", why);
    exit(1);
}

/* The program's environment: the same for all variants, but for the preload. */
static char **environment(int variant)
{
    static char  preload[VARIANTS][PATH_MAX + 64], state[544], path[4200];
    static char *table[VARIANTS][6];
    const char  *libraries[] = {[NONE] = "", [EMPTY] = paths.empty, [HOOK] = paths.hook};
    char       **entry = table[variant];

    snprintf(preload[variant], sizeof preload[variant], "%s=%s", variant == NONE ? "NO_PRELOAD" : "LD_PRELOAD",
             libraries[variant]);
    snprintf(state, sizeof state, "PILLION_DIR=%s", paths.state);
    snprintf(path, sizeof path, "PATH=%s", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
    entry[0] = preload[variant];
    entry[1] = state;
    entry[2] = path;
    entry[3] = (char *)(uintptr_t) "PILLION_INTERVAL=3600";
    entry[4] = NULL;
    return entry;
}

static struct life live(char *const *arguments, char *const *variables, bool says_when)
{
    int             ends[2] = {-1, -1}, status;
    struct timespec at_main = {0};
    struct life     life = {0};

    if (says_when && pipe2(ends, O_CLOEXEC))
        fail("no pipe");
    int64_t begin = now();
    pid_t   pid = vfork();
    if (pid == 0) {
        if (says_when)
            dup2(ends[1], STDOUT_FILENO);
        execve(arguments[0], arguments, variables);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
        fail("a program that was to be measured did not run");
    life.whole = now() - begin;
    if (says_when) {
        if (read(ends[0], &at_main, sizeof at_main) != sizeof at_main)
            fail("says_when said nothing");
        life.until_main = nanoseconds(&at_main) - begin;
        close(ends[0]);
        close(ends[1]);
    }
    return life;
}

static struct round round_of(char *const *arguments, bool says_when)
{
    struct life  lives[VARIANTS];
    struct round round;
    int          order[VARIANTS] = {NONE, EMPTY, HOOK};

    shuffle(order, VARIANTS);
    for (int i = 0; i < VARIANTS; i++)
        lives[order[i]] = live(arguments, environment(order[i]), says_when);
    for (int i = 0; i < VARIANTS; i++) {
        round.whole[i] = (double)lives[i].whole / (double)lives[EMPTY].whole;
        round.until_main[i] = says_when ? (double)lives[i].until_main / (double)lives[EMPTY].until_main : 0;
    }
    round.over_none = (double)lives[HOOK].whole / (double)lives[NONE].whole;
    round.beyond_empty = (double)(lives[HOOK].whole - lives[EMPTY].whole) / 1000;
    return round;
}

static struct figures figures_of(const struct round *list, int rounds)
{
    static double  value[ROUNDS_AT_MOST];
    struct figures figures;

#define SPREAD(member)                    \
    for (int i = 0; i < rounds; i++)      \
        value[i] = list[i].member;        \
    figures.member = spread_of(value, rounds)
    for (int variant = 0; variant < VARIANTS; variant++) {
        SPREAD(whole[variant]);
        SPREAD(until_main[variant]);
    }
    SPREAD(over_none);
#undef SPREAD
    return figures;
}

/* All variants of one program, so many rounds. */
static struct figures compare(char *const *arguments, bool says_when, int rounds)
{
    static struct round list[ROUNDS_AT_MOST];

    for (int i = -WARM_UP; i < rounds; i++)
        list[i < 0 ? 0 : i] = round_of(arguments, says_when);
    return figures_of(list, rounds);
}

/* Some rounds here, as many there, and so on: siblings follow each other in a tree, and find their ancestors' files in
 * the caches. Who goes first has the turn; a byte hands it on. */
static void take_turns(struct round *list, int rounds, bool is_first, int from, int to)
{
    char *arguments[] = {(char *)(uintptr_t) "/bin/true", NULL};
    char  turn = 0;

    for (int done = 0; done < rounds; done += TURN) {
        if ((!is_first || done > 0) && read(from, &turn, 1) != 1)
            fail("the other one that measures is gone");
        for (int i = done - WARM_UP; i < rounds && i < done + TURN; i++)
            list[i < done ? done : i] = round_of(arguments, false);
        if (write(to, &turn, 1) != 1)
            fail("the other one that measures is gone");
    }
}

/* Becomes a process so many forks below this one; those between only wait. */
static void go_down(int forks)
{
    for (int i = 0; i < forks; i++) {
        int   status;
        pid_t pid = fork();

        if (pid > 0)
            _exit(waitpid(pid, &status, 0) != pid || status);
    }
}

/* In the leader: its figures and those of a process four forks below, to stdout. */
static int below(int rounds)
{
    size_t        size = sizeof(struct round) * (size_t)rounds;
    struct round *one = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct round *five = one + rounds;
    int           down[2], up[2], status;

    if (one == MAP_FAILED || pipe2(down, O_CLOEXEC) || pipe2(up, O_CLOEXEC))
        return 1;
    usleep(1500 * 1000); /* its first second is over, its run is on disk, nothing more is due for an hour */
    pid_t pid = fork();
    if (pid == 0) {
        go_down(LEVELS - 2);
        take_turns(five, rounds, false, down[0], up[1]);
        _exit(0);
    }
    take_turns(one, rounds, true, up[0], down[1]);
    if (waitpid(pid, &status, 0) != pid || status)
        return 1;
    static double level[ROUNDS_AT_MOST];
    for (int i = 0; i < rounds; i++)
        level[i] = (five[i].beyond_empty - one[i].beyond_empty) / (LEVELS - 1);
    struct below figures = {.one = figures_of(one, rounds), .five = figures_of(five, rounds)};
    figures.level = spread_of(level, rounds);
    return write(STDOUT_FILENO, &figures, sizeof figures) != sizeof figures;
}

static struct below measure_below(int rounds)
{
    char         number[16];
    char        *arguments[] = {paths.self, (char *)(uintptr_t) "--below", number, NULL};
    int          ends[2], status;
    struct below figures;

    snprintf(number, sizeof number, "%d", rounds);
    if (pipe2(ends, O_CLOEXEC))
        fail("no pipe");
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execve(arguments[0], arguments, environment(HOOK));
        _exit(127);
    }
    close(ends[1]);
    if (read(ends[0], &figures, sizeof figures) != sizeof figures)
        fail("the process that leads told nothing");
    if (waitpid(pid, &status, 0) != pid || status)
        fail("the process that leads ended badly");
    close(ends[0]);
    return figures;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

static void find_paths(void)
{
    ssize_t length = readlink("/proc/self/exe", paths.self, sizeof paths.self - 1);
    char    folder[PATH_MAX];

    if (length < 0)
        fail("/proc cannot be read");
    snprintf(folder, sizeof folder, "%.*s", (int)length, paths.self);
    *strrchr(folder, '/') = '\0';
    snprintf(paths.empty, sizeof paths.empty, "%s/libempty.so", folder);
    do { /* the build tree's top is where lib/ is */
        *strrchr(folder, '/') = '\0';
        snprintf(paths.hook, sizeof paths.hook, "%s/lib/libpillion.so", folder);
    } while (access(paths.hook, R_OK) && strrchr(folder, '/') && folder[0]);
    snprintf(paths.says_when, sizeof paths.says_when, "%s/programs/says_when", folder);
    const char *needed[] = {paths.hook, paths.empty, paths.says_when};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (access(needed[i], R_OK)) {
            fprintf(stderr, "bench_startup: %s is missing: build the whole tree\n", needed[i]);
            exit(1);
        }
}

static void tell_all(const struct figures *leader, const struct figures *leader_whole, const struct below *below)
{
    const char *empty = "an empty preload";

    tell("passenger, 1 level below the leader: fork, exec, exit of true", &below->one.whole[HOOK], "", "1.05", empty);
    tell("passenger, 5 levels below the leader: the same", &below->five.whole[HOOK], "", "1.07", empty);
    tell("passenger: each further level", &below->level, "us", "5", "four levels above, both over an empty preload");
    tell("leader: exec to main", &leader->until_main[HOOK], "", "1.5", empty);
    tell("leader: true from start to end, its run on disk", &leader_whole->over_none, "", "2.5", "no preload at all");
    tell("no preload at all: true from start to end", &leader_whole->whole[NONE], "", NULL, empty);
}

int main(int argc, char **argv)
{
    unsigned       seed = 0;

    find_paths();
    if (getrandom(&seed, sizeof seed, 0) == sizeof seed)
        srandom(seed);
    if (argc > 2 && strcmp(argv[1], "--below") == 0) {
        snprintf(paths.state, sizeof paths.state, "%s", getenv("PILLION_DIR"));
        return below(atoi(argv[2]));
    }
    int rounds = argc > 1 ? atoi(argv[1]) : 1000;
    if (rounds < 10 || rounds > ROUNDS_AT_MOST)
        fail("ROUNDS is a number from 10 to 5000");
    if (argc > 2)
        snprintf(paths.state, sizeof paths.state, "%s", argv[2]);
    else if (!mkdtemp(strcpy(paths.state, "/tmp/pillion-bench-XXXXXX")))
        fail("no folder in /tmp");

    char *says_when[] = {paths.says_when, NULL}, *just_true[] = {(char *)(uintptr_t) "/bin/true", NULL};
    struct figures leader = compare(says_when, true, rounds / 4 + 1);
    struct figures leader_whole = compare(just_true, false, rounds / 4 + 1);
    char           runs[544];
    snprintf(runs, sizeof runs, "%s/runs", paths.state);
    bool led = access(runs, F_OK) == 0;
    struct below figures = measure_below(rounds);
    if (argc <= 2)
        nftw(paths.state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (!led)
        fail("no run was made: is there a leader above this process?");
    tell_all(&leader, &leader_whole, &figures);
    return 0;
}
