// SPDX-License-Identifier: Apache-2.0
#include "collect/pss_sample.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "collect/process_stat.h"

/* Places looked at, pages in a row at each, and how many of them in memory are enough; bytes of maps at most. */
enum { PLACES = 256, PAGES = 8, ENOUGH = 64, MAPS_BLOCK = 8192, MAPS_MAX = 512 * 1024 };

#define PAGE_PRESENT (UINT64_C(1) << 63)
#define PAGE_OWN     (UINT64_C(1) << 56)

struct survey {
    int                maps, pagemap;
    uint64_t           page_bytes;
    uint64_t           size;   /* of all mappings, in pages; 0 while it is being found out */
    uint64_t           at;     /* pages gone by */
    uint64_t           next;   /* the next place, counted as they go by */
    unsigned           places; /* so far: mappings may come while they are read */
    uint32_t           random;
    bool               is_alone;
    struct pss_sample *sample;
};

static bool hexadecimal(struct text *t, uint64_t *ret)
{
    const char *start = t->at;
    *ret = 0;
    for (; t->at < t->end && t->at - start < 16; t->at++) {
        char     c = *t->at;
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : 16;
        if (digit == 16)
            break;
        *ret = *ret << 4 | digit;
    }
    return t->at > start;
}

static int look_at(struct survey *survey, uint64_t page, uint64_t pages, bool no_file)
{
    uint64_t entry[PAGES];
    size_t   size = (pages < PAGES ? pages : PAGES) * sizeof *entry;
    ssize_t  len = pread(survey->pagemap, entry, size, (off_t)(page * sizeof *entry));
    if (len < 0)
        return -errno;
    for (size_t i = 0; i < (size_t)len / sizeof *entry; i++) {
        bool is_own = entry[i] & PAGE_OWN;
        bool is_zeros = !is_own && no_file && survey->is_alone;
        survey->sample->own += entry[i] & PAGE_PRESENT && is_own;
        survey->sample->shared += entry[i] & PAGE_PRESENT && !is_own && !is_zeros;
        survey->sample->zeros += entry[i] & PAGE_PRESENT && is_zeros;
    }
    return 0;
}

/* One place in each of so many equal parts: at even distances, a pattern in memory might always be met alike. */
static void choose_next(struct survey *survey)
{
    uint64_t part = survey->size / PLACES + 1;
    survey->random = survey->random * 1664525U + 1013904223U;
    survey->next = survey->places++ * part + (survey->random >> 8) % part;
}

/* " rw-p 00000000 00:00 0 …" is private memory of no file: its inode is 0. */
static bool has_no_file(struct text rest)
{
    struct text access;
    struct text word;
    uint64_t    inode = 1;
    return text_word(&rest, &access) && text_len(access) == 4 && access.at[3] == 'p' && text_word(&rest, &word) &&
           text_word(&rest, &word) && text_word(&rest, &word) && text_unsigned(&word, &inode) && inode == 0;
}

/* "55d0c0-55d0c4 rw-p …"; what may neither be read nor written holds nothing. */
static int pass_mapping(struct survey *survey, struct text line)
{
    uint64_t from = 0;
    uint64_t to = 0;
    if (!hexadecimal(&line, &from) || !text_skip(&line, "-") || !hexadecimal(&line, &to) || to <= from ||
        text_starts(line, " ---"))
        return 0;
    uint64_t first = from / survey->page_bytes;
    uint64_t pages = (to - from) / survey->page_bytes;
    int      error = 0;
    while (survey->size && survey->places <= PLACES && survey->next - survey->at < pages && !error) {
        uint64_t skipped = survey->next - survey->at;
        error = look_at(survey, first + skipped, pages - skipped, has_no_file(line));
        choose_next(survey);
    }
    survey->at += pages;
    return error;
}

/* Lines may be cut between two reads: what is left of the last one goes to the front. */
static int pass_all(struct survey *survey)
{
    char   block[MAPS_BLOCK];
    size_t kept = 0;
    size_t total = 0;
    survey->at = 0;
    (void)lseek(survey->maps, 0, SEEK_SET);
    for (;;) {
        ssize_t len = read(survey->maps, block + kept, sizeof block - kept);
        if (len <= 0)
            return len < 0 ? -errno : 0;
        total += (size_t)len;
        struct text t = text_span(block, kept + (size_t)len);
        struct text line;
        while (memchr(t.at, '\n', text_len(t)) && text_line(&t, &line)) {
            int error = pass_mapping(survey, line);
            if (error)
                return error;
        }
        kept = text_len(t);
        if (kept == sizeof block || total > MAPS_MAX)
            return -EFBIG;
        memmove(block, t.at, kept);
    }
}

static int open_one(int proc, pid_t pid, const char *file)
{
    char path[PROCESS_PATH_SIZE];
    process_path(path, pid, 0, file);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return fd < 0 ? -errno : fd;
}

int pss_sample_read(int proc, pid_t pid, uint64_t page_bytes, uint32_t seed, bool is_alone, struct pss_sample *ret)
{
    int           rollup = open_one(proc, pid, "smaps_rollup");
    struct survey survey = {.maps = open_one(proc, pid, "maps"),
                            .pagemap = open_one(proc, pid, "pagemap"),
                            .page_bytes = page_bytes,
                            .random = seed * 2654435761U + (uint32_t)pid,
                            .is_alone = is_alone,
                            .sample = ret};
    *ret = (struct pss_sample){0};
    int error = rollup < 0 ? rollup : survey.maps < 0 ? survey.maps : survey.pagemap < 0 ? survey.pagemap : 0;
    if (!error)
        error = pass_all(&survey);
    if (!error && survey.at > 0) {
        survey.size = survey.at;
        choose_next(&survey);
        error = pass_all(&survey);
    }
    file_close(&rollup);
    file_close(&survey.maps);
    file_close(&survey.pagemap);
    return error ? error : ret->own + ret->shared + ret->zeros < ENOUGH ? -ENODATA : 0;
}
