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
#include "base/file.h"
#include "base/text.h"
#include "bucket.h"
#include "hook/hook.h"
#include "liveness.h"
#include "output.h"
#include "run_file.h"
#include "store/journal_read.h"

enum { OTHERS_MAX = 100 * 1000 }; /* entries of another user's folder that are looked at */

struct listing {
    struct run_folder folder;
    struct run_names  names;
    bool              is_read;
};

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

/* Whose runs stand in the folder: its owner's alone. */
static uid_t owner_of(int runs)
{
    struct stat info;
    return fstat(runs, &info) == 0 ? info.st_uid : (uid_t)-1;
}

/* No folder in which nothing stands: that is root's, made ahead of a run. Another user's is not looked through. */
static bool is_blank(int dir)
{
    struct stat info;
    if (!whose_is_others())
        return run_dir_is_blank(dir);
    return fstatat(dir, RUN_DIR_JOURNAL, &info, AT_SYMLINK_NOFOLLOW) < 0 &&
           fstatat(dir, RUN_DIR_ROWS, &info, AT_SYMLINK_NOFOLLOW) < 0;
}

/* 1: it is one; 0: it is none; -EPERM: it is a link, or another user's. */
static int is_run(int runs, const char *name, uid_t owner)
{
    int dir = -1;
    int result = run_file_folder(runs, name, owner, &dir);
    if (result == 0)
        result = !is_blank(dir);
    file_close(&dir);
    return result;
}

static int read_names(DIR *dir, uid_t owner, struct run_names *ret, size_t *ret_left_out)
{
    size_t looked_at = 0;
    int    result = 0;
    for (struct dirent *entry; result == 0 && (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= RUN_DIR_ID_MAX)
            continue;
        if (bucket_is_read() && !bucket_has(entry->d_name))
            continue;
        if (whose_is_others() && looked_at++ >= OTHERS_MAX)
            return -E2BIG;
        int is = is_run(dirfd(dir), entry->d_name, owner);
        if (is > 0)
            result = append(ret, entry->d_name);
        *ret_left_out += is == -EPERM || is == -EACCES;
    }
    return result;
}

int runs_read(const struct run_folder *folder, struct run_names *ret)
{
    uid_t  owner = owner_of(folder->home.runs);
    size_t left_out = 0;
    int    fd = -1;
    *ret = (struct run_names){0};
    if (folder->home.runs < 0)
        return 0;
    int  result = run_file_folder(folder->home.runs, ".", owner, &fd);
    DIR *dir = result == 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        file_close(&fd);
        return result < 0 ? result : -ENOMEM;
    }
    result = read_names(dir, owner, ret, &left_out);
    closedir(dir);
    if (whose_is_others() && left_out > 0)
        complain("%s: %zu %s not %s's, and left out", folder->path, left_out,
                 left_out == 1 ? "entry is a link, a file or" : "entries are links, files or", folder->user);
    if (result == -E2BIG) {
        complain("%s has more than %d entries: the others were not looked at", folder->path, OTHERS_MAX);
        result = 0;
    }
    if (ret->count > 1)
        qsort(ret->names, ret->count, sizeof *ret->names, by_age);
    return result;
}

int runs_folder(struct run_folder *ret)
{
    if (whose_is_others())
        return whose_open(runs_lookup, ret);
    *ret = (struct run_folder){.home = {.dir = -1, .runs = -1}};
    int result = state_dir_open(runs_lookup, false, &ret->home);
    if (result < 0 && result != -ENOENT) {
        complain("the runs cannot be read: %s", strerror(-result));
        return result;
    }
    if (result == 0)
        (void)snprintf(ret->path, sizeof ret->path, "%.4000s/runs", ret->home.path);
    else
        ret->home = (struct state_dir){.dir = -1, .runs = -1};
    return 0;
}

void runs_free(struct run_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    *names = (struct run_names){0};
}

int runs_open(const struct state_dir *home, const char *id, int *ret_dir)
{
    return run_file_folder(home->runs, id, owner_of(home->runs), ret_dir);
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
static ssize_t choose_base(const struct run_names *names, const struct run_folder *folder, const char *name)
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
        complain("there is no run yet%s%s%s%s", folder->user[0] != '\0' ? " of " : "", folder->user,
                 folder->home.runs >= 0 ? " in " : "", folder->home.runs >= 0 ? folder->path : "");
    else if (matches == 0)
        complain("no run \"%s\"; see pillion list%s", name, whose_words());
    else if (matches > 1)
        complain("%zu runs begin with \"%s\": give more of the ID; see pillion list%s", matches, name, whose_words());
    return matches == 1 ? found : -1;
}

