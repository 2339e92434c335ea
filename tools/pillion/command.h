/* The command `pillion`: an ordinary program. Each subcommand is one file with one function here; what they share is
 * in output.h, runs.h, summary.h. Answers go to stdout, everything else to stderr. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COMMAND_H
#define PILLION_COMMAND_H

#include <getopt.h>
#include <stdbool.h>

enum exit_code {
    EXIT_YES = 0,
    EXIT_NO = 1, /* no such run, not all delivered, a cause found */
    EXIT_WRONG_CALL = 2,
    EXIT_NOT_EXECUTABLE = 126,
    EXIT_NOT_FOUND = 127,
    EXIT_SIGNAL = 128, /* + its number */
};

/* argv[0] is the subcommand's own name. Each returns the exit code. */
int command_run(int argc, char **argv);
int command_list(int argc, char **argv);
int command_show(int argc, char **argv);
int command_report(int argc, char **argv);
int command_rm(int argc, char **argv);
int command_export(int argc, char **argv);
int command_sync(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_env(int argc, char **argv);

#define OPTIONS_COMMON                                                     \
    {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, \
    {                                                                      \
        0                                                                  \
    }

/* The options that a subcommand with nothing but --json takes. -1: go on, operands begin at optind; otherwise the exit
 * code. */
int options_read(int argc, char **argv, const char *help, bool *ret_json);
/* What getopt_long gave and the subcommand does not know itself: help, version, or a sentence about what is wrong.
 * `options` end with OPTIONS_COMMON; the short ones begin with `:`. Returns the exit code. */
int options_common(int option, char **argv, const struct option *options, const char *help);
/* Of `best` (may be NULL) and `candidate` the one that was rather meant by `name`; NULL: neither. */
const char *spelling_meant(const char *name, size_t len, const char *best, const char *candidate);
int         print_version(void);

#endif
