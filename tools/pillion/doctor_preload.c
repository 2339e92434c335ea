// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "doctor.h"
#include "libraries.h"

#define HOOK     "libpillion.so"
#define MACHINES "/etc/ld.so.preload"

/* The copies of the hook in a process, in link order: the first one is at work. */
struct copies {
    int  count;
    char first[PATH_MAX], others[PATH_MAX];
};

static void append_copy(struct copies *copies, const char *name)
{
    size_t len = strlen(copies->others);
    (void)snprintf(copies->others + len, sizeof copies->others - len, "%s%s", len > 0 ? ", " : "", name);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* Takes the next name off a list, whose separators are blanks and colons: ld.so(8). */
static bool next_name(const char **list, char ret[static PATH_MAX])
{
    *list += strspn(*list, " :");
    size_t len = strcspn(*list, " :");
    (void)snprintf(ret, PATH_MAX, "%.*s", (int)(len < PATH_MAX ? len : PATH_MAX - 1), *list);
    *list += len;
    return len > 0;
}

static bool find_in(const char *list, char ret[static PATH_MAX])
{
    while (list != NULL && next_name(&list, ret))
        if (strncmp(base_name(ret), HOOK, strlen(HOOK)) == 0)
            return true;
    ret[0] = '\0';
    return false;
}

/* The file's names are separated as the variable's are, or by lines; `#` begins a comment: ld.so(8). */
static bool find_in_file(char ret[static PATH_MAX])
{
    FILE  *file = fopen(MACHINES, "re");
    char  *line = NULL;
    size_t size = 0;
    bool   found = false;
    while (file != NULL && !found && getline(&line, &size, file) >= 0) {
        line[strcspn(line, "#\n")] = '\0';
        for (char *at = line; *at != '\0'; at++)
            if (*at == '\t' || *at == '\r')
                *at = ' ';
        found = find_in(line, ret);
    }
    free(line);
    if (file != NULL)
        (void)fclose(file);
    return found;
}

bool doctor_is_machines(const struct doctor *d)
{
    return d->way != NULL && strcmp(d->way, MACHINES) == 0;
}

bool doctor_hook_is_before_sanitizer(void)
{
    const char *list = getenv("LD_PRELOAD");
    char        name[PATH_MAX];
    while (list != NULL && next_name(&list, name)) {
        if (strncmp(base_name(name), "libasan.so", 10) == 0 || strncmp(base_name(name), "libclang_rt.asan", 16) == 0)
            return false;
        if (strncmp(base_name(name), HOOK, strlen(HOOK)) == 0)
            return true;
    }
    return true;
}

/* ld.so has looked for it when it started this very command. */
static bool find_loaded(char ret[static PATH_MAX])
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char  line[PATH_MAX + 128];
    ret[0] = '\0';
    while (maps != NULL && ret[0] == '\0' && fgets(line, sizeof line, maps) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        const char *path = strchr(line, '/');
        if (path != NULL && strncmp(base_name(path), HOOK, strlen(HOOK)) == 0)
            (void)snprintf(ret, PATH_MAX, "%s", path);
    }
    if (maps != NULL)
        (void)fclose(maps);
    return ret[0] != '\0';
}

static bool is_without_execution(const char *path)
{
    struct statvfs info;
    return statvfs(path, &info) == 0 && (info.f_flag & ST_NOEXEC) != 0;
}

/* True when ld.so can load it. */
static bool judge_hook(struct doctor *d)
{
    int fd = open(d->hook, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        doctor_tell(d, "preload", ENGINE_CAUSE, "%s names %s, which %s: programs run unobserved", d->way, d->hook,
                    errno == ENOENT || errno == ENOTDIR ? "does not exist" : "cannot be read by this user");
        return false;
    }
    int error = image_read(fd, &d->hook_image);
    close(fd);
    if (error < 0 || d->hook_image.kind != IMAGE_ELF)
        doctor_tell(d, "preload", ENGINE_CAUSE, "%s names %s, which is no library", d->way, d->hook);
    else if (is_without_execution(d->hook))
        doctor_tell(d, "preload", ENGINE_CAUSE, "%s names %s, on a file system that is mounted noexec", d->way,
                    d->hook);
    else
        return true;
    return false;
}

/* Beside the hook's own file, as the hook itself has it. */
static void take_engine(struct doctor *d)
{
    char        file[PATH_MAX];
    const char *hook = realpath(d->hook, file) != NULL ? file : d->hook;
    (void)snprintf(d->engine, sizeof d->engine, "%.*slibpillion-engine.so", (int)(base_name(hook) - hook), hook);
}

