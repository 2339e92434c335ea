/* The libc corner: functions that engine and libraries would import from libc, but must not inside another program.
 *
 * libc's own versions take locks that a fork freezes, call the program's allocator, follow its locale and its time
 * zone, or read its live environment. Some exist only in a newer glibc than the engine may ask for. The names are
 * libc's, the definitions are hidden and linked into the engine alone; tests/elf holds the list of what is still
 * imported.
 *
 *   heap.c              malloc and its family
 *   libc.c              rand, qsort
 *   libc_floor.c        file status, randomness, and what else is newer in glibc than the floor
 *   libc_calls.c        system calls that the program may have wrapped
 *   libc_descriptors.c  the thread's own descriptor table
 *   libc_environment.c  getenv
 *   libc_format.c       snprintf and its family, by the C locale
 *   libc_float.c        decimal text of a double
 *   libc_strtod.c       and back
 *   libc_number.c       strtol and its family, sscanf as cJSON uses it
 *   libc_stdio.c        reading files as c-ares and mbedTLS do
 *   libc_text.c         letter case of ASCII, strdup, error texts
 *   libc_time.c         gmtime_r
 *
 * Thread: as the heap, one at a time. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_LIBC_LIBC_H
#define PILLION_LIBC_LIBC_H

#include <stdbool.h>

/* Defines libc's `name` as `function`, which gets a name of its own first. Depending on version and options, the
 * headers rename what they declare, so a plain definition of stat or sscanf might be of something else. */
#define LIBC_NAME(name, function) __asm__(".globl " #name "\n.hidden " #name "\n.set " #name "," #function)

/* Takes the snapshot that getenv answers from: of the variables in `envp`, those that the engine can have a use for.
 * To be called before main, once; a second call replaces the first. 0, or -ENOMEM: then getenv knows none.
 * Where the corner is not linked (the command, unit tests), getenv is libc's and there is nothing to take. */
__attribute__((weak)) int corner_environment(const char *const *envp, bool with_keys);

static inline int libc_environment(const char *const *envp)
{
    return corner_environment ? corner_environment(envp, false) : 0;
}

/* With the keys for a bucket of the user's own also where none is named: runs that are delivered may name theirs. */
static inline int libc_environment_with_keys(const char *const *envp)
{
    return corner_environment ? corner_environment(envp, true) : 0;
}

/* The calling thread has a descriptor table of its own from now on, with /dev/null as 0. `lost` is called, and does not
 * return, once another table stands in its place; NULL: nobody has one yet. */
__attribute__((weak)) void corner_own_descriptors(void (*lost)(void));
__attribute__((weak)) void corner_disown_descriptors(void);
/* Moves a descriptor above the numbers that programs have, and takes all of those with the first one; `fd` itself where
 * there is no room. What is opened afterwards stands above by itself. -1 stays what it is. */
__attribute__((weak)) int corner_raise_descriptor(int fd);

static inline void libc_own_descriptors(void (*lost)(void))
{
    if (corner_own_descriptors)
        corner_own_descriptors(lost);
}

static inline void libc_disown_descriptors(void)
{
    if (corner_disown_descriptors)
        corner_disown_descriptors();
}

static inline int libc_raise_descriptor(int fd)
{
    return corner_raise_descriptor ? corner_raise_descriptor(fd) : fd;
}

/* Within the corner: to be called after each wait, and before anything is written. */
void libc_check_descriptors(void);
/* After a call that failed: were numbers lacking, and are there more now? The program may have lowered its limit. */
bool libc_frees_descriptors(void);

/* Writes the text of |value|, finite, as the printf conversion f, e or g (or F, E, G) makes it, '#' being `alternate`.
 * Precision -1: none given. Returns its length; no NUL is written. */
enum { FLOAT_PRECISION_MAX = 700, FLOAT_TEXT_MAX = FLOAT_PRECISION_MAX + 320 };
int libc_float_text(double value, char conversion, int precision, bool alternate, char *ret);

#endif
