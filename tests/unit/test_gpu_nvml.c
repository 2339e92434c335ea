// SPDX-License-Identifier: Apache-2.0
// NVML's copy, and what is read by it: against the library of tests/support/fake_nvml.c, which says what a file says.
#include "fixture.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "collect/gpu/gpu.h"

#define GIB (UINT64_C(1024) * 1024 * 1024)
#define TWO_CARDS                                                  \
    "count 2\ndevice 0 Card 17179869184 536870912 1073741824 40\n" \
    "device 1 Card 17179869184 536870912 0 0\n"

static struct fixture      f;
static struct process_tree tree;
static struct gpu_nvml     nvml;
static const char         *folders[2];
static char                folder[512];
static char                control[512];

static const struct gpu_reading nothing = {METRIC_NONE, METRIC_NONE, METRIC_NONE, METRIC_NONE,
                                           METRIC_NONE, METRIC_NONE, METRIC_NONE};

static struct nvml_places places(const char *below)
{
    const char *build = getenv("PILLION_BUILD");
    assert_non_null(build);
    (void)snprintf(folder, sizeof folder, "%s/fake%s", build, below);
    fixture_path(&f, "dev/nvidiactl", control);
    folders[0] = folder;
    return (struct nvml_places){.control = control, .folders = folders, .sanitized = true};
}

static void machine_with_driver(void)
{
    fixture_open(&f);
    fixture_write(&f, "proc/driver/nvidia/version", "NVRM version: a fake\n");
    fixture_write(&f, "dev/nvidiactl", "%s", "");
}

static int open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int  count = 0;
    while (readdir(dir))
        count++;
    (void)closedir(dir);
    return count;
}

static void world(const char *text)
{
    fixture_write(&f, "world", "%s", text);
}

static char *calls(void)
{
    static char text[256 * 1024];
    char        path[512];
    fixture_path(&f, "world.log", path);
    FILE  *file = fopen(path, "r");
    size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[n] = '\0';
    if (file)
        (void)fclose(file);
    return text;
}

static int calls_of(const char *function)
{
    int    count = 0;
    size_t len = strlen(function);
    for (const char *line = calls(); line && *line; line = strchr(line, '\n') + 1)
        count += strncmp(line, function, len) == 0 && line[len] == ' ';
    return count;
}

/* A name of the copy that was loaded. */
static void *symbol_of_copy(const char *name)
{
    Dl_info info;
    void   *known = NULL;
    memcpy(&known, &nvml_library()->shutdown, sizeof known);
    void *copy = dladdr(known, &info) ? dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD) : NULL;
    void *found = copy ? dlsym(copy, name) : NULL;
    if (copy)
        (void)dlclose(copy);
    return found;
}

