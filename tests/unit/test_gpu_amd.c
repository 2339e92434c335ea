// SPDX-License-Identifier: Apache-2.0
// Devices and processes of files, as amdgpu and others show them; what is opened is counted.
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "collect/gpu/gpu.h"

/* The collector's own calls come here: counted, and refused where a test wants it. */
static unsigned    opened, links_read, busy_asked;
static const char *refused; /* part of a path */

int openat(int dir, const char *path, int flags, ...)
{
    opened++;
    busy_asked += strstr(path, "gpu_busy_percent") != NULL;
    if (refused && strstr(path, refused)) {
        errno = EACCES;
        return -1;
    }
    return (int)syscall(SYS_openat, dir, path, flags, 0600);
}

ssize_t readlinkat(int dir, const char *path, char *ret, size_t size)
{
    links_read++;
    return syscall(SYS_readlinkat, dir, path, ret, size);
}

static struct fixture      f;
static struct gpu_amd      amd;
static struct process_tree tree;
static bool                is_open;
static int64_t             now;

static int set_up(void **state)
{
    (void)state;
    fixture_open(&f);
    fixture_folder(&f, "sys/class");
    memset(&tree, 0, sizeof tree);
    assert_int_equal(process_table_init(&tree.table), 0);
    tree.proc = open(f.proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    tree.boot_ticks[0] = 1000;
    now = 100 * CLOCK_SECOND;
    refused = NULL;
    is_open = false;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (is_open)
        gpu_amd_close(&amd);
    process_table_done(&tree.table);
    if (tree.proc >= 0)
        close(tree.proc);
    fixture_close(&f);
    return 0;
}

/* A device as the kernel lays it out: the folder of the bus, the class that points into it. */
static void device(int card, const char *pdev, const char *driver)
{
    char path[200];
    char target[200];
    (void)snprintf(path, sizeof path, "sys/class/drm/card%d", card);
    (void)snprintf(target, sizeof target, "../../devices/pci/%s/drm/card%d", pdev, card);
    fixture_link(&f, path, target);
    (void)snprintf(path, sizeof path, "sys/devices/pci/%s/drm/card%d/device", pdev, card);
    (void)snprintf(target, sizeof target, "../../../%s", pdev);
    fixture_link(&f, path, target);
    if (!driver)
        return;
    (void)snprintf(path, sizeof path, "sys/devices/pci/%s/driver", pdev);
    (void)snprintf(target, sizeof target, "../../../bus/pci/drivers/%s", driver);
    fixture_link(&f, path, target);
}

static void attribute(const char *pdev, const char *name, const char *content)
{
    char path[200];
    (void)snprintf(path, sizeof path, "sys/devices/pci/%s/%s", pdev, name);
    fixture_write(&f, path, "%s\n", content);
}

static const char *const A = "0000:03:00.0";
static const char *const B = "0000:83:00.0";

static void amdgpu(int card, const char *pdev, const char *busy, const char *used)
{
    device(card, pdev, "amdgpu");
    attribute(pdev, "power/runtime_status", "active");
    attribute(pdev, "power/control", "on");
    attribute(pdev, "gpu_busy_percent", busy);
    attribute(pdev, "mem_info_vram_used", used);
    attribute(pdev, "mem_info_vram_total", "17163091968");
}

static struct process *process(int pid, unsigned start)
{
    struct process *p = process_table_add(&tree.table, pid);
    assert_non_null(p);
    p->start = start;
    p->read_yet = true;
    return p;
}

static struct process *find(int pid)
{
    struct process *p = process_table_find_present(&tree.table, pid);
    assert_non_null(p);
    return p;
}

static void gone(int pid)
{
    find(pid)->gone = true;
    process_table_compact(&tree.table);
    fixture_process_gone(&f, pid);
}

static void acts(int pid)
{
    find(pid)->value[FAULTS]++;
}

static void closes(int pid, int fd)
{
    char path[64];
    (void)snprintf(path, sizeof path, "proc/%d/fd/%d", pid, fd);
    fixture_remove(&f, path);
    (void)snprintf(path, sizeof path, "proc/%d/fdinfo/%d", pid, fd);
    fixture_remove(&f, path);
}

static void opens(int pid, int fd, const char *target, const char *info)
{
    char path[64];
    closes(pid, fd);
    (void)snprintf(path, sizeof path, "proc/%d/fd/%d", pid, fd);
    fixture_link(&f, path, target);
    (void)snprintf(path, sizeof path, "proc/%d/fdinfo/%d", pid, fd);
    fixture_write(&f, path, "pos:\t0\nflags:\t02100002\nmnt_id:\t26\nino:\t685\n%s", info);
}

static const char *const NODE = "/dev/dri/renderD128";

/* A client of amdgpu with so many ms of gfx. */
static const char *client(const char *pdev, int id, uint64_t gfx_ms, uint64_t kib)
{
    static char text[512];
    (void)snprintf(text, sizeof text,
                   "drm-driver:\tamdgpu\ndrm-client-id:\t%d\ndrm-pdev:\t%s\npasid:\t32784\n"
                   "drm-total-vram:\t%llu KiB\ndrm-shared-vram:\t0\ndrm-resident-vram:\t%llu KiB\n"
                   "drm-memory-vram:\t%llu KiB\ndrm-memory-gtt:\t99 KiB\ndrm-engine-gfx:\t%llu ns\n",
                   id, pdev, (unsigned long long)kib + 4, (unsigned long long)kib, (unsigned long long)kib,
                   (unsigned long long)gfx_ms * 1000000);
    return text;
}

static void begins(void)
{
    assert_int_equal(gpu_amd_open(&amd, &f.roots), 0);
    is_open = true;
    opened = 0;
    struct gpu_reading none = {.usage = METRIC_NONE, .memory = METRIC_NONE};
    assert_int_equal(gpu_amd_read(&amd, NULL, now, &none), -ENODATA); /* the baseline asks nobody */
    assert_true(opened == 0 && none.usage == METRIC_NONE && none.memory == METRIC_NONE);
}

/* A reading one second after the last one. */
static struct gpu_reading reading(void)
{
    struct gpu_reading r = {METRIC_NONE, METRIC_NONE, METRIC_NONE, METRIC_NONE, METRIC_NONE, METRIC_NONE, METRIC_NONE};
    now += CLOCK_SECOND;
    tree.boot_ticks[1] = tree.boot_ticks[0];
    tree.boot_ticks[0] += 100;
    opened = links_read = busy_asked = 0;
    (void)gpu_amd_read(&amd, &tree, now, &r);
    return r;
}

static void assert_no_tree(const struct gpu_reading *r)
{
    assert_true(r->tree_usage == METRIC_NONE && r->tree_memory == METRIC_NONE && r->tree_used == METRIC_NONE);
}

static void without_drm_there_is_one_look(void **state)
{
    (void)state;
    opened = 0;
    assert_int_equal(gpu_amd_open(&amd, &f.roots), -ENODEV);
    assert_int_equal(opened, 1);
}

static void the_graphics_of_a_bmc_or_a_virtual_machine_are_no_gpu(void **state)
{
    (void)state;
    const char *const drivers[] = {"ast", "mgag200", "bochs-drm", "virtio_gpu", "qxl", "simple-framebuffer", "cirrus",
                                   "vmwgfx", "hyperv_drm", "nvidia", "radeon", NULL /* vgem, vkms: none at all */};
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++) {
        char pdev[32];
        (void)snprintf(pdev, sizeof pdev, "0000:%02zx:00.0", i);
        device((int)i, pdev, drivers[i]);
    }
    assert_int_equal(gpu_amd_open(&amd, &f.roots), -ENODEV);
}

