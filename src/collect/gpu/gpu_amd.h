/* GPUs of amdgpu, by sysfs, and the tree's use of them, by fdinfo; also its use of other drivers' GPUs whose fdinfo
 * tells. Thread: pillion. Allocates: see gpu_clients.h. Files: the folder /sys/class/drm, held; in each reading and for
 * each device some of its attributes, opened, read, closed.
 *
 * A device is a cardN whose driver is amdgpu: no connectors (card0-DP-1), no render nodes, no partitions of an MI300
 * (devices without a driver, whose use is in their card's figures), and no graphics of a BMC or a virtual machine.
 * Devices are looked for once a run; one that goes is missing until it is back. Of other drivers (i915, xe, panfrost
 * ...) the machine's figures are not in sysfs: the tree's alone are given, and only once the tree has opened such a
 * device. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_GPU_GPU_AMD_H
#define PILLION_COLLECT_GPU_GPU_AMD_H

#include "collect/collect.h"
#include "collect/gpu/gpu_amd_card.h"
#include "collect/gpu/gpu_clients.h"
#include "collect/tree/process.h"

struct gpu_reading;

struct gpu_amd {
    struct roots       roots;
    int                drm; /* /sys/class/drm; -1 until the next reading */
    struct gpu_card    card[GPU_DEVICES_MAX];
    unsigned           cards;
    bool               has_begun;    /* there was a reading */
    bool               kfd_is_trees; /* see gpu_amd_kfd.h */
    bool               keeps_clock;  /* set by the owner: gpu_amd_detail has it */
    uint64_t           boot_ticks;   /* the tree's at the last reading */
    struct gpu_clients clients;
};

/* Looks for devices. 0, or -ENODEV without one: then one folder was looked at, and never again. gpu_amd_close is only
 * needed after 0. */
int gpu_amd_open(struct gpu_amd *amd, const struct roots *roots);
/* Adds to *add:
 *   usage        1/10000 devices  gpu_busy_percent     amdgpu/thermal.rst; see gpu_amd_card.h
 *   memory       bytes            mem_info_vram_used   amdgpu/driver-misc.rst; of an APU its share of RAM set aside
 *   used         count            devices with usage
 *   energy       microjoules      hwmon                counter from the first reading on; see gpu_amd_card.h
 *   tree_usage   1/10000 devices  drm-engine-*         drm-usage-stats.rst; see gpu_clients.h
 *   tree_memory  bytes            drm-resident-vram
 *   tree_used    count            devices with usage by the tree
 * Computing by ROCm is in no engine's time. There tree_usage is the device's own usage, if nobody else computes
 * (gpu_amd_kfd.h), else it is left out. All of the tree's figures are left out where nobody's descriptors may be
 * listed, and where the kernel tells nothing of its clients (before Linux 5.19). 0, or -ENODATA when no device answers.
 * The first reading, at load, is the tree's baseline and makes no row: no device is asked then. */
int gpu_amd_read(struct gpu_amd *amd, const struct process_tree *tree, int64_t now, struct gpu_reading *add);
/* Adds the model of the first device, the count, and the memory of all that are there. */
void gpu_amd_facts(const struct gpu_amd *amd, struct machine *add);
/* A card as the last reading found it. */
void gpu_amd_state(const struct gpu_amd *amd, unsigned card, struct gpu_state *ret);
/* Model, PCI address, memory, and the clock of the last reading; *ret stays as it is where nothing is known. */
void gpu_amd_detail(const struct gpu_amd *amd, unsigned card, struct gpu_detail *ret);
/* A card has told its power. */
bool gpu_amd_has_energy(const struct gpu_amd *amd);
void gpu_amd_suspend(struct gpu_amd *amd);
void gpu_amd_close(struct gpu_amd *amd);

#endif
