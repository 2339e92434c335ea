// SPDX-License-Identifier: Apache-2.0
#include "runs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "hook/hook.h"
#include "output.h"
#include "store/journal_read.h"

const char *runs_lookup(const char *name)
{
    if (strcmp(name, "PILLION_DIR") != 0)
        return getenv(name);
    conf_read(CONF_PATH);
    return setting_of(name);
}

static int by_age(const void *a, const void *b)
{
    return strverscmp(*(char *const *)a, *(char *const *)b);
}

static int append(struct run_names *names, const char *name)
{
    if ((names->count & (names->count + 1)) == 0) { /* one less than a power of two: full */
        char **more = realloc(names->names, (2 * names->count + 1) * sizeof *more);
        if (more == NULL)
            return -ENOMEM;
        names->names = more;
    }
    names->names[names->count] = strdup(name);
    return names->names[names->count] != NULL ? (int)!++names->count : -ENOMEM;
}

/* Of this user, and no folder in which nothing stands: that is root's, made ahead of a run. */
static bool is_run(int runs, const char *name)
{
    struct stat info;
    int         dir = openat(runs, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool        good = dir >= 0 && fstat(dir, &info) == 0 && info.st_uid == geteuid() && !run_dir_is_blank(dir);
    if (dir >= 0)
        close(dir);
    return good;
}

int runs_read(const struct state_dir *home, struct run_names *ret)
{
    *ret = (struct run_names){0};
    if (home->runs < 0)
        return 0;
    int  fd = openat(home->runs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        int error = -errno;
        if (fd >= 0)
            close(fd);
        return error;
    }
    int result = 0;
    for (struct dirent *entry; result == 0 && (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= RUN_DIR_ID_MAX)
            continue;
        if (is_run(fd, entry->d_name))
            result = append(ret, entry->d_name);
    }
    closedir(dir);
    if (ret->count > 1)
        qsort(ret->names, ret->count, sizeof *ret->names, by_age);
    return result;
}

void runs_free(struct run_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    *names = (struct run_names){0};
}

static int open_own(int at, const char *path, int *ret_dir)
{
    struct stat info;
    int         fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ELOOP ? -EPERM : -errno;
    if (fstat(fd, &info) < 0 || info.st_uid != geteuid()) {
        close(fd);
        return -EPERM;
    }
    *ret_dir = fd;
    return 0;
}

int runs_open(const struct state_dir *home, const char *id, int *ret_dir)
{
    return open_own(home->runs, id, ret_dir);
}

/* N of `NAME~N`, which is then cut off; 0 where there is none. */
static size_t take_steps(char *name)
{
    char  *tilde = strrchr(name, '~');
    size_t steps = 0;
    if (tilde == NULL || tilde[1] == '\0' || tilde[1 + strspn(tilde + 1, "0123456789")] != '\0' || strlen(tilde) > 8)
        return 0;
    for (const char *digit = tilde + 1; *digit != '\0'; digit++)
        steps = steps * 10 + (size_t)(*digit - '0');
    *tilde = '\0';
    return steps;
}

/* The newest for "last", the one of that name, or the only one that begins so: where it stands. -1 and a sentence
 * otherwise. */
static ssize_t choose_base(const struct run_names *names, const struct state_dir *home, const char *name)
{
    ssize_t found = -1;
    size_t  matches = 0;
    bool    is_last = strcmp(name, "last") == 0 || name[0] == '\0'; /* ~3 is last~3 */
    if (is_last && names->count > 0)
        return (ssize_t)names->count - 1;
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->names[i], name) == 0)
            return (ssize_t)i;
        if (strncmp(names->names[i], name, strlen(name)) == 0) {
            found = (ssize_t)i;
            matches++;
        }
    }
    if (is_last)
        complain("there is no run yet%s%s", home->runs >= 0 ? " in " : "", home->runs >= 0 ? home->path : "");
    else if (matches == 0)
        complain("no run \"%s\"; see pillion list", name);
    else if (matches > 1)
        complain("%zu runs begin with \"%s\": give more of the ID; see pillion list", matches, name);
    return matches == 1 ? found : -1;
}

static ssize_t choose(const struct run_names *names, const struct state_dir *home, const char *name)
{
    char base[PATH_MAX];
    if (name[0] == '\0') {
        complain("no run \"\"; see pillion list");
        return -1;
    }
    (void)snprintf(base, sizeof base, "%s", name);
    size_t  steps = take_steps(base);
    ssize_t at = choose_base(names, home, base);
    if (at >= 0 && steps > (size_t)at) {
        complain("there are only %zd runs before %s; see pillion list", at, base[0] != '\0' ? base : "last");
        return -1;
    }
    return at < 0 ? at : at - (ssize_t)steps;
}

static int find_listed(const char *name, struct run_place *ret)
{
    struct state_dir home = {.dir = -1, .runs = -1};
    struct run_names names = {0};
    int              result = state_dir_open(runs_lookup, false, &home);
    if (result == -ENOENT)
        home = (struct state_dir){.dir = -1, .runs = -1};
    if (result == 0 || result == -ENOENT)
        result = runs_read(&home, &names);
    if (result < 0) {
        complain("the runs cannot be read: %s", strerror(-result));
        return result;
    }
    ssize_t     at = choose(&names, &home, name);
    const char *id = at >= 0 && names.names != NULL ? names.names[at] : NULL;
    result = id != NULL ? runs_open(&home, id, &ret->dir) : -ENOENT;
    if (result == 0) {
        ret->listed = true;
        ret->ordinal = (long)names.count - 1 - at;
        ret->is_first = at == 0;
        (void)snprintf(ret->id, sizeof ret->id, "%s", id);
        (void)snprintf(ret->path, sizeof ret->path, "%.3900s/runs/%s", home.path, id);
    } else if (id != NULL) {
        complain("%s: %s", id, strerror(-result));
    }
    runs_free(&names);
    state_dir_close(&home);
    return result;
}