static void connectors_render_nodes_and_partitions_are_no_devices(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "1048576");
    fixture_link(&f, "sys/class/drm/card0-DP-1", "../../devices/pci/0000:03:00.0/drm/card0");
    fixture_link(&f, "sys/class/drm/renderD128", "../../devices/pci/0000:03:00.0/drm/card0");
    fixture_write(&f, "sys/class/drm/version", "drm 1.1.0 20060810\n");
    device(1, "amdgpu_xcp_0", NULL);
    device(2, "amdgpu_xcp_1", NULL);
    begins();
    assert_int_equal(amd.cards, 1);
    assert_int_equal(reading().usage, 1000);
}

static void several_devices_add_up(void **state)
{
    (void)state;
    amdgpu(1, A, "100", "1048576");
    amdgpu(2, B, "37", "2097152");
    amdgpu(10, "0000:c3:00.0", "0", "4096");
    begins();
    struct gpu_reading r = reading();
    assert_int_equal(r.usage, 13700);
    assert_int_equal(r.memory, 3145728 + 4096);
    assert_int_equal(r.used, 2);
}

static void a_figure_that_is_none_is_missing_and_the_others_stay(void **state)
{
    (void)state;
    amdgpu(0, A, "655", "1048576");
    begins();
    struct gpu_reading r = reading();
    assert_true(r.usage == METRIC_NONE && r.used == METRIC_NONE);
    assert_int_equal(r.memory, 1048576);
    attribute(A, "gpu_busy_percent", "");
    assert_true(reading().usage == METRIC_NONE);
    attribute(A, "gpu_busy_percent", "-1");
    assert_true(reading().usage == METRIC_NONE);
    refused = "gpu_busy_percent"; /* while the device is reset, and of a virtual function */
    assert_true(reading().usage == METRIC_NONE);
    refused = NULL;
    attribute(A, "gpu_busy_percent", "3");
    attribute(A, "mem_info_vram_used", "x");
    r = reading();
    assert_int_equal(r.usage, 300);
    assert_true(r.memory == METRIC_NONE);
}

static void an_apu_has_the_memory_that_is_set_aside_for_it(void **state)
{
    (void)state;
    amdgpu(0, A, "5", "268435456");
    attribute(A, "mem_info_vram_total", "536870912");
    attribute(A, "mem_info_gtt_total", "16000000000");
    attribute(A, "mem_info_gtt_used", "8000000000");
    attribute(A, "power/runtime_status", "unsupported");
    begins();
    struct gpu_reading r = reading();
    assert_int_equal(r.memory, 268435456);
    assert_int_equal(r.usage, 500);
    struct machine machine = {.gpu_count = METRIC_NONE, .gpu_memory_mib = METRIC_NONE};
    gpu_amd_facts(&amd, &machine);
    assert_int_equal(machine.gpu_memory_mib, 512);
}

