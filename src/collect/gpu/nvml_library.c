/* NVML is found, copied into memory, changed, and loaded from there. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/gpu/nvml_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "base/roots.h"
#include "base/text.h"
#include "base/warm.h"
#include "collect/gpu/nvml_image.h"
#include "collect/gpu/nvml_stand_ins.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif
#ifndef RTLD_DEEPBIND
#define RTLD_DEEPBIND 0
#endif

extern const char *gnu_get_libc_version(void) __attribute__((weak));

enum {
    LIBRARY_MIN = 4096,
    LIBRARY_MAX = 64 * 1024 * 1024,
    PATH_SIZE = 1024,
    UNKNOWN_OWNER = 65534,
    HIGH_NUMBER = 1000
};

static void *handle WARM;
static struct nvml  functions;
static bool loaded  WARM;

static const char *const usual_folders[] = {
#if defined(__aarch64__)
    "/usr/lib/aarch64-linux-gnu",
#else
    "/usr/lib/x86_64-linux-gnu",
#endif
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/nvidia/lib64",
    "/usr/local/nvidia/lib",
    "/run/opengl-driver/lib",
    "/usr/local/lib64",
    "/usr/local/lib",
    NULL,
};

/* Opens nothing: the driver may be busy or wedged, and the program waits for us. */
static bool driver_is_there(const struct roots *roots, const char *control)
{
    if (faccessat(AT_FDCWD, control, R_OK | W_OK, 0) < 0)
        return false;
    int  proc = roots_open(roots->proc, "driver/nvidia/version", 0);
    int  sys = proc < 0 ? roots_open(roots->sys, "module/nvidia", O_DIRECTORY) : -1;
    bool known = proc >= 0 || sys >= 0;
    file_close(&proc);
    file_close(&sys);
    return known;
}

/* A trusted file could be put there by nobody but root or ourselves. Root of another user namespace has no number here.
 */
static bool is_trusted(int fd, size_t *ret_size)
{
    struct stat info;
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || (info.st_mode & (S_IWGRP | S_IWOTH)) ||
        info.st_size < LIBRARY_MIN || info.st_size > LIBRARY_MAX)
        return false;
    *ret_size = (size_t)info.st_size;
    return info.st_uid == 0 || info.st_uid == geteuid() || info.st_uid == UNKNOWN_OWNER;
}

static int open_in(struct text folder, size_t *ret_size)
{
    static const char name[] = "/libnvidia-ml.so.1";
    char              path[PATH_SIZE];
    size_t            len = text_len(folder);
    if (len == 0 || len + sizeof name > sizeof path || !text_starts(folder, "/"))
        return -ENOENT;
    (void)text_copy(folder, path, sizeof path);
    memcpy(path + len, name, sizeof name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0 && !is_trusted(fd, ret_size))
        file_close(&fd);
    return fd >= 0 ? fd : -ENOENT;
}

/* ld.so's cache is not ours to read. The program's own first places come last: they may name stubs. */
static int open_library(const char *const *folders, size_t *ret_size)
{
    for (; *folders; folders++) {
        int fd = open_in(text_of(*folders), ret_size);
        if (fd >= 0)
            return fd;
    }
    const char *more = getenv("LD_LIBRARY_PATH");
    struct text path = text_of(more ? more : "");
    struct text folder;
    while (text_until(&path, ':', &folder)) {
        int fd = open_in(folder, ret_size);
        if (fd >= 0)
            return fd;
    }
    return -ENOENT;
}

/* A write beyond RLIMIT_FSIZE, to a file in memory too, is a SIGXFSZ for the program. */
static bool may_be_written(size_t size)
{
    uint64_t limit[2] = {0}; /* struct rlimit64 */
    return syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, limit) == 0 && size <= limit[0];
}

/* Makes a file of our own in memory with the library's bytes, as long as they were when it was opened. No other process
 * can cut it short, so it may be mapped. -errno without. */
