/* `pillion show --job`: a job on a terminal. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "account.h"
#include "bucket.h"
#include "clocks.h"
#include "command.h"
#include "jobs.h"
#include "output.h"
#include "spark.h"

enum { LABEL = SHOW_LABEL_WIDTH, WIDE = 60, WIDTH_OF_PIPES = 100, SENTENCE_MAX = 1400 };
enum { COLUMN = 11, COLUMN_PART = 7, CURVE_LEAST = 12 };
enum { NODES_SHOWN = 16, NAME_MOST = 24, WORD_MOST = 13 };

__attribute__((format(printf, 2, 3))) static void tell(const char *label, const char *format, ...)
{
    char    text[SENTENCE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args); /* NOLINT(clang-analyzer-valist.Uninitialized): it is */
    va_end(args);
    print_sentence(label, LABEL, text, output_width());
}

static size_t table_width(void)
{
    size_t width = output_width();
    return width == 0 ? WIDTH_OF_PIPES : width;
}

static size_t curve_after(size_t before)
{
    size_t width = table_width();
    return width < WIDE || width < before + CURVE_LEAST ? 0 : width - before > SPARK_MAX ? SPARK_MAX : width - before;
}

/* A curve of the grid in so many columns; empty where there is no room. */
static void draw(const float *series, size_t columns, double top, char ret[static SPARK_TEXT_MAX])
{
    enum { CELLS = SUMMARY_BUCKETS };
    double curve[CELLS];
    ret[0] = '\0';
    if (columns == 0 || series == NULL)
        return;
    for (size_t cell = 0; cell < CELLS; cell++) {
        double sum = 0, known = 0;
        for (size_t i = cell * JOBS_GRID / CELLS; i < (cell + 1) * JOBS_GRID / CELLS; i++) {
            sum += series[i] >= 0 ? (double)series[i] : 0;
            known += series[i] >= 0;
        }
        curve[cell] = known > 0 ? sum / known : -1;
    }
    (void)spark_draw_to(curve, CELLS, columns, output_is_utf8(), top, ret);
}

/* ------------------------------------------------------------------------------------------------ the head */

static void print_head(const struct job *job)
{
    const char         *name = job->name != NULL ? job->name : job->id;
    size_t              width = output_width(), room = width > 50 ? width - 40 : 10, columns = text_columns(name);
    struct jobs_balance balance;
    char                bad[80] = "";
    jobs_balance(job, &balance);
    if (balance.failed > 0)
        (void)snprintf(bad, sizeof bad, "%s%zu of %zu run%s failed", width > 0 && width < WIDE ? "\n" : ", ",
                       balance.failed, job->run_count, job->run_count == 1 ? "" : "s");
    print_paint(PAINT_STRONG);
    print_cut(name, width > 0 && columns > room ? room : columns, false);
    print_paint(PAINT_NONE);
    printf("  %zu node%s", job->node_count, job->node_count == 1 ? "" : "s");
    print_paint(bad[0] != '\0' ? PAINT_BAD : PAINT_NONE);
    fputs(bad, stdout);
    print_paint(PAINT_NONE);
    putchar('\n');
}

/* What is wrong, a line each, the first few. */
static void print_problems(const struct job *job)
{
    enum { TOLD = 4 };
    size_t told = 0;
    print_paint(PAINT_BAD);
    for (size_t i = 0; i < job->run_count; i++) {
        const struct jobs_run *run = &job->runs[i];
        char                   label[120], text[SENTENCE_MAX];
        if (strcmp(run->tone, "bad") != 0 || told++ >= TOLD)
            continue;
        bool is_one = job->nodes[run->node].runs == 1 || run->job[0] == '\0';
        (void)snprintf(label, sizeof label, "%.60s%s%.40s: ", run->machine, is_one ? "" : ", ", is_one ? "" : run->job);
        (void)snprintf(text, sizeof text, "%s%s%s", run->word, run->reason[0] != '\0' ? ", " : "", run->reason);
        print_sentence(label, text_columns(label), text, output_width());
    }
    if (told > TOLD)
        printf("and %zu more\n", told - TOLD);
    print_paint(PAINT_NONE);
}

