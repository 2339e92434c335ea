/* The engine's way out: one set of connections for all that a process delivers, opened when first needed. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SENTINEL_HTTP_NETWORK_H
#define PILLION_SENTINEL_HTTP_NETWORK_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sentinel/http/http.h"

struct network {
    struct http       *http;  /* NULL: closed */
    struct http_trust *trust; /* kept while closed: the program may have changed its root */
};

void network_init(struct network *network);
void network_done(struct network *network);
/* Cancels what is under way. */
void network_close(struct network *network);

/* Opens it, and finds the CA bundle when `url` is https. 0, -errno. */
int network_open(struct network *network, const char *url);
/* Waits for the network, the extra descriptors or the timeout; plain poll while the network is closed. */
void network_poll(struct network *network, struct pollfd *extra, size_t count, int64_t timeout_ns);

#endif
