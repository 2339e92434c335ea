// SPDX-License-Identifier: Apache-2.0
#include "collect/net.h"

#include <fcntl.h>

#include "base/file.h"
#include "base/text.h"
#include "collect/net_interfaces.h"
#include "collect/roots.h"

int net_open(struct net *net, const struct roots *roots)
{
    devices_init(&net->devices);
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

/* "  eth0: 123 ..." The bytes received are the first number, those transmitted the ninth. The two header lines have
 * no colon. An alias ("eth0:1", old kernels) is no line here. */
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

int net_read(struct net *net, struct scratch *scratch, struct sample *ret)
{
    struct text t;
    struct text line;
    int         error = scratch_reread(scratch, net->fd, &t);
    if (error)
        return error;
    devices_begin(&net->devices);
    while (text_line(&t, &line)) {
        struct text name;
        uint64_t    recv = 0;
        uint64_t    sent = 0;
        if (parse(line, &name, &recv, &sent))
            devices_add(&net->devices, name, recv, sent);
    }
    devices_met(&net->devices);
    if (net->devices.changed)
        net_choose(net->classes, &net->devices);
    devices_settle(&net->devices, false);
    ret->net_recv = net->devices.in_total;
    ret->net_sent = net->devices.out_total;
    return 0;
}
