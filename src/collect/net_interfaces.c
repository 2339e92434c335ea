/* Interfaces get a rank each; those with the best rank count. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/net_interfaces.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/dir.h"
#include "base/file.h"
#include "base/text.h"

enum rank { RANK_OPEN, RANK_NONE, RANK_CARRIED, RANK_PLAIN, RANK_HARDWARE };

enum { PATH_SIZE = 2 * DEVICE_NAME_SIZE + 32, TYPE_ETHERNET = 1, TYPE_80211 = 801, TYPE_80211_RADIOTAP = 803 };

static bool has(int classes, const char *name, const char *entry)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/%s", name, entry);
    return faccessat(classes, path, F_OK, 0) == 0;
}

/* Reads the last component of the link X/master; "" without one. */
static void master_of(int classes, const char *name, char ret[static DEVICE_NAME_SIZE])
{
    char path[PATH_SIZE];
    char target[256];
    ret[0] = '\0';
    (void)snprintf(path, sizeof path, "%s/master", name);
    ssize_t len = readlinkat(classes, path, target, sizeof target);
    if (len <= 0 || (size_t)len == sizeof target)
        return;
    struct text t = text_span(target, (size_t)len);
    (void)text_after_last(&t, '/');
    (void)text_copy(t, ret, DEVICE_NAME_SIZE);
}

static uint64_t type_of(int classes, const char *name)
{
    char        path[PATH_SIZE];
    char        content[32];
    size_t      len = 0;
    uint64_t    type = TYPE_ETHERNET;
    struct text t;
    (void)snprintf(path, sizeof path, "%s/type", name);
    if (file_read(classes, path, content, sizeof content, &len) == 0) {
        t = text_span(content, len);
        (void)text_unsigned(&t, &type);
    }
    return type;
}

/* Does X stand on another interface of this namespace? `only_hardware`: on hardware that it is not the master of. */
static bool has_lower(int classes, const char *name, bool only_hardware)
{
    struct dir  dir;
    bool        found = false;
    const char *entry;
    if (dir_open(&dir, classes, name) < 0)
        return false;
    while (!found && (entry = dir_next(&dir))) {
        if (strncmp(entry, "lower_", 6) != 0)
            continue;
        char master[DEVICE_NAME_SIZE];
        master_of(classes, entry + 6, master);
        found = !only_hardware || (has(classes, entry + 6, "device") && strcmp(master, name) != 0);
    }
    dir_close(&dir);
    return found;
}

/* Container engines, hypervisors and tunnels give such names to interfaces whose bytes do not leave the machine by
 * themselves. */
static bool has_telling_name(const char *name)
{
    static const char prefixes[][16] = {
        "docker",  "br-",    "veth",      "virbr",  "vnet",         "cali",   "lxc", "lxd",   "cni",
        "flannel", "cilium", "podman",    "kube",   "nodelocaldns", "weave",  "ifb", "dummy", "tun",
        "tap",     "wg",     "tailscale", "bond",   "team",         "sit",    "gre", "ip6",   "ip_vti",
        "erspan",  "vxlan",  "macvlan",   "ipvlan", "nlmon",        "bridge", "ve-", "vb-",   "ovs"};
    for (size_t i = 0; i < ARRAY_LENGTH(prefixes); i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    /* br0, and VLANs as eth0.100 */
    return (strncmp(name, "br", 2) == 0 && ascii_is_digit(name[2])) || strchr(name, '.');
}

static enum rank rank_of_hardware(int classes, const char *name)
{
    char     master[DEVICE_NAME_SIZE];
    uint64_t type = type_of(classes, name);
    if (type >= TYPE_80211 && type <= TYPE_80211_RADIOTAP)
        return RANK_NONE;
    master_of(classes, name, master);
    bool to_hardware = master[0] && has(classes, master, "device");
    return to_hardware || has_lower(classes, name, true) ? RANK_NONE : RANK_HARDWARE;
}

static enum rank rank_of_others(int classes, const char *name)
{
    char master[DEVICE_NAME_SIZE];
    if (strcmp(name, "lo") == 0)
        return RANK_NONE;
    if (classes < 0)
        return has_telling_name(name) ? RANK_CARRIED : RANK_PLAIN;
    if (has(classes, name, "bridge") || has(classes, name, "bonding") || strncmp(name, "ifb", 3) == 0 ||
        strncmp(name, "dummy", 5) == 0 || has_lower(classes, name, false))
        return RANK_NONE;
    master_of(classes, name, master);
    bool carried = type_of(classes, name) != TYPE_ETHERNET || has(classes, name, "tun_flags") || has_telling_name(name);
    if (carried && master[0] && !has(classes, master, "bonding"))
        return RANK_NONE;
    return carried ? RANK_CARRIED : RANK_PLAIN;
}

/* Does this /sys show the interfaces that net/dev lists, and no others? A /sys belongs to the namespace of its
 * mounting. */
static bool is_of_this_namespace(int classes, const struct devices *devices)
{
    struct dir  dir;
    size_t      listed = 0;
    size_t      shown = 0;
    const char *entry;
    for (size_t i = 0; i < devices->count; i++) {
        if (devices->list[i].present && !has(classes, devices->list[i].name, ""))
            return false;
        listed += devices->list[i].present;
    }
    if (devices->crowded || dir_open(&dir, classes, ".") < 0)
        return true;
    while ((entry = dir_next(&dir))) /* "bonding_masters" is a file */
        shown += strcmp(entry, "bonding_masters") != 0;
    dir_close(&dir);
    return shown == listed;
}

/* A pod with hardware of its own, such as a virtual function for RDMA, still goes out through its eth0, too. On a
 * machine, only hardware gets that name. */
static bool is_way_out(int classes, const char *name)
{
    return strncmp(name, "eth", 3) == 0 && ascii_is_digit(name[3]) && !has(classes, name, "master");
}

/* Ranks hardware first: on a machine with a thousand containers, it is found by one look at each of their interfaces.
 */
static enum rank rank_hardware(int classes, struct devices *devices)
{
    enum rank best = RANK_NONE;
    for (size_t i = 0; i < devices->count; i++) {
        struct device *device = &devices->list[i];
        enum rank      rank = device->present ? RANK_OPEN : RANK_NONE;
        if (device->present && classes >= 0 && has(classes, device->name, "device"))
            rank = rank_of_hardware(classes, device->name);
        best = rank > best ? rank : best;
        device->rank = (uint8_t)rank;
    }
    return best;
}

void net_choose(int classes, struct devices *devices)
{
    if (classes >= 0 && !is_of_this_namespace(classes, devices))
        classes = -1;
    enum rank best = rank_hardware(classes, devices);
    bool      has_hardware = best == RANK_HARDWARE;
    for (size_t i = 0; i < devices->count; i++) {
        struct device *device = &devices->list[i];
        if (device->rank == RANK_OPEN && has_hardware && !is_way_out(classes, device->name))
            device->rank = RANK_NONE;
        else if (device->rank == RANK_OPEN)
            device->rank = (uint8_t)rank_of_others(classes, device->name);
        best = device->rank > best ? device->rank : best;
    }
    for (size_t i = 0; i < devices->count; i++) {
        enum rank rank = devices->list[i].rank;
        devices->list[i].counted = rank != RANK_NONE && (rank == best || (has_hardware && rank == RANK_PLAIN));
    }
}
