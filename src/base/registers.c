/* A vector register holds up to 64 bytes of what was copied last: whole keys. Sources: Intel SDM, volume 1, 13.2 and
 * 14.3 (which of them there are, and whether the kernel keeps them). */
// SPDX-License-Identifier: Apache-2.0
#include "base/registers.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/warm.h"

enum { AVX_STATE = 0x06, AVX512_STATE = 0xe6, ASKED = 1 << 16 };

static uint32_t noted WARM; /* which vector registers there are */

/* ECX of cpuid's leaf 1, which each of these processors has. */
static void note_states(unsigned ecx)
{
    unsigned eax = 0, high = 0;
    noted = ASKED;
    if ((ecx & bit_OSXSAVE) && (ecx & bit_AVX)) {
        __asm__("xgetbv" : "=a"(eax), "=d"(high) : "c"(0));
        noted |= eax & 0xff;
    }
}

/* Asked once: in a virtual machine cpuid takes microseconds, up to twelve. */
static uint32_t states(void)
{
    unsigned eax, ebx, ecx, edx;
    if (!noted) {
        __cpuid(1, eax, ebx, ecx, edx);
        note_states(ecx);
    }
    return noted;
}

void registers_ask_libc(void)
{
    typedef const unsigned *leaf_function(unsigned index);
    leaf_function          *leaf = dlsym ? (leaf_function *)dlsym(RTLD_DEFAULT, "__x86_get_cpuid_feature_leaf") : NULL;
    const unsigned         *registers = leaf ? leaf(0) : NULL; /* leaf 1: EAX, EBX, ECX, EDX */
    if (registers)
        note_states(registers[2]);
    else if (dlerror) /* glibc tells since 2.33, and the program's first dlerror must not tell of this */
        (void)dlerror();
}

#define ZERO(n) "vpxorq %%zmm" #n ", %%zmm" #n ", %%zmm" #n "\n\t"
#define NONE(n) "pxor %%xmm" #n ", %%xmm" #n "\n\t"

void registers_wipe(void)
{
    uint32_t known = states();
    if ((known & AVX512_STATE) == AVX512_STATE)
        __asm__ volatile(ZERO(16) ZERO(17) ZERO(18) ZERO(19) ZERO(20) ZERO(21) ZERO(22) ZERO(23) ZERO(24) ZERO(25)
                             ZERO(26) ZERO(27) ZERO(28) ZERO(29) ZERO(30) ZERO(31)
                         :
                         :
                         : "memory");
    if ((known & AVX_STATE) == AVX_STATE)
        __asm__ volatile("vzeroall"
                         :
                         :
                         : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                           "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    else
        __asm__ volatile(NONE(0) NONE(1) NONE(2) NONE(3) NONE(4) NONE(5) NONE(6) NONE(7) NONE(8) NONE(9) NONE(10)
                             NONE(11) NONE(12) NONE(13) NONE(14) NONE(15)
                         :
                         :
                         : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                           "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

#elif defined(__aarch64__)

#define ZERO(n) "movi v" #n ".16b, #0\n\t"

void registers_wipe(void)
{
    __asm__ volatile(ZERO(0) ZERO(1) ZERO(2) ZERO(3) ZERO(4) ZERO(5) ZERO(6) ZERO(7) ZERO(8) ZERO(9) ZERO(10) ZERO(11)
                         ZERO(12) ZERO(13) ZERO(14) ZERO(15) ZERO(16) ZERO(17) ZERO(18) ZERO(19) ZERO(20) ZERO(21)
                             ZERO(22) ZERO(23) ZERO(24) ZERO(25) ZERO(26) ZERO(27) ZERO(28) ZERO(29) ZERO(30) ZERO(31)
                     :
                     :
                     : "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13",
                       "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27",
                       "v28", "v29", "v30", "v31");
}

void registers_ask_libc(void)
{
}

#else

void registers_wipe(void)
{
}

void registers_ask_libc(void)
{
}

#endif
