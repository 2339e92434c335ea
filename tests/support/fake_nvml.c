/* A libnvidia-ml.so.1 that has no GPU behind it: what it says stands in a file, and what it is asked is written to
 * another. It opens one descriptor for each device, as the real one does, and looks at every call whether that number
 * still leads there: one user in another descriptor table is found out.
 *
 * The file (FAKE_NVML_WORLD, or fake_nvml_world()), read at every call, a line a fact:
 *   count N                         devices; all facts of a device begin with its number
 *   device I NAME TOTAL RESERVED USED UTIL
 *   sample I TIMESTAMP UTIL         µs; 0: now
 *   process I LIST PID MEMORY       LIST c or g; for part P of a device cP, gP
 *   busy I PID TIMESTAMP SM
 *   clock I MHZ                     the same; temperature, power too
 *   energy I MILLIJOULES            without the line: not supported
 *   part I TOTAL USED               a MIG device
 *   error FUNCTION CODE [I]         FUNCTION without "nvmlDeviceGet"
 *   delay FUNCTION MS
 *   without samples                 not supported
 *   misbehaves                      init forks, execs, registers handlers, prints and removes files */
// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes" /* NVIDIA has the header */
#define EXPORT __attribute__((visibility("default")))
#ifndef FAKE_NVML_WORLD
#define FAKE_NVML_WORLD "/dev/nvidia-fake/world"
#endif

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7 };
enum { DEVICES = 16, PARTS = 8, WORLD_SIZE = 64 * 1024, PATH = 256 };

struct handle {      /* what a device's handle points to */
    int index, part; /* part -1: the whole device */
};

static struct handle handles[DEVICES][PARTS + 1];
static char          world_path[PATH] = FAKE_NVML_WORLD;
static char          world[WORLD_SIZE];
static int           users;
static int           fds[DEVICES];
static ino_t         inodes[DEVICES];

EXPORT void fake_nvml_world(const char *path)
{
    (void)snprintf(world_path, sizeof world_path, "%s", path);
}

static void say(const char *what, long a, long b)
{
    char path[PATH + 8];
    char line[256];
    (void)snprintf(path, sizeof path, "%s.log", world_path);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    int len = snprintf(line, sizeof line, "%s %ld %ld\n", what, a, b);
    if (fd < 0)
        return;
    ssize_t written = write(fd, line, (size_t)len);
    (void)written;
    (void)close(fd);
}

