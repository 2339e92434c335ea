/* Slabs of blocks of one size, and mappings for larger blocks. Token and credentials lie in them, so none is in a core
 * file of the program, and a block is overwritten when it is given back. */
// SPDX-License-Identifier: Apache-2.0
#include "libc/heap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/warm.h"

enum {
    GRAIN = 16,
    STOCK = 8,        /* enough for a run of one row */
    FINE_MAX = 128,   /* a class each 16 bytes up to here, then four per doubling */
    FINE_CLASSES = 8, /* FINE_MAX / GRAIN */
    CLASSES = FINE_CLASSES + 4 * 6,
    CLASS_LARGE = CLASSES,
    CLASS_EARLY,
    HEADER = 64,
    EARLY_ROOM = 16 * 1024,
    EARLY_MAX = 1024,
};

struct block {
    struct block *next;
};

/* The header of every mapping. A mapping is aligned to the slab size, so the header of any block is found by its
 * address. */
struct slab {
    size_t        mapped; /* bytes of the whole mapping */
    uint32_t      kind;   /* class of the blocks, or one of the two behind them */
    uint32_t      block_size;
    uint32_t      used;  /* blocks handed out */
    uint32_t      fresh; /* offset of the first block never handed out: pages behind it are untouched */
    struct block *free;
    struct slab  *next, *previous; /* among the slabs of the class that have room */
};

_Static_assert(sizeof(struct slab) <= HEADER, "the header leaves blocks aligned");
_Static_assert(FINE_MAX << 6 == HEAP_SMALL_MAX, "the classes reach up to the largest small block");

/* In front of a block of the early slab, which holds all sizes. */
struct early {
    size_t capacity;
    size_t padding;
};

_Static_assert(sizeof(struct early) == GRAIN, "early blocks are aligned");

static struct {
    struct slab *with_room[CLASSES];
    struct slab *early;   /* the first blocks of a process, side by side: a class of their own would cost each a page */
    struct slab *spare;   /* one empty slab, against mapping and unmapping at a boundary */
    char        *stock;   /* slabs mapped in advance, which nobody has touched yet */
    size_t       stocked; /* so many are left of it */
    char        *stock_begin;  /* where its mapping begins */
    size_t       stock_before; /* bytes in front of the first slab, to be unmapped */
    size_t       mapped;       /* but for these */
} heap WARM;

static uint32_t class_of(size_t size)
{
    if (size <= FINE_MAX)
        return size ? (uint32_t)((size - 1) / GRAIN) : 0;
    /* size is in (2^top, 2^(top+1)], a range of four classes */
    uint32_t top = 63 - (uint32_t)__builtin_clzll((unsigned long long)(size - 1));
    uint32_t quarter = (uint32_t)((size - 1) >> (top - 2)) & 3;
    return FINE_CLASSES + 4 * (top - 7) + quarter;
}

static uint32_t class_size(uint32_t kind)
{
    if (kind < FINE_CLASSES)
        return (kind + 1) * GRAIN;
    uint32_t top = 7 + (kind - FINE_CLASSES) / 4;
    return (1U << top) + ((kind - FINE_CLASSES) % 4 + 1) * (1U << (top - 2));
}

static struct slab *slab_of(void *pointer)
{
    return (struct slab *)((uintptr_t)pointer & ~((uintptr_t)HEAP_SLAB_SIZE - 1)); // NOLINT(performance-no-int-to-ptr)
}

static char *map_pages(size_t size)
{
    char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    (void)madvise(at, size, MADV_DONTDUMP);
    return at;
}

static size_t bytes_before_slab(const char *at)
{
    return (size_t)(-(uintptr_t)at) & (HEAP_SLAB_SIZE - 1);
}

static void unmap_pages(char *at, size_t size)
{
    if (size > 0)
        (void)munmap(at, size);
}

/* Maps `size` bytes at a multiple of the slab size; `size` is a multiple of that, too. The kernel takes the place below
 * the last one, and that is one nearly always. */
