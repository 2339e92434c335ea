/* NVML, NVIDIA's management library, as an instance of our own: a copy in memory under another soname. Under its own
 * name it would be the program's too, with one set of descriptors in two tables. Loaded once, before main, while the
 * process has one thread; never unloaded. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_GPU_NVML_LIBRARY_H
#define PILLION_COLLECT_GPU_NVML_LIBRARY_H

#include "collect/collect.h"
#include "collect/gpu/nvml_abi.h"

/* Places of the files. NULL stands for the system's own. */
struct nvml_places {
    const char        *control;   /* "/dev/nvidiactl" */
    const char *const *folders;   /* of the library, NULL-terminated */
    bool               sanitized; /* also into a program with a sanitizer (tests) */
};

/* Looks whether the driver is there, and loads the library. To be called on the program's thread, before main. Leaves
 * no descriptor open. 0; -ENODEV without a driver (one system call); -ENOENT without a library that may be trusted;
 * -ENOEXEC for one that is not understood, or that ld.so refuses. */
int nvml_library_load(const struct roots *roots, const struct nvml_places *places);
/* The functions; NULL before they are loaded. */
const struct nvml *nvml_library(void);

#endif
