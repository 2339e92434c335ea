/* Runs a command under a filter that kills for setting a priority, a scheduler, or a limit, as the usual hardening of a
 * service does: who only asks lives. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int forbidden[] = {
    SYS_ioprio_set,    SYS_mbind,          SYS_migrate_pages, SYS_move_pages,         SYS_sched_setaffinity,
    SYS_sched_setattr, SYS_sched_setparam, SYS_setpriority,   SYS_sched_setscheduler, SYS_set_mempolicy,
    SYS_setrlimit,     SYS_chroot,         SYS_capset,        SYS_clock_settime,      SYS_setuid,
    SYS_setresuid};

int main(int argc, char **argv)
{
    enum { FORBIDDEN = sizeof forbidden / sizeof *forbidden };
    struct sock_filter rules[FORBIDDEN + 3] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    struct sock_fprog  filter = {.len = FORBIDDEN + 3, .filter = rules};

    if (argc < 2)
        return 99;
    for (int i = 0; i < FORBIDDEN; i++)
        rules[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)forbidden[i],
                                                    (unsigned char)(FORBIDDEN - i), 0);
    rules[FORBIDDEN + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    rules[FORBIDDEN + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
        return 98;
    execvp(argv[1], argv + 1);
    return 97;
}
