// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "doctor.h"
#include "launch.h"

enum { INTERPRETERS_MAX = 5, /* the kernel's own limit */ OLDEST_GLIBC = 17 };

#define INSTEAD "\"pillion run\" makes a run of it"

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static int read_file(const char *path, struct image *ret)
{
    *ret = (struct image){.kind = IMAGE_OTHER};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int error = image_read(fd, ret);
    close(fd);
    return error;
}

/* What a script's first line leads to. `#!/usr/bin/env NAME` is looked up as env does it. */
static bool follow_script(struct doctor *d, const struct image *script, char path[static PATH_MAX])
{
    char        from[PATH_MAX];
    const char *name = script->argument;
    bool        by_env = strcmp(base_name(script->interpreter), "env") == 0 && name[0] != '\0' && name[0] != '-' &&
                  strpbrk(name, "= \t") == NULL;
    (void)snprintf(from, sizeof from, "%s", path);
    int error = launch_look(by_env ? name : script->interpreter, path);
    if (error < 0)
        doctor_tell(d, "program", ENGINE_CAUSE, "%s is a script whose interpreter cannot be executed: %s: %s", from,
                    by_env ? name : script->interpreter, launch_reason(by_env ? name : script->interpreter, error));
    else
        doctor_tell(d, "program", ENGINE_NOTE, "%s is a script: it is known, and matched, by its interpreter %s", from,
                    path);
    return error == 0;
}

/* The ELF file that would be executed, `path` to begin with. */
static bool find_image(struct doctor *d, char path[static PATH_MAX], struct image *ret)
{
    for (int depth = 0; depth <= INTERPRETERS_MAX; depth++) {
        int error = read_file(path, ret);
        if (error == -ENOEXEC) {
            doctor_tell(d, "program", ENGINE_CAUSE, "%s is damaged: it cannot be executed", path);
            return false;
        }
        if (error < 0) {
            doctor_tell(d, "program", ENGINE_NOTE, "%s cannot be read (%s): whether it can be observed is not known",
                        path, strerror(-error));
            return false;
        }
        if (ret->kind == IMAGE_ELF)
            return true;
        if (ret->kind == IMAGE_OTHER) /* execvp's way */
            (void)snprintf(ret->interpreter, sizeof ret->interpreter, "%s", _PATH_BSHELL);
        if (!follow_script(d, ret, path))
            return false;
    }
    doctor_tell(d, "program", ENGINE_CAUSE, "%s: a script of a script of a script, and so on", path);
    return false;
}

