// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bucket.h"
#include "command.h"
#include "fields.h"
#include "filter.h"
#include "jobs.h"
#include "output.h"
#include "runs.h"

static const char help[] =
    "Usage: pillion list [--jobs] [--json | --csv | --plain] [--sort FIELD] [FILTER...]\n"
    "                    [s3://BUCKET/PREFIX]\n"
    "\n"
    "The runs of this user on this machine, newest last. LAST is for the other commands:\n"
    "~3 is the run that pillion show last~3 shows. CPU and GPU are the mean, in parts of what\n"
    "the run was given, MEMORY is the most that its largest process had. Times are local ones.\n"
    "Where most runs are of batch jobs, ASKED is what the job was given, TASK the program of a\n"
    "step.\n"
    "States: running; finishing; finished (delivered); local (made without a token or a bucket);\n"
    "undelivered; lost (the program is gone and nobody has finished its run: pillion sync\n"
    "does); newer (a later version of pillion wrote it); damaged.\n"
    "\n"
    "Filters; all that are given must hold:\n" FILTER_HELP "\n" WHOSE_HELP
    "  --all-users   the runs of all users of this machine; LAST is for --user USER\n"
    "\n"
    "  --jobs        a line a job: the runs of all its nodes, tasks and steps; MEMORY is that of\n"
    "                the largest, --last counts jobs\n"
    "  --sort FIELD  by a field of --csv or a column, the largest last; -FIELD: the largest first\n"
    "  --json, --csv one row a run, all fields\n"
    "\n"
    "Of s3://BUCKET/PREFIX, where programs with PILLION_S3_URI put them, the runs of all machines,\n"
    "by the keys that those would use; with --since older days are not looked at.\n"
    "\n"
    "Examples:\n"
    "  pillion list --failed --since 2d\n"
    "  pillion list --name 'train*' --sort memory --last 20\n"
    "  pillion list --csv > runs.csv\n"
    "  pillion list s3://bucket/fleet --since 7d --failed\n"
    "  pillion list --jobs --dir /nfs/alice/pillion --since 7d\n"
    "  sudo pillion list --user alice --failed\n"
    "  sudo pillion list --all-users --since 2h --sort -cpu\n";

enum { GAP = 2, TEXT_MAX = 4100, NAME_WIDEST = 28, NARROW = 60, WIDE = 100 };

struct order {
    bool           json, csv, is_backwards, is_sorted, is_of_jobs;
    enum run_field sort;
    struct filter  filter;
};

/* ------------------------------------------------------------------------------------------------ columns */

struct layout {
    bool   shown[RUN_FIELD_COUNT];
    size_t width[RUN_FIELD_COUNT];
};

static bool is_right(enum run_field field)
{
    return run_fields[field].kind != FIELD_TEXT && run_fields[field].kind != FIELD_TIME &&
           run_fields[field].kind != FIELD_COMMAND;
}

/* On a screen that is not wide a time has no year. */
static void cell_text(const struct record *record, enum run_field field, size_t width, char *ret, size_t size)
{
    fields_text(record, field, ret, size);
    bool is_long = run_fields[field].kind == FIELD_TIME && strlen(ret) > 5;
    if (is_long && width > 0 && width < WIDE)
        memmove(ret, ret + 5, strlen(ret) - 4);
}

/* What no run here has is no column, and what all have of it decides how wide it is. */
static size_t widest(const struct selection *all, enum run_field field, size_t width)
{
    char   text[TEXT_MAX];
    size_t most = 0;
    for (size_t i = 0; i < all->count; i++) {
        if (!fields_known(&all->records[i], field))
            continue;
        cell_text(&all->records[i], field, width, text, sizeof text);
        size_t columns = text_columns(text);
        most = columns > most ? columns : most;
    }
    size_t title = strlen(run_fields[field].title);
    return most == 0 ? 0 : most > title ? most : title;
}

/* The least that a column needs to be of use. */
static size_t least(enum run_field field, size_t most)
{
    bool is_cut = field == RUN_FIELD_name || field == RUN_FIELD_user || field == RUN_FIELD_task ||
                  field == RUN_FIELD_command || field == RUN_FIELD_job || field == RUN_FIELD_machine;
    return is_cut && most > run_fields[field].width ? run_fields[field].width : most;
}

/* `width` 0: as wide as they are. */
static size_t gap_of(size_t width)
{
    return width > 0 && width < NARROW ? 1 : GAP;
}

/* Shows the column if it finds room, at its least; the columns used then, 0: it does not. */
static size_t show_column(struct layout *layout, enum run_field field, size_t most, size_t width, size_t used)
{
    size_t need = least(field, most);
    size_t gap = used > 0 ? gap_of(width) : 0;
    if (width > 0 && used + gap + need > width)
        return 0;
    layout->shown[field] = true;
    layout->width[field] = width > 0 ? need : most;
    return used + gap + need;
}

