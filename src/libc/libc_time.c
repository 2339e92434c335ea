// SPDX-License-Identifier: Apache-2.0
#include "libc/libc.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <time.h>

/* libc's gmtime_r takes the lock of the time zone, in which a forked child was found hanging. Days are counted in eras
 * of 400 years that begin on 1 March, so that the leap day is the last of its year. */
struct tm *gmtime_r(const time_t *restrict when, struct tm *restrict ret)
{
    int64_t days = *when / 86400, second = *when % 86400;
    if (second < 0) {
        second += 86400;
        days--;
    }
    int64_t shifted = days + 719468; /* from 0000-03-01 */
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100); /* from 1 March */
    int64_t march_month = (5 * day_of_year + 2) / 153;
    int64_t month = march_month < 10 ? march_month + 2 : march_month - 10; /* January is 0 */
    int64_t year = year_of_era + era * 400 + (month < 2);
    if (year - 1900 > INT_MAX || year - 1900 < INT_MIN) {
        errno = EOVERFLOW;
        return NULL;
    }
    int is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    *ret = (struct tm){
        .tm_sec = (int)(second % 60),
        .tm_min = (int)(second / 60 % 60),
        .tm_hour = (int)(second / 3600),
        .tm_mday = (int)(day_of_year - (153 * march_month + 2) / 5 + 1),
        .tm_mon = (int)month,
        .tm_year = (int)(year - 1900),
        .tm_wday = (int)(((days + 4) % 7 + 7) % 7),
        .tm_yday = (int)(month < 2 ? day_of_year - 306 : day_of_year + 59 + is_leap),
        .tm_zone = "GMT",
    };
    return ret;
}
