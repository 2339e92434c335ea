/* Names of objects in a bucket of the user's own. */
// SPDX-License-Identifier: Apache-2.0
#include "delivery/object_key.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/text.h"
#include "store/journal_write.h"

#define KEY_CHARACTERS TEXT_ALPHANUMERIC "._-"

enum { COMPACT = 16, DAY = 10 }; /* characters of 20261122T104500Z, of 2026-11-22 */

static void date_of(int64_t seconds, char ret[static OBJECT_DATE_SIZE])
{
    char when[21];
    clock_format_utc(seconds, when);
    memcpy(ret, when, DAY);
    ret[DAY] = '\0';
}

static void name_machine(const char *name, const char *boot_id, char ret[static OBJECT_MACHINE_SIZE])
{
    size_t n = 0;
    if (!name) {
        journal_token_id(boot_id, ret);
        return;
    }
    for (; name[n] && n < OBJECT_MACHINE_SIZE - 1; n++)
        ret[n] = ascii_is_alphanumeric(name[n]) || name[n] == '.' || name[n] == '_' ? name[n] : '-';
    ret[n] = '\0';
}

static uint64_t draw(void)
{
    uint64_t bits = 0;
    if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != (ssize_t)sizeof bits)
        bits = (uint64_t)clock_monotonic() * UINT64_C(0x9e3779b97f4a7c15); /* early in a machine's boot */
    return bits;
}

void object_key_make(int64_t started_s, const char *machine, const char *boot_id, pid_t pid, struct object_key *ret)
{
    char when[17];
    char name[OBJECT_MACHINE_SIZE];
    clock_format_compact(started_s, when);
    name_machine(machine, boot_id, name);
    date_of(started_s, ret->date);
    (void)snprintf(ret->key, sizeof ret->key, "%s-%s-%d-%016llx", when, name, (int)pid, (unsigned long long)draw());
}

static bool is_date(const char *date)
{
    char    noon[24];
    int64_t seconds = 0;
    return strlen(date) == DAY && snprintf(noon, sizeof noon, "%sT12:00:00Z", date) > 0 &&
           clock_parse_utc(noon, &seconds) == 0;
}

bool object_key_take(const char *key, const char *date, struct object_key *ret)
{
    *ret = (struct object_key){.key = ""};
    if (!key || !date || !is_date(date) || !text_consists_of(text_of(key), KEY_CHARACTERS) || strlen(key) <= COMPACT ||
        strlen(key) >= sizeof ret->key)
        return false;
    memcpy(ret->key, key, strlen(key) + 1);
    memcpy(ret->date, date, OBJECT_DATE_SIZE);
    return true;
}

/* 20261122T104500Z as clock_parse_utc reads it. */
static bool parse_compact(const char *key, int64_t *ret)
{
    char when[24];
    if (strlen(key) <= COMPACT || key[8] != 'T' || key[15] != 'Z')
        return false;
    (void)snprintf(when, sizeof when, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", key, key + 4, key + 6, key + 9, key + 11,
                   key + 13);
    return clock_parse_utc(when, ret) == 0;
}

void object_key_correct(struct object_key *key, int64_t seconds)
{
    char    when[17];
    int64_t started = 0;
    if (!parse_compact(key->key, &started))
        return;
    clock_format_compact(started + seconds, when);
    memcpy(key->key, when, COMPACT);
    date_of(started + seconds, key->date);
}

int object_key_uri(const struct object_key *key, enum object_kind kind, const char *place, char *ret, size_t size)
{
    static const char *const folders[] = {
        [OBJECT_STARTED] = "started", [OBJECT_METRICS] = "metrics", [OBJECT_ENDED] = "runs"};
    bool is_folder = kind == OBJECT_METRICS;
    int  len = snprintf(ret, size, "%s/%s/date=%s/%s%s%s", place, folders[kind], key->date, is_folder ? "run=" : "",
                        key->key, is_folder ? "" : ".json");
    return len > 0 && (size_t)len < size ? 0 : -ENAMETOOLONG;
}
