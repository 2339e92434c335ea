/* /etc/pillion.conf: a site's defaults, and what it forces. A passenger never comes here; its leader has. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "hook/hook.h"

enum { OVERFLOW_UID = 65534 }; /* DEFAULT_OVERFLOWUID of linux/highuid.h: whoever has no number here */

struct span {
    const char *at, *end;
};

static struct conf conf;
static bool        was_read;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct span trimmed(const char *at, const char *end)
{
    while (at < end && is_blank(*at))
        at++;
    while (at < end && is_blank(end[-1]))
        end--;
    return (struct span){at, end};
}

static char *put(char *out, struct span piece)
{
    while (piece.at < piece.end)
        *out++ = *piece.at++;
    return out;
}

static bool is_forced(const char *at, const char *end)
{
    for (const char *word = "force"; *word; word++, at++)
        if (at == end || *at != *word)
            return false;
    return at < end && is_blank(*at);
}

/* Writes it over what was read already, for it is never longer. */
static char *put_line(struct span line, char *out)
{
    if (line.at < line.end && *line.at != '#') {
        if (is_forced(line.at, line.end)) {
            line = trimmed(line.at + strlen(CONF_FORCE), line.end);
            for (const char *word = CONF_FORCE; *word; word++)
                *out++ = *word;
        }
        const char *equals = line.at;
        while (equals < line.end && *equals != '=')
            equals++;
        out = put(out, trimmed(line.at, equals));
        if (equals < line.end) {
            *out++ = '=';
            out = put(out, trimmed(equals + 1, line.end));
        }
    }
    *out++ = '\0';
    return out;
}

size_t conf_make_lines(char *text, size_t len)
{
    char *out = text;
    for (const char *at = text, *end = text + len, *stop = NULL; at < end; at = stop + 1) {
        stop = at;
        while (stop < end && *stop != '\n')
            stop++;
        out = put_line(trimmed(at, stop), out);
    }
    return (size_t)(out - text);
}

/* user_namespaces(7): "first number here, first number outside, count" in each line. */
static bool has_root_of_outside(void)
{
    char text[4096];
    if (sys_read_file("/proc/self/uid_map", text, sizeof text) < 0)
        return true;
    for (const char *at = text; *at;) {
        uint64_t numbers[3] = {1, 1, 1};
        for (int i = 0; i < 3; i++) {
            while (is_blank(*at))
                at++;
            numbers[i] = string_number(&at);
        }
        if (numbers[1] == 0 && numbers[2] > 0)
            return true;
        while (*at && *at++ != '\n')
            ;
    }
    return false;
}

/* Root of a machine whose users are not ours, as in a rootless container, has no number here. */
static bool is_of_root(uid_t owner)
{
    return owner == 0 || (owner == OVERFLOW_UID && !has_root_of_outside());
}

static enum conf_fault judge(const struct stat *info)
{
    if (!S_ISREG(info->st_mode))
        return CONF_NO_FILE;
    if (info->st_size > CONF_MAX)
        return CONF_TOO_LARGE;
    if (!is_of_root(info->st_uid))
        return CONF_ANOTHERS;
    return info->st_mode & (S_IWGRP | S_IWOTH) ? CONF_WRITABLE : CONF_FINE;
}

static enum conf_fault load(int fd, size_t size)
{
    char *text = size ? mmap(NULL, size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : NULL;
    if (!text)
        return CONF_FINE;
    conf.error = -ENOMEM;
    if (text == MAP_FAILED)
        return CONF_UNREADABLE;
    long len = sys_read(fd, text, size);
    conf.error = len < 0 ? (int)len : 0;
    if (len < 0)
        return CONF_UNREADABLE;
    if (memchr(text, '\0', (size_t)len))
        return CONF_NO_TEXT;
    conf.lines = text;
    conf.size = conf_make_lines(text, (size_t)len);
    return CONF_FINE;
}

void conf_read(const char *path)
{
    struct stat info;
    if (was_read)
        return;
    was_read = true;
    long fd = sys_open(path, O_RDONLY | O_NOFOLLOW, 0);
    if (fd == -ENOENT || fd == -ENOTDIR)
        return;
    conf.error = fd < 0 ? (int)fd : sys_fstat((int)fd, &info);
    if (conf.error < 0)
        conf.fault = conf.error == -ELOOP ? CONF_LINK : CONF_UNREADABLE;
    else
        conf.fault = judge(&info);
    if (!conf.fault)
        conf.fault = load((int)fd, (size_t)info.st_size);
    if (fd >= 0)
        sys_close((int)fd);
}

const struct conf *conf_found(void)
{
    return conf.fault || conf.size ? &conf : NULL;
}

/* Of several lines the last one counts. */
static const char *value_of(const char *name, bool *ret_forced)
{
    const char *found = NULL;
    for (const char *at = conf.lines, *end = at + conf.size; at < end; at += strlen(at) + 1) {
        size_t      force = strlen(CONF_FORCE);
        bool        forced = strncmp(at, CONF_FORCE, force) == 0;
        const char *value = variable_named(at + (forced ? force : 0), name);
        if (value) {
            found = value;
            *ret_forced = forced;
        }
    }
    return found;
}

const char *setting_of(const char *name)
{
    bool        forced = false;
    const char *own = environment_of(name);
    const char *sites = conf.size ? value_of(name, &forced) : NULL;
    forced = forced && !string_equal(name, "PILLION_DISABLE"); /* who wants no part has none */
    return sites && (forced || !own) ? sites : own;
}
