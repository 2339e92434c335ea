/* SPDX-License-Identifier: Apache-2.0
 *
 * The oldest libc that the shipped libraries load into: every name below is bound to the version it had in
 * glibc 2.17 or before, whatever glibc they are built on. Included by the compiler's command line in every file of
 * hook and engine, so that no file can forget it.
 *
 * glibc kept these names in libpthread and libdl until 2.34. They are weak, because a program of such a system may
 * have loaded neither: then they are NULL, and whoever calls one has to ask first. On musl nothing is to be done. */
#ifndef PILLION_BASE_FLOOR_H
#define PILLION_BASE_FLOOR_H

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>

#ifdef __GLIBC__

#if defined(__x86_64__) && defined(__LP64__)
#define FLOOR_VERSION(newer) "GLIBC_" newer
#elif defined(__aarch64__)
#define FLOOR_VERSION(newer) "GLIBC_2.17" /* the first version there was */
#endif

#ifdef FLOOR_VERSION
#define FLOOR_PRAGMA(text) _Pragma(#text)
#define FLOOR_AT(name, newer)                                     \
    __asm__(".symver " #name "," #name "@" FLOOR_VERSION(newer)); \
    FLOOR_PRAGMA(weak name)

FLOOR_AT(pthread_create, "2.2.5")
FLOOR_AT(pthread_join, "2.2.5")
FLOOR_AT(pthread_tryjoin_np, "2.3.3")
FLOOR_AT(pthread_timedjoin_np, "2.3.3")
FLOOR_AT(pthread_detach, "2.2.5")
FLOOR_AT(pthread_kill, "2.2.5")
FLOOR_AT(pthread_sigmask, "2.2.5")
FLOOR_AT(pthread_setname_np, "2.12")
FLOOR_AT(pthread_getname_np, "2.12")
FLOOR_AT(pthread_attr_setstacksize, "2.2.5")
FLOOR_AT(pthread_attr_setstack, "2.2.5")
FLOOR_AT(pthread_attr_setguardsize, "2.2.5")
FLOOR_AT(pthread_once, "2.2.5")
FLOOR_AT(dlopen, "2.2.5")
FLOOR_AT(dlsym, "2.2.5")
FLOOR_AT(dlvsym, "2.2.5")
FLOOR_AT(dlclose, "2.2.5")
FLOOR_AT(dlerror, "2.2.5")
FLOOR_AT(dladdr, "2.2.5")

#undef FLOOR_AT
#undef FLOOR_PRAGMA
#undef FLOOR_VERSION
#endif

#endif
#endif
