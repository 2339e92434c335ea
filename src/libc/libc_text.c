// SPDX-License-Identifier: Apache-2.0
#include "libc/libc.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#undef tolower /* a macro, by the table of the locale */

/* Keys, header names and host names are compared as ASCII; libc's functions follow the program's locale. */
int tolower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

int strncasecmp(const char *a, const char *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        int difference = tolower((unsigned char)a[i]) - tolower((unsigned char)b[i]);
        if (difference != 0 || a[i] == '\0')
            return difference;
    }
    return 0;
}

int strcasecmp(const char *a, const char *b)
{
    return strncasecmp(a, b, (size_t)-1);
}

/* libc's duplicates come from libc's malloc, which our free does not know. */
char *strndup(const char *text, size_t size)
{
    size_t len = strnlen(text, size);
    char  *copy = malloc(len + 1);
    if (copy) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

char *strdup(const char *text)
{
    return strndup(text, (size_t)-1);
}

static const char *error_text(int error) // NOLINT(readability-function-size): it is one table
{
    static const struct {
        int  error;
        char text[44];
    } texts[] = {
        {0, "Success"},
        {EPERM, "Operation not permitted"},
        {ENOENT, "No such file or directory"},
        {EINTR, "Interrupted system call"},
        {EIO, "Input/output error"},
        {EBADF, "Bad file descriptor"},
        {EAGAIN, "Resource temporarily unavailable"},
        {ENOMEM, "Cannot allocate memory"},
        {EACCES, "Permission denied"},
        {EEXIST, "File exists"},
        {ENOTDIR, "Not a directory"},
        {EISDIR, "Is a directory"},
        {EINVAL, "Invalid argument"},
        {ENFILE, "Too many open files in system"},
        {EMFILE, "Too many open files"},
        {EFBIG, "File too large"},
        {ENOSPC, "No space left on device"},
        {EROFS, "Read-only file system"},
        {EPIPE, "Broken pipe"},
        {ENAMETOOLONG, "File name too long"},
        {ENOSYS, "Function not implemented"},
        {ELOOP, "Too many levels of symbolic links"},
        {ENODATA, "No data available"},
        {EPROTO, "Protocol error"},
        {EBADMSG, "Bad message"},
        {EOVERFLOW, "Value too large for defined data type"},
        {EAFNOSUPPORT, "Address family not supported by protocol"},
        {EADDRINUSE, "Address already in use"},
        {EADDRNOTAVAIL, "Cannot assign requested address"},
        {ENETDOWN, "Network is down"},
        {ENETUNREACH, "Network is unreachable"},
        {ECONNABORTED, "Software caused connection abort"},
        {ECONNRESET, "Connection reset by peer"},
        {ENOBUFS, "No buffer space available"},
        {ENOTCONN, "Transport endpoint is not connected"},
        {ETIMEDOUT, "Connection timed out"},
        {ECONNREFUSED, "Connection refused"},
        {EHOSTUNREACH, "No route to host"},
        {EINPROGRESS, "Operation now in progress"},
        {EDQUOT, "Disk quota exceeded"},
        {ECANCELED, "Operation canceled"},
        {EREMOTEIO, "Remote I/O error"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].error == error)
            return texts[i].text;
    return NULL;
}

/* libc's strerror translates: it reads message catalogues, and locks while it does. */
static char *describe(int error, char *buffer, size_t size)
{
    const char *text = error_text(error);
    if (text)
        (void)snprintf(buffer, size, "%s", text);
    else
        (void)snprintf(buffer, size, "Unknown error %d", error);
    return buffer;
}

int __xpg_strerror_r(int error, char *buffer, size_t size);
int __xpg_strerror_r(int error, char *buffer, size_t size)
{
    (void)describe(error, buffer, size);
    return 0;
}

/* The name has two shapes: a library compiled here has seen the one of this libc's header. */
#ifdef __GLIBC__
char *strerror_r(int error, char *buffer, size_t size)
{
    return describe(error, buffer, size);
}
#else
int strerror_r(int error, char *buffer, size_t size)
{
    return __xpg_strerror_r(error, buffer, size);
}
#endif

char *strerror(int error)
{
    static char buffer[64];
    return describe(error, buffer, sizeof buffer);
}
