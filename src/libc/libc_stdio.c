// SPDX-License-Identifier: Apache-2.0
#include "libc/libc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Files are read here as c-ares and mbedTLS do it: resolv.conf, hosts, the kernel's random device, whole, front to
 * back. libc's streams are chained in a list under a lock, flushed by the program's fflush(NULL), and buffered in its
 * heap. */
struct stream {
    int fd;
};

/* A longer file is cut: there are lists of advertisers in /etc/hosts, of megabytes, and c-ares takes six times as much
 * to read them. */
enum { LENGTH_MAX = 256 * 1024 };

/* curl names these as defaults that are always replaced; nothing may reach the program's own. */
FILE *corner_stdin, *corner_stdout, *corner_stderr;
LIBC_NAME(stdin, corner_stdin);
LIBC_NAME(stdout, corner_stdout);
LIBC_NAME(stderr, corner_stderr);

static struct stream *stream_of(FILE *file)
{
    return (struct stream *)(void *)file;
}

FILE *corner_fopen(const char *path, const char *mode);
FILE *corner_fopen(const char *path, const char *mode)
{
    if (mode[0] != 'r') {
        errno = EINVAL;
        return NULL;
    }
    struct stream *stream = malloc(sizeof *stream);
    if (!stream)
        return NULL;
    stream->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (stream->fd < 0) {
        free(stream);
        return NULL;
    }
    return (FILE *)(void *)stream;
}
LIBC_NAME(fopen, corner_fopen);
LIBC_NAME(fopen64, corner_fopen);

int fclose(FILE *file)
{
    struct stream *stream = stream_of(file);
    int            result = close(stream->fd);
    free(stream);
    return result;
}

size_t fread(void *restrict buffer, size_t size, size_t count, FILE *restrict file)
{
    size_t wanted, done = 0;
    if (__builtin_mul_overflow(size, count, &wanted) || wanted == 0)
        return 0;
    while (done < wanted) {
        ssize_t got = read(stream_of(file)->fd, (char *)buffer + done, wanted - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return done / size;
}

int fseek(FILE *file, long offset, int whence)
{
    return lseek(stream_of(file)->fd, offset, whence) < 0 ? -1 : 0;
}

/* Serves to ask for the length of a file, of which so much is then read. */
long ftell(FILE *file)
{
    long at = lseek(stream_of(file)->fd, 0, SEEK_CUR);
    return at < LENGTH_MAX ? at : LENGTH_MAX;
}

/* There is no buffer to set. */
int setvbuf(FILE *restrict file, char *restrict buffer, int mode, size_t size)
{
    (void)file, (void)buffer, (void)mode, (void)size;
    return 0;
}

void setbuf(FILE *restrict file, char *restrict buffer)
{
    (void)file, (void)buffer;
}

/* Nothing is ever written through a stream. */
size_t fwrite(const void *restrict buffer, size_t size, size_t count, FILE *restrict file)
{
    (void)buffer, (void)size, (void)count, (void)file;
    return 0;
}

int fputc(int c, FILE *file)
{
    (void)c, (void)file;
    return EOF;
}