static void facts_name_the_first_and_add_to_those_of_others(void **state)
{
    (void)state;
    amdgpu(0, A, "0", "0");
    amdgpu(1, B, "0", "0");
    attribute(A, "product_name", "AMD Instinct MI300X OAM");
    begins();
    struct machine machine = {.gpu_count = METRIC_NONE, .gpu_memory_mib = METRIC_NONE};
    gpu_amd_facts(&amd, &machine);
    assert_string_equal(machine.gpu_model, "AMD Instinct MI300X OAM");
    assert_int_equal(machine.gpu_count, 2);
    assert_int_equal(machine.gpu_memory_mib, 2 * 16368);
    machine = (struct machine){.gpu_model = "NVIDIA H200", .gpu_count = 8, .gpu_memory_mib = 1000};
    gpu_amd_facts(&amd, &machine);
    assert_string_equal(machine.gpu_model, "NVIDIA H200");
    assert_int_equal(machine.gpu_count, 10);
    assert_int_equal(machine.gpu_memory_mib, 1000 + 2 * 16368);
}

static void a_model_without_a_name_is_told_by_its_numbers(void **state)
{
    (void)state;
    amdgpu(0, A, "0", "0");
    attribute(A, "product_name", ""); /* the boards of servers alone have one */
    attribute(A, "vendor", "0x1002");
    attribute(A, "device", "0x744c");
    begins();
    struct machine machine = {.gpu_count = METRIC_NONE, .gpu_memory_mib = METRIC_NONE};
    gpu_amd_facts(&amd, &machine);
    assert_string_equal(machine.gpu_model, "AMD GPU 1002:744c");
}

static void a_device_that_sleeps_is_idle_and_not_asked(void **state)
{
    (void)state;
    amdgpu(0, A, "77", "4096");
    attribute(A, "power/runtime_status", "suspended");
    begins();
    struct gpu_reading r = reading();
    assert_int_equal(r.usage, 0);
    assert_int_equal(r.used, 0);
    assert_int_equal(r.memory, 4096);
    assert_int_equal(busy_asked, 0);
    attribute(A, "power/runtime_status", "suspending");
    assert_int_equal(reading().usage, 0);
    assert_int_equal(busy_asked, 0);
    attribute(A, "power/runtime_status", "resuming"); /* a question would wait */
    assert_true(reading().usage == METRIC_NONE);
    assert_int_equal(busy_asked, 0);
    attribute(A, "power/runtime_status", "active");
    assert_int_equal(reading().usage, 7700);
}

static void sensors(const char *pdev, const char *what, const char *microwatts)
{
    char name[64];
    (void)snprintf(name, sizeof name, "hwmon/hwmon3/%s", what);
    attribute(pdev, name, microwatts);
}

static void energy_is_power_by_the_time_and_none_while_asleep(void **state)
{
    (void)state;
    struct gpu_state s;
    amdgpu(0, A, "77", "4096");
    sensors(A, "power1_cap", "300000000");
    sensors(A, "power1_average", "200000000");
    sensors(A, "power1_input", "1");
    sensors(A, "temp1_input", "61000");
    begins();
    assert_int_equal(reading().energy, 200000000); /* a second at 200 W */
    gpu_amd_state(&amd, 0, &s);
    assert_true(s.power == 200000 && s.temperature == 61);
    sensors(A, "power1_average", "100000000");
    assert_int_equal(reading().energy, 300000000);
    attribute(A, "power/runtime_status", "suspended");
    assert_int_equal(reading().energy, 300000000);
    assert_true(gpu_amd_has_energy(&amd));
}

static void a_cards_details_have_its_clock_if_that_is_asked_for(void **state)
{
    (void)state;
    struct gpu_detail d = {.memory_total = METRIC_NONE, .clock = METRIC_NONE};
    amdgpu(0, A, "77", "4096");
    attribute(A, "product_name", "Instinct");
    attribute(A, "mem_info_vram_total", "8192");
    sensors(A, "freq1_input", "1710000000");
    begins();
    (void)reading();
    gpu_amd_detail(&amd, 0, &d);
    assert_true(d.clock == METRIC_NONE && d.memory_total == 8192);
    assert_string_equal(d.name, "Instinct");
    assert_string_equal(d.uuid, A);
    amd.keeps_clock = true;
    (void)reading();
    gpu_amd_detail(&amd, 0, &d);
    assert_int_equal(d.clock, 1710);
}

static void a_device_without_a_mean_tells_its_power_of_the_moment(void **state)
{
    (void)state;
    amdgpu(0, A, "77", "4096");
    sensors(A, "power1_cap", "300000000");
    sensors(A, "power1_input", "50000000");
    begins();
    assert_int_equal(reading().energy, 50000000);
}

static void an_apus_power_is_left_out_for_it_has_the_cpus_in_it(void **state)
{
    (void)state;
    struct gpu_state s;
    amdgpu(0, A, "77", "4096");
    sensors(A, "power1_average", "15000000");
    begins();
    assert_true(reading().energy == METRIC_NONE);
    gpu_amd_state(&amd, 0, &s);
    assert_true(s.power == METRIC_NONE && !gpu_amd_has_energy(&amd));
}

static unsigned asked_in(int rows)
{
    unsigned asked = 0;
    for (int i = 0; i < rows; i++) {
        (void)reading();
        asked += busy_asked;
    }
    return asked;
}

static void an_idle_device_that_may_sleep_is_given_the_time_to(void **state)
{
    (void)state;
    amdgpu(0, A, "0", "4096");
    attribute(A, "power/control", "auto");
    attribute(A, "power/autosuspend_delay_ms", "5000");
    process(42, 10);
    begins();
    assert_int_equal(asked_in(11), 11);
    assert_int_equal(asked_in(60), 10); /* every six seconds */
    attribute(A, "mem_info_vram_used", "8192");
    attribute(A, "gpu_busy_percent", "50");
    assert_int_equal(reading().usage, 5000);
    assert_int_equal(asked_in(10), 10);
    attribute(A, "gpu_busy_percent", "0");
    assert_int_equal(asked_in(11), 11);
    assert_true(asked_in(12) <= 3);
    opens(42, 7, NODE, client(A, 1, 0, 8));
    acts(42);
    assert_int_equal(asked_in(10), 10);
}

