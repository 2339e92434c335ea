/* A machine of files: /proc and /sys as a test wants them, in a temporary folder. Every failure ends the test.
 * Header-only, so that each test program stays one file. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_TESTS_FIXTURE_H
#define PILLION_TESTS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collect/collect.h"
#include "temporary.h"

struct fixture {
    char         root[TEMPORARY_PATH], proc[80], sys[80];
    struct roots roots;
};

/* One process as its files show it; what is not set is 0. */
struct fake_process {
    int         pid, parent;
    const char *name;             /* "a" when NULL */
    char        state;            /* 'S' when 0 */
    int         threads;          /* 1 when 0 */
    unsigned    start;            /* ticks since boot */
    unsigned    faults, child_faults;
    unsigned    user, system, child_user, child_system;
    unsigned    pages, shared;    /* resident, and those of them that are of files */
    unsigned    stack;            /* where it begins */
    unsigned    read, written;
    int         pss;              /* KiB; -1: no smaps_rollup */
    const char *children;         /* "" when NULL */
};

#define UNUSED_HELPER __attribute__((unused)) static inline

UNUSED_HELPER void fixture_path(const struct fixture *f, const char *path, char ret[static 512])
{
    assert_true(snprintf(ret, 512, "%s/%s", f->root, path) < 512);
}

UNUSED_HELPER void fixture_folder(const struct fixture *f, const char *path)
{
    char full[512];
    fixture_path(f, path, full);
    for (char *c = full + strlen(f->root) + 1; *c; c++) {
        if (*c != '/')
            continue;
        *c = '\0';
        (void)mkdir(full, 0755);
        *c = '/';
    }
    (void)mkdir(full, 0755);
}

UNUSED_HELPER void fixture_open(struct fixture *f)
{
    assert_true(temporary_folder(f->root));
    (void)snprintf(f->proc, sizeof f->proc, "%s/proc", f->root);
    (void)snprintf(f->sys, sizeof f->sys, "%s/sys", f->root);
    f->roots = (struct roots){f->proc, f->sys};
    fixture_folder(f, "proc");
}

static inline int fixture_remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)stat;
    (void)type;
    (void)ftw;
    return remove(path);
}

UNUSED_HELPER void fixture_remove(const struct fixture *f, const char *path)
{
    char full[512];
    fixture_path(f, path, full);
    (void)nftw(full, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

UNUSED_HELPER void fixture_close(struct fixture *f)
{
    fixture_remove(f, "");
}

/* Replaces the content in place: descriptors that are held see the new one, as with /proc. */
UNUSED_HELPER void fixture_write_bytes(const struct fixture *f, const char *path, const char *data, size_t len)
{
    char full[512];
    char folder[512];
    (void)snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash) {
        *slash = '\0';
        fixture_folder(f, folder);
    }
    fixture_path(f, path, full);
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

__attribute__((format(printf, 3, 4))) UNUSED_HELPER void fixture_write(const struct fixture *f, const char *path,
                                                                       const char *format, ...)
{
    char   *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    assert_true(len >= 0);
    fixture_write_bytes(f, path, text, (size_t)len);
    free(text);
}

UNUSED_HELPER void fixture_link(const struct fixture *f, const char *path, const char *target)
{
    char full[512];
    char folder[512];
    (void)snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    fixture_folder(f, folder);
    fixture_path(f, path, full);
    assert_int_equal(symlink(target, full), 0);
}

UNUSED_HELPER void fixture_process(const struct fixture *f, const struct fake_process *p)
{
    char path[128];
    (void)snprintf(path, sizeof path, "proc/%d/stat", p->pid);
    fixture_write(f, path,
                  "%d (%s) %c %d 1 1 0 -1 4194304 %u %u 0 0 %u %u %u %u 20 0 %d 0 %u 1000000 %u "
                  "18446744073709551615 1 1 %u 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0\n",
                  p->pid, p->name ? p->name : "a", p->state ? p->state : 'S', p->parent, p->faults, p->child_faults,
                  p->user, p->system, p->child_user, p->child_system, p->threads ? p->threads : 1, p->start, p->pages,
                  p->stack);
    (void)snprintf(path, sizeof path, "proc/%d/statm", p->pid);
    fixture_write(f, path, "%u %u %u 1 0 1 0\n", p->pages + 100, p->pages, p->shared);
    (void)snprintf(path, sizeof path, "proc/%d/io", p->pid);
    fixture_write(f, path, "rchar: 9\nwchar: 9\nsyscr: 9\nsyscw: 9\nread_bytes: %u\nwrite_bytes: %u\n"
                           "cancelled_write_bytes: 0\n", p->read, p->written);
    (void)snprintf(path, sizeof path, "proc/%d/task/%d/children", p->pid, p->pid);
    fixture_write(f, path, "%s", p->children ? p->children : "");
    (void)snprintf(path, sizeof path, "proc/%d/smaps_rollup", p->pid);
    if (p->pss >= 0)
        fixture_write(f, path,
                      "0-1 ---p 00000000 00:00 0   [rollup]\nRss: %ld kB\nPss: %d kB\nPss_Dirty: 1 kB\n"
                      "Anonymous: %ld kB\n",
                      p->pages * 4L, p->pss, (p->pages - p->shared) * 4L);
}

UNUSED_HELPER void fixture_process_gone(const struct fixture *f, int pid)
{
    char path[64];
    (void)snprintf(path, sizeof path, "proc/%d", pid);
    fixture_remove(f, path);
}

#endif
