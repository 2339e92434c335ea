// SPDX-License-Identifier: Apache-2.0
// The libc corner against libc. This program is linked with the corner: snprintf here is ours, and libc's own are asked
// for by dlsym, which never sees a hidden name.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config/variables.h"
#include "libc/libc.h"

static int (*libc_snprintf)(char *, size_t, const char *, ...);
static double (*libc_strtod)(const char *, char **);
static long (*libc_strtol)(const char *, char **, int);
static unsigned long (*libc_strtoul)(const char *, char **, int);
static struct tm *(*libc_gmtime_r)(const time_t *, struct tm *);
static int (*libc_stat)(const char *, struct stat *);

static void resolve(void *ret_function, const char *name)
{
    void *function = dlsym(RTLD_DEFAULT, name);
    assert_non_null(function);
    memcpy(ret_function, &function, sizeof function);
}

static int resolve_all(void **state)
{
    (void)state;
    resolve(&libc_snprintf, "snprintf");
    resolve(&libc_strtod, "strtod");
    resolve(&libc_strtol, "strtol");
    resolve(&libc_strtoul, "strtoul");
    resolve(&libc_gmtime_r, "gmtime_r");
    resolve(&libc_stat, "stat");
    return 0;
}

static uint64_t random_state = 88172645463325252U;

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

static double random_double(void)
{
    uint64_t bits = random_bits();
    double   value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#define SAME(...)                                                           \
    do {                                                                    \
        char ours[1200], theirs[1200];                                      \
        int  our_len = snprintf(ours, sizeof ours, __VA_ARGS__);            \
        int  their_len = libc_snprintf(theirs, sizeof theirs, __VA_ARGS__); \
        assert_string_equal(ours, theirs);                                  \
        assert_int_equal(our_len, their_len);                               \
    } while (0)

#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-truncation"

static void snprintf_formats_integers_as_libc_does(void **state)
{
    static const char *const formats[] = {"%d",  "%5d", "%-5d|", "%05d", "%+d",  "% d",   "%.3d",   "%8.3d", "%-8.3d|",
                                          "%i",  "%u",  "%x",    "%X",   "%#x",  "%08x",  "%#10X",  "%o",    "%#o",
                                          "%hd", "%hu", "%hhd",  "%hhx", "%.0d", "%+05d", "%-+5d|", "%2.2x", "%c|"};
    static const int         values[] = {0, 1, -1, 7, 42, -42, 99999, 65536, 300, -129, INT_MAX, INT_MIN};
    (void)state;
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++)
            SAME(formats[f], values[v]);
    SAME("%ld %lld %zu %jd %td", LONG_MIN, LLONG_MAX, SIZE_MAX, (intmax_t)-5, (ptrdiff_t)9);
    SAME("%lu %llx", ULONG_MAX, 0xfedcba9876543210ULL);
    SAME("%p", (void *)&random_state);
    SAME("%*d|%-*d|%.*d|%*d", 7, 1, 7, 2, 4, 3, -6, 4);
}

static void snprintf_formats_texts_as_libc_does(void **state)
{
    (void)state;
    SAME("%s", "plain");
    SAME("%10s|%-10s|", "right", "left");
    SAME("%.3s|%8.2s|%.0s|", "abcdef", "abcdef", "abcdef");
    SAME("%.*s", 4, "abcdef");
    SAME("100%% %c%c", 'o', 'k');
    SAME("%s", "");
}