/* For comparisons with a program, all the same. */
static void take_installed(struct doctor *d)
{
    if (library_find(HOOK, d->hook) < 0)
        return;
    int fd = open(d->hook, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && image_read(fd, &d->hook_image) < 0)
        d->hook_image.kind = IMAGE_OTHER;
    if (fd >= 0)
        close(fd);
}

/* Of the objects of this process, which are those of what is started here. */
static int look_at_object(struct dl_phdr_info *object, size_t size, void *data)
{
    struct copies *copies = data;
    Dl_info        mark;
    void          *library = object->dlpi_name[0] ? dlopen(object->dlpi_name, RTLD_LAZY | RTLD_NOLOAD) : NULL;
    const void    *found = library != NULL ? dlsym(library, "pillion_hook_1") : NULL;
    (void)size;
    if (found != NULL && dladdr(found, &mark) != 0 && strcmp(mark.dli_fname, object->dlpi_name) == 0) {
        if (copies->count++ == 0)
            (void)snprintf(copies->first, PATH_MAX, "%s", object->dlpi_name);
        else
            append_copy(copies, object->dlpi_name);
    }
    if (library != NULL)
        (void)dlclose(library);
    return 0;
}

static void tell_copies(struct doctor *d)
{
    static struct copies copies;
    (void)dl_iterate_phdr(look_at_object, &copies);
    if (copies.count > 1)
        doctor_tell(d, "preload", ENGINE_NOTE,
                    "%d copies of " HOOK
                    " are loaded (LD_PRELOAD, /etc/ld.so.preload): %s is at work; what only passes "
                    "calls on, and can be taken out: %s",
                    copies.count, copies.first, copies.others);
}

static void judge_shared(struct doctor *d, const char *path)
{
    struct stat info;
    if (stat(path, &info) < 0)
        return;
    if (info.st_uid != 0 || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        doctor_tell(d, "preload", ENGINE_CAUSE,
                    "others than root may write to %s, which every program of this machine loads, root's too", path);
    if ((info.st_mode & S_IROTH) == 0)
        doctor_tell(d, "preload", ENGINE_CAUSE,
                    "users may not read %s: ld.so complains of it on the stderr of each of their programs", path);
}

/* glibc looks for the next comment in what remains by length, but from the beginning: it may miss words at the end. */
static void judge_comments(struct doctor *d)
{
    FILE    *file = fopen(MACHINES, "re");
    unsigned count = 0;
    for (int c = file != NULL ? getc(file) : EOF; c != EOF; c = getc(file))
        count += c == '#';
    if (file != NULL)
        (void)fclose(file);
    if (count > 1)
        doctor_tell(d, "preload", ENGINE_NOTE,
                    MACHINES " has more than one \"#\": of a second comment ld.so may take words for libraries, and "
                             "complain on the stderr of every program");
}

/* Every program of the machine loads it, whoever its user is. */
static void judge_machines(struct doctor *d)
{
    judge_comments(d);
    char *shared[] = {d->hook, d->engine};
    char  folder[PATH_MAX];
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        judge_shared(d, shared[i]);
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(base_name(d->hook) - d->hook), d->hook);
    struct stat info;
    if (folder[0] != '\0' && stat(folder, &info) == 0 && (info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        doctor_tell(d, "preload", ENGINE_CAUSE,
                    "others than root may write into %s, where the library of every program of this machine stands",
                    folder);
}

void doctor_preload(struct doctor *d)
{
    tell_copies(d);
    if (find_in(getenv("LD_PRELOAD"), d->hook)) {
        d->way = "LD_PRELOAD";
    } else if (find_in_file(d->hook)) {
        d->way = MACHINES;
    } else {
        take_installed(d);
        doctor_tell(d, "preload", ENGINE_NOTE,
                    "LD_PRELOAD does not name " HOOK ", nor does " MACHINES
                    ": what is started here is observed under \"pillion run\" alone (pillion env has the line to add)");
        return;
    }
    bool searched = strchr(d->hook, '/') == NULL || strchr(d->hook, '$') != NULL;
    char named[PATH_MAX];
    (void)snprintf(named, sizeof named, "%s", d->hook);
    if (searched && !find_loaded(d->hook)) {
        doctor_tell(d, "preload", ENGINE_CAUSE, "%s names %s, which ld.so does not find: give its whole path", d->way,
                    named);
        take_installed(d);
        return;
    }
    if (!judge_hook(d)) {
        take_installed(d);
        return;
    }
    doctor_tell(d, "preload", ENGINE_FINE, "%s names %s", d->way, d->hook);
    take_engine(d);
    if (doctor_is_machines(d))
        judge_machines(d);
}
