/* Marks of APIs: found, asked, set, taken away, swept. */
// SPDX-License-Identifier: Apache-2.0
#include "delivery/api_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/file.h"
#include "base/text.h"
#include "sentinel/s3.h"
#include "store/journal_write.h"

#define PREFIX "api-"

enum { SWEPT_AFTER_S = 24 * 3600, SWEPT_MAX = 65536 };
enum { FOLDER = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW };
enum { MARK = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY };

/* Only what is this user's own counts: anybody could write it otherwise. */
static int open_own_folder(const char *path)
{
    struct stat info;
    int         fd = open(path, FOLDER);
    if (fd >= 0 && (fstat(fd, &info) < 0 || info.st_uid != geteuid() || (info.st_mode & 0022) != 0 ||
                    faccessat(fd, ".", W_OK, 0) < 0))
        file_close(&fd);
    return fd;
}

/* The folder of the leaders' markers is machine-wide, as reaching an API is: hook/leader_marker.c makes it. */
static int open_folder(const struct state_dir *home)
{
    static const char *const places[] = {"/tmp", "/dev/shm"};
    char                     path[64];
    int                      fd = -1;
    for (size_t i = 0; fd < 0 && i < sizeof places / sizeof *places; i++) {
        (void)snprintf(path, sizeof path, "%s/.pillion-%u", places[i], (unsigned)geteuid());
        fd = open_own_folder(path);
    }
    return fd < 0 && home->dir >= 0 ? openat(home->dir, ".", FOLDER) : fd;
}

/* Hashes alone: a URL is no file's name, and the token is nobody's business. */
static void open_mark(struct api_mark *m, const char *url, const char *token, const struct state_dir *home)
{
    char url_id[9];
    char token_id[9];
    *m = (struct api_mark){.folder = open_folder(home), .file = -1};
    journal_token_id(url, url_id);
    journal_token_id(token, token_id);
    (void)snprintf(m->name, sizeof m->name, PREFIX "%s-%s", url_id, token_id);
}

#define AWS "https://s3.amazonaws.com"

static const char *s3_of(const struct config *config)
{
    return config->s3_endpoint[0] ? config->s3_endpoint : AWS;
}

void api_mark_open(struct api_mark *m, const struct config *config, const struct state_dir *home)
{
    char        bucket[S3_BUCKET_MAX + 1] = "";
    struct text uri = text_of(config->s3_uri);
    struct text name;
    if (text_skip(&uri, "s3://") && text_until(&uri, '/', &name))
        (void)text_copy(name, bucket, sizeof bucket);
    if (bucket[0])
        open_mark(m, s3_of(config), bucket, home);
    else
        open_mark(m, config->api_url, config->token, home);
}

void api_mark_open_s3(struct api_mark *m, const struct config *config, const struct state_dir *home)
{
    open_mark(m, s3_of(config), config->token, home);
}

void api_mark_close(struct api_mark *m)
{
    file_close(&m->file);
    file_close(&m->folder);
}

static bool is_a_mark(const struct stat *info)
{
    return S_ISREG(info->st_mode) && info->st_uid == geteuid() && info->st_nlink == 1;
}

/* Returns the seconds for which the mark stands on, 0: it has run out. One that was set in the future, or for longer
 * than ever, is a clock's doing or somebody's, and has run out. */
static int64_t seconds_left(const struct stat *info, int64_t *ret_pause)
{
    int64_t now = clock_real() / CLOCK_SECOND;
    int64_t pause = info->st_mtime - info->st_atime;
    bool    sound = pause > 0 && pause <= API_MARK_ASKED_MAX_S && info->st_atime <= now + 1;
    *ret_pause = sound ? pause : 0;
    return sound && info->st_mtime > now ? info->st_mtime - now : 0;
}

static int64_t look(const struct api_mark *m, int fd, int64_t *ret_pause)
{
    struct stat info;
    int         error = fd >= 0 ? fstat(fd, &info) : fstatat(m->folder, m->name, &info, AT_SYMLINK_NOFOLLOW);
    *ret_pause = 0;
    return m->folder >= 0 && error == 0 && is_a_mark(&info) ? seconds_left(&info, ret_pause) : -1;
}

int64_t api_mark_left(const struct config *config, const struct state_dir *home)
{
    struct api_mark m;
    api_mark_open(&m, config, home);
    int64_t left = look(&m, -1, &m.pause);
    api_mark_close(&m);
    return left > 0 ? left : 0;
}

/* The look behind the lock is what counts: who had it before may have set the mark anew, or taken it away. */
enum api_mark_answer api_mark_ask(struct api_mark *m)
{
    int64_t left = look(m, -1, &m->pause);
    if (left != 0)
        return left < 0 ? API_MARK_NONE : API_MARK_STANDS;
    m->file = openat(m->folder, m->name, MARK);
    if (m->file < 0)
        return errno == ENOENT ? API_MARK_NONE : API_MARK_TO_TRY;
    if (flock(m->file, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
        file_close(&m->file);
        return API_MARK_IS_TRIED;
    }
    left = look(m, -1, &m->pause);
    return left < 0 ? API_MARK_NONE : left > 0 ? API_MARK_STANDS : API_MARK_TO_TRY;
}

/* An end that failed at once costs the next program nothing, but each costs the API a request: so it is asked every ten
 * seconds. One that took its time is asked the more rarely, the longer that goes on. */
int64_t api_mark_pause(const struct api_mark_end *end, int64_t before)
{
    bool    was_long = end->took > API_MARK_LONG;
    int64_t pause = before > 0 && was_long ? 2 * before : API_MARK_FIRST_S;
    int64_t asked = end->retry_after_s < API_MARK_ASKED_MAX_S ? end->retry_after_s : API_MARK_ASKED_MAX_S;
    if (!was_long && end->delivered)
        return -1;
    if (!was_long && !end->failed)
        return 0;
    if (pause > API_MARK_MAX_S)
        pause = API_MARK_MAX_S;
    return !end->delivered && asked > pause ? asked : pause;
}

/* Never a shorter one than stands already: of programs that end at once each sets it. */
static void set(const struct api_mark *m, int64_t pause)
{
    int64_t         before = 0;
    int64_t         now = clock_real() / CLOCK_SECOND;
    struct timespec times[2] = {{.tv_sec = now}, {.tv_sec = now + pause}};
    struct stat     info;
    int             fd = -1;
    if (file_make(m->folder, m->name, MARK, &fd) == 0 && fstat(fd, &info) == 0 && is_a_mark(&info) &&
        look(m, fd, &before) < pause)
        (void)futimens(fd, times);
    file_close(&fd);
}

void api_mark_note(struct api_mark *m, const struct api_mark_end *end)
{
    int64_t pause = api_mark_pause(end, m->file >= 0 ? m->pause : 0);
    if (m->folder < 0)
        return;
    if (pause > 0)
        set(m, pause);
    else if (pause < 0)
        (void)unlinkat(m->folder, m->name, 0);
}

void api_mark_sweep(const struct api_mark *m)
{
    struct dir  list;
    struct stat info;
    const char *name = NULL;
    int64_t     long_ago = clock_real() / CLOCK_SECOND - SWEPT_AFTER_S;
    if (m->folder < 0 || dir_open(&list, m->folder, ".") < 0)
        return;
    for (int i = 0; i < SWEPT_MAX && (name = dir_next(&list)); i++)
        if (strncmp(name, PREFIX, sizeof PREFIX - 1) == 0 &&
            fstatat(m->folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && is_a_mark(&info) && info.st_mtime < long_ago)
            (void)unlinkat(m->folder, name, 0);
    dir_close(&list);
}