static void snprintf_formats_doubles_as_libc_does(void **state)
{
    static const char *const formats[] = {"%g",   "%f",   "%e",     "%.0f",     "%.3f", "%1.15g", "%1.17g",
                                          "%.0e", "%.1f", "%10.2f", "%-12.4g|", "%+g",  "% f",    "%010.3f",
                                          "%G",   "%E",   "%#.0f",  "%.6f",     "%.2g", "%#.9g"};
    static const double      values[] = {0.0,
                                         -0.0,
                                         0.5,
                                         1.5,
                                         2.5,
                                         0.05,
                                         0.25,
                                         0.1,
                                         1.0 / 3,
                                         9.5,
                                         9.95,
                                         99.5,
                                         999999.5,
                                         1e15,
                                         1e16,
                                         1e17,
                                         1e21,
                                         1e22,
                                         1e23,
                                         123456789.0,
                                         0.0001,
                                         0.00001,
                                         1.7976931348623157e308,
                                         2.2250738585072014e-308,
                                         4.9406564584124654e-324,
                                         -1234.5678,
                                         1e100,
                                         5e-5,
                                         0.6,
                                         0.4,
                                         3.0,
                                         100.0,
                                         INFINITY,
                                         NAN};
    (void)state;
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++)
            SAME(formats[f], values[v]);
    for (int i = 0; i < 20000; i++) {
        double value = random_double();
        SAME("%.17g", value);
        SAME("%.4f", fmod(value, 1e6));
    }
}

static void snprintf_counts_what_did_not_fit_and_ends_the_text(void **state)
{
    char buffer[8] = "xxxxxxx";
    (void)state;
    assert_int_equal(snprintf(buffer, 4, "%s", "abcdef"), 6);
    assert_string_equal(buffer, "abc");
    assert_int_equal(buffer[4], 'x');
    assert_int_equal(snprintf(NULL, 0, "%d", 12345), 5);
    assert_int_equal(snprintf(buffer, 1, "%d", 12345), 5);
    assert_string_equal(buffer, "");
}

static void strtod_reads_the_nearest_double(void **state)
{
    static const char *const texts[] = {"0",
                                        "-0",
                                        "1",
                                        "0.1",
                                        "1e23",
                                        "9007199254740993",
                                        "9007199254740992.5",
                                        "9007199254740993.0000000001",
                                        "2.2250738585072011e-308",
                                        "4.9406564584124654e-324",
                                        "2.4703282292062327e-324",
                                        "1e-400",
                                        "1.7976931348623159e308",
                                        "1e400",
                                        "  12.5abc",
                                        "+3",
                                        ".5",
                                        "5.",
                                        ".",
                                        "e5",
                                        "-",
                                        "1e",
                                        "1e+",
                                        "1E-2",
                                        "000123.4500",
                                        "123456789012345678901234567890",
                                        "0.000000000000000000000000000000000000001234",
                                        "1e99999999999",
                                        "0e99999999999",
                                        "8.5e15",
                                        "179769313486231580793e289"};
    char                     text[64], *our_end, *their_end;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double ours = strtod(texts[i], &our_end), theirs = libc_strtod(texts[i], &their_end);
        assert_memory_equal(&ours, &theirs, sizeof ours);
        assert_ptr_equal(our_end, their_end);
    }
    for (int i = 0; i < 3000; i++) {
        double value = random_double();
        if (!isfinite(value))
            continue;
        libc_snprintf(text, sizeof text, i % 2 ? "%.17g" : "%.12g", value);
        double ours = strtod(text, NULL), theirs = libc_strtod(text, NULL);
        assert_memory_equal(&ours, &theirs, sizeof ours);
    }
}

static void strtod_reports_what_is_out_of_range(void **state)
{
    (void)state;
    errno = 0;
    assert_true(strtod("1e400", NULL) == HUGE_VAL);
    assert_int_equal(errno, ERANGE);
    errno = 0;
    assert_true(strtod("12.25", NULL) == 12.25);
    assert_int_equal(errno, 0);
}

