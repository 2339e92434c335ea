// SPDX-License-Identifier: Apache-2.0
#include "ending.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "account.h"
#include "base/text.h"
#include "bucket.h"
#include "output.h"
#include "run_file.h"
#include "runs.h"
#include "store/journal_read.h"

#define NEAR 0.8

enum { LOG_TAIL_MAX = 300 * 1024, REASON_MAX = 500 };

/* Slurm looks at limits every half minute. Later than this the limit may have been raised, and somebody else's signal
 * has ended the job; the clocks of its machines may differ. */
#define LIMIT_LATE  120.0
#define LIMIT_EARLY 3.0

/* Was it the job's time limit when the run ended, after so many seconds? Where only the limit's length is told, a run
 * that lasted as long cannot have had less of the job. */
static bool is_at_limit(const cJSON *state, double ended, double lasted)
{
    double limit = run_time(state, "time_limit_at");
    double seconds = account_number(state, "allotment", "seconds");
    double late = limit > 0 ? ended - limit : lasted - seconds;
    return (limit > 0 || seconds > 0) && late >= -LIMIT_EARLY && late <= LIMIT_LATE;
}

bool ending_is_time_limit(const cJSON *state)
{
    int number = run_number(state, "signal", 0);
    return (number == SIGTERM || number == SIGKILL) &&
           is_at_limit(state, run_time(state, "finished_at"), journal_number(state, "duration_s", 0));
}

static bool is_state(const struct show *show, const char *name)
{
    return strcmp(show->shown, name) == 0;
}

static void end_of(const struct show *show, struct ending *ret)
{
    char name[FIGURE_MAX];
    int  number = run_number(show->state, "signal", 0);
    int  code = run_number(show->state, "exit_code", -1);
    ret->tone = "bad";
    if (is_state(show, "running") || is_state(show, "finishing") || is_state(show, "lost") ||
        is_state(show, "damaged")) {
        ret->word = show->shown;
        ret->tone = is_state(show, "running") || is_state(show, "finishing") ? "live" : "bad";
    } else if (number > 0) {
        signal_text(number, name);
        ret->word = "killed";
        (void)snprintf(ret->how, sizeof ret->how, "by %s%s", name,
                       ending_is_time_limit(show->state) ? " at the job's time limit" : "");
    } else if (code >= 0) {
        ret->word = code == 0 ? "finished" : "failed";
        ret->tone = code == 0 ? "good" : "bad";
        (void)snprintf(ret->how, sizeof ret->how, "exit %d", code);
    } else {
        ret->word = "ended";
        ret->tone = "warn";
        (void)snprintf(ret->how, sizeof ret->how, "nobody knows how");
    }
}

/* How much memory it had when it was killed, and of how much. */
static void out_of_memory(const struct show *show, struct ending *ret)
{
    char         had[FIGURE_MAX], of[FIGURE_MAX], at[3 * FIGURE_MAX] = "";
    struct limit limit = account_memory_mib(show->state);
    double       kills = account_number(show->state, "cgroup", "oom_kills");
    double       peak = account_peak_mib(show->state, SUBJECT_SYSTEM);
    double       seen = show->summary.figures[SUBJECT_PROCESS][MEASURE_MEMORY].max;
    if (kills < 1)
        return;
    figure_short_bytes((peak > 0 ? peak : seen) * 1024 * 1024, "", had);
    figure_short_bytes(limit.value * 1024 * 1024, "", of);
    /* A row may be older than the memory that the process was killed for. */
    bool is_seen = peak > 0 || seen >= NEAR * limit.value;
    if (account_is_given(limit) && is_seen)
        (void)snprintf(at, sizeof at, "killed at %s of %s: ", had, of);
    else if (account_is_given(limit))
        (void)snprintf(at, sizeof at, "limit %s: ", of);
    (void)snprintf(ret->out_of_memory, sizeof ret->out_of_memory, "%s%.0f process%s killed for memory in its cgroup",
                   at, kills, kills < 2 ? " was" : "es were");
    /* A program may outlive its children's death, and does then not fail. */
    if (strcmp(ret->tone, "good") == 0)
        ret->tone = "warn";
}

/* The last warning or error in the run's log, without its time: why something was not delivered. */
static bool last_complaint(int dir, char *ret, size_t size)
{
    struct bytes log;
    struct text  line, rest = {NULL, NULL};
    bool         found = false;
    bytes_init(&log, LOG_TAIL_MAX);
    if (run_file_load(dir, RUN_DIR_LOG, &log) == 0 && log.data != NULL)
        rest = text_span(log.data, log.len);
    while (rest.at < rest.end && text_line(&rest, &line)) {
        struct text time, level;
        if (text_word(&line, &time) && text_word(&line, &level) &&
            (text_is(level, "warn") || text_is(level, "error"))) {
            text_blanks(&line);
            (void)snprintf(ret, size, "%.*s", (int)text_len(line), line.at);
            found = true;
        }
    }
    bytes_done(&log);
    return found;
}

