/* Takes rights away from itself after so many milliseconds, each way named by an argument, and tells what came of it.
 * What landlock forbids are files, all of them. Ends with 57. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static long landlock(void)
{
    enum { CREATE_RULESET = 444, RESTRICT_SELF = 446, ABI_1_FILES = 0x1fff };
    const uint64_t handled = ABI_1_FILES;
    long           rules = syscall(CREATE_RULESET, &handled, sizeof handled, 0);

    return rules < 0 ? rules : syscall(RESTRICT_SELF, rules, 0);
}

static long forbid_ptrace(void)
{
    struct sock_filter rules[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                                  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 1, 0),
                                  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
                                  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                                  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog  filter = {.len = 5, .filter = rules};

    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

int main(int argc, char **argv)
{
    usleep((useconds_t)(argc > 1 ? atoi(argv[1]) : 0) * 1000);
    for (int i = 2; i < argc; i++) {
        const char *way = argv[i];
        long        got = strcmp(way, "landlock") == 0       ? landlock()
                          : strcmp(way, "no_new_privs") == 0 ? prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
                          : strcmp(way, "undumpable") == 0   ? prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
                          : strcmp(way, "ptrace") == 0       ? forbid_ptrace()
                                                             : -1;
        printf("%s: %s\n", way, got < 0 ? strerror(errno) : "done");
    }
    int file = open("/etc/passwd", O_RDONLY);
    printf("a file: %s\n", file < 0 ? strerror(errno) : "open");
    fflush(stdout);
    usleep(250 * 1000);
    return 57;
}
