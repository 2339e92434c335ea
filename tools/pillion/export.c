/* pillion export: the rows of many runs with what tells them apart, in one CSV or in folders. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "csv.h"
#include "filter.h"
#include "output.h"
#include "pillion/columns.h"

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
                           "Filters, in place of RUN; all that are given must hold:\n" FILTER_HELP "\n"
                           "Examples:\n"
                           "  pillion export --name 'train*' -o train.csv\n"
                           "  pillion export --since 7d -o week/\n"
                           "  duckdb -c \"select run, max(process_memory_mib) from 'week/*/*.csv' group by run\"\n";

static const char header[] =
#define COLUMN(name, unit, decimals, kind, source) #name ","
    PILLION_COLUMNS(COLUMN)
#undef COLUMN
    ;

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

/* The whole lines of a run's rows; -EBADMSG: it is not such a file as pillion writes. */
static int print_rows(FILE *rows, const struct record *record)
{
    char  *line = NULL;
    size_t size = 0;
    int    result = 0;
    bool   is_first = true;
    for (ssize_t len; result == 0 && (len = getline(&line, &size, rows)) > 0 && line[len - 1] == '\n';
         is_first = false) {
        size_t expected = sizeof header - 2; /* without the last comma */
        if (!is_first) {
            print_own(record);
            (void)fwrite(line, 1, (size_t)len, stdout);
        } else if ((size_t)len != expected + 1 || strncmp(line, header, expected) != 0) {
            result = -EBADMSG;
        }
    }
    free(line);
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
    int         result = runs_open(&all->home, id, &dir);
    int fd = result == 0 ? openat(dir, "metrics.csv", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) : -1;
    struct stat info;
    FILE       *rows = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) ? fdopen(fd, "r") : NULL;
    if (rows != NULL) {
        result = print_rows(rows, &all->records[i]);
        fclose(rows);
    } else if (fd >= 0) {
        close(fd);
    }
    if (dir >= 0)
        close(dir);
    if (result < 0)
        complain("%s: %s", id, result == -EBADMSG ? "its metrics.csv has other columns" : strerror(-result));
    return result;
}

static int to_one(const struct selection *all, const char *path)
{
    int code = EXIT_YES;
    if (path != NULL && freopen(path, "w", stdout) == NULL) {
        complain("%s: %s", path, strerror(errno));
        return EXIT_NO;
    }
    print_header();
    for (size_t i = 0; i < all->count; i++)
        if (export_one(all, i) < 0)
            code = EXIT_NO;
    return output_end(code);
}

static int to_folders(const struct selection *all, const char *folder)
{
    int code = EXIT_YES;
    if (mkdir(folder, 0777) < 0 && errno != EEXIST) {
        complain("%s: %s", folder, strerror(errno));
        return EXIT_NO;
    }
    for (size_t i = 0; i < all->count; i++) {
        char path[PATH_MAX];
        int  len = snprintf(path, sizeof path, "%s/run=%s", folder, all->names.names[all->at[i]]);
        bool good = len > 0 && (size_t)len < sizeof path - 16 && (mkdir(path, 0777) == 0 || errno == EEXIST);
        if (good)
            (void)snprintf(path + len, sizeof path - (size_t)len, "/metrics.csv");
        if (!good || freopen(path, "w", stdout) == NULL) {
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
    static const struct option options[] = {{"output", required_argument, NULL, 'o'}, FILTER_OPTIONS, OPTIONS_COMMON};
    struct filter              filter = {.last = 0};
    struct selection           all;
    const char                *output = NULL;
    opterr = 0;
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, ":o:hV", options, NULL)) != -1;) {
        int taken = filter_take(&filter, argv[0], option, optarg);
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