static ssize_t choose(const struct run_names *names, const struct run_folder *folder, const char *name)
{
    char base[PATH_MAX];
    if (name[0] == '\0') {
        complain("no run \"\"; see pillion list%s", whose_words());
        return -1;
    }
    (void)snprintf(base, sizeof base, "%s", name);
    size_t  steps = take_steps(base);
    ssize_t at = choose_base(names, folder, base);
    if (at >= 0 && steps > (size_t)at) {
        complain("there are only %zd runs before %s; see pillion list%s", at, base[0] != '\0' ? base : "last",
                 whose_words());
        return -1;
    }
    return at < 0 ? at : at - (ssize_t)steps;
}

/* Read once: a report of a hundred runs asks a hundred times. NULL, and a sentence. */
static const struct listing *listing(void)
{
    static struct listing all;
    if (all.is_read)
        return &all;
    int result = runs_folder(&all.folder);
    if (result < 0)
        return NULL;
    result = runs_read(&all.folder, &all.names);
    if (result < 0) {
        complain("the runs cannot be read: %s", strerror(-result));
        runs_free(&all.names);
        state_dir_close(&all.folder.home);
        return NULL;
    }
    all.is_read = true;
    return &all;
}

static int find_listed(const char *name, struct run_place *ret)
{
    const struct listing *all = listing();
    if (all == NULL)
        return -ENOENT;
    ssize_t     at = choose(&all->names, &all->folder, name);
    const char *id = at >= 0 && all->names.names != NULL ? all->names.names[at] : NULL;
    int         result = id != NULL ? runs_open(&all->folder.home, id, &ret->dir) : -ENOENT;
    if (result == 0) {
        ret->listed = true;
        ret->ordinal = (long)all->names.count - 1 - at;
        ret->is_first = at == 0;
        (void)snprintf(ret->id, sizeof ret->id, "%s", id);
        (void)snprintf(ret->path, sizeof ret->path, "%.3900s/%s", all->folder.path, id);
        memcpy(ret->user, all->folder.user, sizeof ret->user);
        if (bucket_is_read())
            result = bucket_fetch_rows(&id, 1);
    } else if (id != NULL) {
        complain("%s: %s", id, result == -EPERM ? "it is a link, or another user's" : strerror(-result));
    }
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
        int result = run_file_folder(AT_FDCWD, ret->path, geteuid(), &ret->dir);
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
    if (whose_is_others() && path) {
        result = -EINVAL;
        complain("%s is a path: with --user and --dir a run has its name from pillion list%s", name, whose_words());
    } else if (!whose_is_others() && strcmp(name, "last") != 0 && stat(name, &info) == 0) {
        result = find_path(name, &info, ret);
        if (result == -EPERM)
            complain(
                "%s: it belongs to another user; pillion show --dir FOLDER ID reads it, FOLDER is what it stands in",
                name);
        else if (result < 0)
            complain("%s: %s", name, strerror(-result));
    } else if (path) {
        result = -errno;
        complain("%s: %s", name, strerror(-result));
    } else {
        result = find_listed(name, ret);
    }
    if (result == 0 && ret->dir >= 0)
        (void)run_file_open(ret->dir, RUN_DIR_ROWS, &ret->csv);
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
    enum liveness (*judge)(const cJSON *, int) = whose_is_others() ? liveness_untouched : journal_liveness_at_last;
    if (journal_is(state, "state", "running") && judge(state, dir) == LIVENESS_DEAD)
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
    const struct run_folder folder = {.home = *home};
    struct run_names        names;
    char                    mark[32];
    int                     result = runs_read(&folder, &names);
    (void)snprintf(mark, sizeof mark, "-%d", (int)pid);
    if (result == 0)
        result = -ENOENT;
    for (size_t i = names.count; result == -ENOENT && i-- > 0;) {
        int    dir = -1;
        cJSON *state = NULL;
        if (strstr(names.names[i], mark) == NULL || runs_open(home, names.names[i], &dir) < 0)
            continue;
        if (run_file_state(dir, &state) == 0 && journal_number(state, "pid", -1) == (double)pid &&
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
