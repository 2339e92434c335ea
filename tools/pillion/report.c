// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "bucket.h"
#include "command.h"
#include "filter.h"
#include "output.h"
#include "store/journal_read.h"

static const char help[] = "Usage: pillion report [-o FILE] [--open] [--markdown] [s3://BUCKET/PREFIX]\n"
                           "                      [RUN... | FILTER...]\n"
                           "\n"
                           "Makes one HTML file of a run, which needs no network and nothing beside it: what was\n"
                           "used, of what was given, by which command, and what stands out. Two to twenty runs are\n"
                           "laid over each other, the first is the base; more are a heat map, histograms, a table.\n"
                           "With --job it is one job: its nodes over time, their sum, what was asked and used.\n"
                           "RUN is an ID, the beginning of one, a directory, a CSV file, or \"last\" (the default);\n"
                           "behind s3://BUCKET/PREFIX it is one of a bucket of your own.\n"
                           "\n"
                           "  -o, --output FILE  the file to write, \"-\" for the standard output; without it\n"
                           "                     pillion-NAME.html in this directory, and its name is printed\n"
                           "      --open         opens the file in the browser\n"
                           "      --markdown     at most 60 lines of Markdown on the standard output (or in FILE)\n"
                           "\n"
                           "Filters, in place of RUN; all that are given must hold:\n" FILTER_HELP "\n" WHOSE_HELP "\n"
                           "Examples:\n"
                           "  pillion report --open                        the last run\n"
                           "  pillion report last 20261128T1200 -o b.html  the last one against an older one\n"
                           "  pillion report --job 4711                    a job of many nodes, or an array\n"
                           "  pillion report --job 4711 --dir /mnt/a --dir /mnt/b\n"
                           "  pillion report --markdown >> \"$GITHUB_STEP_SUMMARY\"\n"
                           "  pillion report s3://bucket/fleet --job 4711  its runs from all machines\n"
                           "  sudo pillion report --user alice -o alice.html\n";

struct wish {
    const char   *output;
    bool          is_opened, is_markdown;
    struct filter filter;
};

struct list {
    char **names;
    size_t count;
};

int report_load(const char *name, struct report_run *ret)
{
    struct run_place place;
    int              result = runs_find(name, &place);
    *ret = (struct report_run){.place = {.dir = -1, .csv = -1}};
    return result == 0 ? report_read(&place, ret) : result;
}

int report_read(const struct run_place *place, struct report_run *ret)
{
    *ret = (struct report_run){.place = *place};
    curves_init(&ret->curves);
    struct summary_listener listener = {curves_row, &ret->curves};
    int                     result = show_load(&ret->place, listener, &ret->show);
    if (result == 0 && ret->curves.failed) {
        complain("out of memory");
        result = -ENOMEM;
    }
    if (result < 0)
        return result;
    curves_close(&ret->curves);
    fields_read(ret->place.id, ret->show.state, ret->show.shown, ret->place.ordinal, &ret->record);
    ending_of(&ret->show, &ret->ending);
    findings_of(&ret->curves, &ret->show.summary, ret->show.state, &ret->findings);
    return 0;
}

void report_done(struct report_run *run)
{
    curves_done(&run->curves);
    fields_free(&run->record);
    show_done(&run->show);
    runs_done(&run->place);
}

static int read_options(int argc, char **argv, struct wish *ret)
{
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {"open", no_argument, NULL, 'O'},
                                            {"markdown", no_argument, NULL, 'm'},
                                            FILTER_OPTIONS,
                                            WHOSE_OPTIONS,
                                            OPTIONS_COMMON};
    opterr = 0;
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, ":o:hV", options, NULL)) != -1;) {
        int taken = filter_take(&ret->filter, argv[0], option, optarg);
        if (taken == 0)
            taken = whose_take(argv[0], option, optarg);
        if (option == 'o')
            ret->output = optarg;
        else if (option == 'O')
            ret->is_opened = true;
        else if (option == 'm')
            ret->is_markdown = true;
        else if (taken == 0)
            return options_common(option, argv, options, help);
        if (taken < 0)
            return EXIT_WRONG_CALL;
    }
    struct bucket_wanted wanted = filter_bucket(&ret->filter);
    bool                 is_bucket = bucket_is_place(argv[optind]);
    if (ret->filter.is_set && optind + is_bucket < argc) {
        complain("report takes runs, or filters that choose them, and one of both; see pillion report --help");
        return EXIT_WRONG_CALL;
    }
    if (is_bucket && !ret->filter.is_set && optind + 2 >= argc)
        wanted.run = optind + 1 < argc ? argv[optind + 1] : "last";
    return bucket_take(argv[0], argc, argv, &wanted);
}

