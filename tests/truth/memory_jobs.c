// SPDX-License-Identifier: Apache-2.0
/* memory_jobs SHAPE BEAT [MIB [COUNT [FILE]]]: trees whose memory grows, shrinks, is shared, copied and given back, one
 * kind of event in each shape. BEAT: ms, a little more than two rows, so that what follows an event is judged before
 * the next. */
#include "work.h"

#include <linux/falloc.h>
#include <sys/mman.h>

#define MIB   argument(3)
#define COUNT argument(4)
#define FILE_ self[5]

enum { PAGE = 4096, LARGE_PAGE = 2 << 20 };

static void beats(double count)
{
    nap((long)(count * (double)argument(2)));
}

static size_t bytes(long mib)
{
    return (size_t)mib << 20;
}

static char *map(long mib, int flags, int fd)
{
    char *at = mmap(NULL, bytes(mib), PROT_READ | PROT_WRITE, flags, fd, 0);
    need(at != MAP_FAILED, "mmap");
    return at;
}

static char *reserve(long mib)
{
    return map(mib, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static char *take(long mib)
{
    return memset(reserve(mib), 'x', bytes(mib));
}

static void give_back(char *at, long mib)
{
    need(munmap(at, bytes(mib)) == 0, "munmap");
}

static void write_pages(char *at, size_t size)
{
    for (size_t i = 0; i < size; i += PAGE)
        at[i]++;
}

/* In so many beats, evenly. */
static void write_slowly(char *at, long mib, double count)
{
    for (long i = 0; i < mib; i += 4) {
        write_pages(at + bytes(i), bytes(mib - i < 4 ? mib - i : 4));
        beats(count * 4 / (double)mib);
    }
}

static long read_pages(const volatile char *at, size_t size)
{
    long sum = 0;
    for (size_t i = 0; i < size; i += PAGE)
        sum += at[i];
    return sum;
}

/* What argv is for another image of this program. */
static void become(const char *shape, long mib, long count)
{
    char number[2][24];
    (void)snprintf(number[0], sizeof number[0], "%ld", mib);
    (void)snprintf(number[1], sizeof number[1], "%ld", count);
    execl("/proc/self/exe", "memory_jobs", shape, self[2], number[0], number[1], FILE_, (char *)NULL);
    need(false, "exec");
}

static int open_file(int flags)
{
    int fd = open(FILE_, flags | O_CLOEXEC, 0600);
    need(fd >= 0, FILE_);
    return fd;
}

/* ------------------------------------------------------------------------------------------------ one process alone */

/* COUNT: tenths of a beat before it. Volatile: what nobody reads, a compiler leaves out. */
static void allocates(void)
{
    beats((double)COUNT / 10);
    volatile char *at = malloc(bytes(MIB));
    need(at != NULL, "malloc");
    for (size_t i = 0; i < bytes(MIB); i += PAGE)
        at[i] = 'x';
    beats(2.5);
}

static void grows_and_shrinks(void)
{
    enum { PIECES = 12 };
    char *pieces[PIECES];
    for (int i = 0; i < PIECES; i++) {
        pieces[i] = take(MIB / PIECES);
        beats(0.15);
    }
    beats(0.5);
    for (int i = 0; i < PIECES; i++) {
        give_back(pieces[i], MIB / PIECES);
        beats(0.15);
    }
}

static void grows_and_shrinks_at_once(void)
{
    for (long i = 0; i < COUNT; i++) {
        char *at = take(MIB);
        beats(1);
        give_back(at, MIB);
        beats(1);
    }
}

static void *fill_arena(void *unused)
{
    enum { SIZE = 2000 };
    long   pieces = MIB * (1 << 20) / 4 / SIZE;
    char **all = calloc((size_t)pieces, sizeof *all);
    need(all != NULL, "calloc");
    for (long i = 0; i < pieces; i++) {
        all[i] = malloc(SIZE);
        need(all[i] != NULL, "malloc");
        memset(all[i], 'x', SIZE);
        if (i % (pieces / 20) == 0)
            beats(0.1);
    }
    beats(0.5);
    for (long i = 0; i < pieces; i++)
        free(all[i]);
    free(all);
    return unused;
}

static void allocates_in_threads(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        need(pthread_create(&threads[i], NULL, fill_arena, NULL) == 0, "pthread_create");
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    beats(1);
}

static void becomes_another(void)
{
    (void)take(MIB);
    beats(1.2);
    become("allocates", MIB / 4, 5);
}

/* ------------------------------------------------------------------------------------------------ fork families */

static void family_that_only_sleeps(void)
{
    (void)take(MIB);
    beats(1);
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            beats(1.5);
            _exit(0);
        }
    }
    reap((int)COUNT);
    beats(1.5);
}

