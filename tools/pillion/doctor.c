// SPDX-License-Identifier: Apache-2.0
#include "doctor.h"

#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "command.h"
#include "hook/hook.h"
#include "libraries.h"
#include "output.h"

static const char help[] =
    "Usage: pillion doctor [--json] [-- CMD [ARGUMENT...]]\n"
    "\n"
    "Why is there no data? Looks at what a program that is started here finds (variables,\n"
    "/etc/pillion.conf, LD_PRELOAD or /etc/ld.so.preload, the engine, PILLION_DIR and its disk,\n"
    "PILLION_OUTPUT, a leader above, with a token the API and S3) and, with CMD, at that\n"
    "program, which is not executed. One line for each thing looked at: \"ok\", \"cause\" or\n"
    "\"note\", and a sentence. Without a token the network is not used; with one, a request to\n"
    "the API and one to S3 are made, which change nothing.\n"
    "\n"
    "Exit status 0 when no cause was found, else 1.\n"
    "\n"
    "Examples:\n"
    "  pillion doctor\n"
    "  pillion doctor -- python3 train.py\n";

enum { SENTENCE_MAX = 8192 };

void doctor_tell(struct doctor *d, const char *check, enum engine_finding finding, const char *format, ...)
{
    static const char *const words[] = {[ENGINE_FINE] = "ok", [ENGINE_CAUSE] = "cause", [ENGINE_NOTE] = "note"};
    char                     sentence[SENTENCE_MAX];
    va_list                  args;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args); /* NOLINT(clang-analyzer-valist.Uninitialized): it is */
    va_end(args);
    for (char *at = sentence, *end = at + strlen(at); at < end;) { /* JSON knows UTF-8 alone */
        size_t len = utf8_character(at, end);
        if (len == 0)
            *at = '?';
        at += len ? len : 1;
    }
    d->found_cause |= finding == ENGINE_CAUSE;
    if (d->list == NULL) {
        printf("%-6s", words[finding]);
        print_text(sentence);
        putchar('\n');
        (void)fflush(stdout);
        return;
    }
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "check", check);
    cJSON_AddStringToObject(object, "outcome", words[finding]);
    cJSON_AddStringToObject(object, "sentence", sentence);
    cJSON_AddItemToArray(d->list, object);
}

static void report(void *context, const char *check, enum engine_finding finding, const char *sentence)
{
    doctor_tell(context, check, finding, "%s", sentence);
}

/* The engine that a leader would load; for what else is looked at, the one beside this command is as good. */
static const struct engine *find_engine(struct doctor *d)
{
    const char          *reason = NULL;
    const struct engine *engine = NULL;
    if (d->engine[0] == '\0') {
        engine = engine_open(&reason);
    } else if (access(d->engine, F_OK) < 0) {
        doctor_tell(d, "engine", ENGINE_CAUSE, "libpillion-engine.so is not beside %s: programs run unobserved",
                    d->hook);
        return engine_open(&reason);
    } else {
        engine = engine_load_from(d->engine, &reason);
    }
    if (engine != NULL) {
        doctor_tell(d, "engine", ENGINE_FINE, "the engine can be loaded");
        return engine;
    }
    doctor_tell(d, "engine", ENGINE_CAUSE, "%s: programs run unobserved", reason);
    return engine_open(&reason);
}

/* What libc's own resolver finds by modules that the shim does not load. */
static void examine_name(struct doctor *d, const char *host)
{
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, NULL, NULL, &found) != 0)
        return;
    freeaddrinfo(found);
    doctor_tell(
        d, "names", ENGINE_CAUSE,
        "%s is a name that only NSS knows (see /etc/nsswitch.conf), and the shim asks /etc/hosts and DNS alone: "
        "put it into /etc/hosts, or use an address",
        host);
}

/* The log level may be one that hides what is wrong. */
static const char **copy_environment(void)
{
    size_t count = 0;
    size_t kept = 0;
    while (environ[count] != NULL)
        count++;
    const char **copy = calloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++)
        if (strcmp(environ[i], "PILLION_LOG_LEVEL=error") != 0)
            copy[kept++] = environ[i];
    return copy;
}

static void examine_surroundings(struct doctor *d)
{
    const struct engine *engine = find_engine(d);
    if (engine == NULL) {
        doctor_tell(d, "api", ENGINE_NOTE,
                    "without an engine neither variables nor directory and API can be looked at");
        return;
    }
    conf_read(CONF_PATH);
    const char              **environment = copy_environment();
    struct engine_examination examination = {
        .environment = environment, .conf = conf_found(), .report = report, .context = d};
    if (environment == NULL || engine->examine(&examination) < 0)
        doctor_tell(d, "api", ENGINE_CAUSE, "out of memory");
    else if (examination.unknown_host[0] != '\0')
        examine_name(d, examination.unknown_host);
    free(environment);
}

int command_doctor(int argc, char **argv)
{
    static struct doctor d;
    bool                 json = false;
    int                  code = options_read(argc, argv, help, &json);
    if (code >= 0)
        return code;
    d.list = json ? cJSON_CreateArray() : NULL;
    d.subject = optind < argc ? argv[optind] : "a program started here";
    doctor_preload(&d);
    if (optind < argc)
        doctor_program(&d, argv[optind]);
    if (d.executable[0] != '\0' && !d.cannot_carry && d.way != NULL)
        doctor_known(&d, argv + optind);
    if (optind == argc || d.executable[0] != '\0')
        doctor_lead(&d);
    doctor_unseen(&d);
    examine_surroundings(&d);
    code = d.found_cause ? EXIT_NO : EXIT_YES;
    return json ? output_json(d.list, code) : output_end(code);
}
