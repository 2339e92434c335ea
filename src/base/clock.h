/* Clocks and UTC dates without libc's time zone machinery (its lock is frozen by a fork). */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_CLOCK_H
#define PILLION_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_SECOND      INT64_C(1000000000)
#define CLOCK_MILLISECOND INT64_C(1000000)

int64_t clock_monotonic(void);  /* ns, CLOCK_MONOTONIC: deadlines and ticks */
int64_t clock_real(void);       /* ns since 1970 UTC */
int64_t clock_suspended(void);  /* ns, as of some instant: the time that the machine slept, and CLOCK_MONOTONIC stood */
int64_t clock_thread_cpu(void); /* ns of CPU of the calling thread */

static inline int64_t clock_earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Writes "2026-11-22T10:45:00Z" (21 bytes with NUL); seconds since 1970, year 1970 to 9999. */
void clock_format_utc(int64_t seconds, char ret[static 21]);
/* Writes "20261122T104500Z" (17 bytes with NUL): run IDs and SigV4 dates. */
void clock_format_compact(int64_t seconds, char ret[static 17]);
/* Reads RFC 3339: "2026-11-22T10:45:00[.fff](Z|+hh:mm|-hhmm)"; a missing zone is UTC. -EINVAL otherwise. */
int clock_parse_utc(const char *text, int64_t *ret_seconds);
/* Reads an HTTP date: "Sun, 06 Nov 1994 08:49:37 GMT". -EINVAL otherwise. */
int clock_parse_http(const char *text, int64_t *ret_seconds);

#endif
