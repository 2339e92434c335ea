/* How a job is added up. Each run's rows become cells of time: the mean of a figure over the rows in it, each for as
 * long as it lasted, so that CPU seconds stay what they were, whatever the interval. The cells of all runs are laid on
 * one grid by the clock of the file server. Of processes the runs of a node are added, for no process is in two runs.
 * What is the machine's is the same in each run of that machine, so their mean counts once. */
// SPDX-License-Identifier: Apache-2.0
#include "jobs.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "bucket.h"
#include "clocks.h"
#include "membership.h"
#include "run_file.h"
#include "store/journal_read.h"

#define GAP_TIMES   3.0 /* as report_json.c has it */
#define GAP_SECONDS 2.0
#define LATE_S      120.0
#define MOST_TIME   0.95 /* as advice.c has it */

static const enum curve_id sources[JOBS_SERIES] = {
    [JOBS_MEMORY] = CURVE_MEMORY,  [JOBS_GPU] = CURVE_GPU,
    [JOBS_VRAM] = CURVE_VRAM,      [JOBS_READ] = CURVE_READ,
    [JOBS_WRITE] = CURVE_WRITE,    [JOBS_MACHINE_CPU] = CURVE_CPU_MACHINE,
    [JOBS_RECV] = CURVE_RECV,      [JOBS_MACHINE_MEMORY] = CURVE_MEMORY_MACHINE,
    [JOBS_SENT] = CURVE_SENT,      [JOBS_MEMORY_MOST] = CURVE_MEMORY,
    [JOBS_VRAM_MOST] = CURVE_VRAM,
};

static bool is_most(int series)
{
    return series == JOBS_MEMORY_MOST || series == JOBS_VRAM_MOST;
}

/* ------------------------------------------------------------------------------------------------ a run's cells */

/* Spreads `value`, which held from `from` to `to`, over cells of `step`; both arrays may be the same node's. */
static void spread(float *into, float *seconds, size_t cells, double step, double from, double to, double value)
{
    if (!(step > 0) || !(to > from) || from < 0)
        return;
    size_t first = (size_t)(from / step), last = (size_t)(to / step);
    for (size_t cell = first; cell <= last && cell < cells; cell++) {
        double begin = fmax(from, (double)cell * step), end = fmin(to, (double)(cell + 1) * step);
        if (end <= begin)
            continue;
        into[cell] += (float)(value * (end - begin));
        if (seconds != NULL)
            seconds[cell] += (float)(end - begin);
    }
}

/* The same for the most that there was, in cells that are at least half in that time, or that it is at least half in:
 * what ended as a cell began was not at once with what began then. */
static void raise_to(float *into, size_t cells, double step, double from, double to, float value)
{
    if (!(step > 0) || !(to > from) || from < 0)
        return;
    size_t first = (size_t)(from / step), last = (size_t)(to / step);
    for (size_t cell = first; cell <= last && cell < cells; cell++) {
        double begin = fmax(from, (double)cell * step), end = fmin(to, (double)(cell + 1) * step);
        if (end - begin >= 0.5 * fmin(step, to - from))
            into[cell] = fmaxf(into[cell], value);
    }
}

/* The most of a curve in `cells` cells; NULL: no memory. */
static float *most_of_curve(const struct curves *curves, const float *value, size_t cells, double elapsed)
{
    float *most = calloc(cells + 1, sizeof *most);
    for (size_t i = 0; most != NULL && i < cells; i++)
        most[i] = -1;
    for (size_t row = 0; most != NULL && row < curves->rows; row++)
        raise_to(most, cells, elapsed / (double)cells, row > 0 ? curves->at[row - 1] : 0, curves->at[row], value[row]);
    return most;
}

/* The means of a curve in `cells` cells; NULL: no memory. */
static float *cells_of_curve(const struct curves *curves, const float *value, size_t cells, double elapsed)
{
    float *sums = calloc(cells + 1, sizeof *sums), *seconds = calloc(cells + 1, sizeof *seconds);
    for (size_t row = 0; sums != NULL && seconds != NULL && row < curves->rows; row++)
        if (value[row] >= 0)
            spread(sums, seconds, cells, elapsed / (double)cells, row > 0 ? curves->at[row - 1] : 0, curves->at[row],
                   (double)value[row]);
    for (size_t i = 0; sums != NULL && seconds != NULL && i < cells; i++)
        sums[i] = seconds[i] > 0 ? sums[i] / seconds[i] : -1.0F;
    if (seconds == NULL) {
        free(sums);
        sums = NULL;
    }
    free(seconds);
    return sums;
}

