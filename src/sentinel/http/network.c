/* The network is opened, polled and closed. */
// SPDX-License-Identifier: Apache-2.0
#include "sentinel/http/network.h"


#include "base/clock.h"
#include "base/environment.h"

enum { LONGEST_WAIT_MS = 3600 * 1000 };

void network_init(struct network *network)
{
    *network = (struct network){0};
}

void network_close(struct network *network)
{
    http_close(network->http);
    network->http = NULL;
}

void network_done(struct network *network)
{
    network_close(network);
    http_trust_close(network->trust);
    network->trust = NULL;
}

static void find_trust(struct network *network)
{
    if (!network->trust)
        (void)http_trust_find(environment_value, &network->trust);
    http_use_trust(network->http, network->trust);
}

int network_open(struct network *network, const char *url)
{
    int error = 0;
    if (!network->http) {
        const struct http_options options = {.http_proxy = environment_proxy("http_proxy", NULL),
                                             .https_proxy = environment_proxy("https_proxy", "HTTPS_PROXY"),
                                             .no_proxy = environment_proxy("no_proxy", "NO_PROXY")};
        error = http_open(&options, &network->http);
    }
    if (error == 0 && http_url_is_https(url))
        find_trust(network);
    return error;
}

void network_poll(struct network *network, struct pollfd *extra, size_t count, int64_t timeout_ns)
{
    /* The timeout is rounded up, never down: a tick must not be early, nor the loop spin through the last millisecond.
     */
    int64_t ms = timeout_ns <= 0 ? 0 : (timeout_ns + CLOCK_MILLISECOND - 1) / CLOCK_MILLISECOND;
    int     timeout = ms < LONGEST_WAIT_MS ? (int)ms : LONGEST_WAIT_MS;
    if (!network->http || http_poll(network->http, extra, count, timeout) < 0)
        (void)poll(extra, count, timeout);
}
