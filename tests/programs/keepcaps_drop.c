/* A daemon's way from root: keep the capabilities, change the user, then drop all but one. It works only if every
 * thread of the process can do the same. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <unistd.h>

int capset(cap_user_header_t header, const cap_user_data_t data);
int capget(cap_user_header_t header, cap_user_data_t data);

static void show(const char *when)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct   data[2] = {0};

    capget(&header, data);
    printf("%s: effective %x permitted %x\n", when, data[0].effective, data[0].permitted);
}

int main(int argc, char **argv)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const unsigned keep = 1U << CAP_NET_BIND_SERVICE, change = 1U << CAP_SETUID | 1U << CAP_SETGID;
    struct __user_cap_data_struct data[2] = {{.effective = keep | change, .permitted = keep | change}};

    if (argc > 1)
        usleep((useconds_t)atoi(argv[1]) * 1000);
    printf("capset %d\n", capset(&header, data));
    printf("keepcaps %d\n", prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    printf("setresgid %d\n", setresgid(65534, 65534, 65534));
    printf("setresuid %d\n", setresuid(65534, 65534, 65534));
    data[0].effective = data[0].permitted = keep;
    printf("capset %d\n", capset(&header, data));
    show("at the end");
    usleep(150 * 1000);
    return 18;
}