static void an_idle_device_that_never_sleeps_is_asked_always(void **state)
{
    (void)state;
    amdgpu(0, A, "0", "4096");
    attribute(A, "power/autosuspend_delay_ms", "5000");
    begins();
    assert_int_equal(asked_in(30), 30);
    attribute(A, "power/control", "auto");
    attribute(A, "power/autosuspend_delay_ms", "-1");
    assert_int_equal(asked_in(30), 30);
}

static void a_device_that_vanishes_is_missing_until_it_is_back(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100");
    amdgpu(1, B, "20", "200");
    begins();
    assert_int_equal(reading().usage, 3000);
    fixture_remove(&f, "sys/devices/pci/0000:83:00.0");
    struct gpu_reading r = reading();
    assert_int_equal(r.usage, 1000);
    assert_int_equal(r.memory, 100);
    fixture_remove(&f, "sys/devices/pci/0000:03:00.0");
    struct machine machine = {.gpu_count = METRIC_NONE, .gpu_memory_mib = METRIC_NONE};
    gpu_amd_facts(&amd, &machine);
    assert_true(machine.gpu_count == METRIC_NONE && machine.gpu_memory_mib == METRIC_NONE && !machine.gpu_model[0]);
    struct gpu_reading none = {.usage = METRIC_NONE};
    assert_int_equal(gpu_amd_read(&amd, NULL, now, &none), -ENODATA);
    assert_true(none.usage == METRIC_NONE);
    fixture_remove(&f, "sys/class/drm/card1");
    amdgpu(1, B, "30", "300");
    assert_int_equal(reading().usage, 3000);
}

static void a_driver_that_is_unloaded_and_loaded_again_is_asked_again(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100");
    begins();
    assert_int_equal(reading().usage, 1000);
    fixture_remove(&f, "sys/class/drm");
    fixture_remove(&f, "sys/devices");
    assert_true(reading().usage == METRIC_NONE);
    assert_true(reading().usage == METRIC_NONE);
    amdgpu(0, A, "20", "100"); /* in a folder that is another */
    assert_int_equal(reading().usage, 2000);
    assert_int_equal(reading().usage, 2000);
}

static void the_tree_is_not_idle_but_unknown_where_it_may_not_be_looked_at(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100");
    process(42, 10);
    process(43, 10);
    opens(42, 5, NODE, client(A, 1, 100, 8));
    opens(43, 5, "/dev/null", "");
    refused = "42/fd";
    begins();
    assert_int_equal(reading().tree_usage, 0); /* the other's could be read */
    gone(43);
    refused = "/fd";
    struct gpu_reading r = reading();
    assert_no_tree(&r);
    assert_int_equal(opened, 3); /* the device's: who has refused is not asked again */
    assert_int_equal(r.usage, 1000);
}

static void a_tree_without_descriptors_uses_nothing(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100");
    process(42, 10);
    opens(42, 3, "socket:[1234]", "");
    begins();
    struct gpu_reading r = reading();
    assert_true(r.tree_usage == 0 && r.tree_memory == 0 && r.tree_used == 0);
}

static void usage_is_the_rise_of_engine_time(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000");
    process(42, 10);
    opens(42, 5, NODE, client(A, 1, 5000, 2048));
    begins();
    struct gpu_reading r = reading();
    assert_int_equal(r.tree_usage, 0); /* what was before is not ours */
    assert_int_equal(r.tree_memory, 2048 * 1024);
    opens(42, 5, NODE, client(A, 1, 5250, 4096));
    r = reading();
    assert_int_equal(r.tree_usage, 2500);
    assert_int_equal(r.tree_memory, 4096 * 1024);
    assert_int_equal(r.tree_used, 1);
    r = reading();
    assert_int_equal(r.tree_usage, 0);
    assert_int_equal(r.tree_used, 0);
}

static void a_device_is_used_once_at_most_and_not_by_copying_or_video(void **state)
{
    (void)state;
    static const char two[] = "drm-driver: amdgpu\ndrm-client-id: 1\ndrm-pdev: 0000:03:00.0\n"
                              "drm-engine-gfx: %d ns\ndrm-engine-compute: %d ns\ndrm-engine-dma: %d ns\n"
                              "drm-engine-enc: %d ns\ndrm-engine-dec: %d ns\ndrm-engine-jpeg: %d ns\n";
    char              text[512];
    amdgpu(0, A, "10", "100000000");
    amdgpu(1, B, "10", "100000000");
    process(42, 10);
    begins();
    (void)snprintf(text, sizeof text, two, 0, 0, 0, 0, 0, 0);
    opens(42, 5, NODE, text);
    opens(42, 6, "/dev/dri/card1", client(B, 1, 0, 8));
    (void)reading();
    (void)snprintf(text, sizeof text, two, 300000000, 400000000, 900000000, 900000000, 900000000, 900000000);
    opens(42, 5, NODE, text);
    assert_int_equal(reading().tree_usage, 7000);
    (void)snprintf(text, sizeof text, two, 1200000000, 1300000000, 0, 0, 0, 0);
    opens(42, 5, NODE, text);
    opens(42, 6, "/dev/dri/card1", client(B, 1, 500, 8));
    struct gpu_reading r = reading();
    assert_int_equal(r.tree_usage, 15000);
    assert_int_equal(r.tree_used, 2);
}