static void *map_aligned(size_t size)
{
    size_t wide = size + HEAP_SLAB_SIZE;
    if (wide < size)
        return NULL;
    unmap_pages(heap.stock_begin, heap.stock_before);
    heap.stock_before = 0;
    char *at = map_pages(size);
    if (at && bytes_before_slab(at) != 0) {
        unmap_pages(at, size);
        at = map_pages(wide);
        size_t before = at ? bytes_before_slab(at) : 0;
        if (at) {
            unmap_pages(at, before);
            unmap_pages(at + before + size, HEAP_SLAB_SIZE - before);
            at += before;
        }
    }
    heap.mapped += at ? size : 0;
    return at;
}

static void unmap(struct slab *slab)
{
    heap.mapped -= slab->mapped;
    (void)munmap(slab, slab->mapped);
}

static void link_slab(struct slab *slab)
{
    struct slab **head = &heap.with_room[slab->kind];
    slab->previous = NULL;
    slab->next = *head;
    if (*head)
        (*head)->previous = slab;
    *head = slab;
}

static void unlink_slab(struct slab *slab)
{
    if (slab->previous)
        slab->previous->next = slab->next;
    else
        heap.with_room[slab->kind] = slab->next;
    if (slab->next)
        slab->next->previous = slab->previous;
}

static bool slab_is_full(const struct slab *slab)
{
    return !slab->free && slab->fresh + slab->block_size > HEAP_SLAB_SIZE;
}

/* Maps a slab. The first ones come in one mapping, which is trimmed later: main waits for each call. */
static struct slab *slab_map(void)
{
    if (heap.mapped == 0 && heap.stocked == 0) {
        heap.stock_begin = map_pages((size_t)(STOCK + 1) * HEAP_SLAB_SIZE);
        heap.stock_before = heap.stock_begin ? bytes_before_slab(heap.stock_begin) : 0;
        heap.stocked = heap.stock_begin ? STOCK : 0;
        heap.stock = heap.stock_begin ? heap.stock_begin + heap.stock_before : NULL;
    }
    if (heap.stocked == 0)
        return map_aligned(HEAP_SLAB_SIZE);
    heap.mapped += HEAP_SLAB_SIZE;
    return (struct slab *)(heap.stock + (STOCK - heap.stocked--) * (size_t)HEAP_SLAB_SIZE);
}

static struct slab *slab_make(uint32_t kind)
{
    struct slab *slab = heap.spare;
    heap.spare = NULL;
    if (!slab)
        slab = slab_map();
    if (!slab)
        return NULL;
    *slab = (struct slab){.mapped = HEAP_SLAB_SIZE, .kind = kind, .block_size = class_size(kind), .fresh = HEADER};
    link_slab(slab);
    return slab;
}

static void *early_take(size_t size)
{
    size_t room = size ? (size + GRAIN - 1) / GRAIN * GRAIN : GRAIN;
    if (!heap.early) {
        heap.early = slab_map();
        if (!heap.early)
            return NULL;
        *heap.early = (struct slab){.mapped = HEAP_SLAB_SIZE, .kind = CLASS_EARLY, .fresh = HEADER};
    }
    struct slab *slab = heap.early;
    if (size > EARLY_MAX || slab->fresh + sizeof(struct early) + room > EARLY_ROOM)
        return NULL;
    struct early *block = (void *)((char *)slab + slab->fresh);
    block->capacity = room;
    slab->fresh += (uint32_t)(sizeof *block + room);
    slab->used++;
    return block + 1;
}

static size_t early_capacity(void *pointer)
{
    return ((struct early *)pointer - 1)->capacity;
}

/* Room is used again from the end on, or once all is free. */
static void early_give(struct slab *slab, void *pointer)
{
    size_t capacity = early_capacity(pointer);
    memset(pointer, 0, capacity);
    slab->used--;
    if (slab->used == 0)
        slab->fresh = HEADER;
    else if ((char *)pointer + capacity == (char *)slab + slab->fresh)
        slab->fresh -= (uint32_t)(sizeof(struct early) + capacity);
}

static void *small_take(size_t size)
{
    uint32_t     kind = class_of(size);
    struct slab *slab = heap.with_room[kind];
    void        *early = slab ? NULL : early_take(size);
    if (early)
        return early;
    if (!slab)
        slab = slab_make(kind);
    if (!slab)
        return NULL;
    void *block = slab->free;
    if (block) {
        slab->free = slab->free->next;
    } else {
        block = (char *)slab + slab->fresh;
        slab->fresh += slab->block_size;
    }
    slab->used++;
    if (slab_is_full(slab))
        unlink_slab(slab);
    return block;
}

