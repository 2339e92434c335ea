/* SPDX-License-Identifier: Apache-2.0
 *
 * The floor is the oldest libc that the shipped libraries load into. Every name below is bound to the version it had in
 * glibc 2.17 or before, whatever glibc they are built on. The compiler's command line includes this file in every file
 * of hook, engine and command, so that no file can forget it.
 *
 * glibc kept these names in libpthread and libdl until 2.34. They are weak, because a program of such a system may
 * have loaded neither: then they are NULL, and a caller has to ask first. Built with musl they are weak too: that pair
 * may meet a program of an old glibc. */
#ifndef PILLION_BASE_FLOOR_H
#define PILLION_BASE_FLOOR_H

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>

#define FLOOR_PRAGMA(text) _Pragma(#text)
#if defined(__GLIBC__) && defined(__x86_64__) && defined(__LP64__)
#define FLOOR_VERSION(name, newer) __asm__(".symver " #name "," #name "@GLIBC_" newer);
#elif defined(__GLIBC__) && defined(__aarch64__) /* 2.17 was the first there */
#define FLOOR_VERSION(name, newer) __asm__(".symver " #name "," #name "@GLIBC_2.17");
#else
#define FLOOR_VERSION(name, newer)
#endif
#define FLOOR_AT(name, newer)  \
    FLOOR_VERSION(name, newer) \
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

/* Always there. */
FLOOR_VERSION(log2, "2.2.5")

#undef FLOOR_AT
#undef FLOOR_PRAGMA
#undef FLOOR_VERSION

#endif