static int add(struct list *list, const char *name)
{
    char **more = realloc(list->names, (list->count + 1) * sizeof *more);
    if (more == NULL)
        return -ENOMEM;
    list->names = more;
    more[list->count] = strdup(name);
    return more[list->count] != NULL ? (int)!++list->count : -ENOMEM;
}

static int find_filtered(const struct filter *filter, struct list *ret)
{
    struct selection all;
    int              result = filter_select(filter, &all);
    for (size_t i = 0; result == 0 && i < all.count; i++) {
        char path[PATH_MAX]; /* a name could be that of a file here, too */
        (void)snprintf(path, sizeof path, "%.3900s/%s", all.folder.path, all.names.names[all.at[i]]);
        result = add(ret, whose_is_others() ? all.names.names[all.at[i]] : path);
    }
    filter_done(&all);
    if (result == 0 && ret->count == 0) {
        complain("no run is meant by these filters; see pillion list");
        result = -ENOENT;
    }
    return result;
}

static int find_all(int argc, char **argv, const struct wish *wish, struct list *ret)
{
    int result = wish->filter.is_set ? find_filtered(&wish->filter, ret) : 0;
    for (int i = optind; result == 0 && i < argc; i++)
        result = add(ret, argv[i]);
    if (result == 0 && ret->count == 0)
        result = add(ret, "last");
    if (result == 0 && ret->count > REPORT_RUNS_MAX) {
        complain("%zu runs are too many for a page: %d at most", ret->count, REPORT_RUNS_MAX);
        result = -E2BIG;
    }
    if (result == 0 && bucket_is_read() && wish->filter.is_set) /* all at once: each run asks for its own later */
        result = bucket_fetch_rows((const char *const *)ret->names, ret->count);
    return result;
}

static void title_of(const struct report_run *run, size_t count, char ret[static 200])
{
    if (count == 1)
        (void)snprintf(ret, 200, "%.150s", report_name(run));
    else
        (void)snprintf(ret, 200, "%.150s and %zu more", report_name(run), count - 1);
}

static int add_run(struct bytes *page, cJSON *runs, struct report_run *run, size_t number, size_t count)
{
    size_t per = 1;
    int    result = 0;
    if (count > REPORT_OVERLAID_MAX) {
        cJSON_AddItemToArray(runs, report_json_small(run));
        return 0;
    }
    if (count == 1 && run->place.dir >= 0) {
        result = curves_commands(&run->curves, run->place.dir);
        if (result != -ENOMEM)
            result = curves_gpus(&run->curves, run->place.dir);
        result = result == -ENOMEM ? result : 0; /* without them it is a page, too */
    }
    if (result == 0)
        result = report_page_curves(page, run, number, REPORT_CURVES_MAX / count, &per);
    cJSON_AddItemToArray(runs, report_json(run, per));
    return result;
}

cJSON *report_known(const char *kind)
{
    char   made[21];
    cJSON *known = cJSON_CreateObject();
    clock_format_utc(clock_real() / CLOCK_SECOND, made);
    cJSON_AddStringToObject(known, "version", PILLION_VERSION);
    cJSON_AddStringToObject(known, "made", made);
    cJSON_AddStringToObject(known, "kind", kind);
    cJSON_AddArrayToObject(known, "runs");
    return known;
}

/* The first run's ID goes to `ret_id`, for the file's name. */
static int make_page(const struct list *list, struct bytes *page, char ret_id[static RUN_DIR_ID_MAX])
{
    static struct report_run run;
    size_t                   count = list->count;
    const char              *kind = count == 1 ? "run" : count <= REPORT_OVERLAID_MAX ? "compare" : "many";
    cJSON                   *known = report_known(kind);
    cJSON                   *runs = cJSON_GetObjectItemCaseSensitive(known, "runs");
    struct advice            advice;
    int                      result = 0;
    advice_begin(&advice);
    for (size_t i = 0; result == 0 && i < list->count; i++) {
        char title[200];
        result = report_load(list->names[i], &run);
        if (result == 0 && i == 0) {
            title_of(&run, list->count, title);
            memcpy(ret_id, run.place.id, RUN_DIR_ID_MAX);
            report_page_begin(page, title);
        }
        if (result == 0) {
            if (run.show.state != NULL)
                advice_add(&advice, &run.show.summary, run.show.state);
            result = add_run(page, runs, &run, i, list->count);
            if (result < 0)
                complain("out of memory");
        }
        report_done(&run);
    }
    if (result < 0) {
        cJSON_Delete(known);
        return result;
    }
    cJSON *asked = advice_json(&advice);
    if (asked != NULL)
        cJSON_AddItemToObject(known, "advice", asked);
    result = report_page_end(page, known);
    if (result < 0)
        complain("the page is too large, or there is no memory");
    return result;
}

