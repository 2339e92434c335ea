// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "output.h"

static const char help[] = "Usage: pillion COMMAND [ARGUMENT...]\n"
                           "\n"
                           "  run [--name N] [-o FILE] [--] CMD...   make one run of CMD\n"
                           "  list                                   the runs on this machine\n"
                           "  show [RUN]                             what a run used and how it ended\n"
                           "  sync [RUN...]                          deliver what has not reached Sentinel\n"
                           "  doctor [-- CMD...]                     why there is no data\n"
                           "  env                                    the lines that load pillion into programs\n"
                           "\n"
                           "RUN is an ID, the beginning of one, a directory, a CSV file, or \"last\".\n"
                           "Every command has --help and --version; list, show, sync, doctor and env have --json.\n"
                           "The variables are described in pillion(7).\n";

struct subcommand {
    const char *name;
    int (*call)(int argc, char **argv);
};

static const struct subcommand subcommands[] = {
    {"run", command_run},   {"list", command_list},     {"show", command_show},
    {"sync", command_sync}, {"doctor", command_doctor}, {"env", command_env},
};

static int refuse(const char *name)
{
    if (strcmp(name, "report") == 0)
        complain("\"%s\" is not in this version yet; \"pillion show\" tells what a run used", name);
    else if (name[0] == '-')
        complain("no option %s here; see pillion --help", name);
    else
        complain("no command \"%s\"; see pillion --help", name);
    return EXIT_WRONG_CALL;
}

int print_version(void)
{
    printf("pillion %s\nwith %s\n", PILLION_VERSION, PILLION_LIBRARIES);
    return output_end(EXIT_YES);
}

int options_refuse(char **argv)
{
    /* A refused long option leaves no letter; getopt has already stepped over it. */
    if (optopt != 0 && strncmp(argv[optind - 1], "--", 2) != 0)
        complain("%s: option -%c is not known or lacks its value; see pillion %s --help", argv[0], optopt, argv[0]);
    else
        complain("%s: option %s is not known, or its value is wrong; see pillion %s --help", argv[0], argv[optind - 1],
                 argv[0]);
    return EXIT_WRONG_CALL;
}

int options_read(int argc, char **argv, const char *subcommand_help, bool *ret_json)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {0}};
    *ret_json = false;
    opterr = 0;
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "hV", options, NULL)) != -1;) {
        switch (option) {
        case 'j':
            *ret_json = true;
            break;
        case 'h':
            fputs(subcommand_help, stdout);
            return output_end(EXIT_YES);
        case 'V':
            return print_version();
        default:
            return options_refuse(argv);
        }
    }
    return -1;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        complain("no command given; see pillion --help");
        return EXIT_WRONG_CALL;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        fputs(help, stdout);
        return output_end(EXIT_YES);
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        return print_version();
    for (size_t i = 0; i < sizeof subcommands / sizeof *subcommands; i++)
        if (strcmp(name, subcommands[i].name) == 0)
            return subcommands[i].call(argc - 1, argv + 1);
    return refuse(name);
}
