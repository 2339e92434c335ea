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
int command_sync(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_env(int argc, char **argv);

/* The options that every subcommand for reading takes. -1: go on, operands begin at optind; otherwise the exit code. */
int options_read(int argc, char **argv, const char *help, bool *ret_json);
/* The sentence for an option that getopt_long refused; returns EXIT_WRONG_CALL. */
int options_refuse(char **argv);
int print_version(void);

#endif