/* A data loader without workers that persist. */
static void families_one_after_the_other(void)
{
    char *at = take(MIB);
    for (int epoch = 0; epoch < 3; epoch++) {
        for (long i = 0; i < COUNT; i++) {
            if (fork() == 0) {
                for (int turn = 0; turn < 20; turn++) {
                    (void)read_pages(at, bytes(MIB));
                    beats(0.05);
                }
                _exit(0);
            }
        }
        reap((int)COUNT);
    }
}

static void children_copy(void)
{
    char *at = take(MIB);
    beats(0.5);
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            write_slowly(at, MIB, 2);
            beats(1.5);
            _exit(0);
        }
    }
    reap((int)COUNT);
}

static void children_copy_at_once(void)
{
    char *at = take(MIB);
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            beats(1);
            write_pages(at, bytes(MIB));
            beats(1.5);
            _exit(0);
        }
    }
    reap((int)COUNT);
    beats(1.2);
}

/* The children keep the old pages, and end one after the other. */
static void parent_copies(void)
{
    char *at = take(MIB);
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            beats(2.5 + (double)i / 2);
            _exit(0);
        }
    }
    write_slowly(at, MIB, 1.5);
    reap((int)COUNT);
    beats(1.2);
}

static void children_write_at_random(void)
{
    char *at = take(MIB);
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            unsigned x = (unsigned)i + 1;
            for (int turn = 0; turn < 70; turn++) {
                for (long page = 0; page < MIB * 256 / 100; page++) {
                    x = x * 1664525U + 1013904223U;
                    at[(x >> 4) % (bytes(MIB) / PAGE) * PAGE]++;
                }
                beats(0.05);
            }
            _exit(0);
        }
    }
    reap((int)COUNT);
}

static void generation(char *at, int n)
{
    if (n < 3) {
        if (fork() != 0)
            return;
        write_pages(at + bytes(n * MIB / 4), bytes(MIB / 4));
        beats(1);
        generation(at, n + 1);
        if (n == 1) { /* who is below it becomes an orphan, at once or COUNT beats later */
            beats((double)COUNT);
            _exit(0);
        }
    }
    beats(2 + (double)COUNT);
    _exit(0);
}

static void generations(void)
{
    char *at = take(MIB);
    beats(1);
    generation(at, 0);
    beats(5 + (double)COUNT);
}

static void members_free(void)
{
    char *at = take(MIB);
    beats(0.5);
    if (fork() == 0) {
        beats(1);
        need(madvise(at, bytes(MIB), MADV_DONTNEED) == 0, "madvise");
        beats(2);
        _exit(0);
    }
    if (fork() == 0) {
        beats(3);
        write_pages(at, bytes(MIB / 2));
        beats(1.2);
        _exit(0);
    }
    beats(2);
    need(madvise(at, bytes(MIB), MADV_DONTNEED) == 0, "madvise");
    beats(0.5);
    write_pages(at, bytes(MIB / 4));
    reap(2);
}

/* The same pages at another address. */
static void members_move(void)
{
    char *at = take(MIB);
    beats(1);
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            beats(0.5);
            char *target = mmap(NULL, bytes(MIB), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            at = mremap(at, bytes(MIB), bytes(MIB), MREMAP_MAYMOVE | MREMAP_FIXED, target);
            need(at != MAP_FAILED, "mremap");
            write_pages(at, bytes(MIB / 3));
            beats(2);
            _exit(0);
        }
    }
    reap((int)COUNT);
    beats(1.2);
}

static void zero_pages(void)
{
    char *zeros = reserve(2 * MIB), *own = take(MIB / 2);
    (void)read_pages(zeros, bytes(2 * MIB));
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            beats(0.7);
            write_pages(own, bytes(MIB / 4));
            beats(1.3);
            write_pages(zeros, bytes(MIB));
            beats(1.5);
            _exit(0);
        }
    }
    reap((int)COUNT);
}

