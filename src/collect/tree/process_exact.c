/* The rest of CPU time beyond whole ticks, from clocks that count in nanoseconds and microseconds. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/process_exact.h"

#include <sys/resource.h>

#include "collect/tree/process.h"
#include "collect/tree/process_stat.h"

/* User and system are each cut to ticks; the process may have gone on since. */
enum { OWN_CUTS = 2, CHILD_CUTS = 2, GOES_ON = 1 };

static uint64_t rest(uint64_t exact, uint64_t known, uint64_t most)
{
    return exact > known && exact - known <= most ? exact - known : 0;
}

uint64_t process_exact_rest(pid_t pid, uint64_t known, uint64_t tick)
{
    uint64_t ran = 0;
    return process_clock_read(pid, &ran) == 0 ? rest(ran / 1000, known, (OWN_CUTS + GOES_ON) * tick) : 0;
}

static uint64_t used(int who)
{
    struct rusage use;
    if (getrusage(who, &use) != 0)
        return 0;
    return (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * MICROSECONDS +
           (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

static uint64_t own(bool with_own)
{
    return used(RUSAGE_CHILDREN) + (with_own ? used(RUSAGE_SELF) : 0);
}

uint64_t process_exact_own_rest(bool with_own, uint64_t known, uint64_t tick)
{
    return rest(own(with_own), known, (OWN_CUTS + CHILD_CUTS + GOES_ON) * tick);
}