/* Would exec set AT_SECURE? capabilities(7), "Capabilities and execution of programs by root"; proc.rst, NoNewPrivs. */
static const char *raised_by(const char *path)
{
    struct stat    info;
    struct statvfs mount;
    if (stat(path, &info) < 0 || statvfs(path, &mount) < 0 || (mount.f_flag & ST_NOSUID) != 0 ||
        prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return NULL;
    if ((info.st_mode & S_ISUID) != 0 && info.st_uid != getuid())
        return "setuid";
    if ((info.st_mode & S_ISGID) != 0 && (info.st_mode & S_IXGRP) != 0 && info.st_gid != getgid())
        return "setgid";
    if (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
        return "given file capabilities";
    return NULL;
}

static bool is_musl(const struct image *image)
{
    return strncmp(base_name(image->interpreter), "ld-musl", 7) == 0 || strncmp(image->libc, "libc.musl", 9) == 0;
}

/* The libc that lies beside its loader; 0: not known. */
static unsigned glibc_of(const struct image *image)
{
    char         loader[PATH_MAX], path[PATH_MAX + 16];
    struct image libc;
    if (realpath(image->interpreter, loader) == NULL)
        return 0;
    (void)snprintf(path, sizeof path, "%.*slibc.so.6", (int)(base_name(loader) - loader), loader);
    return read_file(path, &libc) == 0 ? libc.glibc : 0;
}

/* A program that is no match for the hook. */
static bool judge_match(struct doctor *d, const char *path, const struct image *image)
{
    char                theirs[IMAGE_NAME_MAX], ours[IMAGE_NAME_MAX];
    const struct image *hook = &d->hook_image;
    unsigned            glibc = 0;
    image_machine_name(image, theirs);
    image_machine_name(hook, ours);
    if (hook->kind != IMAGE_ELF)
        return true;
    if (image->bits != hook->bits || image->machine != hook->machine || image->swapped != hook->swapped)
        doctor_tell(d, "program", ENGINE_CAUSE,
                    "%s is a program of %u bits for %s, libpillion.so is of %u bits for %s: " INSTEAD, path,
                    image->bits, theirs, hook->bits, ours);
    else if (strcmp(hook->libc, "libc.so.6") != 0) /* the name that glibc and musl both take for themselves */
        doctor_tell(d, "program", ENGINE_CAUSE, "this libpillion.so needs %s, which %s has not: " INSTEAD,
                    hook->libc[0] ? hook->libc : "no libc", path);
    else if (!is_musl(image) && (glibc = glibc_of(image)) != 0 && glibc < OLDEST_GLIBC)
        doctor_tell(d, "program", ENGINE_CAUSE, "%s uses glibc 2.%u, and pillion needs 2.%d or newer: " INSTEAD, path,
                    glibc, OLDEST_GLIBC);
    else
        return true;
    return false;
}

static void judge_image(struct doctor *d, const char *path, const struct image *image)
{
    const char *raised = raised_by(path);
    const char *options = getenv("ASAN_OPTIONS");
    bool        unordered = options != NULL && strstr(options, "verify_asan_link_order=0") != NULL;
    if (image->is_loader)
        doctor_tell(d, "program", ENGINE_NOTE, "%s is the loader itself: ask about the program that it is given", path);
    else if (image->interpreter[0] == '\0')
        doctor_tell(d, "program", ENGINE_CAUSE, "%s is linked statically, and nothing is preloaded into it: " INSTEAD,
                    path);
    else if (raised != NULL)
        doctor_tell(d, "program", ENGINE_CAUSE, "%s is %s (AT_SECURE): %s: " INSTEAD, path, raised,
                    doctor_is_machines(d) ? "libpillion.so is loaded, and takes no part"
                                          : "ld.so preloads nothing into it");
    else if (is_musl(image) && doctor_is_machines(d))
        doctor_tell(d, "program", ENGINE_CAUSE,
                    "%s is a program of musl, whose loader reads LD_PRELOAD but not /etc/ld.so.preload: " INSTEAD,
                    path);
    else if (!judge_match(d, path, image))
        return;
    else if (image->needs_sanitizer && !unordered && doctor_hook_is_before_sanitizer())
        doctor_tell(
            d, "program", ENGINE_CAUSE,
            "%s is built with AddressSanitizer, and ends at once when another library is loaded before libasan: "
            "put that first in LD_PRELOAD, or " INSTEAD,
            path);
    else
        doctor_tell(d, "program", ENGINE_FINE, "%s is a program that libpillion.so can be loaded into", path);
}

void doctor_program(struct doctor *d, const char *name)
{
    char         path[PATH_MAX];
    struct image image;
    int          error = launch_look(name, path);
    if (error < 0) {
        doctor_tell(d, "program", ENGINE_CAUSE, "%s cannot be executed: %s", name, launch_reason(name, error));
        return;
    }
    if (!find_image(d, path, &image))
        return;
    (void)snprintf(d->given, sizeof d->given, "%s", path);
    if (realpath(path, d->executable) == NULL)
        (void)snprintf(d->executable, sizeof d->executable, "%s", path);
    bool caused_before = d->found_cause;
    d->found_cause = false;
    if (d->way == NULL) /* whatever it is */
        doctor_tell(d, "program", ENGINE_FINE, "%s can be started by \"pillion run\"", d->executable);
    else
        judge_image(d, d->executable, &image);
    d->cannot_carry = d->found_cause;
    d->found_cause |= caused_before;
}