static int begin(void **state)
{
    char path[512];
    (void)state;
    machine_with_driver();
    struct nvml_places p = places("");
    assert_int_equal(nvml_library_load(&f.roots, &p), 0);
    fixture_path(&f, "world", path);
    void (*set_world)(const char *) = (void (*)(const char *))symbol_of_copy("fake_nvml_world");
    set_world(path);
    memset(&tree, 0, sizeof tree);
    assert_int_equal(process_table_init(&tree.table), 0);
    tree.proc = open(f.proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(gpu_nvml_open(&nvml, &f.roots), 0);
    nvml.uses.nested = false;
    gpu_nvml_allow(&nvml);
    return 0;
}

static int end(void **state)
{
    (void)state;
    gpu_nvml_suspend(&nvml);
    gpu_nvml_close(&nvml);
    (void)close(tree.proc);
    process_table_done(&tree.table);
    fixture_close(&f);
    return 0;
}

static void belongs(pid_t pid)
{
    struct process *p = process_table_add(&tree.table, pid);
    assert_non_null(p);
    p->parent = 1;
    p->start = 7;
    p->read_yet = true;
}

static int64_t at = 1000 * CLOCK_SECOND;

static struct gpu_reading reading(int expected)
{
    struct gpu_reading r = nothing;
    at += CLOCK_SECOND;
    assert_int_equal(gpu_nvml_read(&nvml, &tree, at, &r), expected);
    return r;
}

/* ---- the way in ---- */

static void without_driver_or_node_or_library_nothing_is_loaded(void **state)
{
    (void)state;
    machine_with_driver();
    struct nvml_places p = places("");
    fixture_remove(&f, "proc/driver");
    assert_int_equal(nvml_library_load(&f.roots, &p), -ENODEV);
    fixture_write(&f, "proc/driver/nvidia/version", "a fake\n");
    fixture_remove(&f, "dev/nvidiactl");
    assert_int_equal(nvml_library_load(&f.roots, &p), -ENODEV);
    fixture_write(&f, "dev/nvidiactl", "%s", "");
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    assert_true(inotify_add_watch(watch, control, IN_OPEN) >= 0);
    p = places("/nowhere");
    assert_int_equal(nvml_library_load(&f.roots, &p), -ENOENT);
    char event[512];
    assert_int_equal(read(watch, event, sizeof event), -1); /* nor was the driver bothered */
    (void)close(watch);
    assert_null(dlerror()); /* the program's first one is about its own */
    assert_null(nvml_library());
    assert_int_equal(gpu_nvml_open(&nvml, &f.roots), -ENODEV);
    fixture_close(&f);
}

static void copy_library(const char *path, mode_t mode, size_t size)
{
    char  from[512];
    char  to[512];
    char *data = malloc(1 << 20);
    (void)places("");
    (void)snprintf(from, sizeof from, "%.400s/libnvidia-ml.so.1", folder);
    FILE *file = fopen(from, "r");
    assert_non_null(file);
    size_t n = fread(data, 1, 1 << 20, file);
    (void)fclose(file);
    fixture_write_bytes(&f, path, data, n < size ? n : size);
    fixture_path(&f, path, to);
    assert_int_equal(chmod(to, mode), 0);
    free(data);
}

static void a_library_that_others_may_write_or_that_is_cut_short_is_not_loaded(void **state)
{
    char path[512];
    (void)state;
    machine_with_driver();
    struct nvml_places p = places("");
    fixture_path(&f, "lib", path);
    folders[0] = path;
    copy_library("lib/libnvidia-ml.so.1", 0666, SIZE_MAX);
    folders[0] = path;
    assert_int_equal(nvml_library_load(&f.roots, &p), -ENOENT);
    copy_library("lib/libnvidia-ml.so.1", 0644, 12000);
    folders[0] = path;
    assert_int_equal(nvml_library_load(&f.roots, &p), -ENOEXEC);
    fixture_write(&f, "lib/libnvidia-ml.so.1", "%5000s", "no library");
    assert_int_equal(nvml_library_load(&f.roots, &p), -ENOEXEC);
    assert_null(nvml_library());
    assert_null(dlerror());
    fixture_close(&f);
}

static void check(bool right)
{
    if (!right)
        _exit(1);
}

/* A library is loaded once a process: this one in a process of its own. */
static void an_older_library_whose_addresses_are_sealed_is_read_too(void **state)
{
    (void)state;
    int   status = 0;
    pid_t child = fork();
    if (child == 0) {
        char path[512];
        machine_with_driver();
        struct nvml_places p = places("/old");
        check(nvml_library_load(&f.roots, &p) == 0);
        check(nvml_library()->compute_v2 == NULL && nvml_library()->compute_v1 != NULL);
        fixture_path(&f, "world", path);
        void (*set_world)(const char *) = (void (*)(const char *))symbol_of_copy("fake_nvml_world");
        set_world(path);
        world("misbehaves\n" TWO_CARDS "process 0 c 77 1000\nprocess 1 g 78 500\nwithout samples\n");
        check(process_table_init(&tree.table) == 0);
        belongs(77);
        belongs(78);
        check(gpu_nvml_open(&nvml, &f.roots) == 0);
        nvml.uses.nested = false;
        gpu_nvml_allow(&nvml);
        struct gpu_reading r = nothing;
        check(gpu_nvml_read(&nvml, &tree, at, &r) == 0);
        check(r.tree_memory == 1500 && r.usage == 4000 && calls_of("refused") == 1 && calls_of("FORKED") == 0);
        fixture_close(&f);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void the_copy_is_another_instance_than_the_programs_and_leaves_no_descriptor(void **state)
{
    (void)state;
    machine_with_driver();
    int                before = open_descriptors();
    struct nvml_places p = places("");
    assert_int_equal(nvml_library_load(&f.roots, &p), 0);
    assert_int_equal(open_descriptors(), before);
    assert_non_null(nvml_library());
    assert_null(dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_NOLOAD));
    char path[600];
    (void)snprintf(path, sizeof path, "%s/libnvidia-ml.so.1", folder);
    void *own = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(own);
    assert_ptr_not_equal(dlsym(own, "nvmlShutdown"), symbol_of_copy("nvmlShutdown"));
    assert_int_equal(dlclose(own), 0);
    fixture_close(&f);
}

static void what_a_library_must_not_do_in_anothers_process_it_cannot(void **state)
{
    char keep[512];
    (void)state;
    fixture_write(&f, "world.keep", "%s", "");
    fixture_path(&f, "world.keep", keep);
    world("misbehaves\n" TWO_CARDS);
    (void)reading(0);
    assert_int_equal(calls_of("refused"), 1);
    assert_int_equal(calls_of("FORKED") + calls_of("REMOVED") + calls_of("ENVIRONMENT") + calls_of("DLOPENED"), 0);
    assert_int_equal(access(keep, F_OK), 0);
    assert_null(getenv("FAKE_NVML_WAS_HERE"));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

/* ---- figures ---- */

static void the_driver_is_not_asked_before_it_is_allowed(void **state)
{
    struct machine machine = {.gpu_count = METRIC_NONE, .gpu_memory_mib = METRIC_NONE};
    (void)state;
    world(TWO_CARDS);
    gpu_nvml_suspend(&nvml);
    (void)reading(-ENODATA);
    gpu_nvml_facts(&nvml, &machine);
    assert_string_equal(calls(), "");
    assert_true(machine.gpu_count == METRIC_NONE);
}

static void devices_are_summed_and_the_reserved_memory_is_not_used(void **state)
{
    (void)state;
    world(TWO_CARDS "sample 0 0 30\nsample 0 0 50\nsample 0 0 70\nsample 1 0 0\n");
    struct gpu_reading r = reading(0);
    assert_int_equal(r.usage, 5000);
    assert_int_equal(r.memory, GIB);
    assert_int_equal(r.used, 1);
    assert_int_equal(r.tree_usage, 0);
    assert_int_equal(r.tree_memory, 0);
    assert_int_equal(r.tree_used, 0);
    assert_int_equal(calls_of("ProcessUtilization"), 0);
}

static void an_idle_device_says_zero(void **state)
{
    (void)state;
    world("count 1\ndevice 0 Card 1000000 0 0 0\n");
    struct gpu_reading r = reading(0);
    assert_int_equal(r.usage, 0);
    assert_int_equal(r.memory, 0);
    assert_int_equal(r.used, 0);
}

static void a_sample_counts_once_and_then_the_drivers_last_figure_stands(void **state)
{
    char text[512];
    (void)state;
    uint64_t now = (uint64_t)clock_real() / 1000;
    (void)snprintf(text, sizeof text, TWO_CARDS "sample 0 %llu 90\n", (unsigned long long)now + 500000);
    world(text);
    assert_int_equal(reading(0).usage, 9000);
    assert_int_equal(reading(0).usage, 4000);
}

static void samples_of_before_the_run_are_not_counted(void **state)
{
    char text[512];
    (void)state;
    uint64_t now = (uint64_t)clock_real() / 1000;
    (void)snprintf(text, sizeof text, TWO_CARDS "sample 0 %llu 90\nsample 0 0 20\n", (unsigned long long)now - 9000000);
    world(text);
    assert_int_equal(reading(0).usage, 2000);
}

static void only_processes_of_the_tree_count_and_none_twice(void **state)
{
    (void)state;
    belongs(77);
    belongs(78);
    world(TWO_CARDS "process 0 c 77 1000\nprocess 0 g 77 1000\nprocess 0 c 99 5000\nprocess 1 c 77 300\n"
                    "process 1 g 78 20\nbusy 0 77 0 30\nbusy 0 99 0 60\nbusy 1 77 0 10\nbusy 1 78 0 5\n");
    struct gpu_reading r = reading(0);
    assert_int_equal(r.tree_memory, 1000 + 300 + 20);
    assert_int_equal(r.tree_usage, 3000 + 1500);
    assert_int_equal(r.tree_used, 2);
}

static void a_processs_samples_are_averaged_and_stale_ones_left_out(void **state)
{
    char text[512];
    (void)state;
    belongs(77);
    (void)snprintf(text, sizeof text,
                   TWO_CARDS
                   "process 0 c 77 1000\nbusy 0 77 %llu 90\nbusy 0 77 0 20\nbusy 0 77 0 40\nbusy 0 77 0 4000\n",
                   (unsigned long long)clock_real() / 1000 - 60000000);
    world(text);
    assert_int_equal(reading(0).tree_usage, 3000);
    (void)snprintf(text, sizeof text, TWO_CARDS "process 0 c 77 1000\nbusy 0 77 %llu 90\n",
                   (unsigned long long)clock_real() / 1000 - 60000000);
    world(text);
    struct gpu_reading r = reading(0);
    assert_int_equal(r.tree_usage, 0);
    assert_int_equal(r.tree_used, 0);
    assert_int_equal(r.tree_memory, 1000);
}

static void memory_that_the_driver_does_not_tell_is_missing(void **state)
{
    (void)state;
    belongs(77);
    world(TWO_CARDS "process 0 c 77 18446744073709551615\nbusy 0 77 0 20\nerror GraphicsRunningProcesses_v2 3\n"
                    "error ComputeRunningProcesses_v2 3 1\n");
    struct gpu_reading r = reading(0);
    assert_true(r.tree_memory == METRIC_NONE);
    assert_int_equal(r.tree_usage, 2000);
    assert_int_equal(r.memory, GIB);
}

static void a_partitioned_device_has_memory_by_part_and_no_usage(void **state)
{
    (void)state;
    belongs(77);
    world("count 1\ndevice 0 Card 8000 1000 7000 0\npart 0 3000 200\npart 0 3000 40\nprocess 0 c0 77 100\n"
          "process 0 c1 77 7\nprocess 0 c1 99 30\nprocess 0 c 77 107\n");
    struct gpu_reading r = reading(0);
    assert_true(r.usage == METRIC_NONE && r.used == METRIC_NONE);
    assert_true(r.tree_usage == METRIC_NONE && r.tree_used == METRIC_NONE);
    assert_int_equal(r.memory, 240);
    assert_int_equal(r.tree_memory, 107);
    struct machine machine = {.gpu_count = METRIC_NONE, .gpu_memory_mib = METRIC_NONE};
    gpu_nvml_facts(&nvml, &machine);
    assert_int_equal(machine.gpu_count, 1);
}

static void a_partitioned_device_beside_a_whole_one_leaves_that_ones_figures(void **state)
{
    (void)state;
    world(TWO_CARDS "part 1 3000 200\n");
    struct gpu_reading r = reading(0);
    assert_int_equal(r.usage, 4000);
    assert_int_equal(r.used, 1);
    assert_int_equal(r.memory, GIB + 200);
}

static void parts_that_go_are_looked_for_again(void **state)
{
    (void)state;
    world("count 1\ndevice 0 Card 8000 1000 7000 0\npart 0 3000 200\npart 0 3000 40\n");
    assert_int_equal(reading(0).memory, 240);
    world("count 1\ndevice 0 Card 8000 1000 7000 25\nerror MemoryInfo_v2 2\nerror MemoryInfo 2\n");
    (void)reading(0); /* nothing but the utilisation, and the lists */
    world("count 1\ndevice 0 Card 8000 1000 7000 25\n");
    struct gpu_reading r = reading(0);
    assert_int_equal(r.memory, 8000);
    assert_int_equal(r.usage, 2500);
}

static void a_lost_device_leaves_the_others(void **state)
{
    (void)state;
    world(TWO_CARDS "error MemoryInfo_v2 15 0\n");
    struct gpu_reading r = reading(0);
    assert_int_equal(r.usage, 0);
    assert_int_equal(r.memory, 0);
    int asked = calls_of("MemoryInfo_v2");
    world(TWO_CARDS);
    r = reading(0);
    assert_int_equal(calls_of("MemoryInfo_v2"), asked + 1); /* of the other alone */
    assert_int_equal(r.memory, 0);
}

static void a_device_that_times_out_is_back_in_the_next_row(void **state)
{
    (void)state;
    world(TWO_CARDS "error MemoryInfo_v2 10 0\n");
    assert_int_equal(reading(0).memory, 0);
    assert_int_equal(calls_of("UtilizationRates"), 1); /* of the other: nothing more was asked of this one */
    world(TWO_CARDS);
    assert_int_equal(reading(0).memory, GIB);
}

static void a_driver_that_is_gone_is_looked_for_once_a_minute(void **state)
{
    (void)state;
    world(TWO_CARDS);
    (void)reading(0);
    world(TWO_CARDS "error MemoryInfo_v2 9\nerror Init 9\n");
    (void)reading(-ENODATA);
    assert_int_equal(calls_of("Shutdown"), 1);
    for (int i = 0; i < 130; i++)
        (void)reading(-ENODATA);
    assert_int_equal(calls_of("Init"), 1 + 2);
    world(TWO_CARDS);
    at += 60 * CLOCK_SECOND;
    assert_int_equal(reading(0).memory, GIB);
}

static void without_a_driver_at_first_nothing_is_lost_and_it_is_tried_again(void **state)
{
    (void)state;
    world("error Init 9\n");
    (void)reading(-ENODATA);
    (void)reading(-ENODATA);
    assert_int_equal(calls_of("Init"), 1);
    world("count 0\n");
    at += 60 * CLOCK_SECOND;
    (void)reading(-ENODATA);
    assert_int_equal(calls_of("Shutdown"), 1);
}

static void a_pause_shuts_it_down_and_the_end_does_not(void **state)
{
    (void)state;
    world(TWO_CARDS);
    (void)reading(0);
    gpu_nvml_suspend(&nvml);
    assert_int_equal(calls_of("Shutdown"), 1);
    (void)reading(-ENODATA);
    gpu_nvml_allow(&nvml);
    assert_int_equal(reading(0).memory, GIB);
    gpu_nvml_leave(&nvml);
    gpu_nvml_suspend(&nvml);
    (void)reading(-ENODATA);
    assert_int_equal(calls_of("Shutdown"), 1);
    assert_int_equal(calls_of("WRONG"), 0);
    assert_int_equal(nvml_library()->shutdown(), 0);
}

static void a_row_costs_five_calls_a_device_at_most(void **state)
{
    (void)state;
    belongs(77);
    world(TWO_CARDS "process 0 c 77 1\nsample 0 0 1\nsample 1 0 1\n");
    (void)reading(0);
    int lines = 0;
    for (const char *c = calls(); *c; c++)
        lines += *c == '\n';
    (void)reading(0);
    for (const char *c = calls(); *c; c++)
        lines -= *c == '\n';
    assert_int_equal(-lines, 5 + 4);
}

static void energy_is_what_the_devices_used_since_the_first_reading(void **state)
{
    (void)state;
    world(TWO_CARDS "energy 0 5000000\nenergy 1 70000\n");
    assert_int_equal(reading(0).energy, 0);
    world(TWO_CARDS "energy 0 5000250\nenergy 1 70100\n");
    assert_int_equal(reading(0).energy, 350 * 1000);
    world(TWO_CARDS "energy 0 200\nenergy 1 70200\n"); /* the driver was loaded anew */
    assert_int_equal(reading(0).energy, 450 * 1000);
    world(TWO_CARDS "energy 0 300\nenergy 1 70200\n");
    assert_int_equal(reading(0).energy, 550 * 1000);
}

static void a_device_that_tells_no_energy_is_asked_once(void **state)
{
    (void)state;
    world(TWO_CARDS);
    (void)reading(0);
    assert_true(reading(0).energy == METRIC_NONE);
    assert_int_equal(calls_of("TotalEnergyConsumption"), 2); /* one a device */
}

static void each_device_stands_as_it_was_found(void **state)
{
    (void)state;
    belongs(77);
    world(TWO_CARDS "process 1 c 77 3000\nbusy 1 77 0 20\nsample 0 0 50\nsample 1 0 60\ntemperature 1 71\n"
                    "power 1 250500\n");
    (void)reading(0);
    const struct gpu_state *first = &nvml.devices[0].state, *second = &nvml.devices[1].state;
    assert_true(first->usage == 5000 && second->usage == 6000);
    assert_true(first->tree_usage == 0 && second->tree_usage == 2000);
    assert_true(first->tree_memory == 0 && second->tree_memory == 3000);
    assert_true(first->temperature == METRIC_NONE && second->temperature == 71);
    assert_true(first->power == METRIC_NONE && second->power == 250500);
    (void)reading(0);
    assert_int_equal(calls_of("Temperature"), 3); /* what a device has not got it is asked once */
    assert_int_equal(calls_of("PowerUsage"), 3);
}

static void details_are_name_uuid_memory_and_clock(void **state)
{
    (void)state;
    struct gpu_detail first = {.memory_total = METRIC_NONE, .clock = METRIC_NONE};
    struct gpu_detail second = first;
    world(TWO_CARDS "clock 1 1410\n");
    gpu_nvml_suspend(&nvml);
    gpu_nvml_allow(&nvml);
    (void)reading(0);
    assert_int_equal(calls_of("ClockInfo") + calls_of("UUID"), 0); /* only for who asks */
    gpu_nvml_detail(&nvml, 0, &first);
    gpu_nvml_detail(&nvml, 1, &second);
    assert_string_equal(first.name, "Card");
    assert_string_equal(second.uuid, "GPU-1");
    assert_int_equal(first.memory_total, UINT64_C(16384) << 20);
    assert_true(first.clock == METRIC_NONE && second.clock == 1410);
    gpu_nvml_detail(&nvml, 0, &first);
    assert_int_equal(calls_of("ClockInfo"), 2);    /* what a device has not got it is asked once */
    world(TWO_CARDS "error MemoryInfo_v2 15 0\n"); /* lost */
    (void)reading(0);
    first = (struct gpu_detail){.memory_total = METRIC_NONE, .clock = METRIC_NONE};
    gpu_nvml_detail(&nvml, 0, &first);
    assert_true(first.name[0] == '\0' && first.memory_total == METRIC_NONE);
}

static void long_lists_are_read_whole(void **state)
{
    static char text[60000];
    size_t      len = (size_t)snprintf(text, sizeof text, "count 1\ndevice 0 Card 100 0 0 0\n");
    (void)state;
    for (int i = 0; i < 1000; i++) {
        belongs(1000 + i);
        len += (size_t)snprintf(text + len, sizeof text - len, "process 0 c %d %d\nbusy 0 %d 0 1\n", 1000 + i, i,
                                1000 + i);
    }
    world(text);
    struct gpu_reading r = reading(0);
    assert_int_equal(r.tree_memory, 999 * 1000 / 2);
    assert_int_equal(r.tree_usage, 10000); /* no more than the device has */
}

static void in_a_pid_namespace_a_number_is_believed_only_of_who_has_the_device_open(void **state)
{
    (void)state;
    belongs(77);
    belongs(78);
    nvml.uses.nested = true;
    fixture_link(&f, "proc/77/fd/4", "/dev/nvidia0");
    fixture_link(&f, "proc/78/fd/4", "/dev/null");
    world(TWO_CARDS "process 0 c 77 1000\nprocess 0 c 78 4000\nbusy 0 78 0 70\nbusy 0 77 0 20\n");
    struct gpu_reading r = reading(0);
    assert_int_equal(r.tree_memory, 1000);
    assert_int_equal(r.tree_usage, 2000);
}

static void the_facts_are_the_first_name_the_number_and_all_memory(void **state)
{
    struct machine machine = {.gpu_count = METRIC_NONE, .gpu_memory_mib = METRIC_NONE};
    (void)state;
    world(TWO_CARDS);
    gpu_nvml_facts(&nvml, &machine);
    assert_string_equal(machine.gpu_model, "Card");
    assert_int_equal(machine.gpu_count, 2);
    assert_int_equal(machine.gpu_memory_mib, 2 * 16384);
    gpu_nvml_facts(&nvml, &machine); /* another source has some already */
    assert_int_equal(machine.gpu_count, 4);
}

#define READS(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_driver_or_node_or_library_nothing_is_loaded),
        cmocka_unit_test(an_older_library_whose_addresses_are_sealed_is_read_too),
        cmocka_unit_test(a_library_that_others_may_write_or_that_is_cut_short_is_not_loaded),
        cmocka_unit_test(the_copy_is_another_instance_than_the_programs_and_leaves_no_descriptor),
        READS(what_a_library_must_not_do_in_anothers_process_it_cannot),
        READS(the_driver_is_not_asked_before_it_is_allowed),
        READS(devices_are_summed_and_the_reserved_memory_is_not_used),
        READS(an_idle_device_says_zero),
        READS(a_sample_counts_once_and_then_the_drivers_last_figure_stands),
        READS(samples_of_before_the_run_are_not_counted),
        READS(only_processes_of_the_tree_count_and_none_twice),
        READS(a_processs_samples_are_averaged_and_stale_ones_left_out),
        READS(memory_that_the_driver_does_not_tell_is_missing),
        READS(a_partitioned_device_has_memory_by_part_and_no_usage),
        READS(a_partitioned_device_beside_a_whole_one_leaves_that_ones_figures),
        READS(parts_that_go_are_looked_for_again),
        READS(a_lost_device_leaves_the_others),
        READS(a_device_that_times_out_is_back_in_the_next_row),
        READS(a_driver_that_is_gone_is_looked_for_once_a_minute),
        READS(without_a_driver_at_first_nothing_is_lost_and_it_is_tried_again),
        READS(a_pause_shuts_it_down_and_the_end_does_not),
        READS(a_row_costs_five_calls_a_device_at_most),
        READS(energy_is_what_the_devices_used_since_the_first_reading),
        READS(a_device_that_tells_no_energy_is_asked_once),
        READS(each_device_stands_as_it_was_found),
        READS(details_are_name_uuid_memory_and_clock),
        READS(long_lists_are_read_whole),
        READS(in_a_pid_namespace_a_number_is_believed_only_of_who_has_the_device_open),
        READS(the_facts_are_the_first_name_the_number_and_all_memory),
    };
    return cmocka_run_group_tests_name("gpu_nvml", tests, NULL, NULL);
}
