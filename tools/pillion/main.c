// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "command.h"
#include "output.h"

static const char help[] =
    "Usage: pillion COMMAND [ARGUMENT...]\n"
    "\n"
    "  run [--name N] [-o FILE] [--] CMD...   make one run of CMD\n"
    "  list [--jobs] [--failed] ...           the runs on this machine, or in a bucket\n"
    "  show [--follow] [RUN | --job ID]       what a run or a job used and how it ended\n"
    "  report [--open] [RUN...]               the same as a page for a browser\n"
    "  export [RUN...] [-o FILE|FOLDER]       the rows of many runs, for pandas, DuckDB, Spark\n"
    "  rm RUN...                              remove runs from this machine\n"
    "  sync [RUN...]                          deliver what has not reached its place\n"
    "  doctor [-- CMD...]                     why there is no data\n"
    "  env                                    the lines that load pillion into programs\n"
    "  help COMMAND                           more about one of them\n"
    "\n"
    "RUN is an ID, the beginning of one, a directory, a CSV file, or \"last\"; RUN~1 is the run\n"
    "before it. list, show, report and export take --user NAME, --dir FOLDER for others' runs;\n"
    "list, show and report take s3://BUCKET/PREFIX for those of many machines.\n"
    "Every command has --help and --version; list, show, rm, sync, doctor and env\n"
    "have --json.\n"
    "More: man pillion, man pillion-run and so on; man 7 pillion has the variables.\n"
    "\n"
    "Examples:\n"
    "  pillion run -- make -j8\n"
    "  pillion show last~1\n"
    "  pillion list --failed --since 2d\n";

struct subcommand {
    const char *name;
    int (*call)(int argc, char **argv);
};

static const struct subcommand subcommands[] = {
    {"run", command_run},       {"list", command_list},     {"show", command_show},
    {"report", command_report}, {"export", command_export}, {"rm", command_rm},
    {"sync", command_sync},     {"doctor", command_doctor}, {"env", command_env},
};

static int refuse(const char *name)
{
    const char *meant = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(subcommands); i++)
        meant = spelling_meant(name, strlen(name), meant, subcommands[i].name);
    if (name[0] == '-')
        complain("no option %s here; see pillion --help", name);
    else if (meant != NULL)
        complain("no command \"%s\"; did you mean \"%s\"? See pillion --help", name, meant);
    else
        complain("no command \"%s\"; see pillion --help", name);
    return EXIT_WRONG_CALL;
}

/* The general help, or that of a subcommand: `pillion help show`. */
static int print_help(int argc, char **argv)
{
    static char help_option[] = "--help";
    if (argc < 3) {
        fputs(help, stdout);
        return output_end(EXIT_YES);
    }
    char *words[] = {argv[2], help_option, NULL};
    for (size_t i = 0; i < ARRAY_LENGTH(subcommands); i++)
        if (strcmp(argv[2], subcommands[i].name) == 0)
            return subcommands[i].call(2, words);
    return refuse(argv[2]);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        complain("no command given; see pillion --help");
        return EXIT_WRONG_CALL;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return print_help(argc, argv);
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        return print_version();
    for (size_t i = 0; i < ARRAY_LENGTH(subcommands); i++)
        if (strcmp(name, subcommands[i].name) == 0)
            return subcommands[i].call(argc - 1, argv + 1);
    return refuse(name);
}
