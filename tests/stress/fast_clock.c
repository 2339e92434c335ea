/* A clock for tests: where the engine would wait with nothing under way, the time is over at once. A day of ticks takes
 * less than a minute, and everything else in the engine is what is shipped. TRACKER_TEST_CLOCK_SECONDS of it are
 * skipped, then time is real. Linked with --wrap for the functions below. */
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "sentinel/http/http.h"
#include "sentinel/http/network.h"

int64_t __real_clock_monotonic(void);
int64_t __wrap_clock_monotonic(void);
int64_t __real_clock_real(void);
int64_t __wrap_clock_real(void);
void    __real_network_poll(struct network *network, struct pollfd *extra, size_t count, int64_t timeout_ns);
void    __wrap_network_poll(struct network *network, struct pollfd *extra, size_t count, int64_t timeout_ns);
int     __real_http_start(struct http *http, struct http_request *request, struct http_call **ret);
int     __wrap_http_start(struct http *http, struct http_request *request, struct http_call **ret);
bool    __real_http_finished(struct http *http, struct http_call *call, struct http_answer *ret);
bool    __wrap_http_finished(struct http *http, struct http_call *call, struct http_answer *ret);
void    __real_http_cancel(struct http *http, struct http_call *call);
void    __wrap_http_cancel(struct http *http, struct http_call *call);

/* A variable of the process's first environment: the engine's own getenv knows pillion's alone. */
static const char *variable(const char *name)
{
    static char   all[65536];
    static size_t len;
    size_t        name_len = strlen(name);
    if (len == 0) {
        int     fd = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);
        ssize_t got = fd < 0 ? 0 : read(fd, all, sizeof all - 1);
        len = got > 0 ? (size_t)got : 1;
        if (fd >= 0)
            close(fd);
    }
    for (const char *entry = all; entry < all + len; entry += strlen(entry) + 1)
        if (strncmp(entry, name, name_len) == 0 && entry[name_len] == '=')
            return entry + name_len + 1;
    return NULL;
}

static int64_t skipped; /* ns */
static int     under_way;

int64_t __wrap_clock_monotonic(void)
{
    return __real_clock_monotonic() + skipped;
}

/* The wall clock is set by TRACKER_TEST_CLOCK_STEP seconds in the half second after the first, and by as much the other
 * way from then on. */
static int64_t step(void)
{
    static int64_t began;
    const char    *seconds = variable("TRACKER_TEST_CLOCK_STEP");
    int64_t        now = __real_clock_monotonic();
    began = began ? began : now;
    if (!seconds || now - began < CLOCK_SECOND / 2)
        return 0;
    return (now - began < CLOCK_SECOND ? 1 : -1) * atoll(seconds) * CLOCK_SECOND;
}

int64_t __wrap_clock_real(void)
{
    return __real_clock_real() + skipped + step();
}

int __wrap_http_start(struct http *http, struct http_request *request, struct http_call **ret)
{
    int error = __real_http_start(http, request, ret);
    under_way += error == 0;
    return error;
}

bool __wrap_http_finished(struct http *http, struct http_call *call, struct http_answer *ret)
{
    bool finished = __real_http_finished(http, call, ret);
    under_way -= finished;
    return finished;
}

void __wrap_http_cancel(struct http *http, struct http_call *call)
{
    under_way--;
    __real_http_cancel(http, call);
}

void __wrap_network_poll(struct network *network, struct pollfd *extra, size_t count, int64_t timeout_ns)
{
    const char *limit = variable("TRACKER_TEST_CLOCK_SECONDS");
    bool        waits = under_way > 0 || timeout_ns <= 0 || skipped >= (limit ? atoll(limit) : 0) * CLOCK_SECOND;
    if (!waits)
        skipped += timeout_ns;
    __real_network_poll(network, extra, count, waits ? timeout_ns : 0);
}