static void print_clocks(const struct job *job)
{
    char   text[SENTENCE_MAX] = "";
    size_t len = 0, count = 0;
    for (size_t i = 0; i < job->node_count && len + 120 < sizeof text; i++) {
        char much[64];
        if (job->nodes[i].offset == 0)
            continue;
        clocks_text(job->nodes[i].offset, much, sizeof much);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.60s %s", count++ > 0 ? ", " : "",
                                job->nodes[i].name, much);
    }
    if (count == 0)
        return;
    print_paint(PAINT_WARN);
    tell("clocks", "%s the %sserver's. Rows are shown by the %sserver's clock.", text, bucket_is_read() ? "" : "file ",
         bucket_is_read() ? "" : "file ");
    print_paint(PAINT_NONE);
}

/* What nobody could compare is not moved. */
static void print_late(const struct job *job)
{
    char   text[SENTENCE_MAX] = "";
    size_t len = 0;
    for (size_t i = 0; i < job->node_count && len + 120 < sizeof text; i++) {
        char much[FIGURE_MAX];
        if (job->nodes[i].late == 0)
            continue;
        figure_seconds(fabs(job->nodes[i].late), much);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.60s %s %s", len > 0 ? ", " : "", job->nodes[i].name,
                                much, job->nodes[i].late > 0 ? "after" : "before");
    }
    print_paint(PAINT_WARN);
    if (len > 0)
        tell("stored", "%s its last row: a clock is wrong there, or it came late. Rows are shown by the nodes' clocks.",
             text);
    print_paint(PAINT_NONE);
}

static void print_identity(const struct job *job)
{
    char      took[FIGURE_MAX], when[40] = "", zone[16] = "";
    time_t    time = (time_t)job->began;
    struct tm tm;
    if (localtime_r(&time, &tm) != NULL) {
        (void)strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
        (void)strftime(zone, sizeof zone, "%Z", &tm);
    }
    figure_seconds(job->ended - job->began, took);
    tell("job", "%.300s%s%.60s%s%.60s%s", job->id, job->orchestrator != NULL ? ", " : "",
         job->orchestrator != NULL ? job->orchestrator : "", job->cluster != NULL ? ", cluster " : "",
         job->cluster != NULL ? job->cluster : "", job->run_count == 1 ? ", 1 run" : "");
    if (job->user != NULL)
        tell("user", "%s", job->user);
    tell("started", "%s %s, took %s, %zu run%s on %zu node%s", when, zone, took, job->run_count,
         job->run_count == 1 ? "" : "s", job->node_count, job->node_count == 1 ? "" : "s");
}

/* ------------------------------------------------------------------------------------------------ the sum */

static void print_cells(const char *label, const char *mean, const char *max, const char *limit, const char *part,
                        const char *curve)
{
    bool is_wide = table_width() >= WIDE;
    printf("%-*s%*s%*s", LABEL - 1, label, COLUMN, mean, COLUMN, max);
    if (is_wide)
        printf("%*s", COLUMN, limit);
    if (part[0] != '\0' || curve[0] != '\0')
        printf("%*s", is_wide ? COLUMN_PART : COLUMN_PART - 1, part);
    if (curve[0] != '\0')
        printf("  %s", curve);
    putchar('\n');
}

static void number(double value, bool is_bytes, const char *per, char ret[static FIGURE_MAX])
{
    if (value < 0)
        (void)snprintf(ret, FIGURE_MAX, "-");
    else if (is_bytes)
        figure_short_bytes(value, per, ret);
    else
        (void)snprintf(ret, FIGURE_MAX, value < 9999 ? "%.2f" : "%.3g", value);
}

struct line {
    const char      *label, *unit; /* of the limit */
    enum jobs_series series;
    double           mean, limit, part;
};

static void print_line(const struct job *job, const struct line *line)
{
    const struct jobs_sum *sum = &job->sum[line->series];
    char   mean[FIGURE_MAX], max[FIGURE_MAX], limit[FIGURE_MAX] = "-", part[FIGURE_MAX] = "", curve[SPARK_TEXT_MAX];
    bool   is_mib = line->series == JOBS_MEMORY || line->series == JOBS_VRAM || line->series == JOBS_MACHINE_MEMORY;
    bool   is_rate = line->series == JOBS_READ || line->series == JOBS_WRITE || line->series >= JOBS_RECV;
    double unit = is_mib ? 1024 * 1024 : 1;
    if (sum->max < 0)
        return;
    number(line->mean >= 0 ? line->mean * unit : sum->mean * unit, is_mib || is_rate, is_rate ? "/s" : "", mean);
    number(sum->max * unit, is_mib || is_rate, is_rate ? "/s" : "", max);
    if (is_rate) {
        number(sum->total, true, "", limit);
        (void)snprintf(part, sizeof part, table_width() < WIDE ? "" : "in all");
    } else if (line->limit > 0 && is_mib) {
        number(line->limit * unit, true, "", limit);
    } else if (line->limit > 0) {
        (void)snprintf(limit, sizeof limit, "%.4g %s", line->limit, line->unit);
    }
    if (line->part >= 0)
        figure_percent(line->part, part);
    draw(sum->curve, curve_after(LABEL - 1 + 3 * COLUMN + COLUMN_PART + 2), 0, curve);
    print_cells(line->label, mean, max, limit, part, curve);
}

