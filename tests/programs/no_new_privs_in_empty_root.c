/* Sets no_new_privs where there is no /proc. Exit status 48; 99 when the call that succeeded has changed errno. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <errno.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
    if (mkdir("empty", 0777) || chroot("empty") || chdir("/"))
        return 97;
    errno = 77;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return 98;
    return errno == 77 ? 48 : 99;
}
