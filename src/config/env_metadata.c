/* Values of the table are composed from the environment here, and fill what the user left open. */
// SPDX-License-Identifier: Apache-2.0
#include "config/env_metadata.h"

#include <string.h>

#include "base/array.h"
#include "base/text.h"
#include "base/utf8.h"

enum { NAME_MAX_BYTES = 64 };

typedef const char *lookup_function(const char *name);

/* The buffer that a value is composed into; a value that does not fit is cut. */
struct buffer {
    char  *at;
    size_t len, room;
};

static void add(struct buffer *b, struct text t)
{
    size_t len = text_len(t) < b->room - b->len ? text_len(t) : b->room - b->len;
    memcpy(b->at + b->len, t.at, len);
    b->len += len;
}

static bool is_positive(struct text t)
{
    uint64_t number = 0;
    return text_unsigned(&t, &number) && text_len(t) == 0 && number > 0;
}

/* Numbers from here on are steps of Slurm's own, as that of an interactive shell. */
#define SLURM_OWN_STEPS 4294967280

static bool is_own_step(struct text t)
{
    uint64_t number = 0;
    return text_unsigned(&t, &number) && number >= SLURM_OWN_STEPS;
}

/* `what` is "NAME", "!NAME", "NAME?", "NAME+", "NAME-", "NAME#c" or "NAME%c", without the braces. */
static bool put_variable(lookup_function *lookup, struct text what, struct buffer *b)
{
    char        name[NAME_MAX_BYTES];
    bool        absent = text_skip(&what, "!");
    struct text rest = what;
    while (rest.at < rest.end && !strchr("?+-#%", *rest.at))
        rest.at++;
    what.end = rest.at;
    const char *value = text_copy(what, name, sizeof name) ? lookup(name) : NULL;
    bool        is_set = value && *value;
    if (absent || !is_set)
        return absent && !is_set;
    if (text_skip(&rest, "?"))
        return true;
    struct text t = text_of(value);
    struct text all = t;
    if (text_skip(&rest, "+") && !is_positive(t))
        return false;
    if (text_skip(&rest, "-") && is_own_step(t))
        return false;
    if (text_skip(&rest, "#"))
        (void)text_after_last(&t, *rest.at);
    else if (text_skip(&rest, "%"))
        (void)text_until(&all, *rest.at, &t);
    add(b, t);
    return text_len(t) > 0;
}

static bool compose(lookup_function *lookup, struct text from, struct buffer *b)
{
    struct text piece;
    while (from.at < from.end) {
        size_t before = b->len;
        if (text_skip(&from, "{")) {
            (void)text_until(&from, '}', &piece);
            if (!put_variable(lookup, piece, b))
                return false;
        } else if (text_skip(&from, "(")) {
            (void)text_until(&from, ')', &piece);
            if (!compose(lookup, piece, b))
                b->len = before;
        } else {
            add(b, (struct text){from.at, from.at + 1});
            from.at++;
        }
    }
    return b->len > 0;
}

/* Batch systems call a job that nobody has named by one of these, or, as srun does, by its first word. */
static bool is_no_name(const char *job)
{
    static const char *const names[] = {"interactive", "bash",   "sh",      "wrap", "STDIN",   "INTERACTIVE", "QLOGIN",
                                        "QRLOGIN",     "python", "python3", "perl", "Rscript", "julia",       "java"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (strcmp(job, names[i]) == 0)
            return true;
    return false;
}

/* The free text begins where the last value ended. */
struct filling {
    lookup_function     *lookup;
    unsigned             share;
    const char          *job;
    struct sentinel_run *run;
    char                *text;
    size_t               used;
    bool                 is_rank;
};

bool env_metadata_tag(lookup_function *lookup, const struct env_metadata_tag *tag, char *ret, size_t size)
{
    struct buffer b = {.at = ret, .room = size - 1};
    bool          is_whole = compose(lookup, text_of(tag->from), &b);
    b.len = utf8_cut(ret, b.len, size - 1);
    ret[b.len] = '\0';
    return is_whole && !(strcmp(tag->key, "job_name") == 0 && is_no_name(ret));
}

static bool is_rank(lookup_function *lookup)
{
    char number[24];
    for (const struct env_metadata_tag *t = env_metadata_tags; t < env_metadata_tags + env_metadata_tag_count; t++)
        if (strcmp(t->key, ENV_METADATA_TAG_RANK) == 0 && env_metadata_tag(lookup, t, number, sizeof number))
            return true;
    return false;
}

static bool is_called_so(const struct filling *f, const char *script)
{
    char          name[ENV_METADATA_VALUE_MAX + 1];
    struct buffer b = {.at = name, .room = sizeof name - 1};
    if (strcmp(script, ENV_METADATA_RANK) == 0)
        return f->is_rank;
    bool is_whole = compose(f->lookup, text_of(script), &b);
    name[b.len] = '\0';
    return is_whole && strcmp(name, f->job) == 0;
}

static void fill(struct filling *f, const struct env_metadata_value *value)
{
    char       *field = (char *)f->run + value->field;
    const char *given;
    memcpy(&given, field, sizeof given);
    if (given || (value->share & f->share) != value->share || ENV_METADATA_TEXT_MAX - f->used < 2)
        return;
    struct buffer b = {.at = f->text + f->used, .room = ENV_METADATA_TEXT_MAX - f->used - 1};
    if ((value->script[0] && !is_called_so(f, value->script)) || !compose(f->lookup, text_of(value->from), &b))
        return;
    b.len = utf8_cut(b.at, b.len, ENV_METADATA_VALUE_MAX);
    b.at[b.len] = '\0';
    if (value->field == offsetof(struct sentinel_run, job_name) && is_no_name(b.at))
        return;
    const char *made = b.at;
    memcpy(field, &made, sizeof made);
    f->used += b.len + 1;
}

/* The program's own name, where the run has the job's. */
static void fill_task(struct filling *f)
{
    size_t room = ENV_METADATA_TEXT_MAX - f->used;
    size_t len = utf8_cut(f->job, strlen(f->job), ENV_METADATA_VALUE_MAX);
    if (!f->is_rank || !f->run->job_name || f->run->task_name || len == 0 || len + 1 > room)
        return;
    f->run->task_name = memcpy(f->text + f->used, f->job, len);
    f->text[f->used + len] = '\0';
    f->used += len + 1;
}

static bool is_here(lookup_function *lookup, const struct env_metadata_system *system)
{
    const char *value = lookup(system->marker);
    return value && *value;
}

void env_metadata_fill(lookup_function *lookup, unsigned share, const char *job, struct sentinel_run *run,
                       char text[static ENV_METADATA_TEXT_MAX])
{
    struct filling f = {
        .lookup = lookup, .share = share, .job = job, .run = run, .text = text, .is_rank = is_rank(lookup)};
    const char *orchestrator = NULL;
    const char *executor = NULL;
    for (const struct env_metadata_system *s = env_metadata_table; s < env_metadata_table + env_metadata_count; s++) {
        if (!is_here(lookup, s))
            continue;
        if (!orchestrator)
            orchestrator = s->name;
        else if (!executor && s->runs)
            executor = s->name;
        for (size_t i = 0; i < ENV_METADATA_VALUES && s->values[i].from[0]; i++)
            fill(&f, &s->values[i]);
    }
    fill_task(&f);
    if (!run->orchestrator)
        run->orchestrator = orchestrator;
    if (!run->executor)
        run->executor = executor;
}