static int copy_into_memory(int fd, size_t size)
{
    off_t at = 0;
    if (!may_be_written(size))
        return -EFBIG;
    int copy = (int)syscall(SYS_memfd_create, "pillion-nvml", MFD_CLOEXEC | MFD_EXEC);
    if (copy < 0)
        copy = (int)syscall(SYS_memfd_create, "pillion-nvml", MFD_CLOEXEC);
    while (copy >= 0 && (size_t)at < size) {
        long n = syscall(SYS_sendfile, copy, fd, &at, size - (size_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            file_close(&copy);
    }
    return copy >= 0 ? copy : -ENOEXEC;
}

/* A sanitizer dies of RTLD_DEEPBIND. Without that flag the copy would call the sanitizer's malloc and open, on a thread
 * that it does not know. */
static bool is_sanitized(void)
{
    bool found = dlsym(RTLD_DEFAULT, "__sanitizer_set_report_path") != NULL;
    (void)dlerror(); /* the program's first dlerror is about its own */
    return found;
}

/* The path is spelt as nobody else spells it. ld.so takes a library of the same path for the same one, and a program
 * may load one from a descriptor of that number too. The path stays in ld.so's list, from where backtraces and
 * debuggers take and open it: with a high number it leads to no pipe of theirs. RTLD_DEEPBIND keeps the copy from
 * calling the program's own open, ioctl or malloc, or those of other preloads. */
static int load_from_memory(int copy, int binding)
{
    char path[64];
    int  high = fcntl(copy, F_DUPFD_CLOEXEC, HIGH_NUMBER);
    (void)snprintf(path, sizeof path, "/proc/./self/fd/%d", high >= 0 ? high : copy);
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | binding);
    file_close(&high);
    return handle ? 0 : -ENOEXEC;
}

/* To be called between loading and first use: nothing of the library has run but its constructors. */
static int put_stand_ins(const struct nvml_image *image)
{
    Dl_info  info;
    void    *known = dlsym(handle, "nvmlShutdown");
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    if (!known || !dladdr || !dladdr(known, &info) || !info.dli_fbase)
        return -ENOEXEC;
    unsigned char *base = (unsigned char *)info.dli_fbase - (image->first & ~(page - 1));
    unsigned char *from = base + (image->relro & ~(page - 1));
    size_t         sealed = ((image->relro + image->relro_size) & ~(page - 1)) - (image->relro & ~(page - 1));
    if (sealed > 0 && syscall(SYS_mprotect, from, sealed, PROT_READ | PROT_WRITE) < 0)
        return -ENOEXEC;
    for (size_t i = 0; i < image->slot_count; i++) {
        void *function = nvml_stand_in_address(image->slots[i].stand_in);
        memcpy(base + image->slots[i].offset, &function, sizeof function);
    }
    if (sealed > 0)
        (void)syscall(SYS_mprotect, from, sealed, PROT_READ);
    return 0;
}

static int look_up(void)
{
    const struct {
        const char *name;
        void       *function;
    } names[] = {
        {"nvmlInitWithFlags", &functions.init_with_flags},
        {"nvmlShutdown", &functions.shutdown},
        {"nvmlDeviceGetCount_v2", &functions.count},
        {"nvmlDeviceGetHandleByIndex_v2", &functions.handle},
        {"nvmlDeviceGetMemoryInfo", &functions.memory},
        {"nvmlDeviceGetName", &functions.name}, /* all below may be missing */
        {"nvmlDeviceGetMemoryInfo_v2", &functions.memory_v2},
        {"nvmlDeviceGetUtilizationRates", &functions.utilization},
        {"nvmlDeviceGetSamples", &functions.samples},
        {"nvmlDeviceGetProcessUtilization", &functions.process_utilization},
        {"nvmlDeviceGetComputeRunningProcesses_v2", &functions.compute_v2},
        {"nvmlDeviceGetGraphicsRunningProcesses_v2", &functions.graphics_v2},
        {"nvmlDeviceGetComputeRunningProcesses", &functions.compute_v1},
        {"nvmlDeviceGetGraphicsRunningProcesses", &functions.graphics_v1},
        {"nvmlDeviceGetTotalEnergyConsumption", &functions.total_energy},
        {"nvmlDeviceGetTemperature", &functions.temperature},
        {"nvmlDeviceGetPowerUsage", &functions.power},
        {"nvmlDeviceGetClockInfo", &functions.clock},
        {"nvmlDeviceGetUUID", &functions.uuid},
        {"nvmlDeviceGetMigMode", &functions.mig_mode},
        {"nvmlDeviceGetMaxMigDeviceCount", &functions.mig_max},
        {"nvmlDeviceGetMigDeviceHandleByIndex", &functions.mig_handle},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        void *function = dlsym(handle, names[i].name);
        memcpy(names[i].function, &function, sizeof function);
    }
    return functions.init_with_flags && functions.shutdown && functions.count && functions.handle && functions.memory
               ? 0
               : -ENOEXEC;
}

static int load_file(int fd, size_t size, int binding)
{
    struct nvml_image image;
    int               copy = copy_into_memory(fd, size);
    unsigned char    *data = copy < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, copy, 0);
    int               error = data == MAP_FAILED ? -ENOEXEC : 0;
    if (error == 0) {
        error = nvml_image_prepare(data, size, nvml_stand_in, &image);
        (void)munmap(data, size);
    }
    if (error == 0)
        error = load_from_memory(copy, binding);
    file_close(&copy);
    if (error == 0)
        error = put_stand_ins(&image);
    if (error == 0)
        error = look_up();
    (void)dlerror();
    return error;
}

int nvml_library_load(const struct roots *roots, const struct nvml_places *places)
{
    const char        *control = places && places->control ? places->control : "/dev/nvidiactl";
    const char *const *folders = places && places->folders ? places->folders : usual_folders;
    size_t             size = 0;
    if (loaded)
        return 0;
    if (handle || !gnu_get_libc_version || !dlopen || !dlsym || !dlerror) /* musl cannot load what glibc built */
        return -ENOEXEC;
    if (!driver_is_there(roots, control))
        return -ENODEV;
    bool sanitized = is_sanitized();
    if (sanitized && !(places && places->sanitized))
        return -ENOEXEC;
    int fd = open_library(folders, &size);
    if (fd < 0)
        return fd;
    int error = load_file(fd, size, sanitized ? 0 : RTLD_DEEPBIND);
    file_close(&fd);
    loaded = error == 0;
    return error;
}

const struct nvml *nvml_library(void)
{
    return loaded ? &functions : NULL;
}