/* Each child splits large pages that the others keep. */
static void large_pages(void)
{
    char *at = reserve(MIB + 2);
    at += (LARGE_PAGE - (uintptr_t)at % LARGE_PAGE) % LARGE_PAGE;
    (void)madvise(at, bytes(MIB), MADV_HUGEPAGE);
    memset(at, 'x', bytes(MIB));
    beats(1);
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            for (size_t done = 0, step = PAGE * (size_t)(i + 1); done < bytes(MIB); done += step) {
                at[done]++;
                if (done % bytes(4) < step)
                    beats(4.0 / (double)MIB);
            }
            beats(1.5);
            _exit(0);
        }
    }
    reap((int)COUNT);
    need(munmap(at, bytes(MIB / 2)) == 0, "munmap");
    beats(1.2);
}

/* ------------------------------------------------------------------------------------------------ exec and exit */

static void children_become_others(void)
{
    (void)take(MIB);
    beats(0.5);
    for (long i = 0; i < COUNT; i++)
        if (fork() == 0)
            become("allocates", MIB / 3, 5 * (i + 1));
    reap((int)COUNT);
    beats(1);
}

static void children_end_one_by_one(void)
{
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            (void)take(MIB / COUNT);
            beats(1 + (double)i * 0.6);
            _exit(0);
        }
    }
    reap((int)COUNT);
    beats(1);
}

/* Short ones, so that none stands for a whole row. */
static void programs_one_after_the_other(void)
{
    (void)take(MIB);
    for (int i = 0; i < 60; i++) {
        pid_t child = vfork();
        if (child == 0) {
            execl("/bin/true", "true", (char *)NULL);
            _exit(9);
        }
        reap(1);
        beats(0.05);
    }
}

static void zombies(void)
{
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            (void)take(MIB / COUNT);
            beats(1);
            _exit(0);
        }
    }
    beats(3);
    reap((int)COUNT);
}

static void *take_without_first(void *unused)
{
    nap(50); /* the first thread has left */
    (void)take(MIB / COUNT);
    beats(2.5);
    _exit(0);
    return unused;
}

static void first_threads_leave(void)
{
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            pthread_t thread;
            need(pthread_create(&thread, NULL, take_without_first, NULL) == 0, "pthread_create");
            syscall(SYS_exit, 0);
        }
    }
    reap((int)COUNT);
}

static void *fork_in_thread(void *unused)
{
    if (fork() == 0) {
        (void)take(MIB / COUNT);
        beats(2.5);
        _exit(0);
    }
    reap(1);
    return unused;
}

static void threads_fork(void)
{
    pthread_t threads[16];
    for (long i = 0; i < COUNT && i < 16; i++)
        need(pthread_create(&threads[i], NULL, fork_in_thread, NULL) == 0, "pthread_create");
    for (long i = 0; i < COUNT && i < 16; i++)
        pthread_join(threads[i], NULL);
}

static void family_beside_idle(void)
{
    for (int i = 0; i < 150; i++) {
        if (fork() == 0) {
            char seconds[24];
            (void)snprintf(seconds, sizeof seconds, "%.2f", (double)argument(2) * 5.5 / 1000);
            execlp("sleep", "sleep", seconds, (char *)NULL);
            _exit(9);
        }
    }
    beats(1);
    family_that_only_sleeps();
    reap(150);
}

/* Neither a thread nor a copy: the space counts once. */
static int grow_in_same_space(void *unused)
{
    (void)unused;
    (void)take(MIB / 2);
    beats(1);
    (void)take(MIB / 2);
    beats(1.5);
    return 0;
}

static void shares_its_address_space(void)
{
    static char stack[256 * 1024] __attribute__((aligned(16)));
    (void)take(MIB);
    beats(1);
    need(clone(grow_in_same_space, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL) > 0, "clone");
    reap(1);
    beats(1);
}

/* ------------------------------------------------------------------------------------------------ files and shared
 * memory */

static void make_file(void)
{
    char *data = take(1);
    int   fd = open_file(O_WRONLY | O_CREAT | O_TRUNC);
    for (long i = 0; i < MIB; i++)
        need(write(fd, data, bytes(1)) == (ssize_t)bytes(1), "write");
    close(fd);
    give_back(data, 1);
}

static void maps_file(void)
{
    char *at = map(MIB, MAP_SHARED, open_file(O_RDWR));
    (void)read_pages(at, bytes(MIB));
    beats(1.5);
    give_back(at, MIB / 2);
    beats(1.5);
}

static void maps_file_slowly(void)
{
    char *at = map(MIB, MAP_SHARED, open_file(O_RDWR));
    for (long i = 0; i < MIB; i++) {
        (void)read_pages(at + bytes(i), bytes(1));
        beats(2.5 / (double)MIB);
    }
    beats(1);
}