/* Is that directory PILLION_DIR/runs/ID itself? */
static bool is_listed(const struct run_place *place)
{
    struct state_dir home;
    struct stat      here, there;
    if (state_dir_open(runs_lookup, false, &home) < 0)
        return false;
    bool same = fstatat(home.runs, place->id, &there, AT_SYMLINK_NOFOLLOW) == 0 && fstat(place->dir, &here) == 0 &&
                here.st_ino == there.st_ino && here.st_dev == there.st_dev;
    state_dir_close(&home);
    return same;
}

/* RUNDIR/metrics.csv stands for the run; the path is then the directory's. */
static bool is_rows_of_a_run(struct run_place *place)
{
    char  beside[PATH_MAX];
    char *slash = strrchr(place->path, '/');
    if (strcmp(slash, "/metrics.csv") != 0)
        return false;
    int len = snprintf(beside, sizeof beside, "%.*s/run.jsonl", (int)(slash - place->path), place->path);
    if (len < 0 || (size_t)len >= sizeof beside || access(beside, F_OK) != 0)
        return false;
    *slash = '\0';
    (void)snprintf(place->id, sizeof place->id, "%.127s", strrchr(place->path, '/') + 1);
    return true;
}

static int find_path(const char *name, const struct stat *info, struct run_place *ret)
{
    if (realpath(name, ret->path) == NULL)
        return -errno;
    (void)snprintf(ret->id, sizeof ret->id, "%.127s", strrchr(ret->path, '/') + 1);
    bool directory = S_ISDIR(info->st_mode) || is_rows_of_a_run(ret);
    if (directory) {
        int result = open_own(AT_FDCWD, ret->path, &ret->dir);
        ret->listed = result == 0 && is_listed(ret);
        return result;
    }
    if (!S_ISREG(info->st_mode))
        return -EINVAL;
    ret->csv = open(ret->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    return ret->csv < 0 ? -errno : 0;
}

int runs_find(const char *name, struct run_place *ret)
{
    struct stat info;
    *ret = (struct run_place){.dir = -1, .csv = -1, .ordinal = -1};
    bool path = strchr(name, '/') != NULL;
    int  result;
    if (strcmp(name, "last") != 0 && stat(name, &info) == 0) {
        result = find_path(name, &info, ret);
        if (result < 0)
            complain("%s: %s", name, result == -EPERM ? "it belongs to another user" : strerror(-result));
    } else if (path) {
        result = -errno;
        complain("%s: %s", name, strerror(-result));
    } else {
        result = find_listed(name, ret);
    }
    if (result == 0 && ret->dir >= 0)
        ret->csv = openat(ret->dir, "metrics.csv", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (result == 0 && ret->csv >= 0 && (fstat(ret->csv, &info) < 0 || !S_ISREG(info.st_mode))) {
        close(ret->csv); /* nothing that could be waited for */
        ret->csv = -1;
    }
    return result;
}

void runs_done(struct run_place *place)
{
    if (place->dir >= 0)
        close(place->dir);
    if (place->csv >= 0)
        close(place->csv);
    place->dir = place->csv = -1;
}

const char *run_state_shown(const cJSON *state, int dir)
{
    static const char *const names[] = {"running", "finishing", "finished", "local", "undelivered"};
    if (journal_is(state, "state", "running") && journal_liveness_at_last(state, dir) == LIVENESS_DEAD)
        return "lost";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (journal_is(state, "state", names[i]))
            return names[i];
    return "damaged";
}

int run_number(const cJSON *state, const char *key, int fallback)
{
    double number = journal_number(state, key, fallback);
    return number >= 0 && number <= INT_MAX ? (int)number : fallback;
}

double run_time(const cJSON *state, const char *key)
{
    const char *text = journal_text(state, key);
    int64_t     seconds;
    if (text == NULL || clock_parse_utc(text, &seconds) < 0)
        return 0;
    struct text rest = text_of(text);
    struct text whole;
    double      fraction = 0;
    if (text_until(&rest, '.', &whole) && rest.at < rest.end) {
        const char *end = rest.at;
        while (end < rest.end && *end >= '0' && *end <= '9')
            end++;
        struct text digits = {rest.at - 1, end};
        (void)text_decimal(digits, &fraction);
    }
    return (double)seconds + fraction;
}

int runs_of_process(const struct state_dir *home, pid_t pid, unsigned long long start, char ret[static RUN_DIR_ID_MAX])
{
    struct run_names names;
    char             mark[32];
    int              result = runs_read(home, &names);
    (void)snprintf(mark, sizeof mark, "-%d", (int)pid);
    if (result == 0)
        result = -ENOENT;
    for (size_t i = names.count; result == -ENOENT && i-- > 0;) {
        int    dir = -1;
        cJSON *state = NULL;
        if (strstr(names.names[i], mark) == NULL || runs_open(home, names.names[i], &dir) < 0)
            continue;
        if (journal_load(dir, &state) == 0 && journal_number(state, "pid", -1) == (double)pid &&
            journal_number(state, "pid_start", -1) == (double)start) {
            (void)snprintf(ret, RUN_DIR_ID_MAX, "%s", names.names[i]);
            result = 0;
        }
        cJSON_Delete(state);
        close(dir);
    }
    runs_free(&names);
    return result;
}
