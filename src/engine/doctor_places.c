/* Where runs go: PILLION_DIR, the room that is left there, PILLION_OUTPUT. Nothing is made. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"
#include "delivery/api_mark.h"
#include "engine/examination.h"
#include "store/state_dir.h"

enum {
    FILES_OF_RUN = 16, /* run directory and what stands in it, twice */
    LITTLE_FILES = 1000,
};

#define ROOM_OF_RUN UINT64_C(1048576)
#define LITTLE_ROOM (64 * ROOM_OF_RUN)
#define MIB(bytes)  ((double)(bytes) / 1048576.0)

static const char *lookup(const char *name)
{
    return getenv(name);
}

/* Takes the last name off a path; false where none is left. */
static bool go_up(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash || path[1] == '\0')
        return false;
    slash[slash == path] = '\0';
    return true;
}

static void tell_room(const struct engine_examination *e, const char *path, const struct statvfs *fs)
{
    uint64_t    unit = fs->f_frsize ? fs->f_frsize : fs->f_bsize;
    uint64_t    room = unit * (geteuid() == 0 ? fs->f_bfree : fs->f_bavail);
    uint64_t    files = geteuid() == 0 ? fs->f_ffree : fs->f_favail;
    bool        counts_files = fs->f_files > 0; /* btrfs has no such limit */
    const char *lost = "the rows of new runs wait in memory, 16 MiB of them at most, and are lost if their program is "
                       "killed";
    if (fs->f_blocks > 0 && room < ROOM_OF_RUN)
        examination_tell(e, "directory", ENGINE_CAUSE, "the file system of %s is full (%.1f MiB are left): %s", path,
                         MIB(room), lost);
    else if (counts_files && files < FILES_OF_RUN)
        examination_tell(e, "directory", ENGINE_CAUSE,
                         "the file system of %s has no inodes for new files (%llu are left): %s", path,
                         (unsigned long long)files, lost);
    else if (fs->f_blocks > 0 && room < LITTLE_ROOM)
        examination_tell(e, "directory", ENGINE_NOTE, "the file system of %s has only %.0f MiB left", path, MIB(room));
    else if (counts_files && files < LITTLE_FILES)
        examination_tell(e, "directory", ENGINE_NOTE, "the file system of %s has inodes for only %llu new files", path,
                         (unsigned long long)files);
}

static void examine_room(const struct engine_examination *e, const struct state_dir *home)
{
    struct statvfs fs;
    char           path[PATH_MAX];
    (void)text_copy(text_of(home->path), path, sizeof path);
    do {
        if (statvfs(path, &fs) == 0) {
            tell_room(e, home->path, &fs);
            return;
        }
    } while (errno == ENOENT && go_up(path));
}

static void examine_directory(const struct engine_examination *e, const struct config *config)
{
    struct state_dir home;
    int              refused = 0;
    int              error = state_dir_predict(lookup, &home, &refused);
    if (error < 0)
        examination_tell(
            e, "directory", ENGINE_CAUSE,
            "%s cannot be used for runs (%s): they live in memory, and what is not delivered at the end is lost",
            home.path[0] ? home.path : "no directory", strerror(-error));
    else if (refused < 0)
        examination_tell(e, "directory", ENGINE_NOTE,
                         "runs are kept in %s: the directory that comes first cannot be used (%s)", home.path,
                         strerror(-refused));
    else
        examination_tell(e, "directory", ENGINE_FINE, "runs are kept in %s%s", home.path,
                         home.dir < 0 ? ", which the first one will make" : "");
    if (error == 0)
        examine_room(e, &home);
    int64_t left = config_delivers(config) ? api_mark_left(config, &home) : 0;
    if (left > 0)
        examination_tell(
            e, "api", ENGINE_CAUSE,
            "%s was slow, or out of reach, when a program ended: for %d s from now programs that end do not wait "
            "for it, and their runs go later",
            config->s3_uri[0] ? "the bucket's server" : "the API", (int)left);
    state_dir_close(&home);
}

/* NULL: what can be told beforehand says that there is room for a file, or for more of one. Where the kernel shows
 * itself as files, root may write and nobody can make one. */
static const char *against_disk(const char *path, bool is_new)
{
    struct statfs fs;
    if (syscall(SYS_statfs, path, &fs) < 0)
        return strerror(errno);
    if (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC)
        return "no file can be made there";
    bool is_root = geteuid() == 0;
    bool is_full = fs.f_blocks > 0 && (is_root ? fs.f_bfree : fs.f_bavail) == 0;
    return is_full || (is_new && fs.f_files > 0 && fs.f_ffree == 0) ? strerror(ENOSPC) : NULL;
}

/* As file_open_own would find it. NULL: rows can go there. */
static const char *against_output(const char *path)
{
    struct stat info;
    char        folder[PATH_MAX];
    if (fstatat(AT_FDCWD, path, &info, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISLNK(info.st_mode))
            return "it is a link";
        if (!S_ISREG(info.st_mode))
            return "it is no regular file";
        if (info.st_uid != geteuid())
            return "it is another user's";
        if (info.st_nlink > 1)
            return "it has a second name (a hard link)";
        return faccessat(AT_FDCWD, path, W_OK, 0) < 0 ? strerror(errno) : against_disk(path, false);
    }
    if (errno != ENOENT)
        return strerror(errno);
    (void)text_copy(text_of(path), folder, sizeof folder);
    if (!strchr(folder, '/'))
        (void)text_copy(text_of("."), folder, sizeof folder);
    else
        (void)go_up(folder);
    if (fstatat(AT_FDCWD, folder, &info, 0) < 0)
        return errno == ENOENT ? "its folder does not exist, and is not made" : strerror(errno);
    if (!S_ISDIR(info.st_mode))
        return strerror(ENOTDIR);
    return faccessat(AT_FDCWD, folder, W_OK | X_OK, 0) < 0 ? strerror(errno) : against_disk(folder, true);
}

static void examine_output(const struct engine_examination *e, const struct config *config)
{
    char path[PATH_MAX];
    if (!config->output)
        return;
    if (config_output(config->output, (long)getpid(), "host", "run", path, sizeof path) < 0) {
        examination_tell(
            e, "variables", ENGINE_CAUSE,
            "PILLION_OUTPUT=%.200s is not a path: %%p, %%h, %%r and %%%% are all that may follow a percent sign",
            config->output);
        return;
    }
    const char *against = against_output(path);
    if (against)
        examination_tell(e, "output", ENGINE_CAUSE, "PILLION_OUTPUT=%.200s gets no rows: %s", config->output, against);
    else
        examination_tell(e, "output", ENGINE_FINE, "rows go to PILLION_OUTPUT=%.200s, too", config->output);
}

void doctor_places(const struct engine_examination *e, const struct config *config)
{
    examine_directory(e, config);
    examine_output(e, config);
}