/* COUNT: tenths of a beat before it. */
static void joins_file(void)
{
    beats((double)COUNT / 10);
    (void)read_pages(map(MIB, MAP_SHARED, open_file(O_RDWR)), bytes(MIB));
    beats(2.5);
}

static void one_file_in_programs(void)
{
    for (long i = 0; i < COUNT; i++)
        if (fork() == 0)
            become("joins_file", MIB, 8 * i);
    reap((int)COUNT);
}

static void one_file_in_a_family(void)
{
    char *at = map(MIB, MAP_PRIVATE, open_file(O_RDWR));
    (void)read_pages(at, bytes(MIB));
    write_pages(at, bytes(MIB / 2));
    beats(1);
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            write_slowly(at, MIB, 1);
            beats(1.5);
            _exit(0);
        }
    }
    reap((int)COUNT);
    beats(1);
}

static void shares_memfd(void)
{
    int fd = memfd_create("job", MFD_CLOEXEC);
    need(fd >= 0 && ftruncate(fd, (off_t)bytes(MIB)) == 0, "memfd");
    char *at = map(MIB, MAP_SHARED, fd);
    write_pages(at, bytes(MIB));
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            beats(0.7 * (double)(i + 1));
            (void)read_pages(at, bytes(MIB));
            beats(1);
            _exit(0);
        }
    }
    reap((int)COUNT);
    beats(0.8);
    need(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes(MIB / 2)) == 0, "punch");
    beats(1);
}

/* Each fills its part; in the end the parent has read all of it. */
static void fills_shared_memory(void)
{
    char *at = map(MIB, MAP_SHARED | MAP_ANONYMOUS, -1);
    for (long i = 0; i < COUNT; i++) {
        if (fork() == 0) {
            beats(0.4 * (double)i);
            write_slowly(at + bytes(MIB / COUNT * i), MIB / COUNT, 1);
            beats(2);
            _exit(0);
        }
    }
    beats(2);
    (void)read_pages(at, bytes(MIB));
    reap((int)COUNT);
    beats(1);
}

static void huge_pages(void)
{
    char *at = map(MIB, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
    memset(at, 'x', bytes(MIB));
    (void)take(MIB);
    beats(1.5);
    give_back(at, MIB / 2);
    beats(1.5);
}

/* Through the cache, and read again past it. */
static void writes_file(void)
{
    (void)take(64);
    for (int i = 0; i < 3; i++) {
        make_file();
        int fd = open_file(O_RDONLY);
        need(fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "fsync");
        char *data = take(1);
        while (read(fd, data, bytes(1)) > 0)
            ;
        give_back(data, 1);
        close(fd);
        beats(0.8);
    }
}

int main(int argc, char **argv)
{
    static const struct job jobs[] = {
        {"allocates", allocates},
        {"grows_and_shrinks", grows_and_shrinks},
        {"grows_and_shrinks_at_once", grows_and_shrinks_at_once},
        {"allocates_in_threads", allocates_in_threads},
        {"becomes_another", becomes_another},
        {"family_that_only_sleeps", family_that_only_sleeps},
        {"families_one_after_the_other", families_one_after_the_other},
        {"children_copy", children_copy},
        {"children_copy_at_once", children_copy_at_once},
        {"parent_copies", parent_copies},
        {"children_write_at_random", children_write_at_random},
        {"generations", generations},
        {"members_free", members_free},
        {"members_move", members_move},
        {"zero_pages", zero_pages},
        {"large_pages", large_pages},
        {"children_become_others", children_become_others},
        {"children_end_one_by_one", children_end_one_by_one},
        {"programs_one_after_the_other", programs_one_after_the_other},
        {"zombies", zombies},
        {"first_threads_leave", first_threads_leave},
        {"threads_fork", threads_fork},
        {"family_beside_idle", family_beside_idle},
        {"shares_its_address_space", shares_its_address_space},
        {"make_file", make_file},
        {"maps_file", maps_file},
        {"maps_file_slowly", maps_file_slowly},
        {"joins_file", joins_file},
        {"one_file_in_programs", one_file_in_programs},
        {"one_file_in_a_family", one_file_in_a_family},
        {"shares_memfd", shares_memfd},
        {"fills_shared_memory", fills_shared_memory},
        {"huge_pages", huge_pages},
        {"writes_file", writes_file},
    };
    self = argv;
    for (size_t i = 0; argc > 2 && i < sizeof jobs / sizeof *jobs; i++) {
        if (strcmp(argv[1], jobs[i].name) != 0)
            continue;
        jobs[i].run();
        return 0;
    }
    return 9;
}
