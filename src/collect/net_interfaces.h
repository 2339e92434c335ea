/* The choice of interfaces that count, so that no byte is counted twice.
 *
 * A packet passes several interfaces: a NIC, the VLAN or bond on it, a bridge, a container's veth, a tunnel whose
 * packets go out through the NIC again. All that enters or leaves the machine passes the hardware, so:
 *
 * 1. Where the namespace has hardware (class/net/X/device), hardware alone counts. Three kinds do not:
 *    - an interface that only monitors it (802.11 types 801 to 803);
 *    - the slave of other hardware, which adds its bytes to its own (Azure's and virtio's failover pairs);
 *    - an interface that stands on other hardware without being its master (the ports of a switch on its conduit).
 *    Beside hardware that was put into a container, only its eth0 or eth1 counts, as in rule 2.
 * 2. A container's namespace has no hardware: its eth0 is one end of a veth or a macvlan whose other end is outside.
 *    There every interface counts that stands on nothing here: no lower_* links, no bridge or bond. If some of those
 *    are plain Ethernet with an ordinary name, only they count (a VPN's tun0 goes out through eth0, an inner
 *    container's veth too), also as the ports of a bridge. A rootless container that has only a tap0 is counted by
 *    that. Ports with other names lead to inner containers and never count; the members of a bond always may.
 * 3. Without /sys, and where /sys shows the interfaces of another namespace (unshare and nsenter leave it mounted as
 *    it was): by the name alone, as the ordinary names of rule 2.
 *
 * Sources: sysfs-class-net, net/core/dev.c (adjacency links exist only between devices of one namespace).
 * Allocates: no. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_NET_INTERFACES_H
#define PILLION_COLLECT_NET_INTERFACES_H

#include "collect/devices.h"

/* Sets `counted` of every present device. classes: /sys/class/net, negative without it. */
void net_choose(int classes, struct devices *devices);

#endif
