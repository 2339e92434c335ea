// SPDX-License-Identifier: Apache-2.0
#include "whose.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/file.h"
#include "base/text.h"
#include "output.h"
#include "run_file.h"
#include "store/run_dir.h"

enum { USERS_MAX = 200 * 1000, ENTRIES_MAX = 1000 * 1000, DIRS_MAX = 64 };

static struct {
    const char *dir, *name;     /* the folder that is read now */
    const char *dirs[DIRS_MAX]; /* all that were named */
    size_t      dir_count;
    bool        all, is_bucket;
    bool        is_partial; /* a folder that was named could not be read */
    char        words[300];
} asked;

static void make_words(void)
{
    int len = snprintf(asked.words, sizeof asked.words, "%s%.60s", asked.name != NULL ? " --user " : "",
                       asked.name != NULL ? asked.name : "");
    for (size_t i = 0; i < asked.dir_count && len >= 0 && (size_t)len < sizeof asked.words; i++)
        len += snprintf(asked.words + len, sizeof asked.words - (size_t)len, " --dir %.200s", asked.dirs[i]);
}

int whose_take(const char *command, int option, const char *value)
{
    if (option != WHOSE_DIR && option != WHOSE_USER && option != WHOSE_ALL)
        return 0;
    if (option == WHOSE_DIR && asked.dir_count == DIRS_MAX) {
        complain("%s: at most %d folders at once; see pillion %s --help", command, DIRS_MAX, command);
        return -1;
    }
    if (option == WHOSE_DIR)
        asked.dirs[asked.dir_count++] = asked.dir = value;
    else if (option == WHOSE_USER)
        asked.name = value;
    else
        asked.all = true;
    if (asked.all && (asked.dir != NULL || asked.name != NULL)) {
        complain("%s: --all-users goes with neither --user nor --dir; see pillion %s --help", command, command);
        return -1;
    }
    make_words();
    return 1;
}

void whose_use_bucket(const char *folder, const char *place)
{
    asked.dir = folder;
    asked.is_bucket = true;
    (void)snprintf(asked.words, sizeof asked.words, " %.290s", place);
}

bool whose_is_refused(const char *command, int option)
{
    if (option != WHOSE_DIR && option != WHOSE_USER && option != WHOSE_ALL)
        return false;
    complain("%s: the runs of others are only read, by list, show, report and export; as their user, \"sudo -u NAME "
             "pillion %s\" does it",
             command, command);
    return true;
}

bool whose_is_others(void)
{
    return asked.all || asked.dir != NULL || asked.name != NULL;
}

bool whose_has_users(void)
{
    return whose_is_others() && !asked.is_bucket;
}

bool whose_is_all(void)
{
    return asked.all || asked.dir_count > 1;
}

bool whose_is_partial(void)
{
    return asked.is_partial;
}

bool whose_is_one(const char *command)
{
    if (asked.dir_count > 1)
        complain("%s reads one --dir; several are for list, and for --job of show and report", command);
    return asked.dir_count <= 1;
}

const char *whose_words(void)
{
    return asked.words;
}

/* ---------------------------------------------------------------------------------------------- with whose rights */

/* Root has the owner's rights while it reads: so nothing is read that the owner could not read, and a file server that
 * does not trust root lets it in. This thread alone changes, and its ID for files alone: the owner may not signal it.
 */
static struct {
    uid_t uid;
    gid_t gid;
    bool  is_entered;
} owner;

void whose_resume(void)
{
    if (!owner.is_entered || geteuid() != 0)
        return;
    (void)setfsgid(owner.gid);
    (void)setfsuid(owner.uid);
}

void whose_pause(void)
{
    if (!owner.is_entered || geteuid() != 0)
        return;
    (void)setfsuid(geteuid());
    (void)setfsgid(getegid());
}

static void enter(uid_t uid, gid_t gid)
{
    whose_pause();
    owner.uid = uid;
    owner.gid = gid;
    owner.is_entered = true;
    whose_resume();
    run_file_limit();
}

static void leave(void)
{
    whose_pause();
    owner.is_entered = false;
}

/* --------------------------------------------------------------------------------------------------------- users */