static void strtol_and_its_family_agree_with_libc(void **state)
{
    static const char *const texts[] = {"0",
                                        "42",
                                        "-42",
                                        "+7",
                                        "  15",
                                        "0x1f",
                                        "0X1F",
                                        "0x",
                                        "0xg",
                                        "077",
                                        "08",
                                        "zz",
                                        "-",
                                        "",
                                        "9223372036854775807",
                                        "9223372036854775808",
                                        "-9223372036854775808",
                                        "-9223372036854775809",
                                        "18446744073709551615",
                                        "18446744073709551616",
                                        "-1",
                                        "12abc",
                                        "\t\n 3"};
    static const int         bases[] = {0, 8, 10, 16, 36};
    char                    *our_end, *their_end;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (size_t b = 0; b < sizeof bases / sizeof *bases; b++) {
            errno = 0;
            long ours = strtol(texts[i], &our_end, bases[b]);
            int  our_errno = errno;
            errno = 0;
            assert_int_equal(ours, libc_strtol(texts[i], &their_end, bases[b]));
            assert_int_equal(our_errno, errno);
            assert_ptr_equal(our_end, their_end);
            assert_true(strtoul(texts[i], &our_end, bases[b]) == libc_strtoul(texts[i], &their_end, bases[b]));
            assert_ptr_equal(our_end, their_end);
        }
    assert_int_equal(atoi("-123x"), -123);
}

static void sscanf_reads_the_one_double_that_cjson_asks_for(void **state)
{
    double value = 0;
    (void)state;
    assert_int_equal(sscanf("12.5", "%lg", &value), 1);
    assert_true(value == 12.5);
    assert_int_equal(sscanf("x", "%lg", &value), 0);
}