static void read_world(void)
{
    int     fd = open(world_path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, world, sizeof world - 1);
    world[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        (void)close(fd);
}

/* The next line that begins so, behind *at; false: there is none. */
static bool fact(const char **at, const char *key, char ret[static 256])
{
    const char *line = *at ? *at : world;
    size_t      len = strlen(key);
    while (*line) {
        const char *end = strchr(line, '\n');
        size_t      size = end ? (size_t)(end - line) : strlen(line);
        const char *found = line;
        line += size + (end != NULL);
        if (strncmp(found, key, len) == 0 && (found[len] == ' ' || found[len] == '\n' || found[len] == '\0')) {
            (void)snprintf(ret, 256, "%.*s", (int)(size > len ? size - len - 1 : 0), found + len + 1);
            *at = line;
            return true;
        }
    }
    *at = line;
    return false;
}

static uint64_t micro(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Logs the call, waits as long as the world says, and gives the error that it asks for. */
static int enter(const char *function, const struct handle *handle)
{
    char        line[256];
    char        name[64];
    long        value = 0;
    int         index = -1;
    const char *at = NULL;
    struct stat info;
    read_world();
    say(function, (long)syscall(SYS_gettid), handle ? handle->index : -1);
    while (fact(&at, "delay", line))
        if (sscanf(line, "%63s %ld", name, &value) == 2 && strcmp(name, function) == 0)
            (void)usleep((useconds_t)value * 1000);
    for (int i = 0; i < DEVICES && users > 0; i++)
        if (fds[i] > 0 && (fstat(fds[i], &info) < 0 || info.st_ino != inodes[i]))
            say("WRONG", fds[i], i);
    at = NULL;
    while (fact(&at, "error", line)) {
        index = -1;
        if (sscanf(line, "%63s %ld %d", name, &value, &index) >= 2 && strcmp(name, function) == 0 &&
            (index < 0 || (handle && handle->index == index)))
            return (int)value;
    }
    return users > 0 || strcmp(function, "Init") == 0 ? SUCCESS : UNINITIALIZED;
}

static void never(void)
{
    say("HANDLER", 0, 0);
}

static void misbehave(void)
{
    pid_t child = fork();
    if (child == 0) {
        (void)execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    say(child < 0 ? "refused" : "FORKED", child, 0);
    if (child > 0)
        (void)waitpid(child, NULL, 0);
    (void)atexit(never);
    (void)setenv("FAKE_NVML_WAS_HERE", "1", 1);
    if (getenv("HOME"))
        say("ENVIRONMENT", 0, 0);
    (void)printf("the fake library prints\n");
    (void)puts("and again");
    char path[PATH + 8];
    (void)snprintf(path, sizeof path, "%s.keep", world_path);
    if (remove(path) == 0 || unlink(path) == 0 || chmod(path, 0777) == 0)
        say("REMOVED", 0, 0);
    if (dlopen("libm.so.6", RTLD_NOW))
        say("DLOPENED", 0, 0);
}

static void open_devices(void)
{
    char        line[256];
    char        path[PATH + 32];
    struct stat info;
    const char *at = NULL;
    int         count = 0;
    if (fact(&at, "count", line))
        count = atoi(line);
    for (int i = 0; i < count && i < DEVICES; i++) {
        (void)snprintf(path, sizeof path, "%s.device%d", world_path, i);
        fds[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fds[i] >= 0 && fstat(fds[i], &info) == 0)
            inodes[i] = info.st_ino;
    }
}

EXPORT int nvmlInitWithFlags(unsigned flags)
{
    int         error = enter("Init", NULL);
    const char *at = NULL;
    char        line[256];
    (void)flags;
    if (error)
        return error;
    if (fact(&at, "misbehaves", line))
        misbehave();
    if (users++ == 0)
        open_devices();
    return SUCCESS;
}

EXPORT int nvmlInit_v2(void)
{
    return nvmlInitWithFlags(0);
}

EXPORT int nvmlShutdown(void)
{
    int error = enter("Shutdown", NULL);
    if (error)
        return error;
    if (--users == 0)
        for (int i = 0; i < DEVICES; i++) {
            if (fds[i] > 0)
                (void)close(fds[i]);
            fds[i] = 0;
        }
    return SUCCESS;
}

/* On a thread of the program's, in whose table these numbers are the program's. */
__attribute__((destructor)) static void tidy_up(void)
{
    say("destructor", (long)syscall(SYS_gettid), -1);
    for (int i = 0; i < DEVICES; i++)
        if (fds[i] > 0)
            (void)close(fds[i]);
}

EXPORT int nvmlDeviceGetCount_v2(unsigned *ret)
{
    char        line[256];
    const char *at = NULL;
    int         error = enter("Count_v2", NULL);
    *ret = !error && fact(&at, "count", line) ? (unsigned)atoi(line) : 0;
    return error;
}

EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct handle **ret)
{
    struct handle *h = &handles[index % DEVICES][PARTS];
    *h = (struct handle){(int)index, -1};
    *ret = h;
    return index < DEVICES ? enter("HandleByIndex_v2", h) : INVALID;
}

struct facts {
    char               name[96];
    unsigned long long total, reserved, used;
    unsigned           util;
};

static int facts_of(const struct handle *h, struct facts *ret)
{
    char        line[256];
    const char *at = NULL;
    int         index = -1;
    int         part = 0;
    *ret = (struct facts){0};
    if (h->part < 0) {
        while (fact(&at, "device", line))
            if (sscanf(line, "%d %95s %llu %llu %llu %u", &index, ret->name, &ret->total, &ret->reserved, &ret->used,
                       &ret->util) == 6 &&
                index == h->index)
                return SUCCESS;
        return NOT_FOUND;
    }
    while (fact(&at, "part", line))
        if (sscanf(line, "%d %llu %llu", &index, &ret->total, &ret->used) == 3 && index == h->index &&
            part++ == h->part)
            return SUCCESS;
    return NOT_FOUND;
}

static bool has_parts(int device)
{
    char        line[256];
    const char *at = NULL;
    while (fact(&at, "part", line))
        if (atoi(line) == device)
            return true;
    return false;
}

EXPORT int nvmlDeviceGetName(struct handle *h, char *ret, unsigned size)
{
    struct facts f;
    int          error = enter("Name", h);
    if (!error && (error = facts_of(h, &f)) == SUCCESS)
        (void)snprintf(ret, size, "%s", f.name);
    return error;
}

EXPORT int nvmlDeviceGetMemoryInfo(struct handle *h, uint64_t ret[static 3])
{
    struct facts f;
    int          error = enter("MemoryInfo", h);
    if (!error && (error = facts_of(h, &f)) == SUCCESS) {
        ret[0] = f.total;
        ret[1] = f.total - f.used - f.reserved;
        ret[2] = f.used + f.reserved;
    }
    return error;
}

struct memory_v2 {
    unsigned version;
    uint64_t total, reserved, free, used;
};

EXPORT int nvmlDeviceGetMemoryInfo_v2(struct handle *h, struct memory_v2 *ret)
{
    struct facts f;
    int          error = enter("MemoryInfo_v2", h);
    if (ret->version != (sizeof *ret | 2U << 24))
        return INVALID;
    if (!error && (error = facts_of(h, &f)) == SUCCESS)
        *ret = (struct memory_v2){ret->version, f.total, f.reserved, f.total - f.used - f.reserved, f.used};
    return error;
}

EXPORT int nvmlDeviceGetTotalEnergyConsumption(struct handle *h, unsigned long long *ret)
{
    char        line[256];
    const char *at = NULL;
    int         index = -1;
    int         error = enter("TotalEnergyConsumption", h);
    if (error)
        return error;
    while (fact(&at, "energy", line))
        if (sscanf(line, "%d %llu", &index, ret) == 2 && index == h->index)
            return SUCCESS;
    return NOT_SUPPORTED;
}

/* A fact with one number for each device: "NAME index number". */
static int number_of(const struct handle *h, const char *name, unsigned *ret)
{
    char        line[256];
    const char *at = NULL;
    int         index = -1;
    while (fact(&at, name, line))
        if (sscanf(line, "%d %u", &index, ret) == 2 && index == h->index)
            return SUCCESS;
    return NOT_SUPPORTED;
}

EXPORT int nvmlDeviceGetTemperature(struct handle *h, int sensor, unsigned *ret)
{
    int error = enter("Temperature", h);
    return error ? error : sensor != 0 ? INVALID : number_of(h, "temperature", ret);
}

EXPORT int nvmlDeviceGetPowerUsage(struct handle *h, unsigned *ret)
{
    int error = enter("PowerUsage", h);
    return error ? error : number_of(h, "power", ret);
}

EXPORT int nvmlDeviceGetClockInfo(struct handle *h, int domain, unsigned *ret)
{
    int error = enter("ClockInfo", h);
    return error ? error : domain != 0 ? INVALID : number_of(h, "clock", ret);
}

EXPORT int nvmlDeviceGetUUID(struct handle *h, char *ret, unsigned size)
{
    int error = enter("UUID", h);
    if (error == SUCCESS)
        (void)snprintf(ret, size, "GPU-%d", h->index);
    return error;
}

EXPORT int nvmlDeviceGetUtilizationRates(struct handle *h, unsigned ret[static 2])
{
    struct facts f;
    int          error = enter("UtilizationRates", h);
    if (error || (error = facts_of(h, &f)) != SUCCESS)
        return error;
    if (has_parts(h->index))
        return NOT_SUPPORTED;
    ret[0] = f.util;
    ret[1] = 0;
    return SUCCESS;
}

struct sample {
    unsigned long long timestamp;
    union {
        unsigned           as_uint;
        unsigned long long as_ulonglong;
    } value;
};

EXPORT int nvmlDeviceGetSamples(struct handle *h, int type, unsigned long long since, int *ret_type, unsigned *count,
                                struct sample *ret)
{
    char        line[256];
    const char *at = NULL;
    unsigned    found = 0;
    int         error = enter("Samples", h);
    if (error)
        return error;
    if (type != 1 || fact(&at, "without samples", line) || has_parts(h->index))
        return NOT_SUPPORTED;
    *ret_type = 1;
    at = NULL;
    while (fact(&at, "sample", line)) {
        unsigned long long timestamp = 0;
        unsigned           util = 0;
        int                index = -1;
        if (sscanf(line, "%d %llu %u", &index, &timestamp, &util) != 3 || index != h->index)
            continue;
        timestamp = timestamp ? timestamp : micro();
        if (timestamp > since && found < *count)
            ret[found++] = (struct sample){timestamp, {.as_ulonglong = util}};
    }
    *count = found;
    return found ? SUCCESS : NOT_FOUND;
}

struct busy {
    unsigned           pid;
    unsigned long long timestamp;
    unsigned           sm, memory, encoder, decoder;
};

EXPORT int nvmlDeviceGetProcessUtilization(struct handle *h, struct busy *ret, unsigned *count,
                                           unsigned long long since)
{
    char        line[256];
    const char *at = NULL;
    unsigned    found = 0;
    int         error = enter("ProcessUtilization", h);
    if (error)
        return error;
    if (has_parts(h->index))
        return NOT_SUPPORTED;
    (void)since; /* as old drivers do, all that is there is given */
    while (fact(&at, "busy", line)) {
        struct busy b = {0};
        int         index = -1;
        if (sscanf(line, "%d %u %llu %u", &index, &b.pid, &b.timestamp, &b.sm) != 4 || index != h->index)
            continue;
        b.timestamp = b.timestamp ? b.timestamp : micro();
        if (found < *count)
            ret[found] = b;
        found++;
    }
    bool fits = found <= *count;
    *count = found;
    return found == 0 ? NOT_FOUND : fits ? SUCCESS : TOO_SMALL;
}

struct process {
    unsigned           pid;
    unsigned long long memory;
    unsigned           gpu_instance, compute_instance;
};

static int processes(const struct handle *h, char kind, unsigned *count, void *ret, size_t entry)
{
    char        line[256];
    char        list[16];
    char        wanted[16] = {kind};
    const char *at = NULL;
    unsigned    found = 0;
    if (h->part >= 0)
        (void)snprintf(wanted, sizeof wanted, "%c%d", kind, h->part);
    while (fact(&at, "process", line)) {
        struct process p = {.gpu_instance = UINT32_MAX, .compute_instance = UINT32_MAX};
        int            index = -1;
        if (sscanf(line, "%d %15s %u %llu", &index, list, &p.pid, &p.memory) != 4 || index != h->index ||
            strcmp(list, wanted) != 0)
            continue;
        if (found < *count)
            memcpy((char *)ret + found * entry, &p, entry);
        found++;
    }
    bool fits = found <= *count;
    *count = found;
    return fits ? SUCCESS : TOO_SMALL;
}

EXPORT int nvmlDeviceGetComputeRunningProcesses(struct handle *h, unsigned *count, void *ret)
{
    int error = enter("ComputeRunningProcesses", h);
    return error ? error : processes(h, 'c', count, ret, 16);
}

EXPORT int nvmlDeviceGetGraphicsRunningProcesses(struct handle *h, unsigned *count, void *ret)
{
    int error = enter("GraphicsRunningProcesses", h);
    return error ? error : processes(h, 'g', count, ret, 16);
}

#ifndef FAKE_NVML_OLD
EXPORT int nvmlDeviceGetComputeRunningProcesses_v2(struct handle *h, unsigned *count, void *ret)
{
    int error = enter("ComputeRunningProcesses_v2", h);
    return error ? error : processes(h, 'c', count, ret, sizeof(struct process));
}

EXPORT int nvmlDeviceGetGraphicsRunningProcesses_v2(struct handle *h, unsigned *count, void *ret)
{
    int error = enter("GraphicsRunningProcesses_v2", h);
    return error ? error : processes(h, 'g', count, ret, sizeof(struct process));
}
#endif

EXPORT int nvmlDeviceGetMigMode(struct handle *h, unsigned *current, unsigned *pending)
{
    int error = enter("MigMode", h);
    *current = *pending = !error && has_parts(h->index);
    return error;
}

EXPORT int nvmlDeviceGetMaxMigDeviceCount(struct handle *h, unsigned *ret)
{
    *ret = PARTS;
    return enter("MaxMigDeviceCount", h);
}

EXPORT int nvmlDeviceGetMigDeviceHandleByIndex(struct handle *h, unsigned index, struct handle **ret)
{
    struct facts f;
    if (index >= PARTS)
        return INVALID;
    struct handle *part = &handles[h->index][index];
    *part = (struct handle){h->index, (int)index};
    *ret = part;
    int error = enter("MigDeviceHandleByIndex", h);
    return error ? error : facts_of(part, &f);
}
