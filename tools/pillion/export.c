/* pillion export: the rows of many runs with what tells them apart, in one CSV or in folders. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "command.h"
#include "csv.h"
#include "filter.h"
#include "output.h"
#include "pillion/columns.h"
#include "run_file.h"

static const char help[] = "Usage: pillion export [-o FILE | -o FOLDER/] [RUN... | FILTER...]\n"
                           "\n"
                           "The rows of runs, of all of them where none is chosen, with the columns run, name, job\n"
                           "and machine before the 32 of metrics.csv. One CSV, on stdout or in FILE; or, where -o is\n"
                           "a folder or ends with /, one file for each run, FOLDER/run=ID/metrics.csv, which DuckDB,\n"
                           "pandas and Spark read by a glob. Text that a table program would take for a formula\n"
                           "(it begins with = + - @) has a ' before it.\n"
                           "\n"
                           "  -o, --output FILE|FOLDER/\n"
                           "\n"
                           "Filters, in place of RUN; all that are given must hold:\n" FILTER_HELP "\n" WHOSE_HELP "\n"
                           "Examples:\n"
                           "  pillion export --name 'train*' -o train.csv\n"
                           "  sudo pillion export --user alice --since 2d -o alice.csv\n"
                           "  pillion export --since 7d -o week/\n"
                           "  duckdb -c \"select run, max(process_memory_mib) from 'week/*/*.csv' group by run\"\n";

static const char header[] =
#define COLUMN(name, unit, decimals, kind, source) #name ","
    PILLION_COLUMNS(COLUMN)
#undef COLUMN
    ;

enum { LINE_SIZE = 64 * 1024 };

static const char own_header[] = "run,name,job,machine,";

static void print_own(const struct record *record)
{
    static const enum run_field own[] = {RUN_FIELD_id, RUN_FIELD_name, RUN_FIELD_job, RUN_FIELD_machine};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (record->values[own[i]].text != NULL)
            print_csv_cell(record->values[own[i]].text);
        putchar(',');
    }
}

/* Numbers, as many as there are columns. Whatever else somebody has put there would steer a terminal, or be a formula.
 */
static bool is_row(const char *line, size_t len)
{
    size_t commas = 0;
    for (size_t i = 0; i < len; i++)
        commas += line[i] == ',';
    return commas == PILLION_COLUMN_COUNT - 1 && strspn(line, "0123456789.,-") == len;
}

/* The whole lines of a run's rows; -EBADMSG: it is not such a file as pillion writes; -EILSEQ: some lines are none. */
static int print_rows(FILE *rows, const struct record *record)
{
    static char line[LINE_SIZE];
    int         result = 0;
    for (bool is_first = true; fgets(line, sizeof line, rows) != NULL; is_first = false) {
        size_t len = strlen(line);
        size_t expected = sizeof header - 2; /* without the last comma */
        bool   is_whole = len > 0 && line[len - 1] == '\n';
        if (!is_whole && feof(rows))
            break; /* torn, or just being written */
        if (is_first && (len != expected + 1 || strncmp(line, header, expected) != 0))
            return -EBADMSG;
        if (!is_whole)
            return -EILSEQ;
        if (!is_first && !is_row(line, len - 1)) {
            result = -EILSEQ;
        } else if (!is_first) {
            print_own(record);
            (void)fwrite(line, 1, len, stdout);
        }
    }
    return result;
}

static void print_header(void)
{
    printf("%s%.*s\n", own_header, (int)(sizeof header - 2), header);
}

static int export_one(const struct selection *all, size_t i)
{
    const char *id = all->names.names[all->at[i]];
    int         dir = -1;
    int         fd = -1;
    int         result = runs_open(&all->folder.home, id, &dir);
    if (result == 0)
        result = run_file_open(dir, RUN_DIR_ROWS, &fd);
    FILE *rows = result == 0 ? fdopen(fd, "r") : NULL;
    if (rows != NULL) {
        result = print_rows(rows, &all->records[i]);
        fclose(rows);
    } else {
        file_close(&fd);
    }
    file_close(&dir);
    if (result == -ENOENT) /* it has none yet */
        return 0;
    if (result < 0)
        complain("%s: %s", id,
                 result == -EBADMSG  ? "its metrics.csv has other columns"
                 : result == -EILSEQ ? "its metrics.csv is damaged: what are no rows was left out"
                 : result == -EPERM  ? "its metrics.csv is no regular file of the run's owner"
                                     : strerror(-result));
    return result;
}

