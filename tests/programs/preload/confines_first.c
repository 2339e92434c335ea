/* A library that confines its program before main: from its constructor on, the calls that only a leader needs are
 * the end of it. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

static const int forbidden[] = {SYS_openat, SYS_readlinkat, SYS_getppid, SYS_unshare, SYS_close_range, SYS_tgkill};

static void __attribute__((constructor)) confine(void)
{
    enum { FORBIDDEN = sizeof forbidden / sizeof *forbidden };
    struct sock_filter rules[FORBIDDEN + 3] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    struct sock_fprog  filter = {.len = FORBIDDEN + 3, .filter = rules};
    const char        *way = getenv("CONFINES");

    for (int i = 0; i < FORBIDDEN; i++)
        rules[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)forbidden[i],
                                                    (unsigned char)(FORBIDDEN - i), 0);
    rules[FORBIDDEN + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    rules[FORBIDDEN + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    if (way && strcmp(way, "prctl") == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
        _exit(98); /* root may */
    if (way && strcmp(way, "seccomp") == 0 &&
        (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter)))
        _exit(97); /* as libseccomp does */
}