static int take_cells(struct jobs_run *run, const struct curves *curves)
{
    run->elapsed = curves->rows > 0 ? curves->at[curves->rows - 1] : 0;
    run->cells = curves->rows < JOBS_RUN_CELLS ? curves->rows : JOBS_RUN_CELLS;
    for (int i = 0; i < JOBS_SERIES && run->elapsed > 0; i++) {
        const float *value = i == JOBS_CPU ? curves->total : curves->list[sources[i]].value;
        if (value == NULL)
            continue;
        run->series[i] = (is_most(i) ? most_of_curve : cells_of_curve)(curves, value, run->cells, run->elapsed);
        if (run->series[i] == NULL)
            return -ENOMEM;
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------ a run's facts */

static void take_times(struct jobs_run *run, const struct report_run *from)
{
    const struct curves *curves = &from->curves;
    double               took = summary_duration(&from->show.summary);
    double               known = journal_number(from->show.state, "duration_s", 0);
    run->offset = clocks_offset(from->show.state);
    run->began = curves->rows > 0 ? curves->timestamp[0] - curves->at[0] : run_time(from->show.state, "started_at");
    run->began -= run->offset;
    run->ended = run->began + fmax(took, known);
    run->is_rows = curves->rows > 0;
    run->is_running = strcmp(from->show.shown, "running") == 0;
    run->patience = fmax(10, 3 * fmax(curves->usual, journal_number(from->show.state, "interval", 1)));
    run->heard = run->ended;
    if (bucket_is_read()) { /* where rows come in batches */
        run->patience += 2 * journal_number(from->show.state, "upload_interval", 60);
        run->heard = run_file_heard(from->place.dir);
        double late = run->heard - run->ended;
        run->late = late < -LATE_S || late > run->patience + LATE_S ? late : 0;
    }
    for (size_t row = 1; row < curves->rows; row++) {
        double step = curves->at[row] - curves->at[row - 1];
        if (step > GAP_TIMES * curves->usual && step > GAP_SECONDS + curves->usual && step > run->gap) {
            run->gap = step;
            run->gap_at = run->began + curves->at[row - 1];
        }
    }
}

static void take_figures(struct jobs_run *run, const struct report_run *from)
{
    const struct summary *summary = &from->show.summary;
    const cJSON          *state = from->show.state;
    const struct figure  *figures = summary->figures[SUBJECT_PROCESS];
    struct limit          cpus = account_cpus(state);
    run->cpu_s = account_user_s(summary, state) + account_system_s(summary, state);
    run->memory_max_mib = figures[MEASURE_MEMORY].known > 0 ? figures[MEASURE_MEMORY].max : -1;
    run->memory_max_mib = fmax(run->memory_max_mib, account_peak_mib(state, SUBJECT_PROCESS));
    run->cpu_max = figures[MEASURE_CPU].max;
    run->enough_cpus = summary_cores(summary, MOST_TIME);
    run->gpu_s = figures[MEASURE_GPU].known > 0 ? figures[MEASURE_GPU].total : -1;
    run->vram_max_mib = figures[MEASURE_GPU_MEMORY].known > 0 ? figures[MEASURE_GPU_MEMORY].max : -1;
    run->cpus = cpus.value;
    run->memory_mib = account_memory_mib(state).value;
    run->gpus = account_gpus(state).value;
    run->vram_mib = account_gpu_memory_mib(state).value;
    run->machine_cpus = account_registered_number(state, "host_vcpus");
    run->is_given = account_batch_system(state) != NULL;
    (void)snprintf(run->source, sizeof run->source, "%.31s", cpus.value > 0 ? cpus.source : "");
}

int jobs_add(struct job *job, const struct report_run *run, const struct filter_run *from)
{
    const struct value *values = from->record->values;
    if ((job->run_count & (job->run_count + 1)) == 0) { /* one less than a power of two: full */
        struct jobs_run *more = realloc(job->runs, (2 * job->run_count + 1) * sizeof *more);
        if (more == NULL)
            return -ENOMEM;
        job->runs = more;
    }
    struct jobs_run *made = &job->runs[job->run_count++];
    const char      *machine = fields_machine(from->record), *of_job = values[RUN_FIELD_job].text;
    *made = (struct jobs_run){.id = strdup(from->id),
                              .job = strdup(of_job != NULL ? of_job : ""),
                              .machine = strdup(machine != NULL ? machine : "?"),
                              .boot = strdup(from->record->boot)};
    if (made->id == NULL || made->job == NULL || made->machine == NULL || made->boot == NULL)
        return -ENOMEM;
    (void)snprintf(made->word, sizeof made->word, "%s", report_word(run));
    (void)snprintf(made->tone, sizeof made->tone, "%.7s", run->ending.tone);
    (void)snprintf(made->reason, sizeof made->reason, "%.199s", report_reason(run));
    made->allocation = membership_allocation(made->job, values[RUN_FIELD_orchestrator].text);
    take_times(made, run);
    take_figures(made, run);
    return take_cells(made, &run->curves);
}

/* ------------------------------------------------------------------------------------------------ nodes */

static int by_node(const void *a, const void *b)
{
    const struct jobs_run *x = a, *y = b;
    int                    order = strverscmp(x->machine, y->machine);
    order = order != 0 ? order : strcmp(x->boot, y->boot);
    order = order != 0 ? order : (x->began > y->began) - (x->began < y->began);
    return order != 0 ? order : strverscmp(x->job, y->job);
}

/* A pod is a node by its name, and several share a machine: that is told by its boot. Without one, by the name. */
static size_t machine_of(const struct job *job, size_t at)
{
    const struct jobs_run *run = &job->runs[at];
    for (size_t i = 0; i < at; i++) {
        const struct jobs_run *other = &job->runs[i];
        bool                   same = run->boot[0] != '\0' ? strcmp(run->boot, other->boot) == 0
                                                           : strcmp(run->machine, other->machine) == 0;
        if (same)
            return other->machine_at;
    }
    return job->machine_count;
}

/* The run that tells how a node fared: one that went wrong, else the last that ended. */
static bool tells_more(const struct jobs_run *run, const struct jobs_run *than)
{
    bool bad = strcmp(run->tone, "bad") == 0, was_bad = strcmp(than->tone, "bad") == 0;
    return bad != was_bad ? bad : run->ended >= than->ended;
}

static void add_figure(double *into, double value)
{
    if (value >= 0)
        *into = fmax(*into, 0) + value;
}

static void node_takes(struct jobs_node *node, const struct jobs_run *run, const struct jobs_run **ret_teller)
{
    if (node->runs++ == 0)
        *node = (struct jobs_node){.name = run->machine,
                                   .runs = 1,
                                   .machine = run->machine_at,
                                   .began = run->began,
                                   .ended = run->ended,
                                   .memory_max_mib = -1,
                                   .gpu_s = -1,
                                   .vram_max_mib = -1,
                                   .cpus = -1,
                                   .memory_mib = -1,
                                   .gpus = -1,
                                   .vram_mib = -1,
                                   .asked_cpu_s = -1,
                                   .asked_gpu_s = -1};
    node->began = fmin(node->began, run->began);
    node->ended = fmax(node->ended, run->ended);
    node->offset = run->offset != 0 ? run->offset : node->offset;
    node->late = run->late != 0 ? run->late : node->late;
    if (run->gap > node->gap) {
        node->gap = run->gap;
        node->gap_at = run->gap_at;
    }
    add_figure(&node->cpu_s, run->cpu_s);
    add_figure(&node->gpu_s, run->gpu_s);
    node->memory_max_mib = fmax(node->memory_max_mib, run->memory_max_mib);
    node->vram_max_mib = fmax(node->vram_max_mib, run->vram_max_mib);
    node->vram_mib = fmax(node->vram_mib, run->vram_mib);
    if (*ret_teller == NULL || tells_more(run, *ret_teller))
        *ret_teller = run;
    node->word = (*ret_teller)->word;
    node->tone = (*ret_teller)->tone;
    node->reason = (*ret_teller)->reason;
}

/* A leader that was killed on another machine left no word, and nobody here can look: but its rows have stopped, and
 * those of other runs went on. */
static void find_silent(struct job *job)
{
    double last = 0;
    for (size_t i = 0; i < job->run_count; i++)
        last = fmax(last, job->runs[i].heard);
    for (size_t i = 0; i < job->run_count; i++) {
        struct jobs_run *run = &job->runs[i];
        char             text[FIGURE_MAX];
        if (!run->is_running || last - run->heard <= run->patience)
            continue;
        run->is_silent = true;
        figure_seconds(last - run->heard, text);
        (void)snprintf(run->word, sizeof run->word, "silent");
        (void)snprintf(run->tone, sizeof run->tone, "bad");
        (void)snprintf(run->reason, sizeof run->reason, "it has no row of the last %s of this job: perhaps killed",
                       text);
    }
}

static int find_nodes(struct job *job)
{
    const struct jobs_run *teller = NULL;
    job->nodes = calloc(job->run_count + 1, sizeof *job->nodes);
    if (job->nodes == NULL)
        return -ENOMEM;
    qsort(job->runs, job->run_count, sizeof *job->runs, by_node);
    for (size_t i = 0; i < job->run_count; i++) {
        struct jobs_run *run = &job->runs[i], *before = i > 0 ? run - 1 : NULL;
        bool             is_new = before == NULL || strcmp(run->machine, before->machine) != 0 ||
                      strcmp(run->boot, before->boot) != 0;
        run->machine_at = machine_of(job, i);
        job->machine_count += run->machine_at == job->machine_count;
        job->node_count += is_new;
        teller = is_new ? NULL : teller;
        run->node = job->node_count - 1;
        node_takes(&job->nodes[run->node], run, &teller);
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------ what was asked */

static bool is_one_allocation(const struct jobs_run *a, const struct jobs_run *b)
{
    return a->allocation == b->allocation && memcmp(a->job, b->job, a->allocation) == 0;
}

/* What was given to one allocation on one node, once, however many steps there were; and for how long. */
struct given {
    double cpus, memory_mib, gpus, began, ended;
};

static bool is_first_of_allocation(const struct job *job, size_t at)
{
    for (size_t i = at; i-- > 0 && job->runs[i].node == job->runs[at].node;)
        if (is_one_allocation(&job->runs[i], &job->runs[at]))
            return false;
    return true;
}

static struct given given_to(const struct job *job, size_t at)
{
    const struct jobs_run *run = &job->runs[at];
    struct given           given = {-1, -1, -1, run->began, run->ended};
    for (size_t i = 0; i < job->run_count; i++) {
        const struct jobs_run *other = &job->runs[i];
        bool                   is_here = other->node == run->node;
        if (!is_one_allocation(run, other) || (!is_here && !run->is_given))
            continue;
        given.began = fmin(given.began, other->began); /* all nodes of it are held until the last one is done */
        given.ended = fmax(given.ended, other->ended);
        if (!is_here)
            continue;
        given.cpus = fmax(given.cpus, other->cpus);
        given.memory_mib = fmax(given.memory_mib, other->memory_mib);
        given.gpus = fmax(given.gpus, other->gpus);
    }
    return given;
}

/* The most at once: tasks of an array that follow one another had it in turns. */
static void sum_at_once(struct jobs_node *node, const struct given *list, size_t count, double machine_cpus)
{
    for (size_t i = 0; i < count; i++) {
        double cpus = -1, memory = -1, gpus = -1;
        for (size_t k = 0; k < count; k++) {
            if (list[k].began > list[i].began || (list[k].ended <= list[i].began && k != i))
                continue;
            add_figure(&cpus, list[k].cpus);
            add_figure(&memory, list[k].memory_mib);
            add_figure(&gpus, list[k].gpus);
        }
        node->cpus = fmax(node->cpus, machine_cpus > 0 && cpus > machine_cpus ? machine_cpus : cpus);
        node->memory_mib = fmax(node->memory_mib, memory);
        node->gpus = fmax(node->gpus, gpus);
    }
}

static int find_given(struct job *job)
{
    struct given *list = calloc(job->run_count + 1, sizeof *list);
    size_t        count = 0;
    if (list == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < job->run_count; i++) {
        struct jobs_node *node = &job->nodes[job->runs[i].node];
        if (is_first_of_allocation(job, i)) {
            struct given given = given_to(job, i);
            list[count++] = given;
            add_figure(&node->asked_cpu_s, given.cpus > 0 ? given.cpus * (given.ended - given.began) : -1);
            add_figure(&node->asked_gpu_s, given.gpus > 0 ? given.gpus * (given.ended - given.began) : -1);
        }
        if (i + 1 == job->run_count || job->runs[i + 1].node != job->runs[i].node) {
            sum_at_once(node, list, count, job->runs[i].machine_cpus);
            count = 0;
        }
    }
    free(list);
    job->source = job->run_count > 0 ? job->runs[0].source : "";
    for (size_t i = 1; i < job->run_count; i++) {
        job->is_array |= !is_one_allocation(&job->runs[0], &job->runs[i]);
        if (strcmp(job->source, job->runs[i].source) != 0)
            job->source = "";
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------ the grid */

static bool is_of_machine(int series)
{
    return series >= JOBS_MACHINE_CPU;
}

static double grid_step(const struct job *job)
{
    return (job->ended - job->began) / JOBS_GRID;
}

/* The series of means that belongs to one of the most. */
static int mean_of(int series)
{
    return series == JOBS_MEMORY_MOST ? JOBS_MEMORY : JOBS_VRAM;
}

/* One series of one run on the grid: value times seconds, and the seconds. */
static void lay(const struct job *job, const struct jobs_run *run, int series, float *into, float *seconds)
{
    double length = run->elapsed / (double)run->cells, begin = run->began - job->began;
    for (size_t cell = 0; cell < run->cells; cell++)
        if (run->series[series][cell] >= 0)
            spread(into, seconds, JOBS_GRID, grid_step(job), begin + (double)cell * length,
                   begin + (double)(cell + 1) * length, (double)run->series[series][cell]);
}

/* The most of one run: of a cell that it is in for less than half of the time nothing, for it may have followed another
 * one there. */
static void lay_most(const struct job *job, const struct jobs_run *run, int series, float *into)
{
    float  most[JOBS_GRID] = {0}, seconds[JOBS_GRID] = {0};
    double length = run->elapsed / (double)run->cells, begin = run->began - job->began;
    lay(job, run, series, most, seconds);
    memset(most, 0, sizeof most);
    for (size_t cell = 0; cell < run->cells; cell++)
        raise_to(most, JOBS_GRID, grid_step(job), begin + (double)cell * length, begin + (double)(cell + 1) * length,
                 run->series[series][cell]);
    for (size_t i = 0; i < JOBS_GRID; i++)
        into[i] += (double)seconds[i] > 0.5 * grid_step(job) ? most[i] : 0;
}

/* Of all processes of a node. */
static int lay_node(struct job *job, size_t node, int series)
{
    float *into = NULL;
    for (size_t i = 0; i < job->run_count; i++) {
        if (job->runs[i].node != node || job->runs[i].series[series] == NULL)
            continue;
        into = into != NULL ? into : calloc(JOBS_GRID, sizeof *into);
        if (into == NULL)
            return -ENOMEM;
        if (is_most(series))
            lay_most(job, &job->runs[i], series, into);
        else
            lay(job, &job->runs[i], series, into, NULL);
    }
    for (size_t i = 0; into != NULL && i < JOBS_GRID; i++)
        into[i] = is_most(series) ? fmaxf(into[i], job->nodes[node].series[mean_of(series)][i])
                                  : into[i] / (float)grid_step(job);
    job->nodes[node].series[series] = into;
    return 0;
}

/* Of a machine, told by several runs at once: their mean. True: any has told. */
static bool lay_machine(struct job *job, size_t machine, int series, float *ret)
{
    float seconds[JOBS_GRID] = {0};
    bool  is_known = false;
    memset(ret, 0, JOBS_GRID * sizeof *ret);
    for (size_t i = 0; i < job->run_count; i++) {
        if (job->runs[i].machine_at != machine || job->runs[i].series[series] == NULL)
            continue;
        is_known = true;
        lay(job, &job->runs[i], series, ret, seconds);
    }
    for (size_t i = 0; i < JOBS_GRID; i++) {
        ret[i] = seconds[i] > 0 ? ret[i] / seconds[i] : -1.0F;
        if (seconds[i] > 0) /* a cell may be longer than what was told of it */
            job->sum[series].total += (double)ret[i] * fmin((double)seconds[i], grid_step(job));
    }
    return is_known;
}

static void add_to_sum(struct jobs_sum *sum, const float *series)
{
    for (size_t i = 0; i < JOBS_GRID; i++)
        sum->curve[i] = series[i] >= 0 ? fmaxf(sum->curve[i], 0) + series[i] : sum->curve[i];
}

static void close_sum(struct job *job, int series)
{
    struct jobs_sum *sum = &job->sum[series];
    double           total = 0, known = 0;
    sum->max = sum->mean = -1;
    for (size_t i = 0; i < JOBS_GRID; i++) {
        if (sum->curve[i] < 0)
            continue;
        known++;
        total += (double)sum->curve[i];
        sum->max = fmax(sum->max, (double)sum->curve[i]);
    }
    if (known > 0)
        sum->mean = total / known;
    if (known <= 0)
        sum->total = -1;
    else if (!is_of_machine(series))
        sum->total = total * grid_step(job);
}

static double total_of(const struct job *job, const float *series)
{
    double total = 0;
    for (size_t i = 0; series != NULL && i < JOBS_GRID; i++)
        total += (double)series[i];
    return total * grid_step(job);
}

static void node_from_grid(const struct job *job, struct jobs_node *node)
{
    for (size_t i = 0; i < JOBS_GRID; i++) {
        if (node->series[JOBS_CPU] != NULL)
            node->cpu_max = fmax(node->cpu_max, (double)node->series[JOBS_CPU][i]);
        if (node->series[JOBS_MEMORY_MOST] != NULL && node->runs > 1)
            node->memory_max_mib = fmax(node->memory_max_mib, (double)node->series[JOBS_MEMORY_MOST][i]);
        if (node->series[JOBS_VRAM_MOST] != NULL && node->runs > 1)
            node->vram_max_mib = fmax(node->vram_max_mib, (double)node->series[JOBS_VRAM_MOST][i]);
    }
    node->read_bytes = total_of(job, node->series[JOBS_READ]);
    node->write_bytes = total_of(job, node->series[JOBS_WRITE]);
}

static int lay_all(struct job *job)
{
    float machine[JOBS_GRID];
    for (int series = 0; series < JOBS_SERIES; series++) {
        for (size_t i = 0; i < JOBS_GRID; i++)
            job->sum[series].curve[i] = -1;
        for (size_t node = 0; !is_of_machine(series) && node < job->node_count; node++) {
            if (lay_node(job, node, series) < 0)
                return -ENOMEM;
            if (job->nodes[node].series[series] != NULL)
                add_to_sum(&job->sum[series], job->nodes[node].series[series]);
        }
        for (size_t at = 0; is_of_machine(series) && at < job->machine_count; at++)
            if (lay_machine(job, at, series, machine))
                add_to_sum(&job->sum[series], machine);
        close_sum(job, series);
    }
    job->sum[JOBS_MEMORY].max = job->sum[JOBS_MEMORY_MOST].max;
    job->sum[JOBS_VRAM].max = job->sum[JOBS_VRAM_MOST].max;
    for (size_t node = 0; node < job->node_count; node++) {
        node_from_grid(job, &job->nodes[node]); /* of it the kernel may know more than the rows */
        job->sum[JOBS_MEMORY].max = fmax(job->sum[JOBS_MEMORY].max, job->nodes[node].memory_max_mib);
        job->sum[JOBS_VRAM].max = fmax(job->sum[JOBS_VRAM].max, job->nodes[node].vram_max_mib);
    }
    return 0;
}

static void add_up(struct job *job)
{
    job->cpus = job->memory_mib = job->gpus = job->asked_cpu_s = job->asked_gpu_s = job->gpu_s = -1;
    for (size_t i = 0; i < job->node_count; i++) {
        const struct jobs_node *node = &job->nodes[i];
        job->cpu_s += node->cpu_s;
        add_figure(&job->gpu_s, node->gpu_s);
        add_figure(&job->cpus, node->cpus);
        add_figure(&job->memory_mib, node->memory_mib);
        add_figure(&job->gpus, node->gpus);
        add_figure(&job->asked_cpu_s, node->asked_cpu_s);
        add_figure(&job->asked_gpu_s, node->asked_gpu_s);
    }
}

int jobs_close(struct job *job)
{
    if (job->run_count == 0)
        return -ENOENT;
    find_silent(job);
    if (find_nodes(job) < 0 || find_given(job) < 0)
        return -ENOMEM;
    job->began = job->runs[0].began;
    job->ended = job->runs[0].ended;
    for (size_t i = 0; i < job->run_count; i++) {
        job->began = fmin(job->began, job->runs[i].began);
        job->ended = fmax(job->ended, job->runs[i].ended);
    }
    add_up(job);
    return lay_all(job);
}

void jobs_done(struct job *job)
{
    for (size_t i = 0; i < job->run_count; i++) {
        struct jobs_run *run = &job->runs[i];
        free(run->id);
        free(run->job);
        free(run->machine);
        free(run->boot);
        for (int series = 0; series < JOBS_SERIES; series++)
            free(run->series[series]);
    }
    for (size_t i = 0; job->nodes != NULL && i < job->node_count; i++)
        for (int series = 0; series < JOBS_SERIES; series++)
            free(job->nodes[i].series[series]);
    free(job->runs);
    free(job->nodes);
    char *const texts[] = {job->id, job->name, job->orchestrator, job->cluster, job->user};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    *job = (struct job){.id = NULL};
}