static void two_clients_of_a_device_use_it_once_at_most(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000");
    process(42, 10);
    begins();
    opens(42, 5, NODE, client(A, 1, 0, 8));
    opens(42, 6, NODE, client(A, 2, 0, 8));
    (void)reading();
    opens(42, 5, NODE, client(A, 1, 400, 8));
    opens(42, 6, NODE, client(A, 2, 300, 8));
    assert_int_equal(reading().tree_usage, 7000);
    opens(42, 5, NODE, client(A, 1, 1300, 8));
    opens(42, 6, NODE, client(A, 2, 1200, 8));
    assert_int_equal(reading().tree_usage, 10000);
}

static void memory_is_not_more_than_the_device_has_in_use(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "3145728");
    process(42, 10);
    opens(42, 5, NODE, client(A, 1, 0, 2048));
    opens(42, 6, NODE, client(A, 2, 0, 2048));
    begins();
    assert_int_equal(reading().tree_memory, 3145728);
}

static void a_client_that_is_shared_counts_once(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000");
    process(42, 10);
    process(43, 11);
    opens(42, 5, NODE, client(A, 1, 0, 1024));
    opens(42, 6, NODE, client(A, 1, 0, 1024));
    opens(43, 5, NODE, client(A, 1, 0, 1024));
    begins();
    assert_int_equal(reading().tree_memory, 1024 * 1024);
    opens(42, 6, NODE, client(A, 1, 100, 1024));
    opens(43, 5, NODE, client(A, 1, 100, 1024));
    closes(42, 5);
    assert_int_equal(reading().tree_usage, 1000);
    gone(42);
    opens(43, 5, NODE, client(A, 1, 400, 1024));
    struct gpu_reading r = reading();
    assert_int_equal(r.tree_usage, 3000);
    assert_int_equal(r.tree_memory, 1024 * 1024);
}

static void one_number_on_two_devices_is_two_clients(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000");
    amdgpu(1, B, "10", "100000000");
    process(42, 10);
    opens(42, 5, NODE, client(A, 1, 0, 1024));
    opens(42, 6, "/dev/dri/renderD129", client(B, 1, 0, 1024));
    begins();
    assert_int_equal(reading().tree_memory, 2048 * 1024);
}

static void a_number_that_is_another_files_is_dropped(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000");
    process(42, 10);
    opens(42, 5, NODE, client(A, 1, 0, 1024));
    begins();
    (void)reading();
    opens(42, 5, "/etc/passwd", "");
    struct gpu_reading r = reading();
    assert_true(r.tree_usage == 0 && r.tree_memory == 0);
    assert_int_equal(amd.clients.search.found_count, 0);
}

static void a_number_that_is_another_clients_counts_that_one_from_its_start(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000");
    process(42, 10);
    opens(42, 5, NODE, client(A, 1, 9000, 1024));
    begins();
    (void)reading();
    opens(42, 5, NODE, client(A, 2, 300, 1024));
    assert_int_equal(reading().tree_usage, 3000);
}

static void a_spare_number_that_becomes_another_clients_is_noticed(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000");
    process(42, 10);
    opens(42, 5, NODE, client(A, 1, 0, 1024));
    opens(42, 6, NODE, client(A, 1, 0, 1024));
    begins();
    (void)reading();
    opens(42, 5, NODE, client(A, 2, 0, 1024));
    opens(42, 6, NODE, client(A, 1, 0, 1024));
    for (int i = 0; i < 16; i++)
        (void)reading();
    assert_int_equal(reading().tree_memory, 2048 * 1024);
}

static void a_pid_that_is_used_again_is_another_process(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000");
    process(42, 10);
    opens(42, 5, NODE, client(A, 1, 100, 1024));
    begins();
    (void)reading();
    gone(42);
    process(42, 1110); /* began after the reading */
    opens(42, 5, NODE, client(A, 2, 400, 512));
    struct gpu_reading r = reading();
    assert_int_equal(r.tree_usage, 4000);
    assert_int_equal(r.tree_memory, 512 * 1024);
}

static void a_counter_that_falls_stays_until_it_is_passed(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000");
    process(42, 10);
    opens(42, 5, NODE, client(A, 1, 1000, 8));
    begins();
    (void)reading();
    opens(42, 5, NODE, client(A, 1, 900, 8));
    assert_int_equal(reading().tree_usage, 0);
    opens(42, 5, NODE, client(A, 1, 1100, 8));
    assert_int_equal(reading().tree_usage, 1000);
}

static void an_engine_that_is_listed_late_had_not_been_used(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000");
    process(42, 10);
    opens(42, 5, NODE, "drm-driver: amdgpu\ndrm-client-id: 1\ndrm-pdev: 0000:03:00.0\ndrm-memory-vram: 1 MiB\n");
    begins();
    (void)reading();
    opens(42, 5, NODE, client(A, 1, 250, 8));
    assert_int_equal(reading().tree_usage, 2500);
}

static void a_new_process_counts_from_its_start_and_an_heir_does_not(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000");
    process(42, 10);
    opens(42, 3, "/dev/null", "");
    begins();
    (void)reading();
    process(43, 1150);
    opens(43, 5, NODE, client(A, 7, 600, 8));
    assert_int_equal(reading().tree_usage, 6000);
    process(44, 1250);
    opens(44, 5, NODE, client(A, 8, 77000, 8)); /* more than it has lived */
    assert_int_equal(reading().tree_usage, 0);
}