/* Stdout is the reader's own file, whosever the runs are. */
static bool open_output(const char *path)
{
    whose_pause();
    bool good = freopen(path, "w", stdout) != NULL;
    whose_resume();
    return good;
}

static bool make_folder(const char *path)
{
    whose_pause();
    bool good = mkdir(path, 0777) == 0 || errno == EEXIST;
    whose_resume();
    return good;
}

static int to_one(const struct selection *all, const char *path)
{
    int code = EXIT_YES;
    if (path != NULL && !open_output(path)) {
        complain("%s: %s", path, strerror(errno));
        return EXIT_NO;
    }
    print_header();
    for (size_t i = 0; i < all->count; i++)
        if (export_one(all, i) < 0)
            code = EXIT_NO;
    return output_end(code);
}

/* As pillion names its runs. */
static bool is_plain(const char *id)
{
    for (; *id != '\0'; id++)
        if (*id <= ' ' || *id > '~')
            return false;
    return true;
}

static int to_folders(const struct selection *all, const char *folder)
{
    int code = EXIT_YES;
    if (!make_folder(folder)) {
        complain("%s: %s", folder, strerror(errno));
        return EXIT_NO;
    }
    for (size_t i = 0; i < all->count; i++) {
        const char *id = all->names.names[all->at[i]];
        char        path[PATH_MAX];
        int         len = snprintf(path, sizeof path, "%s/run=%s", folder, id);
        if (!is_plain(id)) {
            complain("%s: no folder is made of such a name", id);
            code = EXIT_NO;
            continue;
        }
        bool good = len > 0 && (size_t)len < sizeof path - 16 && make_folder(path);
        if (good)
            (void)snprintf(path + len, sizeof path - (size_t)len, "/metrics.csv");
        if (!good || !open_output(path)) {
            complain("%s: %s", path, strerror(errno));
            return EXIT_NO;
        }
        print_header();
        if (export_one(all, i) < 0)
            code = EXIT_NO;
        if (output_end(EXIT_YES) != EXIT_YES)
            return EXIT_NO;
    }
    return code;
}

static bool is_folder(const char *path)
{
    struct stat info;
    size_t      len = strlen(path);
    return (len > 0 && path[len - 1] == '/') || (stat(path, &info) == 0 && S_ISDIR(info.st_mode));
}

int command_export(int argc, char **argv)
{
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'}, FILTER_OPTIONS, WHOSE_OPTIONS, OPTIONS_COMMON};
    struct filter    filter = {.last = 0};
    struct selection all;
    const char      *output = NULL;
    opterr = 0;
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, ":o:hV", options, NULL)) != -1;) {
        int taken = filter_take(&filter, argv[0], option, optarg);
        if (taken == 0)
            taken = whose_take(argv[0], option, optarg);
        if (option == 'o')
            output = optarg;
        else if (taken == 0)
            return options_common(option, argv, options, help);
        if (taken < 0)
            return EXIT_WRONG_CALL;
    }
    if (filter.is_set && optind < argc) {
        complain("export takes runs, or filters that choose them, not both; see pillion export --help");
        return EXIT_WRONG_CALL;
    }
    if (!whose_is_one(argv[0]))
        return EXIT_WRONG_CALL;
    int result = optind < argc ? filter_named(argv + optind, (size_t)(argc - optind), &all)
                               : filter_select(&filter, &all);
    int code = EXIT_NO;
    if (result == 0 && all.count == 0)
        complain("no run is meant");
    if (result == 0)
        code = output != NULL && is_folder(output) ? to_folders(&all, output) : to_one(&all, output);
    filter_done(&all);
    return code;
}