/* What is left goes to the columns that were cut. */
static void grow(struct layout *layout, const size_t *most, size_t left)
{
    static const enum run_field growing[] = {RUN_FIELD_name, RUN_FIELD_job, RUN_FIELD_task, RUN_FIELD_machine,
                                             RUN_FIELD_command};
    for (size_t i = 0; i < sizeof growing / sizeof *growing; i++) {
        enum run_field field = growing[i];
        size_t         cap = field == RUN_FIELD_command || most[field] < NAME_WIDEST ? most[field] : NAME_WIDEST;
        size_t         more = cap > layout->width[field] ? cap - layout->width[field] : 0;
        if (!layout->shown[field])
            continue;
        more = more < left ? more : left;
        layout->width[field] += more;
        left -= more;
    }
}

/* Where most runs are of batch jobs, job and request go before the rest. */
static bool is_of_jobs(const struct selection *all)
{
    size_t jobs = 0;
    for (size_t i = 0; i < all->count; i++)
        jobs += fields_known(&all->records[i], RUN_FIELD_job);
    return jobs > all->count / 2;
}

static int rank_of(enum run_field field, bool among_jobs)
{
    return among_jobs ? run_fields[field].rank_among_jobs : run_fields[field].rank;
}

/* By rank, until one finds no room. */
static void lay_out(const struct selection *all, size_t width, struct layout *ret)
{
    size_t most[RUN_FIELD_COUNT];
    size_t used = 0;
    bool   is_full = false, jobs = is_of_jobs(all);
    *ret = (struct layout){0};
    for (int i = 0; i < RUN_FIELD_COUNT; i++)
        most[i] = rank_of((enum run_field)i, jobs) > 0 ? widest(all, (enum run_field)i, width) : 0;
    for (int rank = 1; rank <= RUN_FIELD_COUNT && !is_full; rank++) {
        for (int i = 0; i < RUN_FIELD_COUNT && !is_full; i++) {
            if (rank_of((enum run_field)i, jobs) != rank || most[i] == 0)
                continue;
            size_t now = show_column(ret, (enum run_field)i, most[i], width, used);
            is_full = now == 0;
            used = is_full ? used : now;
        }
    }
    if (width > used)
        grow(ret, most, width - used);
}

static enum paint paint_of(const struct record *record, enum run_field field)
{
    if (field == RUN_FIELD_ended && fields_failed(record))
        return PAINT_BAD;
    if (field != RUN_FIELD_state)
        return PAINT_NONE;
    const char *state = record->values[RUN_FIELD_state].text;
    if (strcmp(state, "undelivered") == 0 || strcmp(state, "lost") == 0 || strcmp(state, "damaged") == 0)
        return PAINT_BAD;
    return strcmp(state, "running") == 0 ? PAINT_GOOD : PAINT_NONE;
}

/* Of a run, or the column's title where there is no record. The last column has no blanks behind it. */
static void print_cell(const struct record *record, enum run_field field, size_t width, size_t columns, bool is_last)
{
    char       text[TEXT_MAX];
    enum paint paint = record != NULL ? paint_of(record, field) : PAINT_STRONG;
    if (record != NULL)
        cell_text(record, field, width, text, sizeof text);
    else
        (void)snprintf(text, sizeof text, "%s", run_fields[field].title);
    if (paint != PAINT_NONE)
        print_paint(paint);
    size_t used = text_columns(text);
    print_cut(text, is_last && !is_right(field) && used < columns ? used : columns, is_right(field));
    if (paint != PAINT_NONE)
        print_paint(PAINT_NONE);
}

static void print_row(const struct layout *layout, const struct record *record, size_t width)
{
    int last = 0;
    for (int i = 0; i < RUN_FIELD_COUNT; i++)
        last = layout->shown[i] ? i : last;
    for (int i = 0, count = 0; i < RUN_FIELD_COUNT; i++) {
        if (!layout->shown[i])
            continue;
        if (count++ > 0)
            printf("%*s", (int)gap_of(width), "");
        print_cell(record, (enum run_field)i, width, layout->width[i], i == last);
    }
    putchar('\n');
}

static void print_table(const struct selection *all)
{
    static struct layout layout;
    size_t               width = output_width();
    lay_out(all, width, &layout);
    if (all->count > 0)
        print_row(&layout, NULL, width);
    for (size_t i = 0; i < all->count; i++)
        print_row(&layout, &all->records[i], width);
}

/* ------------------------------------------------------------------------------------------------ the rest */

static int print_json(const struct selection *all)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < all->count; i++) {
        cJSON *object = cJSON_CreateObject();
        fields_json(&all->records[i], object);
        cJSON_AddItemToArray(list, object);
    }
    return output_json(list, EXIT_YES);
}

static int print_csv(const struct selection *all)
{
    fields_csv_header();
    for (size_t i = 0; i < all->count; i++)
        fields_csv(&all->records[i]);
    return output_end(EXIT_YES);
}

