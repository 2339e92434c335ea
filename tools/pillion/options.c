/* What all subcommands' options have in common: help, version, and a word for what was misspelt. */
// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/spelling.h"
#include "command.h"
#include "output.h"

int print_version(void)
{
    printf("pillion %s\nwith %s\n", PILLION_VERSION, PILLION_LIBRARIES);
    return output_end(EXIT_YES);
}

const char *spelling_meant(const char *name, size_t len, const char *best, const char *candidate)
{
    enum { FAR = 3 };
    size_t d = spelling_distance(name, len, candidate);
    bool   is_beginning = len >= 2 && strncmp(candidate, name, len) == 0;
    if (!is_beginning && (d > FAR || d >= len))
        return best;
    return best == NULL || is_beginning || d < spelling_distance(name, len, best) ? candidate : best;
}

static int refuse_long(const char *command, const char *word, const struct option *options)
{
    const char *name = word + 2;
    size_t      len = strcspn(name, "=");
    const char *meant = NULL;
    for (const struct option *option = options; option->name != NULL; option++) {
        if (strncmp(option->name, name, len) == 0 && option->name[len] == '\0') {
            complain("%s: option --%s takes no value; see pillion %s --help", command, option->name, command);
            return EXIT_WRONG_CALL;
        }
        meant = spelling_meant(name, len, meant, option->name);
    }
    if (meant != NULL)
        complain("%s: no option --%.*s; did you mean --%s? See pillion %s --help", command, (int)len, name, meant,
                 command);
    else
        complain("%s: no option --%.*s; see pillion %s --help", command, (int)len, name, command);
    return EXIT_WRONG_CALL;
}

static int refuse(int option, char **argv, const struct option *options)
{
    /* getopt has already stepped over a refused long option. */
    const char *word = argv[optind - 1];
    bool        is_long = strncmp(word, "--", 2) == 0;
    if (option == ':' && is_long)
        complain("%s: option %s needs a value; see pillion %s --help", argv[0], word, argv[0]);
    else if (option == ':')
        complain("%s: option -%c needs a value; see pillion %s --help", argv[0], optopt, argv[0]);
    else if (is_long)
        return refuse_long(argv[0], word, options);
    else
        complain("%s: no option -%c; see pillion %s --help", argv[0], optopt, argv[0]);
    return EXIT_WRONG_CALL;
}

int options_common(int option, char **argv, const struct option *options, const char *help)
{
    if (option == 'h') {
        fputs(help, stdout);
        return output_end(EXIT_YES);
    }
    if (option == 'V')
        return print_version();
    return refuse(option, argv, options);
}

int options_read(int argc, char **argv, const char *help, bool *ret_json)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, OPTIONS_COMMON};
    *ret_json = false;
    opterr = 0;
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, ":hV", options, NULL)) != -1;) {
        if (option != 'j')
            return options_common(option, argv, options, help);
        *ret_json = true;
    }
    return -1;
}
