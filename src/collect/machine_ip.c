/* The address by which the machine is known, from the kernel's interfaces and routes. */
// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "base/roots.h"
#include "base/text.h"
#include "collect/machine.h"

enum { INTERFACES_MAX = 64, ROUTES_SIZE = 2048 };

static bool is_global(uint32_t address)
{
    return address != 0 && address >> 24 != 127 && address >> 16 != 0xA9FE;
}

/* Container engines and hypervisors make such interfaces for their guests. */
static bool is_for_guests(const char *interface)
{
    static const char *const names[] = {"docker", "br-",   "virbr",  "veth",    "cni",
                                        "lxcbr",  "lxdbr", "podman", "flannel", "cali"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (strncmp(interface, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

size_t machine_pick_address(const struct machine_address *list, size_t count, const char *default_interface)
{
    size_t best = count;
    for (size_t i = 0; i < count; i++) {
        if (!is_global(list[i].address))
            continue;
        if (strcmp(list[i].interface, default_interface) == 0)
            return i;
        if (best == count || (is_for_guests(list[best].interface) && !is_for_guests(list[i].interface)))
            best = i;
    }
    return best;
}

/* "eth0 00000000 010200C0 0003 0 0 100 00000000 0 0 0": interface, destination, gateway, flags, references, use,
 * metric, mask. */
static bool is_default(struct text line, struct text *ret_interface, uint64_t *ret_metric)
{
    enum { DESTINATION = 1, FLAGS = 3, METRIC = 6, MASK = 7 };
    struct text field[MASK + 1];
    for (size_t i = 0; i <= MASK; i++)
        if (!text_word(&line, &field[i]))
            return false;
    uint64_t flags = 0;
    (void)text_hexadecimal(&field[FLAGS], &flags);
    *ret_interface = field[0];
    return text_is(field[DESTINATION], "00000000") && text_is(field[MASK], "00000000") && (flags & RTF_UP) &&
           !(flags & RTF_REJECT) && text_unsigned(&field[METRIC], ret_metric);
}

void machine_default_interface(const struct roots *roots, char ret[static IFNAMSIZ])
{
    char        content[ROUTES_SIZE];
    int         fd = roots_open(roots->proc, "net/route", 0);
    ssize_t     len = fd < 0 ? -1 : pread(fd, content, sizeof content, 0); /* the default comes first */
    uint64_t    least = UINT64_MAX;
    uint64_t    metric = 0;
    struct text t = text_span(content, len < 0 ? 0 : (size_t)len);
    struct text line;
    struct text interface;
    file_close(&fd);
    ret[0] = '\0';
    while (text_line(&t, &line))
        if (is_default(line, &interface, &metric) && metric < least && text_copy(interface, ret, IFNAMSIZ))
            least = metric;
}

int machine_ip(char *ret, size_t size)
{
    static const struct roots real = {.proc = "/proc", .sys = "/sys"};
    struct ifreq              list[INTERFACES_MAX];
    struct ifconf             all = {.ifc_len = sizeof list, .ifc_req = list};
    struct machine_address    addresses[INTERFACES_MAX] = {0};
    char                      out[IFNAMSIZ];
    size_t                    count = 0;
    int                       fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int error = ioctl(fd, SIOCGIFCONF, &all) == 0 ? 0 : -errno;
    close(fd);
    for (size_t i = 0; error == 0 && i < (size_t)all.ifc_len / sizeof *list; i++) {
        struct sockaddr_in in;
        memcpy(&in, &list[i].ifr_addr, sizeof in);
        if (in.sin_family != AF_INET)
            continue;
        memcpy(addresses[count].interface, list[i].ifr_name, IFNAMSIZ);
        addresses[count].interface[IFNAMSIZ - 1] = '\0';
        addresses[count++].address = ntohl(in.sin_addr.s_addr);
    }
    machine_default_interface(&real, out);
    size_t best = machine_pick_address(addresses, count, out);
    if (error < 0 || best == count)
        return error < 0 ? error : -ENODATA;
    uint32_t a = addresses[best].address;
    int      len = snprintf(ret, size, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
    return len > 0 && (size_t)len < size ? 0 : -ENOSPC;
}
