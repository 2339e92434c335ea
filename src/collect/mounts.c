/* Mounts are read from mountinfo, and those chosen that count as storage. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/mounts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* "27 1 254:0 / /mnt\040x rw,relatime shared:1 - ext4 /dev/vda rw,discard" */
struct entry {
    uint64_t    id, parent, major, minor;
    struct text path; /* still escaped */
    struct text type;
    struct text source;
};

static bool parse_line(struct text line, struct entry *ret)
{
    struct text word;
    if (!text_unsigned(&line, &ret->id) || !text_unsigned(&line, &ret->parent) || !text_unsigned(&line, &ret->major) ||
        !text_skip(&line, ":") || !text_unsigned(&line, &ret->minor) || !text_word(&line, &word) ||
        !text_word(&line, &ret->path) || !text_word(&line, &word))
        return false;
    do {
        if (!text_word(&line, &word))
            return false;
    } while (!text_is(word, "-"));
    return text_word(&line, &ret->type) && text_word(&line, &ret->source);
}

static bool starts_with_any(struct text t, const char *const *prefixes)
{
    for (; *prefixes; prefixes++)
        if (text_starts(t, *prefixes))
            return true;
    return false;
}

static bool may_hang(const struct entry *e)
{
    static const char *const types[] = {"nfs",  "cifs",  "smb",      "fuse", "autofs", "ceph",
                                        "afs",  "9p",    "lustre",   "gpfs", "ncpfs",  "beegfs",
                                        "coda", "pvfs2", "orangefs", "gfs2", "ocfs2",  NULL};
    return starts_with_any(e->type, types);
}

/* btrfs and bcachefs live on block devices, but have a device number of their own making. */
static bool is_on_block_device(const struct entry *e)
{
    return text_starts(e->source, "/dev/") &&
           (e->major != 0 || text_is(e->type, "btrfs") || text_is(e->type, "bcachefs"));
}

static bool is_image(const struct entry *e)
{
    enum { RAM_MAJOR = 1, LOOP_MAJOR = 7 };
    static const char *const types[] = {"squashfs", "iso9660", "udf", "cramfs", "erofs", "romfs", NULL};
    static const char *const sources[] = {"/dev/loop", "/dev/zram", "/dev/ram", NULL};
    return e->major == LOOP_MAJOR || e->major == RAM_MAJOR || starts_with_any(e->type, types) ||
           starts_with_any(e->source, sources);
}

static bool same(struct text a, struct text b)
{
    return text_len(a) == text_len(b) && memcmp(a.at, b.at, text_len(a)) == 0;
}

/* True if `path` is the folder `top`, or below it. */
static bool is_below(struct text path, struct text top)
{
    if (text_is(top, "/"))
        return true;
    size_t len = text_len(top);
    return text_len(path) >= len && memcmp(path.at, top.at, len) == 0 && (text_len(path) == len || path.at[len] == '/');
}

static const struct entry *by_id(const struct entry *list, size_t count, uint64_t id)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].id == id)
            return &list[i];
    return NULL;
}

/* Does the way to a mount lead through a filesystem that may hang? The one that holds / is not asked about: on a
 * machine with its root on the network, everything depends on that. An autofs with something on it is passed at once.
 */
static bool leads_through_what_may_hang(const struct entry *list, size_t count, const struct entry *e)
{
    for (int depth = 0; depth < 64; depth++) {
        if (text_is(e->path, "/"))
            return false;
        if (may_hang(e) && !text_is(e->type, "autofs"))
            return true;
        e = e->parent == e->id ? NULL : by_id(list, count, e->parent);
        if (!e)
            return false;
    }
    return true;
}

/* Walks up from a mount. At each level, another child of the same parent that lies on the way hides it. */
static bool is_hidden(const struct entry *list, size_t count, const struct entry *e)
{
    const struct entry *level = e;
    for (size_t i = 0; i < count; i++)
        if (list[i].parent == e->id && list[i].id != e->id && same(list[i].path, e->path))
            return true;
    for (int depth = 0; depth < 64; depth++) {
        const struct entry *parent = level->parent == level->id ? NULL : by_id(list, count, level->parent);
        if (!parent)
            return false;
        for (size_t i = 0; i < count; i++)
            if (list[i].parent == parent->id && list[i].id != level->id && list[i].id != parent->id &&
                is_below(level->path, list[i].path) && !same(level->path, list[i].path))
                return true;
        level = parent;
    }
    return false;
}

