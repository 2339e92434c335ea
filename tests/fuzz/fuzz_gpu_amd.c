// SPDX-License-Identifier: Apache-2.0
// One file of an amdgpu device, or the fdinfo of a process's descriptor, as anything, named by the first line, at two
// readings with a form feed between them: no device is used more than once, and no name is without its end.
#include <string.h>

#include "base/clock.h"
#include "collect/gpu/gpu.h"
#include "folder.h"

static const struct file {
    const char *name, *content;
} files[] = {
    {"proc/42/fdinfo/5", "drm-driver:\tamdgpu\ndrm-client-id:\t1\ndrm-pdev:\t0000:03:00.0\ndrm-engine-gfx:\t1 ns\n"},
    {"sys/card0/gpu_busy_percent", "12\n"},
    {"sys/card0/mem_info_vram_used", "4096\n"},
    {"sys/card0/mem_info_vram_total", "8192\n"},
    {"sys/card0/product_name", "\n"},
    {"sys/card0/vendor", "0x1002\n"},
    {"sys/card0/device", "0x744c\n"},
    {"sys/card0/power/runtime_status", "active\n"},
    {"sys/card0/power/control", "auto\n"},
    {"sys/card0/power/autosuspend_delay_ms", "5000\n"},
};
enum { FILES = sizeof files / sizeof *files };

static char proc[80], sys[80];

static void put(const struct file *file)
{
    folder_write(file->name, file->content, strlen(file->content));
}

static void set_up(void)
{
    int dir = folder_open();
    for (size_t i = 0; i < FILES; i++)
        put(&files[i]);
    folder_write("proc/42/fd/x", "", 0);
    folder_write("sys/class/drm/card0/x", "", 0);
    HOLDS(symlinkat("/dev/dri/renderD128", dir, "proc/42/fd/5") == 0);
    HOLDS(symlinkat("../../../card0", dir, "sys/class/drm/card0/device") == 0);
    HOLDS(symlinkat("../bus/pci/drivers/amdgpu", dir, "sys/card0/driver") == 0);
    (void)snprintf(proc, sizeof proc, "%s/proc", folder_path);
    (void)snprintf(sys, sizeof sys, "%s/sys", folder_path);
}

static const struct file *find(const char *name, size_t len)
{
    for (size_t i = 0; i < FILES; i++)
        if (strlen(files[i].name) == len && memcmp(files[i].name, name, len) == 0)
            return &files[i];
    return NULL;
}

static void check_text(const uint8_t *data, size_t size)
{
    struct gpu_fdinfo info;
    char             *text = malloc(size ? size : 1);
    HOLDS(text);
    memcpy(text, data, size);
    bool is_client = gpu_fdinfo_parse(text_span(text, size), &info);
    HOLDS(!is_client || (info.driver[0] && gpu_fdinfo_is_drm(text_span(text, size))));
    HOLDS(memchr(info.driver, 0, sizeof info.driver) && memchr(info.pdev, 0, sizeof info.pdev));
    HOLDS(info.engines <= GPU_ENGINES_MAX && (info.vram == METRIC_NONE || info.vram < UINT64_C(1) << 62));
    for (unsigned i = 0; i < info.engines; i++)
        HOLDS(info.engine[i].name > 0);
    free(text);
}

static void check_reading(struct gpu_amd *amd, const struct process_tree *tree, int64_t now)
{
    struct gpu_reading r = {METRIC_NONE, METRIC_NONE, METRIC_NONE, METRIC_NONE, METRIC_NONE, METRIC_NONE, METRIC_NONE};
    struct machine     machine = {.gpu_count = METRIC_NONE, .gpu_memory_mib = METRIC_NONE};
    (void)gpu_amd_read(amd, tree, now, &r);
    HOLDS(r.usage == METRIC_NONE || r.usage <= GPU_USAGE_ONE);
    HOLDS(r.used == METRIC_NONE || r.used <= 1);
    HOLDS(r.tree_usage == METRIC_NONE || r.tree_usage <= GPU_USAGE_ONE);
    HOLDS(r.tree_used == METRIC_NONE || r.tree_used <= 1);
    gpu_amd_facts(amd, &machine);
    HOLDS(memchr(machine.gpu_model, 0, sizeof machine.gpu_model));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = memchr(data, '\n', size);
    if (!proc[0])
        set_up();
    const struct file *file = line ? find((const char *)data, (size_t)(line - data)) : NULL;
    if (!file)
        return 0;
    const uint8_t *first = line + 1;
    const uint8_t *end = data + size;
    const uint8_t *feed = memchr(first, '\f', (size_t)(end - first));
    check_text(first, (size_t)(end - first));

    struct roots        roots = {proc, sys};
    struct process_tree tree = {.proc = open(proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .boot_ticks = {2, 1}};
    struct gpu_amd     *amd = malloc(sizeof *amd);
    HOLDS(amd && tree.proc >= 0 && process_table_init(&tree.table) == 0);
    struct process *p = process_table_add(&tree.table, 42);
    HOLDS(p);
    p->read_yet = true;
    p->start = 1;
    folder_write(file->name, first, (size_t)((feed ? feed : end) - first));
    HOLDS(gpu_amd_open(amd, &roots) == 0);
    check_reading(amd, &tree, CLOCK_SECOND / 2);
    check_reading(amd, &tree, CLOCK_SECOND);
    if (feed)
        folder_write(file->name, feed + 1, (size_t)(end - feed - 1));
    check_reading(amd, &tree, 2 * CLOCK_SECOND);
    check_reading(amd, &tree, 20 * CLOCK_SECOND);
    gpu_amd_close(amd);
    process_table_done(&tree.table);
    close(tree.proc);
    free(amd);
    put(file);
    return 0;
}
