/* The survey: windows of pages are read through pagemap, and looked for in other processes. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/pss_survey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/number.h"
#include "base/text.h"
#include "collect/tree/process_stat.h"

/* Limits: pages in a row at each place, windows for each process at least, how many others are asked, mappings and
 * bytes of maps at most. */
enum {
    WINDOW = 8,
    WINDOWS_MIN = 24,
    ASKED_MAX = 5,
    MAPPINGS_FIRST = 512,
    MAPPINGS_MAX = 8192,
    MAPS_BLOCK = 8192,
    MAPS_MAX = 4 * 1024 * 1024,
    FILE_HEADS = 1024
};

#define PAGE_PRESENT (UINT64_C(1) << 63)
#define PAGE_FILE    (UINT64_C(1) << 61)
#define PAGE_OWN     (UINT64_C(1) << 56)

/* A shared page that no asked process has, has one more user somewhere; many, if it may be a library's. */
#define VAGUE         0.5
#define VAGUE_LIBRARY (1.0 / 3)
#define LIBRARY_MAX   (32 << 20) /* bytes */

struct mapping {
    uint64_t from, pages; /* counted in pages */
    uint64_t file;        /* 0: none; device and inode */
    uint64_t offset;      /* of the file, in pages */
    uint32_t next;        /* index + 1 of the next one of a file with the same hash */
    uint32_t owner;
};

/* Sums over windows, for a ratio and its error. */
struct sums {
    double weight, pages, weight2, pages2, product, own, vague, guess;
};

struct look {
    struct pss_survey   *survey;
    struct pss_surveyed *list;
    unsigned             count;
    int                  pagemap[PSS_SURVEYED_MAX];
    uint32_t             begin[PSS_SURVEYED_MAX + 1]; /* of the mappings of each */
    struct mapping      *mappings;
    uint32_t             mapping_count, capacity;
    uint32_t            *heads; /* by file */
    uint32_t             random;
};

struct window {
    uint64_t from, offset, file;
    double   vague; /* weight of such a page */
    unsigned pages, owner;
    uint64_t entry[WINDOW];
    unsigned found[WINDOW]; /* how often each was found among those that were asked */
    double   asked, others; /* so many were asked, of so many others */
};

static uint32_t choose(struct look *look)
{
    look->random = look->random * 1664525U + 1013904223U;
    return look->random >> 8;
}

/* ---- mappings ---- */

static int add_mapping(struct look *look, const struct mapping *mapping)
{
    struct mapping *last = look->mapping_count > look->begin[mapping->owner] ? &look->mappings[look->mapping_count - 1]
                                                                             : NULL;
    if (last && !look->survey->by_file && last->from + last->pages == mapping->from) {
        last->pages += mapping->pages;
        return 0;
    }
    if (look->mapping_count == look->capacity) {
        uint32_t        capacity = look->capacity ? look->capacity * 2 : MAPPINGS_FIRST;
        struct mapping *list = capacity > MAPPINGS_MAX ? NULL : realloc(look->mappings, capacity * sizeof *list);
        if (!list)
            return capacity > MAPPINGS_MAX ? -EFBIG : -ENOMEM;
        look->mappings = list;
        look->capacity = capacity;
    }
    look->mappings[look->mapping_count++] = *mapping;
    return 0;
}

/* A line reads "55d0c0-55d0c4 rw-p 00001000 fd:00 1234  /path". A mapping that may neither be read nor written holds
 * nothing. */
static int take_mapping(struct look *look, unsigned owner, struct text line)
{
    uint64_t    from = 0;
    uint64_t    to = 0;
    uint64_t    offset = 0;
    uint64_t    major = 0;
    uint64_t    minor = 0;
    uint64_t    inode = 0;
    struct text access;
    if (!text_hexadecimal(&line, &from) || !text_skip(&line, "-") || !text_hexadecimal(&line, &to) || to <= from ||
        to >> 63 || !text_word(&line, &access) || text_len(access) != 4 || text_starts(access, "---"))
        return 0;
    text_blanks(&line);
    if (!text_hexadecimal(&line, &offset) || !text_skip(&line, " ") || !text_hexadecimal(&line, &major) ||
        !text_skip(&line, ":") || !text_hexadecimal(&line, &minor) || !text_unsigned(&line, &inode))
        return 0;
    bool has_file = inode != 0 || access.at[3] == 's';
    if (!has_file && (look->survey->by_file || look->survey->no_anonymous))
        return 0;
    uint64_t       page = look->survey->page_bytes;
    struct mapping mapping = {.from = from / page,
                              .pages = (to - from) / page,
                              .file = has_file ? (inode ^ major << 56 ^ minor << 40) | UINT64_C(1) << 63 : 0,
                              .offset = offset / page,
                              .owner = owner};
    return add_mapping(look, &mapping);
}

