/* The engine's file, before it is loaded. ld.so maps what the headers speak of, so a file that is cut short, by a copy
 * under way or a full disk, would end the program by SIGBUS; one that has its length and not yet its content, by
 * SIGSEGV. */
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <link.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hook/hook.h"

/* The table of sections ends the file. Only its first entry is of no type. */
bool engine_file_is_whole(const char *path)
{
    ElfW(Ehdr) head;
    ElfW(Shdr) last;
    long fd = sys_open(path, O_RDONLY, 0);
    if (fd < 0)
        return false;
    bool whole = sys_read((int)fd, &head, sizeof head) == sizeof head && head.e_shnum > 1 &&
                 head.e_shentsize == sizeof last &&
                 syscall(SYS_pread64, (int)fd, &last, sizeof last, head.e_shoff + (head.e_shnum - 1) * sizeof last) ==
                     sizeof last &&
                 last.sh_type != SHT_NULL;
    sys_close((int)fd);
    return whole;
}
