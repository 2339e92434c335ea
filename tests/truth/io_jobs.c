// SPDX-License-Identifier: Apache-2.0
// io_jobs SHAPE COUNT KIB: so many processes, each of which moves so much between memory and disk.
// Status 77: this filesystem has no O_DIRECT, or counts nothing.
#include "work.h"

#include <errno.h>
#include <sys/mman.h>

#define COUNT argument(2)
#define KIB   argument(3)

enum { PIECE = 256 * 1024, REFUSED = 77 };

static int file_of(long i, int flags)
{
    char path[64];
    (void)snprintf(path, sizeof path, "file-%ld", i);
    int fd = open(path, flags | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EINVAL)
        _exit(REFUSED);
    need(fd >= 0, path);
    return fd;
}

static char *piece(void)
{
    char *at = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(at != MAP_FAILED, "mmap");
    memset(at, 'x', PIECE);
    return at;
}

static void write_file(long i, int flags)
{
    char *data = piece();
    int   fd = file_of(i, O_WRONLY | O_CREAT | O_TRUNC | flags);
    for (long done = 0; done < KIB * 1024; done += PIECE)
        need(write(fd, data, PIECE) == PIECE, "write");
    need(fsync(fd) == 0, "fsync");
    close(fd);
    munmap(data, PIECE);
}

static void read_file(long i, int flags)
{
    char *data = piece();
    int   fd = file_of(i, O_RDONLY | flags);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    for (long done = 0; done < KIB * 1024; done += PIECE)
        need(read(fd, data, PIECE) == PIECE, "read");
    close(fd);
    munmap(data, PIECE);
}

static void in_children(void (*move)(long, int), int flags, const char *kind)
{
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            move(i, flags);
            if (strcmp(kind, "free") == 0)
                await_row();
            finish(kind);
        }
    }
}

static void writes_direct(void)
{
    in_children(write_file, O_DIRECT, "own");
    reap((int)COUNT);
}

static void writes_through_cache(void)
{
    in_children(write_file, 0, "own");
    reap((int)COUNT);
}

static void writes_and_reads_alone(void)
{
    write_file(0, 0);
    read_file(0, O_DIRECT);
    read_file(0, 0);
}

static void reads_direct(void)
{
    writes_through_cache();
    in_children(read_file, O_DIRECT, "own");
    reap((int)COUNT);
}

/* The kernel hands the I/O of a child on only to who waits for it. */
static void writes_ignored(void)
{
    signal(SIGCHLD, SIG_IGN);
    in_children(write_file, O_DIRECT, "free");
    await_records(COUNT);
}

/* What was never written back in the end is counted all the same, as the kernel's write_bytes does. */
static void truncates(void)
{
    char *data = piece();
    int   fd = file_of(0, O_WRONLY | O_CREAT | O_TRUNC);
    for (long done = 0; done < KIB * 1024; done += PIECE)
        need(write(fd, data, PIECE) == PIECE, "write");
    need(ftruncate(fd, 0) == 0, "ftruncate");
    close(fd);
}

static void becomes_another_and_writes(void)
{
    int   fd = file_of(0, O_WRONLY | O_CREAT | O_TRUNC | O_DIRECT);
    char *data = piece();
    await_row();
    need(setgid(65534) == 0 && setuid(65534) == 0, "setuid");
    for (long done = 0; done < KIB * 1024; done += PIECE)
        need(write(fd, data, PIECE) == PIECE, "write");
    close(fd);
}

int main(int argc, char **argv)
{
    static const struct job jobs[] = {
        {"writes_direct", writes_direct},
        {"writes_through_cache", writes_through_cache},
        {"writes_and_reads_alone", writes_and_reads_alone},
        {"reads_direct", reads_direct},
        {"writes_ignored", writes_ignored},
        {"truncates", truncates},
        {"becomes_another_and_writes", becomes_another_and_writes},
        {0},
    };
    (void)argc;
    return work(argv, jobs);
}
