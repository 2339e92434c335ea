/* How even a job's nodes were, and the one thing to change. The rules, from the first that holds:
 *
 * - a node ran out of memory: that comes before all else;
 * - nodes did next to nothing (less than a tenth of the busiest one's work, which is GPU time where
 *   there are GPUs, else CPU time): fewer nodes do it;
 * - GPUs that were had and idle for most of the time: they are the dearest part;
 * - the mean node did less than seven tenths of the busiest one's work: all wait for that one;
 * - less than half of the cores that were had: fewer nodes, or fewer cores each. Not where GPUs were at work;
 * - no node had half of the memory that was asked for. Not where nobody asked;
 * - else it fits.
 *
 * Tasks of an array go where there is room, so of nodes nothing is said there. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"
#include "output.h"

#define IDLE      0.1
#define UNEVEN    0.7
#define HALF      0.5
#define LONGER    1.05 /* than half of the nodes */
#define ALIKE     0.95
#define LEAST_CPU 1.0 /* s: with less, nothing is said of how even it was */
#define MOST_TIME 0.95
#define NO_CORE   0.1

static double took(const struct jobs_node *node)
{
    return node->ended - node->began;
}

double jobs_mean_cores(const struct jobs_node *node)
{
    return took(node) > 0 ? node->cpu_s / took(node) : 0;
}

double jobs_cpu_part(const struct jobs_node *node)
{
    return node->cpus > 0 && took(node) > 0 ? jobs_mean_cores(node) / node->cpus : -1;
}