/* A sentence's end, where it has none. */
static const char *stop(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && strchr(".!?", text[len - 1]) != NULL ? "" : ".";
}

static void trouble_of(const struct show *show, struct ending *ret)
{
    char        logged[REASON_MAX];
    const char *reason = is_state(show, "undelivered") ? journal_text(show->state, "reason") : NULL;
    const char *whose = whose_is_others() ? "its user's " : "";
    char        next[120];
    (void)snprintf(next, sizeof next, "%spillion doctor tells more, %spillion sync tries again.", whose, whose);
    if (reason == NULL && last_complaint(show->place->dir, logged, sizeof logged))
        reason = logged;
    if (is_state(show, "local") && reason != NULL)
        (void)snprintf(next, sizeof next, "%spillion doctor tells more.", whose);
    else if (!is_state(show, "undelivered"))
        return;
    else if (reason == NULL)
        (void)snprintf(ret->trouble, sizeof ret->trouble,
                       "%spillion sync tries again, %spillion doctor tells what is in the way.", whose, whose);
    else if (journal_text(show->state, "destination") != NULL && strstr(reason, "403") != NULL)
        (void)snprintf(next, sizeof next,
                       "The bucket lets these keys put nothing there: %spillion doctor, then pillion sync.", whose);
    else if (strstr(reason, "401") != NULL || strstr(reason, "403") != NULL)
        (void)snprintf(next, sizeof next, "The token is refused: %spillion doctor, then pillion sync.", whose);
    if (reason != NULL)
        (void)snprintf(ret->trouble, sizeof ret->trouble, "%.500s%s %s", reason, stop(reason), next);
}

static void delivery_to_bucket(const struct show *show, const char *to, const char *objects, struct ending *ret)
{
    ret->is_to_bucket = true;
    if (bucket_is_read()) /* the words begin with a blank */
        (void)snprintf(ret->delivery, sizeof ret->delivery, "read from%.290s", to);
    else if (is_state(show, "finished"))
        (void)snprintf(ret->delivery, sizeof ret->delivery, "sent to %.180s%s", to, objects);
    else if (is_state(show, "running") || is_state(show, "finishing"))
        (void)snprintf(ret->delivery, sizeof ret->delivery, "goes to %.180s%s", to, objects);
    else
        (void)snprintf(ret->delivery, sizeof ret->delivery, "waits for sync, to %.180s%s", to, objects);
}

static void delivery_of(const struct show *show, struct ending *ret)
{
    const char *id = journal_text(show->state, "sentinel_run_id");
    const char *to = bucket_is_read() ? whose_words() : journal_text(show->state, "destination");
    double      uploaded = journal_number(show->state, "uploaded", 0);
    char        objects[FIGURE_MAX] = "";
    if (uploaded >= 1 && uploaded < 1e9)
        (void)snprintf(objects, sizeof objects, ", %.0f object%s in S3", uploaded, uploaded < 2 ? "" : "s");
    if (to != NULL)
        delivery_to_bucket(show, to, objects, ret);
    else if (is_state(show, "finished"))
        (void)snprintf(ret->delivery, sizeof ret->delivery, "delivered%s%.200s%s", id != NULL ? " as " : "",
                       id != NULL ? id : "", objects);
    else if (is_state(show, "local"))
        (void)snprintf(ret->delivery, sizeof ret->delivery, "not sent: the run was made without a token");
    else if (id != NULL)
        (void)snprintf(ret->delivery, sizeof ret->delivery, "registered as %.200s%s", id, objects);
    else
        (void)snprintf(ret->delivery, sizeof ret->delivery, "not registered");
}

void ending_of(const struct show *show, struct ending *ret)
{
    *ret = (struct ending){.word = "", .tone = "plain"};
    if (show->state == NULL)
        return;
    end_of(show, ret);
    (void)snprintf(ret->whole, sizeof ret->whole, "%s%s%s", ret->word,
                   ret->how[0] == '\0'                ? ""
                   : strncmp(ret->how, "by ", 3) == 0 ? " "
                                                      : ", ",
                   ret->how);
    out_of_memory(show, ret);
    double lasted = summary_duration(&show->summary);
    bool   at_limit = is_at_limit(show->state, run_time(show->state, "started_at") + lasted, lasted);
    if (is_state(show, "lost"))
        (void)snprintf(ret->lost, sizeof ret->lost,
                       "the program is gone and left no word of its end%s. %spillion sync finishes the run.",
                       at_limit ? ", at its job's time limit" : "", whose_is_others() ? "Its user's " : "");
    trouble_of(show, ret);
    delivery_of(show, ret);
}