static void gmtime_r_agrees_with_libc_over_all_years(void **state)
{
    (void)state;
    for (int64_t when = -100000000000; when < 300000000000; when += 86399 * 37) {
        struct tm ours, theirs;
        time_t    seconds = (time_t)when;
        assert_non_null(gmtime_r(&seconds, &ours));
        assert_non_null(libc_gmtime_r(&seconds, &theirs));
        assert_int_equal(ours.tm_sec, theirs.tm_sec);
        assert_int_equal(ours.tm_min, theirs.tm_min);
        assert_int_equal(ours.tm_hour, theirs.tm_hour);
        assert_int_equal(ours.tm_mday, theirs.tm_mday);
        assert_int_equal(ours.tm_mon, theirs.tm_mon);
        assert_int_equal(ours.tm_year, theirs.tm_year);
        assert_int_equal(ours.tm_wday, theirs.tm_wday);
        assert_int_equal(ours.tm_yday, theirs.tm_yday);
    }
    time_t    beyond = INT64_MAX;
    struct tm ret;
    assert_null(gmtime_r(&beyond, &ret));
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static void qsort_sorts_and_loses_nothing(void **state)
{
    int  values[500];
    long sum = 0, sorted_sum = 0;
    (void)state;
    for (size_t count = 0; count <= 500; count += 25) {
        sum = sorted_sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += values[i] = (int)(random_bits() % 100) - 50;
        qsort(values, count, sizeof *values, compare_ints);
        for (size_t i = 0; i < count; i++) {
            sorted_sum += values[i];
            assert_true(i == 0 || values[i - 1] <= values[i]);
        }
        assert_int_equal(sum, sorted_sum);
    }
}

static void getenv_answers_from_the_snapshot_alone(void **state)
{
    char              token[] = "SENTINEL_API_TOKEN=abc";
    const char *const environment[] = {token,
                                       "PATH=/bin",
                                       "https_proxy=http://p:1",
                                       "PILLION_INTERVAL=",
                                       "HOMELESS=1",
                                       "HOME=/h",
                                       "broken",
                                       "GITHUB_TOKEN=t",
                                       "CI_JOB_TOKEN=t",
                                       "CI_JOB_ID=7",
                                       "PREFECT__FLOW_RUN_ID=8",
                                       "proxy=x",
                                       "=",
                                       NULL};
    (void)state;
    assert_null(getenv("HOME"));
    assert_int_equal(libc_environment(environment), 0);
    token[19] = 'X';
    assert_string_equal(getenv("SENTINEL_API_TOKEN"), "abc");
    assert_string_equal(getenv("https_proxy"), "http://p:1");
    assert_string_equal(getenv("PILLION_INTERVAL"), "");
    assert_string_equal(getenv("HOME"), "/h");
    assert_null(getenv("PATH"));
    assert_null(getenv("HOMELESS"));
    assert_null(getenv("GITHUB_TOKEN"));
    assert_null(getenv("CI_JOB_TOKEN"));
    assert_string_equal(getenv("CI_JOB_ID"), "7");
    assert_string_equal(getenv("PREFECT__FLOW_RUN_ID"), "8");
    assert_null(getenv("proxy"));
    assert_null(getenv("PILLION"));
    assert_int_equal(libc_environment((const char *const[]){"HOME=/other", NULL}), 0);
    assert_string_equal(getenv("HOME"), "/other");
    assert_null(getenv("https_proxy"));
}

static void the_snapshot_holds_what_the_engine_reads_and_nothing_else(void **state)
{
#define ROW(name, readers, ...) {#name, #name "=value", readers},
    static const struct {
        const char *name, *entry;
        unsigned    readers;
    } rows[] = {VARIABLES(ROW) VARIABLES_OF_OTHERS(ROW)};
#undef ROW
    const char *environment[sizeof rows / sizeof *rows + 4] = {"PILLION_WRONG=1", "SENTINEL_SECRET=1", "HTTP_PROXY=1"};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        environment[i + 3] = rows[i].entry;
    assert_int_equal(libc_environment(environment), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *value = getenv(rows[i].name);
        if ((value != NULL) != ((rows[i].readers & IN_ENGINE) != 0) || (value && strcmp(value, "value") != 0))
            fail_msg("%s is %s in the snapshot", rows[i].name, value ? value : "not");
    }
    assert_null(getenv("PILLION_WRONG"));
    assert_null(getenv("SENTINEL_SECRET"));
    assert_null(getenv("HTTP_PROXY"));
}

static void keys_of_aws_are_in_the_snapshot_only_where_a_bucket_of_ones_own_is(void **state)
{
#define ROW(name, ...) {#name, #name "=value"},
    static const struct {
        const char *name, *entry;
    } rows[] = {VARIABLES_OF_AWS(ROW)};
#undef ROW
    static const char *const buckets[] = {"PILLION_S3_URI=s3://bucket/prefix", "PILLION_S3_URI=", "PILLION_S3_UR=x"};
    const char              *environment[sizeof rows / sizeof *rows + 4] = {"AWS_SECRET=1", "AWS_PROFILES=2"};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        environment[i + 2] = rows[i].entry;
    for (size_t bucket = 0; bucket < sizeof buckets / sizeof *buckets; bucket++) {
        environment[sizeof rows / sizeof *rows + 2] = buckets[bucket];
        assert_int_equal(libc_environment(environment), 0);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            const char *value = getenv(rows[i].name);
            if ((value != NULL) != (bucket == 0) || (value && strcmp(value, "value") != 0))
                fail_msg("%s is %s in the snapshot beside %s", rows[i].name, value ? value : "not", buckets[bucket]);
        }
        assert_null(getenv("AWS_SECRET"));
        assert_null(getenv("AWS_PROFILES"));
    }
}

static void strcasecmp_folds_ascii_alone(void **state)
{
    (void)state;
    assert_int_equal(strcasecmp("Content-TYPE", "content-type"), 0);
    assert_true(strcasecmp("a", "B") < 0 && strcasecmp("b", "A") > 0);
    assert_int_equal(strncasecmp("HTTPx", "httpy", 4), 0);
    assert_true(strcasecmp("\xC4", "\xE4") != 0);
    assert_true(strcasecmp("ab", "abc") < 0);
}

static void strerror_r_names_common_errors_and_numbers_the_others(void **state)
{
    char buffer[64];
    (void)state;
    assert_string_equal(strerror_r(ECONNREFUSED, buffer, sizeof buffer), "Connection refused");
    assert_string_equal(strerror_r(4242, buffer, sizeof buffer), "Unknown error 4242");
    assert_string_equal(strerror(ENOENT), "No such file or directory");
}

