/* The probe asks the clouds' metadata services: those of all vendors in question at once, by their addresses, past any
 * proxy, within one second in all. This state machine has no clock and no loop of its own, as delivery/delivery.h has
 * none. Its owner calls probe_step when the network moved or probe_due has come. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SENTINEL_CLOUD_PROBE_H
#define PILLION_SENTINEL_CLOUD_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "sentinel/cloud/cloud.h"
#include "sentinel/http/http.h"
#include "sentinel/http/network.h"

struct probe {
    struct network   *network; /* the owner's, shared */
    bool              under_way;
    int64_t           deadline; /* ns CLOCK_MONOTONIC */
    unsigned          vendors;  /* 1 << enum cloud_vendor */
    struct cloud_told told[CLOUD_VENDORS];
    struct http_call *calls[CLOUD_VENDORS][CLOUD_QUESTIONS_MAX];
};

/* Sends the first requests as soon as the network is polled. */
void    probe_begin(struct probe *p, struct network *network, unsigned vendors, bool with_account, int64_t now);
bool    probe_step(struct probe *p, int64_t now); /* true: it is over, and p->told is all there will be */
int64_t probe_due(const struct probe *p);         /* when to call next if the network stays quiet */
void    probe_stop(struct probe *p);              /* over at once; answers so far stand */

#endif
