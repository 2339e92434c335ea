// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "libraries.h"
#include "output.h"

static const char help[] = "Usage: pillion env [--json]\n"
                           "\n"
                           "The lines that load pillion into programs: for a shell, a Dockerfile, a Kubernetes\n"
                           "pod and a job script, with the path of this installation.\n"
                           "\n"
                           "Examples:\n"
                           "  pillion env\n"
                           "  eval \"$(pillion env | grep '^export')\"\n";

/* Nothing in a path that ld.so, a shell or a Dockerfile would read as more than a path. */
static bool is_plain(const char *path)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+./@%~,=";
    return path[strspn(path, plain)] == '\0';
}

static void print_shell(const char *hook)
{
    printf("# One program, from a shell. (\"pillion run PROGRAM\" makes a run without any variable.)\n"
           "LD_PRELOAD=%s${LD_PRELOAD:+:$LD_PRELOAD} PROGRAM\n\n"
           "# A shell: every program that it starts from now on is a run of its own.\n"
           "export LD_PRELOAD=%s${LD_PRELOAD:+:$LD_PRELOAD}\n\n",
           hook, hook);
    printf("# A job script: one run for each step and node...\n"
           "LD_PRELOAD=%s${LD_PRELOAD:+:$LD_PRELOAD} srun PROGRAM\n"
           "# ...or the whole script as one run:\n"
           "sbatch --export=ALL,LD_PRELOAD=%s JOBSCRIPT\n\n",
           hook, hook);
}

static void print_container(const char *hook, const char *engine)
{
    printf("# A Dockerfile, with both libraries in the build context.\n"
           "COPY %s %s /usr/local/lib/\n"
           "ENV LD_PRELOAD=/usr/local/lib/libpillion.so${LD_PRELOAD:+:$LD_PRELOAD}\n\n",
           strrchr(hook, '/') + 1, strrchr(engine, '/') + 1);
    printf("# A Kubernetes pod, with the folder of both libraries mounted at its own path.\n"
           "# Kubernetes sees no variables of the image: append what it preloads already.\n"
           "env:\n"
           "  - name: LD_PRELOAD\n"
           "    value: %s\n",
           hook);
}

int command_env(int argc, char **argv)
{
    char hook[PATH_MAX], engine[PATH_MAX];
    bool json;
    int  code = options_read(argc, argv, help, &json);
    if (code >= 0)
        return code;
    if (optind < argc) {
        complain("env takes no argument; see pillion env --help");
        return EXIT_WRONG_CALL;
    }
    if (library_find_hook(hook) < 0 || library_find("libpillion-engine.so", engine) < 0) {
        complain("libpillion.so and libpillion-engine.so are not in ../lib beside the command");
        return EXIT_NO;
    }
    if (!is_plain(hook)) {
        complain("%s: a path with blanks, colons or quotes cannot stand in LD_PRELOAD; install pillion elsewhere",
                 hook);
        return EXIT_NO;
    }
    if (json) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "hook", hook);
        cJSON_AddStringToObject(object, "engine", engine);
        return output_json(object, EXIT_YES);
    }
    print_shell(hook);
    print_container(hook, engine);
    return output_end(EXIT_YES);
}