static void streams_read_files_from_front_to_back(void **state)
{
    char text[] = "0123456789", buffer[16] = "", path[] = "/tmp/pillion-test-libc-XXXXXX";
    int  fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, 10), 10);
    close(fd);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    assert_int_equal(ftell(file), 10);
    assert_int_equal(fseek(file, 2, SEEK_SET), 0);
    assert_int_equal(fread(buffer, 3, 5, file), 2);
    assert_memory_equal(buffer, "23456789", 8);
    assert_int_equal(fclose(file), 0);
    assert_null(fopen(path, "w"));
    unlink(path);
    assert_null(fopen(path, "r"));
    assert_int_equal(errno, ENOENT);
}

static void streams_of_huge_files_are_cut_and_pipes_are_not_waited_for(void **state)
{
    char path[] = "/tmp/pillion-test-libc-XXXXXX", c;
    int  fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 100 << 20), 0);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    assert_int_equal(ftell(file), 256 * 1024);
    fclose(file);
    close(fd);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(20); /* that would be a hang */
    file = fopen(path, "rb");
    alarm(0);
    assert_non_null(file);
    assert_int_equal(fread(&c, 1, 1, file), 0);
    fclose(file);
    unlink(path);
}

static void stat_tells_what_libc_tells(void **state)
{
    struct stat ours, theirs;
    (void)state;
    assert_int_equal(stat("/", &ours), 0);
    assert_int_equal(libc_stat("/", &theirs), 0);
    assert_int_equal(ours.st_ino, theirs.st_ino);
    assert_int_equal(ours.st_mode, theirs.st_mode);
    assert_int_equal(ours.st_mtime, theirs.st_mtime);
    assert_int_equal(lstat("/proc/self", &ours), 0);
    assert_true(S_ISLNK(ours.st_mode));
    assert_int_equal(fstat(0, &ours), 0);
    assert_int_equal(stat("/does/not/exist", &ours), -1);
    assert_int_equal(errno, ENOENT);
}

static void strdup_copies_into_memory_of_the_corner(void **state)
{
    char *copy = strdup("text"), *part = strndup("partial", 4);
    (void)state;
    assert_string_equal(copy, "text");
    assert_string_equal(part, "part");
    free(copy);
    free(part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snprintf_formats_integers_as_libc_does),
        cmocka_unit_test(snprintf_formats_texts_as_libc_does),
        cmocka_unit_test(snprintf_formats_doubles_as_libc_does),
        cmocka_unit_test(snprintf_counts_what_did_not_fit_and_ends_the_text),
        cmocka_unit_test(strtod_reads_the_nearest_double),
        cmocka_unit_test(strtod_reports_what_is_out_of_range),
        cmocka_unit_test(strtol_and_its_family_agree_with_libc),
        cmocka_unit_test(sscanf_reads_the_one_double_that_cjson_asks_for),
        cmocka_unit_test(gmtime_r_agrees_with_libc_over_all_years),
        cmocka_unit_test(qsort_sorts_and_loses_nothing),
        cmocka_unit_test(getenv_answers_from_the_snapshot_alone),
        cmocka_unit_test(the_snapshot_holds_what_the_engine_reads_and_nothing_else),
        cmocka_unit_test(keys_of_aws_are_in_the_snapshot_only_where_a_bucket_of_ones_own_is),
        cmocka_unit_test(strcasecmp_folds_ascii_alone),
        cmocka_unit_test(strerror_r_names_common_errors_and_numbers_the_others),
        cmocka_unit_test(streams_read_files_from_front_to_back),
        cmocka_unit_test(streams_of_huge_files_are_cut_and_pipes_are_not_waited_for),
        cmocka_unit_test(stat_tells_what_libc_tells),
        cmocka_unit_test(strdup_copies_into_memory_of_the_corner),
    };
    return cmocka_run_group_tests(tests, resolve_all, NULL);
}
