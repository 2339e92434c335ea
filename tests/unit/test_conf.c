// SPDX-License-Identifier: Apache-2.0
// /etc/pillion.conf: what the hook makes of the file's bytes, and which of its lines count beside an environment.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/log.h"
#include "config/conf_environment.h"
#include "folder.h"
#include "hook/hook.h"

struct hook hook;

static struct folder folder;
static struct conf   conf;
static char          text[4096];

static int make(void **state)
{
    (void)state;
    (void)clearenv();
    return folder_make(&folder) ? 0 : -1;
}

static int drop(void **state)
{
    (void)state;
    folder_remove(&folder);
    return 0;
}

static void take(const char *lines)
{
    (void)snprintf(text, sizeof text, "%s", lines);
    conf = (struct conf){.lines = text, .size = conf_make_lines(text, strlen(text))};
}

static void a_line_of_the_file_is_a_line_without_blanks_around_it(void **state)
{
    (void)state;
    static const char wanted[] = "A=b c\0\0\0force D=\0force\0nothing\0=x\0E==#f\0force G=h";
    take(" A = b c\t\r\n# comment\n\n\tforce \t D=\nforce\n nothing \n=x\nE ==#f\nforce\tG=h");
    assert_int_equal(conf.size, sizeof wanted);
    assert_memory_equal(conf.lines, wanted, sizeof wanted);
    take("");
    assert_int_equal(conf.size, 0);
    take("\n");
    assert_int_equal(conf.size, 1);
}

/* What the engine's getenv would find, for the first of a name counts. */
static const char *found(const char *name, const char *const *environment)
{
    static char  value[256];
    const char **both = NULL;
    assert_int_equal(conf_environment(environment, &conf, &both), 0);
    const char *at = NULL;
    for (const char **entry = both; *entry && !at; entry++)
        at = variable_named(*entry, name);
    (void)snprintf(value, sizeof value, "%s", at ? at : "(unset)");
    free(both);
    return value;
}

#define FOUND(name, wanted, ...)                                   \
    do {                                                           \
        const char *const environment[] = {__VA_ARGS__ NULL};      \
        assert_string_equal(found((name), environment), (wanted)); \
    } while (0)

static void the_environment_wins_over_a_default_and_not_over_force(void **state)
{
    (void)state;
    take("PILLION_INTERVAL=2\nforce PILLION_KEEP=10\n");
    FOUND("PILLION_INTERVAL", "2", );
    FOUND("PILLION_INTERVAL", "3", "A=b", "PILLION_INTERVAL=3", );
    FOUND("PILLION_INTERVAL", "", "PILLION_INTERVAL=", );
    FOUND("PILLION_KEEP", "10", "PILLION_KEEP=20", );
    FOUND("A", "b", "A=b", );
    FOUND("PILLION_DIR", "(unset)", );
}

static void the_last_line_of_a_name_counts(void **state)
{
    (void)state;
    take("PILLION_KEEP=1\nPILLION_KEEP=2\nforce PILLION_INTERVAL=3\nPILLION_INTERVAL=4\n");
    FOUND("PILLION_KEEP", "2", );
    FOUND("PILLION_INTERVAL", "9", "PILLION_INTERVAL=9", );
    assert_int_equal(conf_line_of("PILLION_KEEP"), 2);
    assert_int_equal(conf_line_of("PILLION_INTERVAL"), 0);
}

static void another_name_for_the_same_is_the_same(void **state)
{
    (void)state;
    take("TRACKER_UPLOAD_INTERVAL=10\nHTTPS_PROXY=p\nforce SSL_CERT_FILE=/site.pem\n");
    FOUND("TRACKER_UPLOAD_INTERVAL", "(unset)", "PILLION_UPLOAD_INTERVAL=20", );
    FOUND("TRACKER_UPLOAD_INTERVAL", "10", "PILLION_INTERVAL=20", );
    FOUND("HTTPS_PROXY", "(unset)", "https_proxy=", );
    FOUND("AWS_CA_BUNDLE", "(unset)", "AWS_CA_BUNDLE=/own.pem", );
    FOUND("SSL_CERT_FILE", "/site.pem", "AWS_CA_BUNDLE=/own.pem", );
    take("SENTINEL_API_TOKEN_FILE=/site\n");
    FOUND("SENTINEL_API_TOKEN_FILE", "(unset)", "SENTINEL_API_KEY=own", );
    take("PILLION_OUTPUT=site\nforce TRACKER_OUTPUT=forced\n");
    FOUND("PILLION_OUTPUT", "(unset)", );
}

static void what_is_the_users_is_not_forced(void **state)
{
    (void)state;
    static const char *const names[] = {"PILLION_DISABLE", "PILLION_SHARE", "SENTINEL_API_TOKEN_FILE",
                                        "SENTINEL_API_URL", "PILLION_S3_ENDPOINT"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char own[64];
        char lines[64];
        (void)snprintf(own, sizeof own, "%s=own", names[i]);
        (void)snprintf(lines, sizeof lines, "force %s=site\n", names[i]);
        take(lines);
        FOUND(names[i], "own", own, );
        FOUND(names[i], "site", );
    }
}

static const char *said_of(const char *lines)
{
    static char said[4096];
    struct log  log;
    take(lines);
    log_init(&log, LOG_WARN);
    conf_check(&conf, &log);
    (void)snprintf(said, sizeof said, "%.*s", (int)log.early.len, log.early.data ? log.early.data : "");
    log_done(&log);
    return said;
}

