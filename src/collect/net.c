/* Network traffic, from /proc/net/dev. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/net.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/roots.h"
#include "base/text.h"
#include "collect/net_interfaces.h"

#define SETTLING_FIRST CLOCK_SECOND
#define SETTLING_MAX   (64 * CLOCK_SECOND)

int net_open(struct net *net, const struct roots *roots)
{
    devices_init(&net->devices);
    net->inode = 0;
    net->chosen_at = 0;
    net->settling = SETTLING_FIRST;
    net->classes = -1;
    net->fd = roots_open(roots->proc, "net/dev", 0);
    if (net->fd < 0)
        return net->fd;
    net->classes = roots_open(roots->sys, "class/net", O_DIRECTORY);
    return 0;
}

void net_close(struct net *net)
{
    file_close(&net->fd);
    file_close(&net->classes);
    devices_done(&net->devices);
}

/* A line reads "  eth0: 123 ...". The bytes received are the first number, those transmitted the ninth. The two header
 * lines have no colon. An alias ("eth0:1", old kernels) is no line here. */
static bool parse(struct text line, struct text *ret_name, uint64_t *ret_recv, uint64_t *ret_sent)
{
    enum { SENT_FIELD = 8 };
    uint64_t number = 0;
    text_blanks(&line);
    if (!text_until(&line, ':', ret_name) || !text_unsigned(&line, ret_recv))
        return false;
    for (int field = 1; field <= SENT_FIELD; field++)
        if (!text_unsigned(&line, &number))
            return false;
    *ret_sent = number;
    return true;
}

static void choose(struct net *net, int64_t now)
{
    if (net->devices.changed)
        net->settling = SETTLING_FIRST;
    else if (now - net->chosen_at < net->settling)
        return;
    else if (net->settling < SETTLING_MAX)
        net->settling *= 2;
    net_choose(net->classes, &net->devices);
    net->chosen_at = now;
}

/* A file that was closed and opened again may show another namespace, where the program's main thread has gone
 * meanwhile. */
static void notice_namespace(struct net *net)
{
    struct stat stat;
    if (fstat(net->fd, &stat) != 0 || net->inode == (uint64_t)stat.st_ino)
        return;
    if (net->inode != 0)
        devices_forget(&net->devices);
    net->inode = stat.st_ino;
}

int net_read(struct net *net, struct scratch *scratch, struct sample *ret)
{
    struct text t;
    struct text line;
    int         error = scratch_reread(scratch, net->fd, &t);
    if (error)
        return error;
    notice_namespace(net);
    devices_begin(&net->devices);
    while (text_line(&t, &line)) {
        struct text name;
        uint64_t    recv = 0;
        uint64_t    sent = 0;
        if (parse(line, &name, &recv, &sent))
            devices_add(&net->devices, name, recv, sent);
    }
    devices_met(&net->devices);
    choose(net, ret->monotonic);
    devices_settle(&net->devices, false);
    ret->net_recv = net->devices.in_total;
    ret->net_sent = net->devices.out_total;
    return 0;
}