struct user {
    uid_t uid;
    gid_t gid;
    char *name, *home; /* "" for what is not known */
};

static bool user_set(struct user *user, uid_t uid, const struct passwd *known)
{
    char number[16];
    (void)snprintf(number, sizeof number, "%u", (unsigned)uid);
    user->uid = uid;
    user->gid = known != NULL ? known->pw_gid : getegid();
    user->name = strdup(known != NULL ? known->pw_name : number);
    user->home = strdup(known != NULL ? known->pw_dir : "");
    return user->name != NULL && user->home != NULL;
}

static void user_free(struct user *user)
{
    free(user->name);
    free(user->home);
}

static bool number_of(const char *text, uid_t *ret)
{
    struct text t = text_of(text);
    uint64_t    number = 0;
    bool        good = *text >= '0' && *text <= '9' && text_unsigned(&t, &number) && text_len(t) == 0;
    *ret = (uid_t)number;
    return good && number < (uid_t)-1;
}

static int user_find(const char *name, struct user *ret)
{
    uid_t                uid = 0;
    const struct passwd *known = getpwnam(name);
    bool                 is_number = known == NULL && number_of(name, &uid);
    if (is_number)
        known = getpwuid(uid);
    if (known == NULL && !is_number) {
        complain("there is no user \"%s\" on this machine; a number is taken, too", name);
        return -ENOENT;
    }
    return user_set(ret, known != NULL ? known->pw_uid : uid, known) ? 0 : -ENOMEM;
}

/* -------------------------------------------------------------------------------------------------------- places */

/* Where pillion keeps a user's runs: below a PILLION_DIR that others share, or where nobody named a place. */
enum place { PLACE_SHARED, PLACE_HOME, PLACE_TMP, PLACE_SHM, PLACES };

/* The way to the base is the system's, or root's, who named it; a home may stand behind a link, and is mounted by some
 * when it is entered. */
static int open_base(enum place place, const char *path)
{
    char entered[PATH_MAX];
    int  flags = O_PATH | O_DIRECTORY | O_CLOEXEC | (place == PLACE_SHARED ? O_NOFOLLOW : 0);
    (void)snprintf(entered, sizeof entered, "%.4000s%s", path, place == PLACE_HOME ? "/." : "");
    int fd = open(entered, flags);
    if (fd < 0 && errno == EACCES && place == PLACE_HOME) { /* the user's own way may be by a group that root lacks */
        whose_pause();
        fd = open(entered, flags);
        whose_resume();
    }
    return fd >= 0 ? fd : errno == ENOTDIR || errno == ELOOP ? -ENOENT : -errno;
}

/* Opens the last of the folders in `below`: none is a link, and all are the user's. Takes `fd`. */
static int descend(int fd, const char *below, uid_t uid, int *ret)
{
    struct text rest = text_of(below);
    struct text piece;
    char        name[NAME_MAX + 1];
    int         result = 0;
    while (result == 0 && text_until(&rest, '/', &piece)) {
        int next = -1;
        result = text_copy(piece, name, sizeof name) ? run_file_folder(fd, name, uid, &next) : -ENAMETOOLONG;
        file_close(&fd);
        fd = next;
    }
    *ret = fd;
    return result;
}

static int open_place(enum place place, const struct user *user, const char *(*lookup)(const char *name),
                      struct run_folder *ret)
{
    const char *shared = lookup("PILLION_DIR");
    const char *home = user->home != NULL ? user->home : "";
    const char *bases[PLACES] = {shared != NULL ? shared : "", home, "/tmp", "/dev/shm"};
    char        below[64] = ".local/state/pillion/runs";
    struct stat info;
    *ret = (struct run_folder){.home = {.dir = -1, .runs = -1}};
    if (bases[place][0] != '/')
        return -ENOENT;
    if (place != PLACE_HOME)
        (void)snprintf(below, sizeof below, "%s%u/runs", place == PLACE_SHARED ? "" : "pillion-", (unsigned)user->uid);
    (void)snprintf(ret->path, sizeof ret->path, "%.4000s/%s", bases[place], below);
    (void)snprintf(ret->user, sizeof ret->user, "%s", user->name);
    int base = open_base(place, bases[place]);
    if (base < 0)
        return base;
    if (place == PLACE_HOME && (fstat(base, &info) < 0 || info.st_uid != user->uid)) {
        file_close(&base);
        return -ENOENT; /* the home of nobody, as many of the system's users have */
    }
    int  result = descend(base, below, user->uid, &ret->home.runs);
    bool is_barred = result == -EACCES && place == PLACE_SHARED && geteuid() == 0;
    return is_barred ? -ENOENT : result; /* nor does the user come there */
}