static double part_of(double value, double of)
{
    return value >= 0 && of > 0 ? value / of : -1;
}

static void print_sum(const struct job *job)
{
    double            took = fmax(job->ended - job->began, 1e-9);
    const struct line lines[] = {
        {"GPU", job->gpus == 1 ? "device" : "devices", JOBS_GPU, part_of(job->gpu_s, took), job->gpus,
         part_of(job->gpu_s, job->asked_gpu_s)},
        {"GPU memory", "", JOBS_VRAM, -1, -1, -1},
        {"CPU", job->cpus == 1 ? "core" : "cores", JOBS_CPU, job->cpu_s / took, job->cpus,
         part_of(job->cpu_s, job->asked_cpu_s)},
        {"memory", "", JOBS_MEMORY, -1, job->memory_mib, part_of(job->sum[JOBS_MEMORY].max, job->memory_mib)},
        {"disk read", "", JOBS_READ, -1, -1, -1},
        {"disk written", "", JOBS_WRITE, -1, -1, -1},
    };
    const struct line machines[] = {{"  CPU", "cores", JOBS_MACHINE_CPU, -1, -1, -1},
                                    {"  memory", "", JOBS_MACHINE_MEMORY, -1, -1, -1},
                                    {"  network in", "", JOBS_RECV, -1, -1, -1},
                                    {"         out", "", JOBS_SENT, -1, -1, -1}};
    putchar('\n');
    print_paint(PAINT_FAINT);
    print_cells("all nodes", "mean", "max", account_is_given((struct limit){1, job->source}) ? "asked" : "had", "used",
                "");
    print_paint(PAINT_NONE);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        print_line(job, &lines[i]);
    print_paint(PAINT_FAINT);
    if (job->machine_count == 1)
        puts("the machine");
    else
        printf("the %zu machines, whoever used them\n", job->machine_count);
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++)
        print_line(job, &machines[i]);
    print_paint(PAINT_NONE);
}

/* ------------------------------------------------------------------------------------------------ the nodes */

static void mark(bool *chosen, size_t node, size_t *left)
{
    if (node == SIZE_MAX || chosen[node] || *left == 0)
        return;
    chosen[node] = true;
    (*left)--;
}

/* Those that something is told of, and then from the first on. */
static void choose(const struct job *job, bool *ret)
{
    struct jobs_balance balance;
    size_t              left = NODES_SHOWN;
    jobs_balance(job, &balance);
    for (size_t i = 0; i < job->node_count && left > NODES_SHOWN / 2; i++)
        mark(ret, strcmp(job->nodes[i].tone, "bad") == 0 || job->nodes[i].offset != 0 ? i : SIZE_MAX, &left);
    const size_t told[] = {balance.slowest, balance.idlest, balance.busiest, balance.largest};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        mark(ret, told[i], &left);
    for (size_t i = 0; i < job->node_count; i++)
        mark(ret, i, &left);
}

/* Widths of the table, by what all shown nodes have. */
struct widths {
    size_t name, word, curve, gap, domain;
    bool   has_gpu;
    double top; /* of the curves */
};

static void node_row(const struct widths *widths, const char *name, const char *took, const char *cpu,
                     const char *memory, const char *gpu, const char *word, const char *curve, enum paint paint)
{
    int gap = (int)widths->gap;
    print_cut(name, widths->name, false);
    if (table_width() >= WIDE)
        printf("%*s%11s", gap, "", took);
    printf("%*s%6s%*s%8s", gap, "", cpu, gap, "", memory);
    if (widths->has_gpu)
        printf("%*s%5s", gap, "", gpu);
    if (word[0] != '\0' || curve[0] != '\0')
        printf("%*s", gap, "");
    print_paint(paint);
    print_cut(word,
              curve[0] != '\0'                    ? widths->word
              : text_columns(word) < widths->word ? text_columns(word)
                                                  : widths->word,
              false);
    print_paint(PAINT_NONE);
    if (curve[0] != '\0')
        printf("%*s%s", gap, "", curve);
    putchar('\n');
}

