/* Network traffic of the machine, or of the container. Thread: pillion. Allocates: when an interface appears.
 * Files: /proc/net/dev and the folder /sys/class/net, both held open. The held file shows the network namespace of
 * the moment of opening, so that a program that enters another one later makes no jump. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_NET_H
#define PILLION_COLLECT_NET_H

#include "base/scratch.h"
#include "collect/collect.h"
#include "collect/devices.h"

struct net {
    int            fd;      /* /proc/net/dev */
    int            classes; /* /sys/class/net, negative without it */
    struct devices devices;
    uint64_t       inode;     /* of net/dev: each namespace has one of its own */
    int64_t        chosen_at; /* ns, monotonic: the last time that the counted ones were chosen */
    int64_t        settling;  /* ns until they are chosen again */
};

int net_open(struct net *net, const struct roots *roots);

/*   ret->net_recv  bytes, counter   receive bytes    proc.rst "Networking info in /proc/net", dev
 *   ret->net_sent  bytes, counter   transmit bytes
 * Without lo, and no byte twice: see net_interfaces.h. An interface that appears gives its baseline, and one that goes
 * gives nothing. So do all of another namespace, where the file had to be opened again after the program entered one.
 * The counted ones are chosen when a name comes or goes, and again 1, 2, 4 ... 64 s later: bridges and bonds are put
 * together after their parts have come. ret->monotonic must be set. Shape: one value per network namespace. Returns 0,
 * or -errno; on error both stay METRIC_NONE. */
int net_read(struct net *net, struct scratch *scratch, struct sample *ret);

void net_close(struct net *net);

#endif