static void an_old_process_that_opens_a_device_is_found_when_it_has_done_something(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000");
    process(42, 10);
    opens(42, 3, "/dev/null", "");
    begins();
    for (int i = 0; i < 100; i++)
        (void)reading();
    opens(42, 5, NODE, client(A, 1, 100, 8));
    (void)reading();
    assert_int_equal(amd.clients.search.found_count, 0);
    acts(42);
    assert_int_equal(reading().tree_usage, 0); /* when it worked, nobody knows */
    assert_int_equal(amd.clients.search.found_count, 1);
    for (int i = 0; i < 100; i++) {
        acts(42);
        (void)reading();
    }
    opens(42, 6, NODE, client(A, 2, 100, 8));
    for (int i = 0; i < 33; i++) {
        acts(42);
        (void)reading();
    }
    assert_int_equal(amd.clients.search.found_count, 2);
}

static void where_readings_are_rare_a_process_is_looked_through_at_each(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000");
    process(42, 10);
    opens(42, 3, "/dev/null", "");
    begins();
    for (int i = 0; i < 100; i++) {
        acts(42);
        (void)reading();
    }
    opens(42, 5, NODE, client(A, 1, 100, 8));
    acts(42);
    now += 60 * CLOCK_SECOND;
    (void)reading();
    assert_int_equal(amd.clients.search.found_count, 1);
}

static void kernels_whose_fdinfo_tells_nothing_leave_the_tree_unknown(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000");
    process(42, 10);
    opens(42, 5, NODE, "pdev:\t0000:03:00.0\npasid:\t32771\nvram mem:\t10 kB\ngfx0:\t1.25%\n"); /* 5.14 to 5.18 */
    begins();
    struct gpu_reading r = reading();
    assert_no_tree(&r);
    assert_int_equal(r.usage, 1000);
    r = reading();
    assert_no_tree(&r);
}

static void the_first_kernels_with_the_keys_are_understood(void **state)
{
    (void)state;
    static const char old[] = "pdev:\t0000:03:00.0\npasid:\t32771\ndrm-driver:\tamdgpu\ndrm-pdev:\t0000:03:00.0\n"
                              "drm-client-id:\t17\ndrm-memory-vram:\t512 KiB\ndrm-memory-gtt: \t8 KiB\n"
                              "drm-memory-cpu: \t0 KiB\namd-memory-visible-vram:\t4 KiB\ndrm-engine-gfx:\t%d ns\n";
    char              text[512];
    amdgpu(0, A, "10", "100000000");
    process(42, 10);
    (void)snprintf(text, sizeof text, old, 0);
    opens(42, 5, NODE, text);
    begins();
    assert_int_equal(reading().tree_memory, 512 * 1024);
    (void)snprintf(text, sizeof text, old, 10000000);
    opens(42, 5, NODE, text);
    assert_int_equal(reading().tree_usage, 100);
}

static void i915_has_time_and_capacity(void **state)
{
    (void)state;
    static const char intel[] = "drm-driver: i915\ndrm-pdev: 0000:00:02.0\ndrm-client-id: 9\n"
                                "drm-total-local0: 9 MiB\ndrm-resident-local0: 2 MiB\ndrm-resident-system0: 5 MiB\n"
                                "drm-engine-render: %d ns\ndrm-engine-copy: %d ns\ndrm-engine-video: 0 ns\n"
                                "drm-engine-compute: %d ns\ndrm-engine-capacity-compute: 4\n";
    char              text[512];
    device(0, "0000:00:02.0", "i915");
    process(42, 10);
    opens(42, 3, "/dev/null", "");
    begins();
    struct gpu_reading r = reading();
    assert_no_tree(&r); /* that a processor has graphics does not make it a machine with a GPU */
    (void)snprintf(text, sizeof text, intel, 0, 0, 0);
    opens(42, 5, NODE, text);
    acts(42);
    assert_int_equal(reading().tree_memory, 2 << 20);
    (void)snprintf(text, sizeof text, intel, 100000000, 900000000, 800000000);
    opens(42, 5, NODE, text);
    r = reading();
    assert_int_equal(r.tree_usage, 3000);
    assert_true(r.usage == METRIC_NONE && r.memory == METRIC_NONE);
    closes(42, 5);
    r = reading();
    assert_true(r.tree_usage == 0 && r.tree_memory == 0);
}

static void xe_has_cycles_of_its_own_clock(void **state)
{
    (void)state;
    static const char intel[] = "drm-driver:\txe\ndrm-client-id:\t3\ndrm-pdev:\t0000:03:00.0\n"
                                "drm-resident-vram0:\t1 MiB\ndrm-resident-vram1:\t2 MiB\ndrm-resident-gtt:\t7 MiB\n"
                                "drm-cycles-rcs:\t%d\ndrm-total-cycles-rcs:\t%llu\ndrm-cycles-bcs:\t%d\n"
                                "drm-total-cycles-bcs:\t%llu\ndrm-cycles-ccs:\t%d\ndrm-total-cycles-ccs:\t%llu\n"
                                "drm-engine-capacity-ccs:\t2\n";
    char                     text[512];
    const unsigned long long start = 7655183225;
    device(0, "0000:03:00.0", "xe");
    process(42, 10);
    (void)snprintf(text, sizeof text, intel, 5000, start, 0, start, 0, start);
    opens(42, 5, NODE, text);
    begins();
    struct gpu_reading r = reading();
    assert_int_equal(r.tree_usage, 0);
    assert_int_equal(r.tree_memory, 3 << 20);
    (void)snprintf(text, sizeof text, intel, 6000, start + 10000, 9000, start + 10000, 6000, start + 10000);
    opens(42, 5, NODE, text);
    assert_int_equal(reading().tree_usage, 1000 + 3000);
}

