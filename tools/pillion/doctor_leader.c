// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "hook/hook.h"
#include "runs.h"
#include "store/run_dir.h"

enum { WHO_MAX = 256, SETTING_MAX = 4096 };

/* "process 4242 (bash), run 20261122T104500Z-node7-4242" */
static void describe(const struct process *p, char ret[static WHO_MAX])
{
    char             path[64], name[64] = "", id[RUN_DIR_ID_MAX] = "";
    struct state_dir home;
    (void)snprintf(path, sizeof path, "/proc/%d/comm", (int)p->pid);
    if (sys_read_file(path, name, sizeof name) > 0)
        name[strcspn(name, "\n")] = '\0';
    if (state_dir_open(runs_lookup, false, &home) == 0) {
        if (runs_of_process(&home, p->pid, p->start, id) < 0)
            id[0] = '\0';
        state_dir_close(&home);
    }
    (void)snprintf(ret, WHO_MAX, "process %d (%s)%s%s", (int)p->pid, name[0] ? name : "?", id[0] ? ", run " : "", id);
}

static void tell_wrapper(struct doctor *d)
{
    static const struct {
        const char *name, *why;
    } special[] = {{"ssh", "on another machine"},
                   {"docker", "in a container"},
                   {"podman", "in a container"},
                   {"kubectl", "in a container"},
                   {"sudo", "with an environment that it empties"},
                   {"su", "with an environment that it empties"},
                   {"runuser", "with an environment that it empties"}};
    const char *name = string_base_name(d->executable);
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (string_equal(name, special[i].name)) {
            doctor_tell(d, "lead", ENGINE_CAUSE,
                        "%s makes no run, and starts its program %s: LD_PRELOAD has to be set for that one", name,
                        special[i].why);
            return;
        }
    doctor_tell(d, "lead", ENGINE_NOTE,
                "%s only waits for, or wraps, another program (a built-in list): that one leads", name);
}

static void tell_passenger(struct doctor *d, const struct leader *lead)
{
    char who[WHO_MAX];
    describe(&lead->above, who);
    if (lead->why == LEADER_BELOW_MARKER || lead->why == LEADER_BELOW_THREAD)
        doctor_tell(d, "lead", ENGINE_CAUSE, "%s is a passenger of the leader above, %s: it has its part in that run%s",
                    d->subject, who,
                    lead->why == LEADER_BELOW_THREAD ? " (known by its thread; its marker cannot be seen from here)"
                                                     : "");
    else if (lead->why == LEADER_ORPHAN || lead->why == LEADER_IN_SESSION)
        doctor_tell(d, "lead", ENGINE_CAUSE,
                    "%s is a passenger of a leader that is no longer above it, %s (%s): it has its part in that run",
                    d->subject, who,
                    lead->why == LEADER_ORPHAN ? "known by the mark that the one between has left"
                                               : "known by its session, which that leader began");
    else if (lead->why == LEADER_BELOW_HOOK)
        doctor_tell(d, "lead", ENGINE_CAUSE,
                    "%s is a passenger of its parent, %s, whose run has ended: nothing begins again below it",
                    d->subject, who);
    else
        doctor_tell(
            d, "lead", ENGINE_CAUSE,
            "%s came from outside into a container that has an older process (docker exec, a health check): the "
            "run is that one's",
            d->subject);
}

/* "NAME=value", with the site's file where it comes from there. */
static const char *setting(const char *name, char ret[static SETTING_MAX])
{
    const char *value = setting_of(name);
    const char *own = getenv(name);
    bool        is_sites = value != NULL && (own == NULL || strcmp(own, value) != 0);
    (void)snprintf(ret, SETTING_MAX, "%s=%s%s", name, value != NULL ? value : "", is_sites ? " in " CONF_PATH : "");
    return ret;
}

static void tell_none(struct doctor *d, const struct leader *lead)
{
    char pattern[SETTING_MAX];
    if (lead->why == LEADER_DISABLED)
        doctor_tell(d, "lead", ENGINE_CAUSE, "%s switches pillion off%s", setting("PILLION_DISABLE", pattern),
                    getenv("PILLION_DISABLE") ? "" : ", but for who sets PILLION_DISABLE=no");
    else if (lead->why == LEADER_SECURE)
        doctor_tell(d, "lead", ENGINE_CAUSE,
                    "this command runs with privileges that its user has not (AT_SECURE): no "
                    "program that is started so is observed");
    else if (lead->why == LEADER_NO_PROC)
        doctor_tell(d, "lead", ENGINE_CAUSE,
                    "/proc cannot be read here, or is another PID namespace's: nothing is observed without it");
    else if (lead->why == LEADER_EXCLUDED)
        doctor_tell(d, "lead", ENGINE_CAUSE, "%s is excluded by %s", d->executable,
                    setting("PILLION_EXCLUDE", pattern));
    else if (lead->why == LEADER_NOT_INCLUDED)
        doctor_tell(d, "lead", ENGINE_CAUSE, "%s is not among what %s names", d->executable,
                    setting("PILLION_INCLUDE", pattern));
    else if (lead->why == LEADER_OTHER_RANK)
        doctor_tell(
            d, "lead", ENGINE_CAUSE,
            "PILLION_RANKS=node makes a run of a node's first rank, of all its ranks, and first of the very first "
            "one: this is another; PILLION_RANKS=all gives each its own");
    else if (lead->why == LEADER_PROLOG)
        doctor_tell(d, "lead", ENGINE_CAUSE, "the prologs and epilogs of Slurm's tasks are no runs");
    else
        tell_wrapper(d);
}

/* Without a program: what is left out is worth a word. */
static void note_patterns(struct doctor *d)
{
    static const char *const names[] = {"PILLION_INCLUDE", "PILLION_EXCLUDE"};
    for (size_t i = 0; d->executable[0] == '\0' && i < sizeof names / sizeof *names; i++) {
        const char *value = setting_of(names[i]);
        char        pattern[SETTING_MAX];
        if (value != NULL && value[0] != '\0')
            doctor_tell(d, "lead", ENGINE_NOTE, "%s leaves programs out: ask about one with pillion doctor -- CMD",
                        setting(names[i], pattern));
    }
}

/* "pillion run" leads whoever is above, and whatever its program is called. */
static void tell_run(struct doctor *d, const struct leader *lead)
{
    char who[WHO_MAX];
    bool is_below = lead->role == ROLE_PASSENGER && lead->why != LEADER_BELOW_HOOK && lead->why != LEADER_FROM_OUTSIDE;
    if (lead->why == LEADER_DISABLED || lead->why == LEADER_NO_PROC) {
        tell_none(d, lead);
    } else if (is_below) {
        describe(&lead->above, who);
        doctor_tell(d, "lead", ENGINE_FINE, "%s has its part in the run of the leader above, %s", d->subject, who);
    } else {
        doctor_tell(d, "lead", ENGINE_FINE, "\"pillion run\" makes a run of %s", d->subject);
    }
}

void doctor_lead(struct doctor *d)
{
    static char   executable[HOOK_PATH_MAX];
    struct leader lead = {.executable = executable};
    leader_predict(d->executable, d->given, &lead);
    if (d->way == NULL) {
        tell_run(d, &lead);
        return;
    }
    if (lead.role == ROLE_PASSENGER)
        tell_passenger(d, &lead);
    else if (lead.role == ROLE_NONE)
        tell_none(d, &lead);
    else if (!d->cannot_carry)
        doctor_tell(d, "lead", ENGINE_FINE, "nobody leads above: %s would lead a run of its own", d->subject);
    note_patterns(d);
}