/* A name without the domain that all share, and where it is too long its end, for nodes differ there. */
static void short_name(const struct widths *widths, const char *name, char *ret, size_t size)
{
    size_t len = strlen(name), kept = len > widths->domain ? len - widths->domain : len;
    (void)snprintf(ret, size, "%.*s", (int)kept, name);
    size_t columns = text_columns(ret);
    if (columns <= widths->name || strlen(ret) != columns) /* letters of several bytes are cut by others */
        return;
    (void)snprintf(ret, size, "..%.*s", (int)(widths->name - 2), name + kept - (widths->name - 2));
}

/* Bytes of the domain that the names of all nodes end with. */
static size_t domain_of(const struct job *job)
{
    const char *domain = strchr(job->nodes[0].name, '.');
    size_t      len = domain != NULL ? strlen(domain) : 0;
    for (size_t i = 0; len > 0 && i < job->node_count; i++) {
        size_t all = strlen(job->nodes[i].name);
        if (all <= len || strcmp(job->nodes[i].name + all - len, domain) != 0)
            return 0;
    }
    return len;
}

static void print_node(const struct widths *widths, const struct jobs_node *node)
{
    char   name[512];
    char   took[FIGURE_MAX], cpu[FIGURE_MAX], memory[FIGURE_MAX] = "-", gpu[FIGURE_MAX] = "-", curve[SPARK_TEXT_MAX];
    double part = jobs_cpu_part(node), gpu_of = node->gpus * (node->ended - node->began);
    figure_seconds(node->ended - node->began, took);
    if (part >= 0)
        figure_percent(part, cpu);
    else
        (void)snprintf(cpu, sizeof cpu, "%.2f", jobs_mean_cores(node));
    if (node->memory_max_mib >= 0)
        figure_short_bytes(node->memory_max_mib * 1024 * 1024, "", memory);
    if (node->gpu_s >= 0 && gpu_of > 0)
        figure_percent(node->gpu_s / gpu_of, gpu);
    draw(node->series[widths->has_gpu ? JOBS_GPU : JOBS_CPU], widths->curve, widths->top, curve);
    short_name(widths, node->name, name, sizeof name);
    node_row(widths, name, took, cpu, memory, gpu, node->word[0] != '\0' ? node->word : "-", curve,
             strcmp(node->tone, "bad") == 0 ? PAINT_BAD : PAINT_NONE);
}

/* The columns by what the shown nodes have, and what is left is the curve's. */
static void measure(const struct job *job, const bool *chosen, struct widths *ret)
{
    *ret = (struct widths){.name = 4, .word = 4, .gap = table_width() >= WIDE ? 2 : 1, .domain = domain_of(job)};
    for (size_t i = 0; i < job->node_count; i++) {
        if (!chosen[i])
            continue;
        size_t name = text_columns(job->nodes[i].name) - ret->domain, word = text_columns(job->nodes[i].word);
        ret->name = name > ret->name ? name : ret->name;
        ret->word = word > ret->word ? word : ret->word;
        ret->has_gpu |= job->nodes[i].gpu_s >= 0;
    }
    size_t most = table_width() >= WIDE ? NAME_MOST : ret->has_gpu ? 8 : 12;
    ret->name = ret->name < most ? ret->name : most;
    ret->word = ret->word < WORD_MOST ? ret->word : WORD_MOST;
    ret->curve = curve_after(ret->name + ret->word + (ret->has_gpu ? 5 + 7 : 5) + 11 + 6 + 8 + 4 * ret->gap);
    for (size_t i = 0; i < job->node_count; i++) {
        const float *series = job->nodes[i].series[ret->has_gpu ? JOBS_GPU : JOBS_CPU];
        for (size_t cell = 0; series != NULL && cell < JOBS_GRID; cell++)
            ret->top = fmax(ret->top, (double)series[cell]);
    }
}