static void a_device_that_is_none_of_pci_has_no_memory_of_its_own(void **state)
{
    (void)state;
    static const char mali[] = "drm-driver:\tpanfrost\ndrm-client-id:\t3\ndrm-engine-fragment:\t%d ns\n"
                               "drm-cycles-fragment:\t1\ndrm-maxfreq-fragment:\t799999987 Hz\n"
                               "drm-engine-vertex-tiler:\t0 ns\ndrm-resident-memory:\t9 MiB\n";
    char              text[512];
    device(0, "fde60000.gpu", "panfrost");
    process(42, 10);
    (void)snprintf(text, sizeof text, mali, 0);
    opens(42, 5, NODE, text);
    begins();
    (void)reading();
    (void)snprintf(text, sizeof text, mali, 420000000);
    opens(42, 5, NODE, text);
    struct gpu_reading r = reading();
    assert_int_equal(r.tree_usage, 4200);
    assert_int_equal(r.tree_memory, 0);
}

static void other_drivers_descriptors_are_not_counted(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000");
    process(42, 10);
    opens(42, 5, NODE, "drm-driver:\tvirtio_gpu\ndrm-client-id:\t3\ndrm-resident-vram:\t9 MiB\n");
    opens(42, 6, "/home/x/dri/card1", "");
    opens(42, 7, "/srv/root/dev/dri/renderD128", client(A, 1, 0, 8)); /* of a process in another root */
    begins();
    assert_int_equal(reading().tree_memory, 8 * 1024);
}

static void what_rocm_computes_is_the_devices_own_figure_if_nobody_else_computes(void **state)
{
    (void)state;
    amdgpu(0, A, "60", "100000000");
    amdgpu(1, B, "30", "100000000");
    process(42, 10);
    opens(42, 4, "/dev/kfd", "");
    opens(42, 5, NODE, client(A, 1, 0, 1024));
    fixture_folder(&f, "sys/class/kfd/kfd/proc/42");
    fixture_link(&f, "proc/self/ns/pid", "pid:[4026531836]");
    begins();
    struct gpu_reading r = reading();
    assert_int_equal(r.tree_usage, 6000); /* not the other device's */
    assert_int_equal(r.tree_used, 1);
    assert_int_equal(r.tree_memory, 1024 * 1024);
    fixture_folder(&f, "sys/class/kfd/kfd/proc/4711");
    r = reading();
    assert_true(r.tree_usage == METRIC_NONE && r.tree_used == METRIC_NONE);
    assert_int_equal(r.tree_memory, 1024 * 1024);
    fixture_remove(&f, "sys/class/kfd/kfd/proc/4711");
    fixture_remove(&f, "proc/self/ns/pid");
    fixture_link(&f, "proc/self/ns/pid", "pid:[4026532001]");
    assert_true(reading().tree_usage == METRIC_NONE);
    closes(42, 4);
    acts(42);
    for (int i = 0; i < 3; i++)
        (void)reading();
    assert_int_equal(reading().tree_usage, 0);
}

static void two_hundred_processes_without_descriptors_cost_a_few_files(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000");
    for (int i = 0; i < 200; i++) {
        process(100 + i, 10);
        for (int fd = 0; fd < 5; fd++)
            opens(100 + i, fd, "/dev/null", "");
    }
    begins();
    for (int i = 0; i < 20; i++)
        (void)reading();
    (void)reading();
    assert_int_equal(opened, 3); /* the device's attributes */
    assert_int_equal(links_read, 0);
    unsigned links = 0;
    for (int row = 0; row < 320; row++) { /* all of them at work */
        for (int i = 0; i < 200; i++)
            acts(100 + i);
        (void)reading();
        links += row >= 64 ? links_read : 0;
    }
    assert_true(links / 256 <= 200 * 5 / 32 + 2);
}

static void a_thousand_descriptors_are_looked_through_once_and_then_only_the_one_is_read(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000");
    process(42, 10);
    for (int fd = 0; fd < 1000; fd++)
        opens(42, fd, "socket:[1]", "");
    opens(42, 990, NODE, client(A, 1, 0, 1024));
    begins();
    assert_int_equal(reading().tree_memory, 1024 * 1024);
    assert_true(links_read >= 1000 && links_read <= 1010);
    (void)reading();
    assert_int_equal(links_read, 0);
    assert_int_equal(opened, 4);
}

static void five_thousand_descriptors_are_looked_through_in_parts(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000");
    process(42, 10);
    char path[64];
    for (int fd = 0; fd < 5000; fd++) {
        (void)snprintf(path, sizeof path, "proc/42/fd/%d", fd);
        if (fd < 1)
            fixture_link(&f, path, "socket:[1]");
        else {
            char full[512];
            fixture_path(&f, path, full);
            assert_int_equal(symlink("socket:[1]", full), 0);
        }
    }
    opens(42, 4999, NODE, client(A, 1, 0, 1024));
    begins();
    unsigned most = 0;
    int      rows = 0;
    do {
        (void)reading();
        most = links_read > most ? links_read : most;
    } while (amd.clients.search.found_count == 0 && ++rows < 400);
    assert_int_equal(amd.clients.search.found_count, 1);
    assert_true(most <= 2 * 1024);
}

