/* The libc corner: functions that engine and libraries would import from libc, but must not inside another program.
 *
 * libc's own versions take locks that a fork freezes, call the program's allocator, follow its locale and its time
 * zone, or read its live environment. Some exist only in a newer glibc than the engine may ask for. The names are
 * libc's, the definitions are hidden and linked into the engine alone; tests/elf holds the list of what is still
 * imported.
 *
 *   heap.c              malloc and its family
 *   libc.c              random numbers, file status, qsort
 *   libc_calls.c        system calls that the program may have wrapped
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
__attribute__((weak)) int corner_environment(const char *const *envp);

static inline int libc_environment(const char *const *envp)
{
    return corner_environment ? corner_environment(envp) : 0;
}

/* Writes the text of |value|, finite, as the printf conversion f, e or g (or F, E, G) makes it, '#' being `alternate`.
 * Precision -1: none given. Returns its length; no NUL is written. */
enum { FLOAT_PRECISION_MAX = 700, FLOAT_TEXT_MAX = FLOAT_PRECISION_MAX + 320 };
int libc_float_text(double value, char conversion, int precision, bool alternate, char *ret);

#endif