static enum run_field sort_field;

static int by_field(const void *a, const void *b)
{
    const struct value *x = &((const struct record *)a)->values[sort_field];
    const struct value *y = &((const struct record *)b)->values[sort_field];
    if (x->text != NULL || y->text != NULL)
        return strcmp(x->text != NULL ? x->text : "", y->text != NULL ? y->text : "");
    return (x->number > y->number) - (x->number < y->number);
}

static void sort(const struct order *order, struct selection *all)
{
    sort_field = order->sort;
    qsort(all->records, all->count, sizeof *all->records, by_field);
    for (size_t i = 0; order->is_backwards && i < all->count / 2; i++) {
        struct record record = all->records[i];
        all->records[i] = all->records[all->count - 1 - i];
        all->records[all->count - 1 - i] = record;
    }
}

/* A field by its name, or by the title of its column in small letters. */
static int take_sort(const char *name, struct order *ret)
{
    const char *meant = NULL;
    ret->is_backwards = name[0] == '-';
    name += ret->is_backwards;
    for (int i = 0; i < RUN_FIELD_COUNT; i++) {
        char title[32] = "";
        for (size_t c = 0; run_fields[i].title[c] != '\0'; c++)
            title[c] = (char)(run_fields[i].title[c] + ('a' - 'A'));
        if (strcmp(name, run_fields[i].name) == 0 || (title[0] != '\0' && strcmp(name, title) == 0)) {
            ret->sort = (enum run_field)i;
            ret->is_sorted = i != RUN_FIELD_ordinal;
            return 0;
        }
        meant = spelling_meant(name, strlen(name), meant, run_fields[i].name);
    }
    complain("list: no field \"%s\"%s%s; see pillion list --help", name, meant != NULL ? "; did you mean " : "",
             meant != NULL ? meant : "");
    return -1;
}

static int read_order(int argc, char **argv, struct order *ret)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"csv", no_argument, NULL, 'c'},
                                            {"plain", no_argument, NULL, 'p'},
                                            {"jobs", no_argument, NULL, 'J'},
                                            {"sort", required_argument, NULL, 's'},
                                            {"all-users", no_argument, NULL, WHOSE_ALL},
                                            FILTER_OPTIONS,
                                            WHOSE_OPTIONS,
                                            OPTIONS_COMMON};
    opterr = 0;
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, ":hV", options, NULL)) != -1;) {
        int taken = filter_take(&ret->filter, argv[0], option, optarg);
        if (taken == 0)
            taken = whose_take(argv[0], option, optarg);
        if (option == 'j')
            ret->json = true;
        else if (option == 'c')
            ret->csv = true;
        else if (option == 'p')
            output_use_plain();
        else if (option == 'J')
            ret->is_of_jobs = true;
        else if (option == 's')
            taken = take_sort(optarg, ret);
        else if (taken == 0)
            return options_common(option, argv, options, help);
        if (taken < 0)
            return EXIT_WRONG_CALL;
    }
    if (optind + bucket_is_place(argv[optind]) < argc) {
        complain("list takes no argument but s3://bucket/prefix, only options; see pillion list --help");
        return EXIT_WRONG_CALL;
    }
    struct bucket_wanted wanted = filter_bucket(&ret->filter);
    if (ret->is_of_jobs)
        wanted.newest = 0;
    return bucket_take(argv[0], argc, argv, &wanted);
}

/* The runs, or their jobs: of those --last counts. */
static int select_records(struct order *order, struct selection *ret)
{
    size_t last = order->filter.last;
    if (!order->is_of_jobs)
        return filter_select(&order->filter, ret);
    order->filter.last = 0;
    fields_use_jobs();
    int result = filter_select(&order->filter, ret);
    return result < 0 ? result : jobs_list(ret, last);
}

static void complain_of_none(const struct order *order, const struct selection *all)
{
    const char *user = all->total == 0 ? all->folder.user : "";
    complain("%s%s%s",
             all->total == 0     ? "there is no run yet"
             : order->is_of_jobs ? "no run is of a job"
                                 : "no run is meant by these filters",
             user[0] != '\0' ? " of " : "", user);
}

int command_list(int argc, char **argv)
{
    struct order     order = {0};
    struct selection all;
    int              code = read_order(argc, argv, &order);
    if (code >= 0)
        return code;
    if (select_records(&order, &all) < 0) {
        filter_done(&all);
        return EXIT_NO;
    }
    bucket_release();
    if (order.is_sorted)
        sort(&order, &all);
    if (order.json) {
        code = print_json(&all);
    } else if (order.csv) {
        code = print_csv(&all);
    } else {
        print_table(&all);
        if (all.count == 0)
            complain_of_none(&order, &all);
        code = output_end(EXIT_YES);
    }
    code = all.is_whole ? code : EXIT_NO;
    filter_done(&all);
    return code;
}