static void clients_and_descriptors_without_end_are_read_in_bounded_memory(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000000");
    for (int i = 0; i < 40; i++) {
        process(100 + i, 10);
        for (int fd = 0; fd < 80; fd++)
            opens(100 + i, fd, NODE, client(A, 1000 * i + fd, 0, 1));
    }
    begins();
    struct gpu_reading r;
    for (int i = 0; i < 40; i++)
        r = reading();
    assert_true(amd.clients.search.found_count <= GPU_DESCRIPTORS_MAX);
    assert_int_equal(amd.clients.capacity, GPU_CLIENTS_MAX);
    assert_int_equal(r.tree_memory, GPU_CLIENTS_MAX * 1024);
}

static void processes_that_come_and_go_leave_nothing_behind(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000");
    begins();
    for (int i = 0; i < 300; i++) {
        process(1000 + i, (unsigned)(1100 + i * 100));
        opens(1000 + i, 5, NODE, client(A, i, 100, 64));
        if (i >= 2)
            gone(1000 + i - 2);
        struct gpu_reading r = reading();
        assert_int_equal(r.tree_memory, (i > 0 ? 2 : 1) * 64 * 1024);
    }
    assert_int_equal(amd.clients.search.count, 2);
    assert_int_equal(amd.clients.search.found_count, 2);
    assert_true(amd.clients.capacity <= 8);
}

static void it_goes_on_after_it_stepped_aside_and_without_held_descriptors(void **state)
{
    (void)state;
    amdgpu(0, A, "10", "100000000");
    process(42, 10);
    opens(42, 5, NODE, client(A, 1, 0, 1024));
    begins();
    (void)reading();
    gpu_amd_suspend(&amd);
    assert_int_equal(amd.drm, -1);
    close(tree.proc);
    tree.proc = -1;
    opens(42, 5, NODE, client(A, 1, 200, 1024));
    struct gpu_reading r = reading();
    assert_int_equal(r.usage, 1000);
    assert_int_equal(r.tree_usage, 2000);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(without_drm_there_is_one_look),
        test(the_graphics_of_a_bmc_or_a_virtual_machine_are_no_gpu),
        test(connectors_render_nodes_and_partitions_are_no_devices),
        test(several_devices_add_up),
        test(a_figure_that_is_none_is_missing_and_the_others_stay),
        test(an_apu_has_the_memory_that_is_set_aside_for_it),
        test(facts_name_the_first_and_add_to_those_of_others),
        test(a_model_without_a_name_is_told_by_its_numbers),
        test(a_device_that_sleeps_is_idle_and_not_asked),
        test(energy_is_power_by_the_time_and_none_while_asleep),
        test(a_cards_details_have_its_clock_if_that_is_asked_for),
        test(a_device_without_a_mean_tells_its_power_of_the_moment),
        test(an_apus_power_is_left_out_for_it_has_the_cpus_in_it),
        test(an_idle_device_that_may_sleep_is_given_the_time_to),
        test(an_idle_device_that_never_sleeps_is_asked_always),
        test(a_device_that_vanishes_is_missing_until_it_is_back),
        test(a_driver_that_is_unloaded_and_loaded_again_is_asked_again),
        test(the_tree_is_not_idle_but_unknown_where_it_may_not_be_looked_at),
        test(a_tree_without_descriptors_uses_nothing),
        test(usage_is_the_rise_of_engine_time),
        test(a_device_is_used_once_at_most_and_not_by_copying_or_video),
        test(two_clients_of_a_device_use_it_once_at_most),
        test(memory_is_not_more_than_the_device_has_in_use),
        test(a_client_that_is_shared_counts_once),
        test(one_number_on_two_devices_is_two_clients),
        test(a_number_that_is_another_files_is_dropped),
        test(a_number_that_is_another_clients_counts_that_one_from_its_start),
        test(a_spare_number_that_becomes_another_clients_is_noticed),
        test(a_pid_that_is_used_again_is_another_process),
        test(a_counter_that_falls_stays_until_it_is_passed),
        test(an_engine_that_is_listed_late_had_not_been_used),
        test(a_new_process_counts_from_its_start_and_an_heir_does_not),
        test(an_old_process_that_opens_a_device_is_found_when_it_has_done_something),
        test(where_readings_are_rare_a_process_is_looked_through_at_each),
        test(kernels_whose_fdinfo_tells_nothing_leave_the_tree_unknown),
        test(the_first_kernels_with_the_keys_are_understood),
        test(i915_has_time_and_capacity),
        test(xe_has_cycles_of_its_own_clock),
        test(a_device_that_is_none_of_pci_has_no_memory_of_its_own),
        test(other_drivers_descriptors_are_not_counted),
        test(what_rocm_computes_is_the_devices_own_figure_if_nobody_else_computes),
        test(two_hundred_processes_without_descriptors_cost_a_few_files),
        test(a_thousand_descriptors_are_looked_through_once_and_then_only_the_one_is_read),
        test(five_thousand_descriptors_are_looked_through_in_parts),
        test(clients_and_descriptors_without_end_are_read_in_bounded_memory),
        test(processes_that_come_and_go_leave_nothing_behind),
        test(it_goes_on_after_it_stepped_aside_and_without_held_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
