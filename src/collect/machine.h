/* Facts about the machine beside machine_read's of collect.h. Allocates: no. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_MACHINE_H
#define PILLION_COLLECT_MACHINE_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "collect/collect.h"

/* Finds the IPv4 address that the machine goes out with. Asked is the interface that the default route names, else the
 * first one, rather not a bridge for containers (netdevice(7), SIOCGIFCONF); neither loopback nor link-local. A socket
 * is made for it, so machine_read does not ask: the caller who wants to share it does. -ENODATA when there is none, or
 * -errno. */
int machine_ip(char *ret, size_t size);

/* Chooses the address that machine_ip means from these, listed as the kernel does; `count` when none is fit. */
struct machine_address {
    char     interface[IFNAMSIZ];
    uint32_t address; /* host order */
};
size_t machine_pick_address(const struct machine_address *list, size_t count, const char *default_interface);
/* Names the interface of the default route with the smallest metric, "" without one (/proc/net/route,
 * net/ipv4/fib_trie.c). */
void machine_default_interface(const struct roots *roots, char ret[static IFNAMSIZ]);

/* Names an ARM core by "CPU implementer" and "CPU part" of /proc/cpuinfo, which are fields of its register MIDR_EL1; ""
 * when it is not in the table. */
const char *machine_arm_core(struct text implementer, struct text part);

#endif
