/* The rules of advice, each with its reason.
 *
 * Memory: the most that the whole tree had at once, by its rows, or the largest process had, whichever is more, and a
 *   fifth more. A fifth, because rows are a second apart and the next input is another; file cache is left out, because
 *   the kernel gives it back before it kills. A run that was killed for memory is told to double: how much it would
 *   have needed nobody knows.
 * Cores: as many whole ones as were enough for 95 % of its time; a tenth of a core is no core. A peak of seconds in a
 *   day is not worth a day of idle cores: with fewer it takes some seconds more. Where a run has used more than nine
 *   tenths of what it had on average, nobody knows what it would do with more: that is said, and is worth a try.
 * GPUs: as many as it used at once.
 * Time: the longest run, and half as much again, in whole minutes: a job that is cut off is lost.
 * Too little: less than ten rows, or less than ten seconds. Time from a single run is said to be from one. */
// SPDX-License-Identifier: Apache-2.0
#include "advice.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "account.h"
#include "output.h"

#define MEMORY_MORE  1.2
#define TIME_MORE    1.5
#define IS_FULL      0.9
#define MOST_TIME    0.95
#define MEMORY_STEP  16.0 /* MiB */
#define LEAST_MEMORY 32.0
#define LEAST_ROWS   10
#define LEAST_TIME   10.0 /* s */

void advice_begin(struct advice *advice)
{
    *advice = (struct advice){.gpu_part = -1, .cpu_part = -1, .had_cpus = -1, .had_memory_mib = -1, .gpus = -1};
}

void advice_add(struct advice *advice, const struct summary *summary, const cJSON *state)
{
    const struct figure *memory = &summary->figures[SUBJECT_PROCESS][MEASURE_MEMORY];
    double               peak = account_peak_mib(state, SUBJECT_PROCESS);
    if (summary->rows == 0)
        return;
    advice->runs++;
    advice->rows += (double)summary->rows;
    advice->memory_mib = fmax(advice->memory_mib, fmax(memory->max, peak));
    advice->cpus = fmax(advice->cpus, summary->figures[SUBJECT_PROCESS][MEASURE_CPU].max);
    advice->enough_cpus = fmax(advice->enough_cpus, summary_cores(summary, MOST_TIME));
    advice->gpus_used = fmax(advice->gpus_used, summary->gpus_used);
    advice->cpu_part = fmax(advice->cpu_part, account_part(summary, state, MEASURE_CPU));
    advice->gpu_part = fmax(advice->gpu_part, account_part(summary, state, MEASURE_GPU));
    advice->seconds = fmax(advice->seconds, summary_duration(summary));
    advice->had_cpus = account_cpus(state).value;
    advice->had_memory_mib = account_memory_mib(state).value;
    advice->gpus = account_gpus(state).value;
    advice->out_of_memory = advice->out_of_memory || account_number(state, "cgroup", "oom_kills") >= 1;
}

static void decide_memory(const struct advice *a, struct request *ret)
{
    char most[FIGURE_MAX], had[FIGURE_MAX];
    figure_short_bytes(a->memory_mib * 1024 * 1024, "", most);
    figure_short_bytes(fmax(a->had_memory_mib, 0) * 1024 * 1024, "", had);
    if (a->memory_mib <= 0)
        return;
    if (a->out_of_memory) {
        ret->memory_mib = 2 * fmax(a->had_memory_mib, a->memory_mib);
        (void)snprintf(ret->memory_why, ADVICE_TEXT_MAX,
                       "it was killed for memory; what it would have needed nobody knows, so twice as much as it had");
    } else {
        ret->memory_mib = fmax(a->memory_mib * MEMORY_MORE, LEAST_MEMORY);
        (void)snprintf(ret->memory_why, ADVICE_TEXT_MAX, "at most it had %s at once%s, and a fifth more is to spare",
                       most,
                       a->nodes > 1    ? " on any node"
                       : a->nodes == 1 ? ""
                       : a->runs > 1   ? " in any of these runs"
                                       : "");
    }
    ret->memory_mib = ceil(ret->memory_mib / MEMORY_STEP) * MEMORY_STEP;
}

static void decide_cpus(const struct advice *a, struct request *ret)
{
    char part[FIGURE_MAX], mean[60] = "";
    if (a->cpus <= 0)
        return;
    figure_percent(a->cpu_part, part);
    if (a->runs == 1 && a->cpu_part >= 0 && a->had_cpus > 0)
        (void)snprintf(mean, sizeof mean, ", on average %.2f", a->cpu_part * a->had_cpus);
    ret->cpus = fmax(1, a->enough_cpus);
    if (a->had_cpus > 0 && ret->cpus > a->had_cpus)
        ret->cpus = ceil(a->had_cpus);
    if (a->cpu_part > IS_FULL)
        (void)snprintf(ret->cpus_why, ADVICE_TEXT_MAX,
                       "it used %s of its %.3g core%s on average; whether more make it faster, only a try tells", part,
                       a->had_cpus, a->had_cpus == 1 ? "" : "s");
    else
        (void)snprintf(ret->cpus_why, ADVICE_TEXT_MAX, "%sat its busiest it used %.2f cores%s",
                       a->cpus > ret->cpus + 1 ? "it needed no more in 95 % of its time; " : "", a->cpus, mean);
}

