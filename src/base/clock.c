// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

static int64_t now(clockid_t clock)
{
    struct timespec t = {0};
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * CLOCK_SECOND + t.tv_nsec;
}

enum { SUSPENDED_TRIES = 4 };

int64_t clock_monotonic(void)
{
    return now(CLOCK_MONOTONIC);
}

int64_t clock_real(void)
{
    return now(CLOCK_REALTIME);
}

/* Both clocks are read one after the other. On a busy machine the time between them may be long, and never counts as
 * sleep. */
int64_t clock_suspended(void)
{
    int64_t slept = 0;
    int64_t took = INT64_MAX;
    for (int i = 0; i < SUSPENDED_TRIES && took > CLOCK_MILLISECOND; i++) {
        int64_t before = now(CLOCK_MONOTONIC);
        int64_t since_boot = now(CLOCK_BOOTTIME);
        int64_t after = now(CLOCK_MONOTONIC);
        took = after - before;
        slept = since_boot > after ? since_boot - after : 0;
    }
    return slept;
}

int64_t clock_thread_cpu(void)
{
    return now(CLOCK_THREAD_CPUTIME_ID);
}

/* The compiler cannot know that each part of a date has two digits. */
enum { DATE_ROOM = 80 };

struct date {
    int64_t year;
    int     month, day, hour, minute, second;
};

/* Days since 1970-01-01 in the proleptic Gregorian calendar; March is month 0, so that leap days come last. */
static int64_t days_from_date(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = year / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static struct date date_from_seconds(int64_t seconds)
{
    if (seconds < 0)
        seconds = 0;
    int64_t     days = seconds / 86400 + 719468;
    int         rest = (int)(seconds % 86400);
    int64_t     era = days / 146097;
    int64_t     day_of_era = days % 146097;
    int64_t     year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int         day_of_year = (int)(day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100));
    int         shifted = (5 * day_of_year + 2) / 153;
    struct date d = {.year = year_of_era + era * 400,
                     .month = shifted < 10 ? shifted + 3 : shifted - 9,
                     .day = day_of_year - (153 * shifted + 2) / 5 + 1,
                     .hour = rest / 3600,
                     .minute = rest / 60 % 60,
                     .second = rest % 60};
    d.year += d.month <= 2;
    if (d.year > 9999)
        d = (struct date){9999, 12, 31, 23, 59, 59};
    return d;
}

void clock_format_utc(int64_t seconds, char ret[static 21])
{
    struct date d = date_from_seconds(seconds);
    char        text[DATE_ROOM];
    (void)snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", (int)d.year, d.month, d.day, d.hour, d.minute,
                   d.second);
    memcpy(ret, text, 21);
}

void clock_format_compact(int64_t seconds, char ret[static 17])
{
    struct date d = date_from_seconds(seconds);
    char        text[DATE_ROOM];
    (void)snprintf(text, sizeof text, "%04d%02d%02dT%02d%02d%02dZ", (int)d.year, d.month, d.day, d.hour, d.minute,
                   d.second);
    memcpy(ret, text, 17);
}

/* Exactly n digits. */
static bool digits(struct text *t, int n, int *ret)
{
    if (text_len(*t) < (size_t)n)
        return false;
    int value = 0;
    for (int i = 0; i < n; i++, t->at++) {
        if (*t->at < '0' || *t->at > '9')
            return false;
        value = value * 10 + (*t->at - '0');
    }
    *ret = value;
    return true;
}

static bool date_is_valid(const struct date *d)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (d->month < 1 || d->month > 12 || d->day < 1 || d->year < 1970)
        return false;
    bool leap = d->year % 4 == 0 && (d->year % 100 != 0 || d->year % 400 == 0);
    if (d->day > lengths[d->month - 1] + (d->month == 2 && leap))
        return false;
    return d->hour <= 23 && d->minute <= 59 && d->second <= 60;
}

static int64_t seconds_from_date(const struct date *d)
{
    int64_t minutes = (days_from_date(d->year, d->month, d->day) * 24 + d->hour) * 60 + d->minute;
    return minutes * 60 + d->second;
}

static bool parse_zone(struct text *t, int64_t *ret_offset)
{
    int  hours = 0;
    int  minutes = 0;
    bool east = text_skip(t, "+");
    *ret_offset = 0;
    if (!east && !text_skip(t, "-"))
        return text_skip(t, "Z") || text_skip(t, "z") || text_len(*t) == 0;
    if (!digits(t, 2, &hours))
        return false;
    bool colon = text_skip(t, ":");
    if ((colon || text_len(*t) > 0) && !digits(t, 2, &minutes))
        return false;
    if (hours > 23 || minutes > 59)
        return false;
    *ret_offset = (east ? 1 : -1) * (int64_t)(hours * 3600 + minutes * 60);
    return true;
}

int clock_parse_utc(const char *string, int64_t *ret_seconds)
{
    struct text t = text_of(string);
    struct date d = {0};
    int         year = 0;
    if (!digits(&t, 4, &year) || !text_skip(&t, "-") || !digits(&t, 2, &d.month) || !text_skip(&t, "-") ||
        !digits(&t, 2, &d.day))
        return -EINVAL;
    if (!text_skip(&t, "T") && !text_skip(&t, "t") && !text_skip(&t, " "))
        return -EINVAL;
    if (!digits(&t, 2, &d.hour) || !text_skip(&t, ":") || !digits(&t, 2, &d.minute) || !text_skip(&t, ":") ||
        !digits(&t, 2, &d.second))
        return -EINVAL;
    if (text_skip(&t, ".")) {
        uint64_t fraction = 0;
        if (text_len(t) == 0 || *t.at == ' ' || !text_unsigned(&t, &fraction))
            return -EINVAL;
    }
    int64_t offset = 0;
    d.year = year;
    if (!parse_zone(&t, &offset) || text_len(t) != 0 || !date_is_valid(&d))
        return -EINVAL;
    *ret_seconds = seconds_from_date(&d) - offset;
    return 0;
}

int clock_parse_http(const char *string, int64_t *ret_seconds)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct text       t = text_of(string);
    struct text       piece;
    struct date       d = {0};
    int               year = 0;
    if (!text_until(&t, ',', &piece) || text_len(piece) != 3 || !text_skip(&t, " ") || !digits(&t, 2, &d.day) ||
        !text_skip(&t, " ") || text_len(t) < 3)
        return -EINVAL;
    for (int m = 0; m < 12; m++)
        if (memcmp(t.at, months + (ptrdiff_t)3 * m, 3) == 0)
            d.month = m + 1;
    t.at += 3;
    if (!text_skip(&t, " ") || !digits(&t, 4, &year) || !text_skip(&t, " ") || !digits(&t, 2, &d.hour) ||
        !text_skip(&t, ":") || !digits(&t, 2, &d.minute) || !text_skip(&t, ":") || !digits(&t, 2, &d.second) ||
        !text_is(t, " GMT"))
        return -EINVAL;
    d.year = year;
    if (!date_is_valid(&d))
        return -EINVAL;
    *ret_seconds = seconds_from_date(&d);
    return 0;
}
