/* What collect.h's machine_read does not read. Allocates: no. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_MACHINE_H
#define PILLION_COLLECT_MACHINE_H

#include <stddef.h>

/* The first IPv4 address that is neither loopback nor link-local (netdevice(7), SIOCGIFCONF). It makes a socket, so
 * machine_read does not ask: only who wants to share it does. -ENODATA when there is none, or -errno. */
int machine_ip(char *ret, size_t size);

#endif