void advice_decide(const struct advice *a, struct request *ret)
{
    char longest[FIGURE_MAX];
    *ret = (struct request){.gpus = a->gpu_part > 0 && a->gpus > 0 ? fmin(a->gpus, fmax(1, a->gpus_used)) : 0};
    if (a->runs == 0)
        return;
    ret->nodes = a->nodes;
    decide_memory(a, ret);
    decide_cpus(a, ret);
    figure_seconds(a->seconds, longest);
    ret->minutes = fmax(1, ceil(a->seconds * TIME_MORE / 60));
    (void)snprintf(ret->time_why, ADVICE_TEXT_MAX, "%s %s, and half as much again is to spare",
                   a->nodes > 0  ? "this job took"
                   : a->runs > 1 ? "the longest took"
                                 : "this one run took",
                   longest);
    if (a->rows < LEAST_ROWS || a->seconds < LEAST_TIME)
        (void)snprintf(ret->thin, ADVICE_TEXT_MAX, "This rests on %.0f row%s and %s: too little to count on.", a->rows,
                       a->rows < 2 ? "" : "s", longest);
    else if (a->nodes > 0)
        (void)snprintf(ret->thin, ADVICE_TEXT_MAX, "This rests on one job.");
    else if (a->runs == 1)
        (void)snprintf(ret->thin, ADVICE_TEXT_MAX, "This rests on one run.");
}

static void slurm_line(const struct request *r, char ret[static ADVICE_TEXT_MAX])
{
    char gpus[40] = "", nodes[40] = "";
    long minutes = r->minutes < 1e7 ? (long)r->minutes : 10000000;
    if (r->gpus > 0)
        (void)snprintf(gpus, sizeof gpus, " --gpus%s=%.0f", r->nodes > 1 ? "-per-node" : "", r->gpus);
    if (r->nodes > 1)
        (void)snprintf(nodes, sizeof nodes, "--nodes=%zu ", r->nodes);
    (void)snprintf(ret, ADVICE_TEXT_MAX, "#SBATCH %s--mem=%.0fM --cpus-per-task=%.0f --time=%02ld:%02ld:00%s", nodes,
                   r->memory_mib, r->cpus, minutes / 60, minutes % 60, gpus);
}

static void kubernetes_line(const struct request *r, char ret[static ADVICE_TEXT_MAX])
{
    char gpus[60] = "";
    if (r->gpus > 0)
        (void)snprintf(gpus, sizeof gpus, ", nvidia.com/gpu: %.0f", r->gpus);
    (void)snprintf(ret, ADVICE_TEXT_MAX,
                   "resources: {requests: {memory: %.0fMi, cpu: %.0f}, limits: {memory: %.0fMi%s}}", r->memory_mib,
                   r->cpus, r->memory_mib, gpus);
}

void advice_print(const struct advice *advice, size_t label_width)
{
    struct request request;
    char           memory[FIGURE_MAX], text[3 * ADVICE_TEXT_MAX];
    advice_decide(advice, &request);
    if (request.memory_mib <= 0 || request.cpus <= 0)
        return;
    figure_short_bytes(request.memory_mib * 1024 * 1024, "", memory);
    (void)snprintf(text, sizeof text, "%s of memory: %s.", memory, request.memory_why);
    print_sentence("ask for", label_width, text, output_width());
    (void)snprintf(text, sizeof text, "%.0f core%s: %s.%s%s", request.cpus, request.cpus < 2 ? "" : "s",
                   request.cpus_why, request.thin[0] != '\0' ? " " : "", request.thin);
    print_sentence("", label_width, text, output_width());
    slurm_line(&request, text);
    print_sentence("Slurm", label_width, text, output_width());
    kubernetes_line(&request, text);
    print_sentence("Kubernetes", label_width, text, output_width());
}

static void add_asked(cJSON *object, const char *key, const char *why_key, double value, const char *why)
{
    if (value <= 0)
        return;
    account_add(object, key, value, 1);
    cJSON_AddStringToObject(object, why_key, why);
}

cJSON *advice_json(const struct advice *advice)
{
    struct request request;
    char           text[ADVICE_TEXT_MAX];
    advice_decide(advice, &request);
    if (request.memory_mib <= 0 || request.cpus <= 0)
        return NULL;
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "runs", (double)advice->runs);
    add_asked(object, "memory_mib", "memory_why", request.memory_mib, request.memory_why);
    add_asked(object, "cpus", "cpus_why", request.cpus, request.cpus_why);
    add_asked(object, "minutes", "time_why", request.minutes, request.time_why);
    if (request.gpus > 0)
        account_add(object, "gpus", request.gpus, 1);
    if (request.thin[0] != '\0')
        cJSON_AddStringToObject(object, "caution", request.thin);
    slurm_line(&request, text);
    cJSON_AddStringToObject(object, "slurm", text);
    kubernetes_line(&request, text);
    cJSON_AddStringToObject(object, "kubernetes", text);
    return object;
}