/* One's own place is where the environment says. */
static int open_own(const struct user *user, const char *(*lookup)(const char *name), struct run_folder *ret)
{
    *ret = (struct run_folder){.home = {.dir = -1, .runs = -1}};
    int result = state_dir_open(lookup, false, &ret->home);
    (void)snprintf(ret->path, sizeof ret->path, "%.4000s/runs", ret->home.path);
    (void)snprintf(ret->user, sizeof ret->user, "%s", user->name);
    return result;
}

/* ---------------------------------------------------------------------------------------------------------- one */

static void complain_of(const char *what, int error)
{
    if (error == -EACCES && geteuid() != 0)
        complain("%s cannot be read: only their owner and root may; try: sudo pillion list%s", what, whose_words());
    else if (error == -EACCES && asked.name == NULL)
        complain("%s cannot be read, not even by root; name their owner, too: --user NAME%s", what, whose_words());
    else if (error == -EACCES)
        complain("%s are not read: a folder on the way to them does not let their user in", what);
    else if (error == -EPERM)
        complain("%s are not read: a folder on the way to them is a link, or not their owner's", what);
    else
        complain("%s cannot be read: %s", what, strerror(-error));
}

static bool has_entries(int fd, uid_t uid)
{
    struct dir list;
    int        dir = -1;
    if (run_file_folder(fd, ".", uid, &dir) < 0)
        return false;
    dir_rewind(&list, dir);
    bool found = dir_next(&list) != NULL;
    dir_close(&list);
    return found;
}

/* A user may have runs in more than one place, and a folder is shown at a time. */
static void tell_of_others(enum place place, const struct user *user, const char *(*lookup)(const char *name))
{
    struct run_folder other;
    for (; place < PLACES; place++) {
        if (open_place(place, user, lookup, &other) == 0 && has_entries(other.home.runs, user->uid))
            complain("%s has runs in another place, too; for them: --dir %s", user->name, other.path);
        state_dir_close(&other.home);
    }
}

/* The first place that has any; -ENOENT. What hinders at another place is told only where none is found. */
static int open_user(const struct user *user, const char *(*lookup)(const char *name), struct run_folder *ret)
{
    int hindered = -ENOENT;
    if (user->uid == geteuid())
        return open_own(user, lookup, ret);
    enter(user->uid, user->gid);
    for (enum place place = 0; place < PLACES; place++) {
        int result = open_place(place, user, lookup, ret);
        if (result == 0)
            tell_of_others(place + 1, user, lookup);
        if (result == 0)
            return 0;
        hindered = result == -ENOENT ? hindered : result;
    }
    return hindered;
}

/* A FOLDER that was named: PILLION_DIR with its runs/, or that folder itself. Its owner's alone. */
static int open_folder(int fd, uid_t uid, struct run_folder *ret)
{
    struct stat info;
    int         result = run_file_folder(fd, "runs", uid, &ret->home.runs);
    if (result == 0)
        (void)snprintf(ret->path + strlen(ret->path), sizeof ret->path - strlen(ret->path), "/runs");
    if (result == -ENOENT && fstatat(fd, RUN_DIR_JOURNAL, &info, AT_SYMLINK_NOFOLLOW) == 0) {
        complain("%s is a run itself: --dir names the folder that it stands in, and its name is the RUN", ret->path);
        return -EINVAL;
    }
    if (result != -ENOENT)
        return result;
    ret->home.runs = dup(fd);
    return ret->home.runs < 0 ? -errno : 0;
}