/* GPUs are what a job with GPUs is about. */
double jobs_work(const struct job *job, const struct jobs_node *node)
{
    return job->gpu_s > 0 ? fmax(node->gpu_s, 0) : node->cpu_s;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median_time(const struct job *job)
{
    double *times = calloc(job->node_count + 1, sizeof *times), median = 0;
    for (size_t i = 0; times != NULL && i < job->node_count; i++)
        times[i] = took(&job->nodes[i]);
    if (times != NULL && job->node_count > 0) {
        qsort(times, job->node_count, sizeof *times, by_value);
        median = times[job->node_count / 2];
    }
    free(times);
    return median;
}

static void find_ends(const struct job *job, struct jobs_balance *ret)
{
    const struct jobs_node *nodes = job->nodes;
    ret->slowest = ret->idlest = ret->busiest = ret->largest = 0;
    for (size_t i = 1; i < job->node_count; i++) {
        double work = jobs_work(job, &nodes[i]);
        ret->slowest = took(&nodes[i]) > took(&nodes[ret->slowest]) ? i : ret->slowest;
        ret->idlest = work < jobs_work(job, &nodes[ret->idlest]) ? i : ret->idlest;
        ret->busiest = work > jobs_work(job, &nodes[ret->busiest]) ? i : ret->busiest;
        ret->largest = nodes[i].memory_max_mib > nodes[ret->largest].memory_max_mib ? i : ret->largest;
    }
}

/* Where all are alike nobody is told apart. */
void jobs_balance(const struct job *job, struct jobs_balance *ret)
{
    double sum = 0;
    *ret = (struct jobs_balance){SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX, 0, -1, job->gpu_s > 0};
    for (size_t i = 0; i < job->node_count; i++) {
        sum += jobs_work(job, &job->nodes[i]);
    }
    for (size_t i = 0; i < job->run_count; i++)
        ret->failed += strcmp(job->runs[i].tone, "bad") == 0;
    if (job->node_count < 2)
        return;
    find_ends(job, ret);
    double most = jobs_work(job, &job->nodes[ret->busiest]), least = jobs_work(job, &job->nodes[ret->idlest]);
    if (most >= LEAST_CPU)
        ret->even = sum / (double)job->node_count / most;
    if (most < LEAST_CPU || least > ALIKE * most)
        ret->idlest = ret->busiest = SIZE_MAX;
    if (took(&job->nodes[ret->slowest]) <= LONGER * median_time(job))
        ret->slowest = SIZE_MAX;
    if (job->nodes[ret->largest].memory_max_mib < 0)
        ret->largest = SIZE_MAX;
}

/* ------------------------------------------------------------------------------------------------ a sentence */

static bool is_out_of_memory(const struct job *job, const char **ret_name)
{
    for (size_t i = 0; i < job->run_count; i++)
        if (strcmp(job->runs[i].word, "out of memory") == 0) {
            *ret_name = job->runs[i].machine;
            return true;
        }
    return false;
}

static size_t count_idle(const struct job *job)
{
    double most = 0;
    size_t idle = 0;
    for (size_t i = 0; i < job->node_count; i++)
        most = fmax(most, jobs_work(job, &job->nodes[i]));
    for (size_t i = 0; i < job->node_count; i++)
        idle += most >= LEAST_CPU && jobs_work(job, &job->nodes[i]) < IDLE * most;
    return idle;
}

static void say_idle(const struct job *job, const struct jobs_balance *balance, size_t idle, char *ret)
{
    size_t rest = job->node_count - idle;
    char   used[FIGURE_MAX];
    figure_seconds(jobs_work(job, &job->nodes[balance->idlest]), used);
    (void)snprintf(
        ret, ADVICE_TEXT_MAX,
        "%zu of %zu nodes did next to nothing (%.60s: %s of %s time): ask for %zu node%s, or give the others "
        "work.",
        idle, job->node_count, job->nodes[balance->idlest].name, used, balance->by_gpu ? "GPU" : "CPU", rest,
        rest == 1 ? "" : "s");
}

static void say_uneven(const struct job *job, const struct jobs_balance *balance, char *ret)
{
    char most[FIGURE_MAX], least[FIGURE_MAX];
    figure_seconds(jobs_work(job, &job->nodes[balance->busiest]), most);
    figure_seconds(jobs_work(job, &job->nodes[balance->idlest]), least);
    (void)snprintf(
        ret, ADVICE_TEXT_MAX,
        "The work is uneven: %.60s used %s of %s time and %.60s %s. Spread evenly, each node would have done "
        "%.0f %% of what the busiest did.",
        job->nodes[balance->busiest].name, most, balance->by_gpu ? "GPU" : "CPU", job->nodes[balance->idlest].name,
        least, balance->even * 100);
}

/* As many nodes as its CPU time fills to nine tenths; where that is as many as it had, fewer cores each. */
static void say_cores(const struct job *job, char *ret)
{
    double mean = job->cpu_s / fmax(job->ended - job->began, 1e-9), each = job->cpus / (double)job->node_count;
    double nodes = fmax(1, ceil(mean / (0.9 * each)));
    char   part[FIGURE_MAX];
    figure_percent(job->cpu_s / job->asked_cpu_s, part);
    if (nodes < (double)job->node_count && !job->is_array)
        (void)snprintf(
            ret, ADVICE_TEXT_MAX,
            "All nodes together used %s of the cores that they had, %.3g of %.4g on average: %.0f node%s of that "
            "size could do it.",
            part, mean, job->cpus, nodes, nodes < 2 ? "" : "s");
    else
        (void)snprintf(ret, ADVICE_TEXT_MAX,
                       "It used %s of the cores that it had, %.3g of %.4g on average: ask for fewer, see below.", part,
                       mean, job->cpus);
}

static double gpu_part(const struct job *job)
{
    return job->gpu_s >= 0 && job->asked_gpu_s > 0 ? job->gpu_s / job->asked_gpu_s : -1;
}

static double memory_part(const struct job *job)
{
    double part = -1;
    for (size_t i = 0; i < job->node_count; i++)
        if (job->nodes[i].memory_mib > 0)
            part = fmax(part, job->nodes[i].memory_max_mib / job->nodes[i].memory_mib);
    return part;
}

static void say(const struct job *job, char *ret)
{
    struct jobs_balance balance;
    const char         *name = "";
    char                part[FIGURE_MAX];
    size_t              idle = count_idle(job);
    double              gpu = gpu_part(job), memory = memory_part(job);
    bool                is_asked = job->source[0] != '\0' && strcmp(job->source, "machine") != 0;
    jobs_balance(job, &balance);
    if (is_out_of_memory(job, &name)) {
        (void)snprintf(ret, ADVICE_TEXT_MAX, "%.60s ran out of memory: ask for twice as much a node.", name);
    } else if (idle > 0 && job->node_count > 1 && !job->is_array) {
        say_idle(job, &balance, idle, ret);
    } else if (gpu >= 0 && gpu < HALF) {
        figure_percent(gpu, part);
        (void)snprintf(
            ret, ADVICE_TEXT_MAX,
            "Its GPUs were used for %s of the time that it had them: what feeds them is too slow, or there are "
            "too many.",
            part);
    } else if (balance.even >= 0 && balance.even < UNEVEN && !job->is_array) {
        say_uneven(job, &balance, ret);
    } else if (gpu < 0 && job->asked_cpu_s > 0 && job->cpu_s < HALF * job->asked_cpu_s) {
        say_cores(job, ret);
    } else if (is_asked && memory >= 0 && memory < HALF) {
        figure_percent(memory, part);
        (void)snprintf(ret, ADVICE_TEXT_MAX, "No node had more than %s of its memory: ask for less, see below.", part);
    } else {
        (void)snprintf(ret, ADVICE_TEXT_MAX, "%s: ask for the same again.",
                       is_asked ? "It used what it asked for" : "It used what it had");
    }
}

/* ------------------------------------------------------------------------------------------------ a request */

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* Whole cores that were enough for nearly all of the time in which the node worked. */
static double enough_cores(const struct job *job, const struct jobs_node *node)
{
    float  sorted[JOBS_GRID];
    double step = (job->ended - job->began) / JOBS_GRID;
    size_t count = 0;
    for (size_t i = 0; node->series[JOBS_CPU] != NULL && i < JOBS_GRID; i++) {
        double at = job->began + ((double)i + 0.5) * step;
        if (at >= node->began && at <= node->ended)
            sorted[count++] = node->series[JOBS_CPU][i];
    }
    if (count == 0)
        return 0;
    qsort(sorted, count, sizeof *sorted, by_size);
    return fmax(0, ceil((double)sorted[(size_t)(MOST_TIME * (double)(count - 1))] - NO_CORE));
}

static double most_of(const float *series)
{
    double most = 0;
    for (size_t i = 0; series != NULL && i < JOBS_GRID; i++)
        most = fmax(most, (double)series[i]);
    return most;
}

/* A node asks for its own; tasks of an array ask one by one. */
static void ask_for_node(const struct job *job, const struct jobs_node *node, struct advice *ret)
{
    ret->memory_mib = fmax(ret->memory_mib, node->memory_max_mib);
    ret->cpus = fmax(ret->cpus, node->cpu_max);
    ret->enough_cpus = fmax(ret->enough_cpus, enough_cores(job, node));
    ret->cpu_part = fmax(ret->cpu_part, jobs_cpu_part(node));
    ret->had_cpus = fmax(ret->had_cpus, node->cpus);
    ret->had_memory_mib = fmax(ret->had_memory_mib, node->memory_mib);
    ret->gpus = fmax(ret->gpus, node->gpus);
    ret->gpus_used = fmax(ret->gpus_used, ceil(most_of(node->series[JOBS_GPU]) - NO_CORE));
}

static void ask_for_task(const struct jobs_run *run, struct advice *ret)
{
    double seconds = run->ended - run->began;
    ret->memory_mib = fmax(ret->memory_mib, run->memory_max_mib);
    ret->cpus = fmax(ret->cpus, run->cpu_max);
    ret->enough_cpus = fmax(ret->enough_cpus, run->enough_cpus);
    if (run->cpus > 0 && seconds > 0)
        ret->cpu_part = fmax(ret->cpu_part, run->cpu_s / seconds / run->cpus);
    ret->had_cpus = fmax(ret->had_cpus, run->cpus);
    ret->had_memory_mib = fmax(ret->had_memory_mib, run->memory_mib);
    ret->gpus = fmax(ret->gpus, run->gpus);
    ret->gpus_used = fmax(ret->gpus_used, seconds > 0 ? ceil(run->gpu_s / seconds - NO_CORE) : 0);
    ret->seconds = fmax(ret->seconds, seconds);
}

void jobs_advice(const struct job *job, char ret[static ADVICE_TEXT_MAX], struct advice *ret_request)
{
    const char *name;
    advice_begin(ret_request);
    ret[0] = '\0';
    for (size_t i = 0; i < job->run_count; i++)
        ret_request->rows += (double)job->runs[i].cells;
    if (ret_request->rows < 1)
        return;
    say(job, ret);
    ret_request->runs = job->run_count;
    ret_request->out_of_memory = is_out_of_memory(job, &name);
    for (size_t i = 0; job->is_array && i < job->run_count; i++)
        ask_for_task(&job->runs[i], ret_request);
    for (size_t i = 0; !job->is_array && i < job->node_count; i++)
        ask_for_node(job, &job->nodes[i], ret_request);
    if (!job->is_array) {
        ret_request->nodes = job->node_count;
        ret_request->seconds = job->ended - job->began;
    }
    ret_request->gpu_part = gpu_part(job);
}