static void small_give(struct slab *slab, void *pointer)
{
    bool          was_full = slab_is_full(slab);
    struct block *block = pointer;
    memset(block, 0, slab->block_size); /* keys and tokens pass through curl's and mbedTLS's blocks too */
    block->next = slab->free;
    slab->free = block;
    slab->used--;
    if (was_full)
        link_slab(slab);
    if (slab->used > 0)
        return;
    unlink_slab(slab);
    if (heap.spare)
        unmap(slab);
    else
        heap.spare = slab;
}

/* Returns the bytes to map for a large block; 0 when there is no such size. A multiple of any page size there is:
 * untouched pages cost nothing. */
static size_t large_size(size_t size)
{
    size_t whole = size + HEADER + HEAP_SLAB_SIZE - 1;
    return whole < size || whole > PTRDIFF_MAX ? 0 : whole & ~((size_t)HEAP_SLAB_SIZE - 1);
}

static void *large_take(size_t size)
{
    size_t       whole = large_size(size);
    struct slab *slab = whole ? map_aligned(whole) : NULL;
    if (!slab)
        return NULL;
    *slab = (struct slab){.mapped = whole, .kind = CLASS_LARGE};
    return (char *)slab + HEADER;
}

static size_t capacity(const struct slab *slab, void *pointer)
{
    if (slab->kind == CLASS_EARLY)
        return early_capacity(pointer);
    return slab->kind == CLASS_LARGE ? slab->mapped - HEADER : slab->block_size;
}

/* Moves pages instead of bytes. NULL when there is no room; the old block then stands. */
static void *large_resize(struct slab *slab, size_t size)
{
    size_t whole = large_size(size);
    size_t old = slab->mapped;
    if (whole == 0)
        return NULL;
    if (mremap(slab, old, whole, 0) == MAP_FAILED) {
        void *place = map_aligned(whole);
        if (!place)
            return NULL;
        heap.mapped -= whole;
        void *moved = mremap(slab, old, whole, MREMAP_MAYMOVE | MREMAP_FIXED, place);
        if (moved == MAP_FAILED) {
            (void)munmap(place, whole);
            return NULL;
        }
        slab = moved;
    }
    heap.mapped += whole - old;
    slab->mapped = whole;
    return (char *)slab + HEADER;
}

void *malloc(size_t size)
{
    void *block = size <= HEAP_SMALL_MAX ? small_take(size) : large_take(size);
    if (!block)
        errno = ENOMEM;
    return block;
}

void free(void *pointer)
{
    if (!pointer)
        return;
    int          saved = errno;
    struct slab *slab = slab_of(pointer);
    if (slab->kind == CLASS_LARGE)
        unmap(slab);
    else if (slab->kind == CLASS_EARLY)
        early_give(slab, pointer);
    else
        small_give(slab, pointer);
    errno = saved; /* munmap may have touched it, free must not */
}

void *calloc(size_t count, size_t size)
{
    size_t whole;
    if (__builtin_mul_overflow(count, size, &whole)) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = malloc(whole);
    if (block && whole <= HEAP_SMALL_MAX) /* a large one is fresh from the kernel */
        memset(block, 0, whole);
    return block;
}

void *realloc(void *pointer, size_t size)
{
    if (!pointer)
        return malloc(size);
    struct slab *slab = slab_of(pointer);
    size_t       had = capacity(slab, pointer);
    bool         large = size > HEAP_SMALL_MAX;
    if ((!large && class_of(size) == slab->kind) || (slab->kind == CLASS_EARLY && size <= had))
        return pointer;
    if (large && slab->kind == CLASS_LARGE) {
        void *resized = large_resize(slab, size);
        if (!resized)
            errno = ENOMEM;
        return resized;
    }
    void *block = malloc(size);
    if (block) {
        memcpy(block, pointer, size < had ? size : had);
        free(pointer);
    }
    return block;
}
