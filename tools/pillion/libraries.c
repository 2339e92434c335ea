// SPDX-License-Identifier: Apache-2.0
#include "libraries.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hook/hook.h"

#if defined(__x86_64__)
#define MULTIARCH "../lib/x86_64-linux-gnu"
#elif defined(__aarch64__)
#define MULTIARCH "../lib/aarch64-linux-gnu"
#else
#define MULTIARCH "../lib32"
#endif

int library_find(const char *name, char ret[static PATH_MAX])
{
    static const char *const folders[] = {"../lib", MULTIARCH, "../lib64", "../lib/pillion", "."};
    char                     self[PATH_MAX];
    ssize_t                  len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len <= 0)
        return -ENOENT;
    self[len] = '\0';
    char *slash = strrchr(self, '/');
    if (slash == NULL)
        return -ENOENT;
    *slash = '\0';
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[PATH_MAX];
        int  n = snprintf(path, sizeof path, "%s/%s/%s", self, folders[i], name);
        if (n > 0 && (size_t)n < sizeof path && realpath(path, ret) != NULL)
            return 0;
    }
    return -ENOENT;
}

int library_find_hook(char ret[static PATH_MAX])
{
    char file[PATH_MAX], link[PATH_MAX], target[PATH_MAX];
    int  error = library_find("libpillion.so", file);
    if (error < 0)
        return error;
    (void)snprintf(ret, PATH_MAX, "%s", file);
    for (int i = 0; i < 2 && strrchr(file, '/') != NULL; i++)
        *strrchr(file, '/') = '\0';
    int n = snprintf(link, sizeof link, "%s/libpillion.so", file);
    if (n > 0 && (size_t)n < sizeof link && realpath(link, target) != NULL && strcmp(target, ret) == 0)
        (void)snprintf(ret, PATH_MAX, "%s", link);
    return 0;
}

const struct engine *engine_load_from(const char *path, const char **ret_reason)
{
    static char reason[2 * PATH_MAX];
    *ret_reason = reason;
    if (access(path, R_OK) == 0 && !engine_file_is_whole(path)) {
        (void)snprintf(reason, sizeof reason, "%s is no library, or not whole", path);
        return NULL;
    }
    if (dlsym(RTLD_DEFAULT, "pthread_create") == NULL) /* glibc before 2.34; the engine takes it where it finds it */
        (void)dlopen("libpthread.so.0", RTLD_NOW | RTLD_GLOBAL);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        (void)snprintf(reason, sizeof reason, "the engine cannot be loaded: %s", dlerror());
        return NULL;
    }
    const struct engine *engine = dlsym(library, "pillion_engine");
    if (engine == NULL || engine->version != ENGINE_VERSION) {
        (void)snprintf(reason, sizeof reason, "%s is of another version of pillion", path);
        return NULL;
    }
    return engine;
}

const struct engine *engine_open(const char **ret_reason)
{
    char path[PATH_MAX];
    if (library_find("libpillion-engine.so", path) == 0)
        return engine_load_from(path, ret_reason);
    *ret_reason = "libpillion-engine.so is not in ../lib beside the command";
    return NULL;
}