/* Lines may be cut between two reads: the rest of the last one goes to the front. */
static int read_maps(struct look *look, unsigned owner, int maps)
{
    char   block[MAPS_BLOCK];
    size_t kept = 0;
    size_t total = 0;
    for (;;) {
        ssize_t len = read(maps, block + kept, sizeof block - kept);
        if (len <= 0)
            return len < 0 ? -errno : 0;
        total += (size_t)len;
        struct text t = text_span(block, kept + (size_t)len);
        struct text line;
        while (memchr(t.at, '\n', text_len(t)) && text_line(&t, &line)) {
            int error = take_mapping(look, owner, line);
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

static int load_mappings(struct look *look, unsigned owner)
{
    int maps = open_one(look->survey->proc, look->list[owner].pid, "maps");
    look->begin[owner] = look->mapping_count;
    int error = maps < 0 ? maps : read_maps(look, owner, maps);
    look->begin[owner + 1] = look->mapping_count;
    file_close(&maps);
    return error;
}

static uint32_t *head_of(struct look *look, uint64_t file)
{
    return &look->heads[(file * UINT64_C(0x9e3779b97f4a7c15)) >> 54 & (FILE_HEADS - 1)];
}

static int index_files(struct look *look)
{
    look->heads = calloc(FILE_HEADS, sizeof *look->heads);
    if (!look->heads)
        return -ENOMEM;
    for (uint32_t i = 0; i < look->mapping_count; i++) {
        uint32_t *head = head_of(look, look->mappings[i].file);
        look->mappings[i].next = *head;
        *head = i + 1;
    }
    return 0;
}

/* ---- windows ---- */

static unsigned read_window(struct look *look, int pagemap, uint64_t page, unsigned pages, uint64_t ret[static WINDOW])
{
    ssize_t len = pread(pagemap, ret, pages * sizeof *ret, (off_t)(page * sizeof *ret));
    look->survey->looks++;
    return len > 0 ? (unsigned)((size_t)len / sizeof *ret) : 0;
}

/* In huge pages, bit 56 is not the page's own. Files are found by their place, whatever the bit says. */
static void ask(struct look *look, struct window *w, unsigned other, uint64_t page)
{
    uint64_t entry[WINDOW];
    unsigned pages = read_window(look, look->pagemap[other], page, w->pages, entry);
    w->asked++;
    for (unsigned i = 0; i < pages; i++) {
        bool is_same = (entry[i] & PAGE_FILE) == (w->entry[i] & PAGE_FILE);
        w->found[i] += (entry[i] & PAGE_PRESENT) && is_same && (look->survey->by_file || !(entry[i] & PAGE_OWN));
    }
}

static void ask_family(struct look *look, struct window *w)
{
    unsigned start = choose(look) % look->count;
    w->others = (double)(look->survey->members > look->count ? look->survey->members : look->count) - 1;
    for (unsigned i = 0; i < look->count && w->asked < ASKED_MAX; i++) {
        unsigned other = (start + i) % look->count;
        if (other != w->owner && look->pagemap[other] >= 0)
            ask(look, w, other, w->from);
    }
}

static void ask_sharers(struct look *look, struct window *w)
{
    for (uint32_t i = *head_of(look, w->file); i; i = look->mappings[i - 1].next) {
        const struct mapping *m = &look->mappings[i - 1];
        if (m->owner == w->owner || m->file != w->file || w->offset < m->offset || w->offset >= m->offset + m->pages ||
            look->pagemap[m->owner] < 0)
            continue;
        w->others++;
        if (w->asked < ASKED_MAX)
            ask(look, w, m->owner, m->from + w->offset - m->offset);
    }
}

static void add(struct sums *sums, double weight, double pages)
{
    sums->weight += weight;
    sums->pages += pages;
    sums->weight2 += weight * weight;
    sums->pages2 += pages * pages;
    sums->product += weight * pages;
}

static void count_window(const struct window *w, unsigned pages, struct sums *anonymous, struct sums *file)
{
    double weight[2] = {0};
    double count[2] = {0};
    for (unsigned i = 0; i < pages; i++) {
        bool         is_file = w->entry[i] & PAGE_FILE;
        bool         is_own = w->entry[i] & PAGE_OWN;
        struct sums *sums = is_file ? file : anonymous;
        double       users = 1 + (w->asked > 0 ? w->found[i] * w->others / w->asked : 0);
        bool         is_vague = !is_own && users <= 1;
        double       vague = is_file ? w->vague : VAGUE;
        if (!(w->entry[i] & PAGE_PRESENT))
            continue;
        weight[is_file] += is_own ? 1 : is_vague ? vague : 1 / users;
        count[is_file] += 1;
        sums->own += is_own;
        sums->vague += is_vague;
        sums->guess += is_vague ? vague : 0;
    }
    if (count[0] > 0)
        add(anonymous, weight[0], count[0]);
    if (count[1] > 0)
        add(file, weight[1], count[1]);
}

/* Returns how many pages were looked at. */
static unsigned look_at(struct look *look, const struct mapping *m, uint64_t skipped, struct sums *anonymous,
                        struct sums *file)
{
    struct window w = {.from = m->from + skipped, .offset = m->offset + skipped, .file = m->file, .owner = m->owner};
    uint64_t      left = m->pages - skipped;
    double        outside = look->list[m->owner].outside;
    bool          is_shared = false;
    w.pages = left < WINDOW ? (unsigned)left : WINDOW;
    w.vague = outside > 0 ? outside : m->pages < LIBRARY_MAX / look->survey->page_bytes ? VAGUE_LIBRARY : VAGUE;
    unsigned pages = read_window(look, look->pagemap[m->owner], w.from, w.pages, w.entry);
    for (unsigned i = 0; i < pages; i++)
        is_shared |= (w.entry[i] & PAGE_PRESENT) && !(w.entry[i] & PAGE_OWN);
    if (is_shared && look->survey->by_file)
        ask_sharers(look, &w);
    else if (is_shared && look->count > 1)
        ask_family(look, &w);
    count_window(&w, pages, anonymous, file);
    return w.pages;
}

static struct pss_share share_of(const struct look *look, const struct sums *sums, double seen, double all)
{
    if (sums->pages < 1)
        return (struct pss_share){0};
    double ratio = sums->weight / sums->pages;
    double square = sums->weight2 - 2 * ratio * sums->product + ratio * ratio * sums->pages2;
    return (struct pss_share){.ratio = ratio,
                              .error = root_of(square) / sums->pages,
                              .own = sums->own / sums->pages,
                              .vague = sums->vague / sums->pages,
                              .guess = sums->vague > 0 ? sums->guess / sums->vague : 0,
                              .pages = sums->pages,
                              .present = sums->pages / seen * all * (double)look->survey->page_bytes / 1024};
}

/* Looks at one place in each of so many equal parts: at even distances, a pattern in memory might always be met alike.
 */
static void look_through(struct look *look, unsigned owner, unsigned windows)
{
    struct sums anonymous = {0};
    struct sums file = {0};
    uint64_t    all = 0;
    uint64_t    at = 0;
    uint64_t    seen = 0;
    uint32_t    m = look->begin[owner];
    for (uint32_t i = m; i < look->begin[owner + 1]; i++)
        all += look->mappings[i].pages;
    if (all / WINDOW < windows)
        windows = (unsigned)(all / WINDOW) + 1;
    uint64_t part = all / windows + 1;
    for (unsigned i = 0; i < windows; i++) {
        uint64_t random = (uint64_t)choose(look) << 16 ^ choose(look);
        uint64_t place = i * part + random % part;
        while (m < look->begin[owner + 1] && place - at >= look->mappings[m].pages)
            at += look->mappings[m++].pages;
        if (m >= look->begin[owner + 1])
            break;
        seen += look_at(look, &look->mappings[m], place - at, &anonymous, &file);
    }
    look->list[owner].anonymous = share_of(look, &anonymous, (double)seen, (double)all);
    look->list[owner].file = share_of(look, &file, (double)seen, (double)all);
}

static int look_through_all(struct look *look)
{
    double weight = 0;
    int    error = look->survey->by_file ? index_files(look) : 0;
    for (unsigned i = 0; i < look->count; i++)
        weight += look->list[i].weight;
    for (unsigned i = 0; i < look->count && !error; i++) {
        double   share = weight > 0 ? look->list[i].weight / weight : 1;
        unsigned windows = (unsigned)(look->survey->windows * share);
        if (look->list[i].error)
            continue;
        if (!look->survey->by_file) { /* one process after the other, in the same room */
            look->mapping_count = 0;
            look->list[i].error = load_mappings(look, i);
        }
        if (!look->list[i].error)
            look_through(look, i, windows < WINDOWS_MIN ? WINDOWS_MIN : windows);
    }
    return error;
}

int pss_survey_run(struct pss_survey *survey, struct pss_surveyed *list, unsigned count)
{
    struct look look = {.survey = survey, .list = list, .count = count, .random = survey->seed * 2654435761U};
    int         error = 0;
    survey->looks = 0;
    for (unsigned i = 0; i < count; i++) {
        look.pagemap[i] = open_one(survey->proc, list[i].pid, "pagemap");
        list[i].error = look.pagemap[i] < 0 ? look.pagemap[i] : 0;
        list[i].anonymous = list[i].file = (struct pss_share){0};
        if (survey->by_file && !list[i].error)
            list[i].error = load_mappings(&look, i);
        else
            look.begin[i + 1] = look.begin[i] = look.mapping_count;
    }
    if (count > 0)
        error = look_through_all(&look);
    for (unsigned i = 0; i < count; i++)
        file_close(&look.pagemap[i]);
    free(look.mappings);
    free(look.heads);
    return error;
}
