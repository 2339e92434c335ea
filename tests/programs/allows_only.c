/* Runs a command under a filter that allows what simple programs need, as a service manager's sets of calls do:
 * allows_only kill|errno COMMAND... All else is the end, or EPERM. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int allowed[] = {
    /* always */
    SYS_brk, SYS_clock_gettime, SYS_clock_nanosleep, SYS_execve, SYS_exit, SYS_exit_group, SYS_futex, SYS_getegid,
    SYS_geteuid, SYS_getgid, SYS_getpid, SYS_getppid, SYS_getrandom, SYS_gettid, SYS_getuid, SYS_mmap, SYS_mprotect,
    SYS_munmap, SYS_nanosleep, SYS_prlimit64, SYS_rseq, SYS_rt_sigreturn, SYS_sched_yield, SYS_set_robust_list,
    SYS_set_tid_address,
#ifdef SYS_arch_prctl
    SYS_arch_prctl, SYS_access, SYS_open, SYS_stat,
#endif
    /* input and output, files */
    SYS_close, SYS_close_range, SYS_dup, SYS_dup3, SYS_lseek, SYS_pread64, SYS_pwrite64, SYS_read, SYS_readv, SYS_write,
    SYS_writev, SYS_faccessat, SYS_fcntl, SYS_fstat, SYS_getcwd, SYS_getdents64, SYS_mkdirat, SYS_newfstatat,
    SYS_openat, SYS_readlinkat, SYS_statfs, SYS_statx, SYS_unlinkat, SYS_ioctl};

int main(int argc, char **argv)
{
    enum { ALLOWED = sizeof allowed / sizeof *allowed };
    struct sock_filter rules[ALLOWED + 3] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    struct sock_fprog  filter = {.len = ALLOWED + 3, .filter = rules};

    if (argc < 3)
        return 99;
    for (int i = 0; i < ALLOWED; i++)
        rules[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i],
                                                    (unsigned char)(ALLOWED - i), 0);
    unsigned otherwise = strcmp(argv[1], "kill") == 0 ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | 1;
    rules[ALLOWED + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, otherwise);
    rules[ALLOWED + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
        return 98;
    execvp(argv[2], argv + 2);
    return 97;
}