static int open_named(const char *path, const struct user *user, struct run_folder *ret)
{
    struct stat info;
    *ret = (struct run_folder){.home = {.dir = -1, .runs = -1}};
    int len = snprintf(ret->path, sizeof ret->path - 8, "%s", path);
    if (len <= 0 || (size_t)len >= sizeof ret->path - 8)
        return len <= 0 ? -ENOENT : -ENAMETOOLONG;
    while (len > 1 && ret->path[len - 1] == '/')
        ret->path[--len] = '\0'; /* a slash at the end would follow a link */
    if (user->name != NULL)
        enter(user->uid, user->gid);
    int fd = open(ret->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == EACCES) { /* the way to it may be root's */
        whose_pause();
        fd = open(ret->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        whose_resume();
    }
    if (fd < 0)
        return errno == ELOOP ? -ENOTDIR : -errno;
    struct user whose = {0};
    int         result = fstat(fd, &info) < 0 ? -errno : 0;
    if (result == 0 && !user_set(&whose, info.st_uid, getpwuid(info.st_uid)))
        result = -ENOMEM;
    if (result == 0 && user->name != NULL && info.st_uid != user->uid)
        result = -EPERM;
    if (result == 0) {
        (void)snprintf(ret->user, sizeof ret->user, "%s", whose.name);
        enter(whose.uid, whose.gid);
        result = open_folder(fd, whose.uid, ret);
    }
    user_free(&whose);
    file_close(&fd);
    return result;
}

int whose_open(const char *(*lookup)(const char *name), struct run_folder *ret)
{
    char        what[PATH_MAX + 32];
    struct user user = {0};
    *ret = (struct run_folder){.home = {.dir = -1, .runs = -1}};
    int result = asked.name != NULL ? user_find(asked.name, &user) : 0;
    if (result < 0) {
        user_free(&user);
        return result;
    }
    result = asked.dir != NULL ? open_named(asked.dir, &user, ret) : open_user(&user, lookup, ret);
    if (asked.dir != NULL)
        (void)snprintf(what, sizeof what, "the runs in %s", asked.dir);
    else
        (void)snprintf(what, sizeof what, "the runs of %s", user.name);
    if (asked.is_bucket)
        ret->user[0] = '\0';
    if (result == -ENOENT && asked.dir == NULL) {
        ret->home = (struct state_dir){.dir = -1, .runs = -1};
        result = 0;
    } else if (result == -ENOTDIR) {
        complain("%s is a link, or no folder: name the folder itself", asked.dir);
    } else if (result < 0 && result != -EINVAL) {
        complain_of(what, result);
    }
    user_free(&user);
    return result;
}

/* ---------------------------------------------------------------------------------------------------------- all */

struct users {
    struct user *list;
    size_t       count, room;
};

static int users_add(struct users *users, uid_t uid, const struct passwd *known)
{
    if (users->count == users->room) {
        size_t       room = users->room == 0 ? 64 : 2 * users->room;
        struct user *more = realloc(users->list, room * sizeof *more);
        if (more == NULL)
            return -ENOMEM;
        users->list = more;
        users->room = room;
    }
    return user_set(&users->list[users->count++], uid, known) ? 0 : -ENOMEM;
}

static int by_number(const void *a, const void *b)
{
    uid_t x = ((const struct user *)a)->uid, y = ((const struct user *)b)->uid;
    return (x > y) - (x < y);
}

/* Each number once, in order. */
static void users_sort(struct users *users)
{
    size_t kept = 0;
    if (users->count > 0)
        qsort(users->list, users->count, sizeof *users->list, by_number);
    for (size_t i = 0; i < users->count; i++) {
        if (kept > 0 && users->list[kept - 1].uid == users->list[i].uid)
            user_free(&users->list[i]);
        else
            users->list[kept++] = users->list[i];
    }
    users->count = kept;
}

static int users_of_system(struct users *users)
{
    int            result = 0;
    struct passwd *known;
    setpwent();
    while (result == 0 && users->count < USERS_MAX && (known = getpwent()) != NULL)
        result = users_add(users, known->pw_uid, known);
    endpwent();
    return result;
}

/* Users that no list of the system has, as those of a directory service: by their folders in a place that all share. A
 * folder counts only where it is that user's: anybody may make one with any name. */
static int users_of_folder(const char *path, const char *prefix, struct users *users)
{
    size_t known = users->count, len = strlen(prefix);
    DIR   *dir = path[0] == '/' ? opendir(path) : NULL;
    int    result = 0;
    int    looked_at = 0;
    for (struct dirent *entry; dir != NULL && result == 0 && looked_at++ < ENTRIES_MAX && users->count < USERS_MAX &&
                               (entry = readdir(dir)) != NULL;) {
        struct stat info;
        struct user user = {0};
        if (strncmp(entry->d_name, prefix, len) != 0 || !number_of(entry->d_name + len, &user.uid))
            continue;
        if (fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(info.st_mode) ||
            info.st_uid != user.uid)
            continue;
        if (known == 0 || bsearch(&user, users->list, known, sizeof user, by_number) == NULL)
            result = users_add(users, user.uid, getpwuid(user.uid));
    }
    if (dir != NULL)
        (void)closedir(dir);
    users_sort(users);
    return result;
}

static int visit_user(const struct user *user, const char *(*lookup)(const char *name),
                      int (*visit)(void *context, const struct run_folder *folder), void *context, bool *ret_refused)
{
    struct run_folder folder;
    bool              is_own = user->uid == geteuid();
    int               result = 0;
    if (is_own)
        leave();
    else
        enter(user->uid, user->gid);
    for (enum place place = 0; result == 0 && place < (is_own ? 1 : PLACES); place++) {
        int opened = is_own ? open_own(user, lookup, &folder) : open_place(place, user, lookup, &folder);
        *ret_refused |= opened == -EACCES;
        if (opened == 0)
            result = visit(context, &folder);
        state_dir_close(&folder.home);
    }
    return result;
}

static int each_user(const char *(*lookup)(const char *name),
                     int (*visit)(void *context, const struct run_folder *folder), void *context, size_t *ret_refused)
{
    const char  *shared = lookup("PILLION_DIR");
    struct users users = {0};
    int          result = users_of_system(&users);
    users_sort(&users);
    *ret_refused = 0;
    for (int i = 0; result == 0 && i < 4; i++)
        result = users_of_folder(i / 2 == 0 ? "/tmp" : "/dev/shm", i % 2 == 0 ? "pillion-" : ".pillion-", &users);
    if (result == 0 && shared != NULL)
        result = users_of_folder(shared, "", &users);
    for (size_t i = 0; result == 0 && i < users.count; i++) {
        bool is_refused = false;
        result = visit_user(&users.list[i], lookup, visit, context, &is_refused);
        *ret_refused += is_refused;
    }
    leave();
    for (size_t i = 0; i < users.count; i++)
        user_free(&users.list[i]);
    free(users.list);
    return result;
}

/* A folder may be named twice, as itself and as its runs/: what it has counts once. */
static bool is_new(int fd, struct stat *visited, size_t *count)
{
    struct stat *info = &visited[*count];
    if (fstat(fd, info) < 0)
        return true;
    for (size_t i = 0; i < *count; i++)
        if (visited[i].st_dev == info->st_dev && visited[i].st_ino == info->st_ino)
            return false;
    (*count)++;
    return true;
}

/* A folder that cannot be read has its sentence, and the others are read. */
static int each_folder(const char *(*lookup)(const char *name),
                       int (*visit)(void *context, const struct run_folder *folder), void *context)
{
    struct run_folder folder;
    struct stat       visited[DIRS_MAX];
    size_t            count = 0;
    int               result = 0;
    for (size_t i = 0; result == 0 && i < asked.dir_count; i++) {
        asked.dir = asked.dirs[i];
        int opened = whose_open(lookup, &folder);
        if (opened == 0 && is_new(folder.home.runs, visited, &count))
            result = visit(context, &folder);
        asked.is_partial |= opened < 0;
        state_dir_close(&folder.home);
    }
    leave();
    return result;
}

int whose_each(const char *(*lookup)(const char *name), int (*visit)(void *context, const struct run_folder *folder),
               void *context, size_t *ret_refused)
{
    *ret_refused = 0;
    return asked.all ? each_user(lookup, visit, context, ret_refused) : each_folder(lookup, visit, context);
}