static void print_nodes(const struct job *job)
{
    struct widths widths;
    bool         *chosen = calloc(job->node_count + 1, sizeof *chosen);
    size_t        shown = 0;
    if (chosen == NULL)
        return;
    choose(job, chosen);
    measure(job, chosen, &widths);
    putchar('\n');
    print_paint(PAINT_FAINT);
    node_row(&widths, "node", "took", "CPU", "memory", "GPU", "",
             widths.curve == 0 ? ""
             : widths.has_gpu  ? "GPU"
                               : "CPU",
             PAINT_NONE);
    print_paint(PAINT_NONE);
    for (size_t i = 0; i < job->node_count; i++) {
        if (chosen[i])
            print_node(&widths, &job->nodes[i]);
        shown += chosen[i];
    }
    if (shown < job->node_count) {
        printf("and %zu more nodes: pillion report", job->node_count - shown);
        print_text(whose_words());
        printf(" --job ");
        print_text(job->id);
        putchar('\n');
    }
    putchar('\n');
    free(chosen);
}

/* ------------------------------------------------------------------------------------------------ below */

static void print_balance(const struct job *job)
{
    struct jobs_balance balance;
    char                text[SENTENCE_MAX] = "", figure[FIGURE_MAX];
    size_t              len = 0;
    jobs_balance(job, &balance);
    const char *unit = balance.by_gpu ? "GPU" : "CPU";
    if (job->node_count < 2)
        return;
    if (balance.slowest != SIZE_MAX) {
        figure_seconds(job->nodes[balance.slowest].ended - job->nodes[balance.slowest].began, figure);
        len += (size_t)snprintf(text, sizeof text, ", slowest %.60s (%s)", job->nodes[balance.slowest].name, figure);
    }
    if (balance.idlest != SIZE_MAX) {
        figure_seconds(jobs_work(job, &job->nodes[balance.idlest]), figure);
        len += (size_t)snprintf(text + len, sizeof text - len, ", idlest %.60s (%s of %s time)",
                                job->nodes[balance.idlest].name, figure, unit);
    }
    if (balance.busiest != SIZE_MAX) {
        figure_seconds(jobs_work(job, &job->nodes[balance.busiest]), figure);
        len += (size_t)snprintf(text + len, sizeof text - len, ", busiest %.60s (%s)", job->nodes[balance.busiest].name,
                                figure);
    }
    if (balance.largest != SIZE_MAX) {
        figure_short_bytes(job->nodes[balance.largest].memory_max_mib * 1024 * 1024, "", figure);
        len += (size_t)snprintf(text + len, sizeof text - len, ", largest %.60s (%s of memory)",
                                job->nodes[balance.largest].name, figure);
    }
    if (balance.even >= 0)
        (void)snprintf(text + len, sizeof text - len, "%s The mean node did %.0f %% of what the busiest did",
                       len > 0 ? "." : ",", balance.even * 100);
    if (text[0] != '\0')
        tell("balance", "%s.", text + 2);
}

static void print_gaps(const struct job *job)
{
    const struct jobs_node *worst = NULL;
    char                    length[FIGURE_MAX], at[FIGURE_MAX];
    size_t                  count = 0;
    for (size_t i = 0; i < job->node_count; i++) {
        count += job->nodes[i].gap > 0;
        if (job->nodes[i].gap > 0 && (worst == NULL || job->nodes[i].gap > worst->gap))
            worst = &job->nodes[i];
    }
    if (worst == NULL)
        return;
    figure_seconds(worst->gap, length);
    figure_seconds(worst->gap_at - job->began, at);
    tell("no rows", "%zu node%s; the longest time %.60s, for %s, after %s", count, count == 1 ? "" : "s", worst->name,
         length, at);
}

int jobs_page(const struct job *job)
{
    struct advice request;
    char          text[ADVICE_TEXT_MAX], used[FIGURE_MAX], had[FIGURE_MAX];
    print_head(job);
    print_problems(job);
    print_identity(job);
    print_clocks(job);
    print_late(job);
    if (job->sum[JOBS_CPU].max < 0 && job->sum[JOBS_MEMORY].max < 0) {
        puts("\nNo rows yet.");
    } else {
        print_sum(job);
        print_nodes(job);
    }
    figure_seconds(job->cpu_s, used);
    if (job->asked_cpu_s > 0) {
        figure_seconds(job->asked_cpu_s, had);
        tell("CPU time", "%s of the %s that its cores had (%s)", used, had,
             job->source[0] != '\0' ? job->source : "by several");
    } else {
        tell("CPU time", "%s", used);
    }
    print_gaps(job);
    print_balance(job);
    jobs_advice(job, text, &request);
    if (text[0] != '\0')
        tell("advice", "%s", text);
    advice_print(&request, LABEL);
    tell("also", "pillion report%s --job %.100s (a page for the browser)", whose_words(), job->id);
    return output_end(EXIT_YES);
}
