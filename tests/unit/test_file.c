// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static int temporary(char path[static 32], const char *content)
{
    (void)snprintf(path, 32, "/tmp/pillion-file-XXXXXX");
    int fd = mkostemp(path, O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    return fd;
}

static void a_file_is_read_whole_and_terminated(void **state)
{
    (void)state;
    char   path[32];
    char   content[16];
    size_t len = 99;
    int    fd = temporary(path, "hello\n");
    assert_int_equal(file_read(AT_FDCWD, path, content, sizeof content, &len), 0);
    assert_string_equal(content, "hello\n");
    assert_int_equal(len, 6);
    assert_int_equal(file_reread(fd, content, sizeof content, &len), 0);
    assert_int_equal(file_reread(fd, content, sizeof content, &len), 0);
    assert_int_equal(len, 6);
    (void)unlink(path);
    file_close(&fd);
    assert_int_equal(fd, -1);
    file_close(&fd);
}

static void a_file_that_is_too_long_is_refused(void **state)
{
    (void)state;
    char   path[32];
    char   content[6];
    size_t len = 0;
    int    fd = temporary(path, "hello");
    assert_int_equal(file_read(AT_FDCWD, path, content, sizeof content, &len), 0);
    assert_int_equal(file_read(AT_FDCWD, path, content, 5, &len), -EFBIG);
    (void)unlink(path);
    close(fd);
}

static void an_empty_file_is_an_empty_text(void **state)
{
    (void)state;
    char   content[4] = "xxx";
    size_t len = 9;
    assert_int_equal(file_read(AT_FDCWD, "/dev/null", content, sizeof content, &len), 0);
    assert_string_equal(content, "");
    assert_int_equal(len, 0);
}

static void what_is_not_there_is_an_error(void **state)
{
    (void)state;
    char         content[16];
    size_t       len = 0;
    struct bytes b;
    bytes_init(&b, 100);
    assert_int_equal(file_read(AT_FDCWD, "/nowhere/at/all", content, sizeof content, &len), -ENOENT);
    assert_int_equal(file_read(AT_FDCWD, "/tmp", content, sizeof content, &len), -EISDIR);
    assert_int_equal(file_reread(-1, content, sizeof content, &len), -EBADF);
    assert_int_equal(file_load(AT_FDCWD, "/nowhere/at/all", &b), -ENOENT);
    assert_int_equal(file_load(AT_FDCWD, "/tmp", &b), -EISDIR);
    assert_int_equal(file_write(-1, "x", 1, NULL), -EBADF);
    bytes_done(&b);
}

static void a_pipe_without_a_writer_does_not_block(void **state)
{
    (void)state;
    char         path[32] = "/tmp/pillion-file-fifo";
    struct bytes b;
    bytes_init(&b, 100);
    (void)unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(file_load(AT_FDCWD, path, &b), 0);
    assert_int_equal(b.len, 0);
    (void)unlink(path);
    bytes_done(&b);
}

static void loading_appends_up_to_the_maximum(void **state)
{
    (void)state;
    char         path[32];
    struct bytes b;
    int          fd = temporary(path, "0123456789");
    bytes_init(&b, 25);
    assert_int_equal(file_load(AT_FDCWD, path, &b), 0);
    assert_int_equal(file_load(AT_FDCWD, path, &b), 0);
    assert_string_equal(b.data, "01234567890123456789");
    assert_int_equal(file_load(AT_FDCWD, path, &b), -EFBIG);
    assert_int_equal(b.len, 20);
    bytes_done(&b);
    (void)unlink(path);
    close(fd);
}

/* The disk takes three bytes more. */
static void appending_leaves_no_part(void **state)
{
    (void)state;
    char          path[32];
    char          content[32];
    size_t        len = 0;
    struct rlimit limit;
    int           fd = temporary(path, "before\n");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    const struct rlimit small = {7 + 3, limit.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(file_append(fd, "one\n", 4), 0);
    assert_int_equal(ftruncate(fd, 7), 0);
    assert_int_equal(lseek(fd, 0, SEEK_END), 7);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(file_append(fd, "another\n", 8), -EFBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(file_read(AT_FDCWD, path, content, sizeof content, &len), 0);
    assert_string_equal(content, "before\n");
    (void)unlink(path);
    file_close(&fd);
}

static void writing_says_how_far_it_came(void **state)
{
    (void)state;
    int    full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    int    null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    size_t written = 99;
    assert_int_equal(file_write(full, "abc", 3, &written), -ENOSPC);
    assert_int_equal(written, 0);
    assert_int_equal(file_write(null, "abc", 3, &written), 0);
    assert_int_equal(written, 3);
    assert_int_equal(file_write(null, "", 0, NULL), 0);
    close(full);
    close(null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_whole_and_terminated),
        cmocka_unit_test(a_file_that_is_too_long_is_refused),
        cmocka_unit_test(an_empty_file_is_an_empty_text),
        cmocka_unit_test(what_is_not_there_is_an_error),
        cmocka_unit_test(a_pipe_without_a_writer_does_not_block),
        cmocka_unit_test(loading_appends_up_to_the_maximum),
        cmocka_unit_test(appending_leaves_no_part),
        cmocka_unit_test(writing_says_how_far_it_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
