/* The used part of NVML's interface, declared anew from NVIDIA's documentation of it (NVML API Reference Guide,
 * docs.nvidia.com/deploy/nvml-api). The library is found at run time, and nothing of NVIDIA's is needed to build. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_GPU_NVML_ABI_H
#define PILLION_COLLECT_GPU_NVML_ABI_H

#include <stdint.h>

typedef struct nvmlDevice_st *nvmlDevice_t;

enum {
    NVML_SUCCESS = 0,
    NVML_ERROR_UNINITIALIZED = 1,
    NVML_ERROR_INVALID_ARGUMENT = 2,
    NVML_ERROR_NOT_SUPPORTED = 3,
    NVML_ERROR_NO_PERMISSION = 4,
    NVML_ERROR_NOT_FOUND = 6,
    NVML_ERROR_INSUFFICIENT_SIZE = 7,
    NVML_ERROR_DRIVER_NOT_LOADED = 9,
    NVML_ERROR_TIMEOUT = 10,
    NVML_ERROR_FUNCTION_NOT_FOUND = 13,
    NVML_ERROR_GPU_IS_LOST = 15,
    NVML_ERROR_RESET_REQUIRED = 16,
};

enum { NVML_INIT_FLAG_NO_GPUS = 1 };
enum { NVML_GPU_UTILIZATION_SAMPLES = 1 };
enum { NVML_DEVICE_MIG_ENABLE = 1 };
enum { NVML_TEMPERATURE_GPU = 0 };
enum { NVML_CLOCK_GRAPHICS = 0 };
enum { NVML_NAME_SIZE = 96 };

#define NVML_VALUE_NOT_AVAILABLE UINT64_MAX
#define NVML_MEMORY_V2           ((uint32_t)sizeof(struct nvml_memory_v2) | 2U << 24)

struct nvml_memory {
    uint64_t total, free, used;
};

struct nvml_memory_v2 {
    uint32_t version;
    uint64_t total, reserved, free, used;
};

struct nvml_utilization {
    uint32_t gpu, memory;
};

union nvml_value {
    double   as_double;
    uint32_t as_uint;
    uint64_t as_ulonglong;
};

struct nvml_sample {
    uint64_t         timestamp; /* µs since 1970 */
    union nvml_value value;
};

struct nvml_process_sample {
    uint32_t pid;
    uint64_t timestamp;
    uint32_t sm, memory, encoder, decoder; /* percent */
};

struct nvml_process_v1 {
    uint32_t pid;
    uint64_t memory;
};

/* An entry of the functions whose names end in _v2. Entries of those in _v3 have had three sizes, by version of the
 * driver. */
struct nvml_process_v2 {
    uint32_t pid;
    uint64_t memory;
    uint32_t gpu_instance, compute_instance;
};

/* The functions, by the names that they are looked up under; NULL where an older library lacks one. */
struct nvml {
    int (*init_with_flags)(unsigned flags);
    int (*shutdown)(void);
    int (*count)(unsigned *ret);
    int (*handle)(unsigned index, nvmlDevice_t *ret);
    int (*name)(nvmlDevice_t device, char *ret, unsigned size);
    int (*memory)(nvmlDevice_t device, struct nvml_memory *ret);
    int (*memory_v2)(nvmlDevice_t device, struct nvml_memory_v2 *ret);
    int (*utilization)(nvmlDevice_t device, struct nvml_utilization *ret);
    int (*samples)(nvmlDevice_t device, int type, unsigned long long since, int *ret_type, unsigned *count,
                   struct nvml_sample *ret);
    int (*process_utilization)(nvmlDevice_t device, struct nvml_process_sample *ret, unsigned *count,
                               unsigned long long since);
    int (*compute_v2)(nvmlDevice_t device, unsigned *count, void *ret);
    int (*graphics_v2)(nvmlDevice_t device, unsigned *count, void *ret);
    int (*compute_v1)(nvmlDevice_t device, unsigned *count, void *ret);
    int (*graphics_v1)(nvmlDevice_t device, unsigned *count, void *ret);
    int (*total_energy)(nvmlDevice_t device, unsigned long long *ret);  /* millijoules since the driver was loaded */
    int (*temperature)(nvmlDevice_t device, int sensor, unsigned *ret); /* degrees Celsius */
    int (*power)(nvmlDevice_t device, unsigned *ret);                   /* milliwatts */
    int (*clock)(nvmlDevice_t device, int domain, unsigned *ret);       /* MHz */
    int (*uuid)(nvmlDevice_t device, char *ret, unsigned size);
    int (*mig_mode)(nvmlDevice_t device, unsigned *ret_current, unsigned *ret_pending);
    int (*mig_max)(nvmlDevice_t device, unsigned *ret);
    int (*mig_handle)(nvmlDevice_t device, unsigned index, nvmlDevice_t *ret);
};

#endif