static int write_out(const char *path, const struct bytes *page)
{
    whose_pause(); /* the page is the reader's own file */
    int fd = strcmp(path, "-") == 0 ? dup(STDOUT_FILENO)
                                    : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    int result = fd < 0 ? -errno : file_write(fd, page->data, page->len, NULL);
    if (fd >= 0 && close(fd) < 0 && result == 0)
        result = -errno;
    if (result < 0)
        complain("%s: %s", path, strerror(-result));
    return result;
}

/* The program that opens files on a desktop returns once the browser has it. */
static int open_in_browser(const char *path)
{
    const char *browser = getenv("BROWSER");
    pid_t       pid;
    int         status = 0;
    if (browser == NULL || browser[0] == '\0' || strchr(browser, ' ') != NULL)
        browser = "xdg-open";
    char *argv[] = {strdup(browser), strdup(path), NULL};
    int   error = argv[0] == NULL || argv[1] == NULL ? ENOMEM : posix_spawnp(&pid, browser, NULL, NULL, argv, environ);
    if (error == 0)
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    free(argv[0]);
    free(argv[1]);
    if (error == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return EXIT_YES;
    complain("no browser could be started by %s: open %s yourself", browser, path);
    return EXIT_NO;
}

static int markdown(const struct list *list, const struct wish *wish)
{
    static struct report_run run;
    struct bytes             text;
    int                      result = 0;
    bytes_init(&text, REPORT_PAGE_MAX);
    for (size_t i = 0; result == 0 && i < list->count; i++) {
        result = report_load(list->names[i], &run);
        if (result == 0)
            report_markdown_add(&text, &run, i, list->count);
        report_done(&run);
    }
    bucket_release();
    if (result == 0)
        result = write_out(wish->output != NULL ? wish->output : "-", &text);
    bytes_done(&text);
    return result < 0 || bucket_is_partial() ? EXIT_NO : EXIT_YES;
}

/* The newest runs of a job are runs, and so is Markdown. */
static bool is_of_job(const struct wish *wish)
{
    return wish->filter.job != NULL && wish->filter.last == 0 && !wish->is_markdown;
}

static int html(const struct list *list, const struct wish *wish)
{
    char         id[RUN_DIR_ID_MAX] = "", path[PATH_MAX];
    struct bytes page;
    bool         is_whole = true;
    bytes_init(&page, REPORT_PAGE_MAX);
    int result = is_of_job(wish) ? report_job(&wish->filter, &page, id, &is_whole) : make_page(list, &page, id);
    is_whole = is_whole && !bucket_is_partial();
    bucket_release();
    if (wish->output != NULL)
        (void)snprintf(path, sizeof path, "%s", wish->output);
    else
        (void)snprintf(path, sizeof path, "pillion-%s.html", id);
    if (result == 0)
        result = write_out(path, &page);
    bytes_done(&page);
    if (result < 0)
        return EXIT_NO;
    if (strcmp(path, "-") == 0)
        return is_whole ? EXIT_YES : EXIT_NO;
    print_text(path);
    putchar('\n');
    int code = output_end(EXIT_YES);
    if (code == EXIT_YES && wish->is_opened)
        code = open_in_browser(path);
    return is_whole ? code : EXIT_NO;
}

int command_report(int argc, char **argv)
{
    struct wish wish = {0};
    struct list list = {0};
    int         code = read_options(argc, argv, &wish);
    if (code >= 0)
        return code;
    if (!is_of_job(&wish) && !whose_is_one(argv[0]))
        return EXIT_WRONG_CALL;
    if (!is_of_job(&wish) && find_all(argc, argv, &wish, &list) < 0)
        code = EXIT_NO;
    else
        code = wish.is_markdown ? markdown(&list, &wish) : html(&list, &wish);
    for (size_t i = 0; i < list.count; i++)
        free(list.names[i]);
    free(list.names);
    return code;
}
