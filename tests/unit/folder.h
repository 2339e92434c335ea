/* Temporary folders, their files, and children for the tests of what runs lie on disk. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_TESTS_FOLDER_H
#define PILLION_TESTS_FOLDER_H

#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "temporary.h"

struct folder {
    char path[TEMPORARY_PATH];
};

enum { FOLDER_PATH = 512, FOLDER_TEXT = 256 * 1024 };

static inline bool folder_make(struct folder *folder)
{
    return temporary_folder(folder->path);
}

static inline int folder_drop(const char *path, const struct stat *info, int type, struct FTW *position)
{
    (void)info;
    (void)type;
    (void)position;
    return remove(path);
}

static inline void folder_remove(struct folder *folder)
{
    (void)nftw(folder->path, folder_drop, 16, FTW_DEPTH | FTW_PHYS);
}

static inline const char *folder_path(const struct folder *folder, const char *name, char ret[static FOLDER_PATH])
{
    int len = snprintf(ret, FOLDER_PATH, "%s/%s", folder->path, name);
    if (len < 0 || len >= FOLDER_PATH)
        ret[0] = '\0';
    return ret;
}

static inline bool folder_has(const struct folder *folder, const char *name)
{
    char        path[FOLDER_PATH];
    struct stat info;
    return lstat(folder_path(folder, name, path), &info) == 0;
}

static inline bool folder_write(const struct folder *folder, const char *name, const void *data, size_t len)
{
    char path[FOLDER_PATH];
    int  fd = open(folder_path(folder, name, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write(fd, data, len) == (ssize_t)len;
    if (fd >= 0)
        close(fd);
    return good;
}

static inline bool folder_write_text(const struct folder *folder, const char *name, const char *text)
{
    return folder_write(folder, name, text, strlen(text));
}

/* The file's text, "" when there is none; the same buffer for every call. */
static inline const char *folder_read(const struct folder *folder, const char *name)
{
    static char text[FOLDER_TEXT];
    char        path[FOLDER_PATH];
    int         fd = open(folder_path(folder, name, path), O_RDONLY | O_CLOEXEC);
    ssize_t     n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static inline int folder_open(const struct folder *folder)
{
    return open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A child must not return into cmocka: it says what was wrong and ends. */
#define CHILD_EXPECTS(what)                                                                \
    do {                                                                                   \
        if (!(what)) {                                                                     \
            (void)fprintf(stderr, "%s:%d: in the child: %s\n", __FILE__, __LINE__, #what); \
            _exit(1);                                                                      \
        }                                                                                  \
    } while (0)

/* Runs it in a child; true when that ended with _exit(0) or by returning. */
static inline bool child_succeeds(void (*function)(void *argument), void *argument)
{
    int   status = 0;
    pid_t child = fork();
    if (child == 0) {
        function(argument);
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#endif