static void a_token_is_not_taken_and_not_repeated(void **state)
{
    (void)state;
    static const char *const lines[] = {"SENTINEL_API_TOKEN=s3cret", "force SENTINEL_API_KEY=s3cret",
                                        "SENTINEL_API_TOKN=s3cret", "PILLION_SHARE all s3cret"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const char *said = said_of(lines[i]);
        assert_non_null(strstr(said, "/etc/pillion.conf, line 1"));
        assert_null(strstr(said, "s3cret"));
        FOUND("SENTINEL_API_TOKEN", "(unset)", );
        FOUND("SENTINEL_API_KEY", "(unset)", );
    }
}

static void what_is_wrong_is_told_with_its_line(void **state)
{
    (void)state;
    assert_string_equal(said_of("# fine\n\nPILLION_INTERVAL=5\nforce PILLION_KEEP=1\n"), "");
    assert_non_null(strstr(said_of("\n\nPILLION_DRI=/x\n"),
                           "line 3: PILLION_DRI is no variable of pillion; the nearest "
                           "is PILLION_DIR"));
    assert_non_null(strstr(said_of("TRACKER_JOBNAME=x\n"), "the nearest is TRACKER_JOB_NAME"));
    assert_non_null(strstr(said_of("#\nHOME=/x\n"), "line 2: HOME is no variable"));
    assert_non_null(strstr(said_of("#\nforce\n"), "line 2 is not NAME=value"));
    assert_non_null(strstr(said_of("force PILLION_SHARE=all"), "PILLION_SHARE cannot be forced"));
    assert_non_null(strstr(said_of("PILLION_DIR='/x'"), "line 1: the quotes"));
    unsigned settings = 0;
    unsigned forced = 0;
    take("PILLION_DIR=/x\nforce PILLION_KEEP=1\nforce PILLION_SHARE=ip\nSENTINEL_API_KEY=x\nX=y\n");
    conf_count(&conf, &settings, &forced);
    assert_int_equal(settings, 3);
    assert_int_equal(forced, 1);
}

/* As the hook finds a file, in a process that has read none yet. */
static int read_one(const char *name, const char *wanted)
{
    char  path[FOLDER_PATH];
    int   status = 0;
    pid_t child = fork();
    if (child == 0) {
        conf_read(folder_path(&folder, name, path));
        conf_read("/dev/null"); /* once only */
        const struct conf *read = conf_found();
        const char        *value = setting_of("PILLION_EXCLUDE");
        if (wanted)
            _exit(value && strcmp(value, wanted) == 0 && read && !read->fault ? 0 : 99);
        _exit(value ? 98 : read ? (int)read->fault : 0);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void put_file(const char *name, const char *data, size_t len, mode_t mode)
{
    char path[FOLDER_PATH];
    assert_true(folder_write(&folder, name, data, len));
    assert_int_equal(chmod(folder_path(&folder, name, path), mode), 0);
}

static void a_file_that_is_not_roots_or_no_file_of_text_is_refused(void **state)
{
    (void)state;
    static const char lines[] = "PILLION_EXCLUDE=a";
    static char       large[CONF_MAX + 1];
    char              path[FOLDER_PATH];
    put_file("conf", lines, strlen(lines), 0644);
    if (geteuid() != 0) {
        assert_int_equal(read_one("conf", NULL), CONF_ANOTHERS);
        return;
    }
    assert_int_equal(read_one("conf", "a"), 0);
    assert_int_equal(read_one("none", NULL), CONF_FINE);
    assert_int_equal(symlink("conf", folder_path(&folder, "link", path)), 0);
    assert_int_equal(read_one("link", NULL), CONF_LINK);
    assert_int_equal(read_one(".", NULL), CONF_NO_FILE);
    assert_int_equal(mkfifo(folder_path(&folder, "fifo", path), 0644), 0);
    assert_int_equal(read_one("fifo", NULL), CONF_NO_FILE);
    put_file("conf", lines, strlen(lines), 0664);
    assert_int_equal(read_one("conf", NULL), CONF_WRITABLE);
    put_file("conf", lines, strlen(lines), 0642);
    assert_int_equal(read_one("conf", NULL), CONF_WRITABLE);
    put_file("conf", lines, strlen(lines), 0644);
    assert_int_equal(chown(folder_path(&folder, "conf", path), 65534, 0), 0);
    assert_int_equal(read_one("conf", NULL), CONF_ANOTHERS);
    put_file("zero", lines, sizeof lines, 0644);
    assert_int_equal(read_one("zero", NULL), CONF_NO_TEXT);
    memset(large, '\n', sizeof large);
    memcpy(large + CONF_MAX - strlen(lines), lines, strlen(lines));
    put_file("large", large, CONF_MAX, 0644);
    assert_int_equal(read_one("large", "a"), 0);
    put_file("large", large, CONF_MAX + 1, 0644);
    assert_int_equal(read_one("large", NULL), CONF_TOO_LARGE);
    put_file("empty", "", 0, 0644);
    assert_int_equal(read_one("empty", NULL), CONF_FINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_the_file_is_a_line_without_blanks_around_it),
        cmocka_unit_test(the_environment_wins_over_a_default_and_not_over_force),
        cmocka_unit_test(the_last_line_of_a_name_counts),
        cmocka_unit_test(another_name_for_the_same_is_the_same),
        cmocka_unit_test(what_is_the_users_is_not_forced),
        cmocka_unit_test(a_token_is_not_taken_and_not_repeated),
        cmocka_unit_test(what_is_wrong_is_told_with_its_line),
        cmocka_unit_test(a_file_that_is_not_roots_or_no_file_of_text_is_refused),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
