// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

static int memory_file(void)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static char *content_of(int fd)
{
    static char content[512 * 1024];
    size_t      len = 0;
    assert_int_equal(file_reread(fd, content, sizeof content, &len), 0);
    return content;
}

static void lines_wait_until_there_is_a_file(void **state)
{
    (void)state;
    struct log log;
    int        fd = memory_file();
    log_init(&log, LOG_INFO);
    log_line(&log, LOG_WARN, "first %d", 1);
    log_line(&log, LOG_DEBUG, "dropped");
    assert_string_equal(content_of(fd), "");
    log_attach(&log, fd);
    log_line(&log, LOG_ERROR, "second");
    const char *text = content_of(fd);
    assert_int_equal(text[19], 'Z');
    assert_memory_equal(text + 20, " warn first 1\n", 14);
    assert_string_equal(text + 34 + 20, " error second\n");
    log_done(&log);
    assert_int_equal(fcntl(fd, F_GETFD) >= 0, 1); /* the file stays the caller's */
    close(fd);
}

static void a_line_is_one_line_whatever_is_in_it(void **state)
{
    (void)state;
    struct log log;
    int        fd = memory_file();
    log_init(&log, LOG_INFO);
    log_attach(&log, fd);
    log_line(&log, LOG_INFO, "a\nb\rc\033[31m\td");
    assert_string_equal(content_of(fd) + 20, " info a b c [31m d\n");
    log_done(&log);
    close(fd);
}

static void a_long_line_is_cut_and_still_ended(void **state)
{
    (void)state;
    char       text[4000];
    struct log log;
    int        fd = memory_file();
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_init(&log, LOG_INFO);
    log_attach(&log, fd);
    log_line(&log, LOG_INFO, "%s", text);
    log_line(&log, LOG_INFO, "next");
    const char *content = content_of(fd);
    const char *end = strchr(content, '\n');
    assert_non_null(end);
    assert_in_range(end - content, 900, 1024);
    assert_int_equal(end[-1], 'x');
    assert_string_equal(end + 21, " info next\n");
    log_done(&log);
    close(fd);
}

static void a_log_stops_growing(void **state)
{
    (void)state;
    struct log log;
    int        fd = memory_file();
    int        copy = memory_file();
    log_init(&log, LOG_INFO);
    log.copy = copy;
    log_attach(&log, fd);
    for (int i = 0; i < 20000; i++)
        log_line(&log, LOG_INFO, "the same thing over and over again, number %d", i);
    size_t len = strlen(content_of(fd));
    assert_in_range(len, 255 * 1024, 256 * 1024);
    assert_int_equal(content_of(fd)[len - 1], '\n');
    assert_in_range(lseek(copy, 0, SEEK_END), 1023 * 1024, 1024 * 1024);
    log_done(&log);
    close(fd);
    close(copy);
}

static void too_many_early_lines_keep_the_first(void **state)
{
    (void)state;
    struct log log;
    int        fd = memory_file();
    log_init(&log, LOG_INFO);
    for (int i = 0; i < 5000; i++)
        log_line(&log, LOG_INFO, "early %d", i);
    log_attach(&log, fd);
    assert_non_null(strstr(content_of(fd), "early 0\n"));
    assert_in_range(strlen(content_of(fd)), 15000, 16384);
    log_done(&log);
    close(fd);
}

static void without_any_file_nothing_happens(void **state)
{
    (void)state;
    struct log log;
    log_init(&log, LOG_ERROR);
    log_line(&log, LOG_WARN, "quiet");
    assert_int_equal(log.early.len, 0);
    log_attach(&log, -1);
    log_line(&log, LOG_ERROR, "kept");
    assert_true(log.early.len > 0);
    log_done(&log);
    log_done(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_wait_until_there_is_a_file),
        cmocka_unit_test(a_line_is_one_line_whatever_is_in_it),
        cmocka_unit_test(a_long_line_is_cut_and_still_ended),
        cmocka_unit_test(a_log_stops_growing),
        cmocka_unit_test(too_many_early_lines_keep_the_first),
        cmocka_unit_test(without_any_file_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