/* Replaces \040 and the like; the text becomes no longer. */
static char *unescape(struct text t)
{
    char *path = malloc(text_len(t) + 1);
    char *out = path;
    if (!path)
        return NULL;
    while (t.at < t.end) {
        if (*t.at == '\\' && text_len(t) >= 4 && t.at[1] >= '0' && t.at[1] <= '3') {
            *out++ = (char)((t.at[1] - '0') * 64 + (t.at[2] - '0') * 8 + (t.at[3] - '0'));
            t.at += 4;
        } else {
            *out++ = *t.at++;
        }
    }
    *out = '\0';
    return path;
}

static size_t parse_all(struct text t, struct entry *ret)
{
    size_t      count = 0;
    struct text line;
    while (count < MOUNTS_READ_MAX && text_line(&t, &line))
        if (parse_line(line, &ret[count]))
            count++;
    return count;
}

static bool is_known(const struct entry *const *kept, size_t count, const struct entry *e)
{
    for (size_t i = 0; i < count; i++)
        if (kept[i]->major == e->major && kept[i]->minor == e->minor)
            return true;
    return false;
}

static size_t choose(const struct entry *list, size_t count, const struct entry *ret[static MOUNTS_KEPT_MAX])
{
    size_t kept = 0;
    /* The mount of / comes first, so that its device, if mounted elsewhere too, is known by that mount. */
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < count && kept < MOUNTS_KEPT_MAX; i++) {
            const struct entry *e = &list[i];
            bool                wanted = pass == 0 ? text_is(e->path, "/") : is_on_block_device(e) && !is_image(e);
            if (wanted && !may_hang(e) && !is_known(ret, kept, e) && !is_hidden(list, count, e) &&
                !leads_through_what_may_hang(list, count, e))
                ret[kept++] = e;
        }
    }
    return kept;
}

/* Below a chroot into a plain folder no mount holds / by name. */
static bool has_root(const struct entry *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_is(list[i].path, "/"))
            return true;
    return false;
}

static struct mount_detail *detail_of(const struct entry *e)
{
    struct mount_detail *detail = calloc(1, sizeof *detail);
    if (!detail)
        return NULL;
    (void)text_copy(e->type, detail->type, sizeof detail->type);
    (void)text_copy(e->source, detail->source, sizeof detail->source);
    detail->major = (unsigned)e->major;
    detail->minor = (unsigned)e->minor;
    return detail;
}

int mounts_parse(struct mounts *mounts, struct text mountinfo)
{
    size_t lines = 1;
    for (const char *c = mountinfo.at; c < mountinfo.end; c++)
        lines += *c == '\n';
    struct entry *list = calloc(lines < MOUNTS_READ_MAX ? lines : MOUNTS_READ_MAX, sizeof *list);
    if (!list)
        return -ENOMEM;
    const struct entry *chosen[MOUNTS_KEPT_MAX];
    size_t              parsed = parse_all(mountinfo, list);
    size_t              count = choose(list, parsed, chosen);
    struct mounts       fresh = {.list = calloc(count + 2, sizeof *fresh.list), .has_details = mounts->has_details};
    if (fresh.list && parsed > 0 && count < MOUNTS_KEPT_MAX && !has_root(list, parsed)) {
        fresh.list[0] = (struct mount){.path = strdup("/"),
                                       .is_root = true,
                                       .detail = fresh.has_details ? calloc(1, sizeof *fresh.list->detail) : NULL};
        fresh.count = fresh.list[0].path != NULL;
    }
    for (size_t i = 0; fresh.list && i < count; i++) {
        struct mount m = {.path = unescape(chosen[i]->path),
                          .is_root = text_is(chosen[i]->path, "/"),
                          .on_block = is_on_block_device(chosen[i])};
        if (m.path && fresh.has_details)
            m.detail = detail_of(chosen[i]);
        if (m.path)
            fresh.list[fresh.count++] = m;
    }
    free(list);
    if (!fresh.list)
        return -ENOMEM;
    mounts_done(mounts);
    *mounts = fresh;
    return 0;
}

void mounts_done(struct mounts *mounts)
{
    for (size_t i = 0; i < mounts->count; i++) {
        free(mounts->list[i].path);
        free(mounts->list[i].detail);
    }
    free(mounts->list);
    *mounts = (struct mounts){0};
}
