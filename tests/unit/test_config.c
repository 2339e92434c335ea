// SPDX-License-Identifier: Apache-2.0
// Every variable: its default, its bounds, what is said about a value that is not valid.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "config/config.h"
#include "folder.h"

static struct config config;
static struct log    said;

static int forget_environment(void **state)
{
    (void)state;
    return clearenv();
}

static int done(void **state)
{
    (void)state;
    log_done(&said);
    return 0;
}

static void read_config(void)
{
    log_done(&said);
    log_init(&said, LOG_WARN);
    config = (struct config){0};
    config_read(&config, NULL, &said);
}

static void read_with(const char *name, const char *value)
{
    assert_int_equal(setenv(name, value, 1), 0);
    read_config();
    assert_int_equal(unsetenv(name), 0);
}

static const char *said_text(void)
{
    return said.early.data ? said.early.data : "";
}

static void assert_silent(void)
{
    assert_string_equal(said_text(), "");
}

/* One line, with everything that helps. */
static void assert_said(const char *name, const char *value, const char *allowed, const char *fallback)
{
    const char *text = said_text();
    assert_non_null(strstr(text, name));
    assert_non_null(strstr(text, value));
    assert_non_null(strstr(text, allowed));
    assert_non_null(strstr(text, fallback));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void an_empty_environment_gives_the_defaults(void **state)
{
    (void)state;
    read_config();
    assert_string_equal(config.token, "");
    assert_string_equal(config.api_url, "https://api.sentinel.sparecores.net");
    assert_int_equal(config.interval, CLOCK_SECOND);
    assert_int_equal(config.upload_interval, 60 * CLOCK_SECOND);
    assert_int_equal(config.min_life, 0);
    assert_int_equal(config.exit_timeout, 5 * CLOCK_SECOND);
    assert_int_equal(config.keep_runs, 200);
    assert_int_equal(config.keep_bytes, 1073741824);
    assert_int_equal(config.share, 0);
    assert_int_equal(config.log_level, LOG_WARN);
    assert_null(config.log);
    assert_null(config.output);
    assert_null(config.metadata.job_name);
    assert_null(config.metadata.container_image);
    assert_int_equal(config.metadata.tag_count, 0);
    assert_silent();
}

static void empty_values_count_as_unset(void **state)
{
    (void)state;
    static const char *const names[] = {"PILLION_INTERVAL",   "PILLION_KEEP",    "PILLION_SHARE", "PILLION_LOG",
                                        "SENTINEL_API_URL",   "PILLION_OUTPUT",  "TRACKER_TAGS",  "PILLION_RANKS",
                                        "SENTINEL_API_TOKEN", "TRACKER_JOB_NAME"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(setenv(names[i], "", 1), 0);
    read_config();
    assert_int_equal(config.interval, CLOCK_SECOND);
    assert_int_equal(config.keep_runs, 200);
    assert_string_equal(config.token, "");
    assert_string_not_equal(config.api_url, "");
    assert_null(config.log);
    assert_null(config.output);
    assert_null(config.metadata.job_name);
    assert_silent();
}

struct seconds {
    const char *name;
    int64_t    *field;
    const char *least, *most, *below, *above, *fallback;
    int64_t     least_ns, most_ns, fallback_ns;
};

static void seconds_have_bounds_decimals_and_a_default(void **state)
{
    (void)state;
    const struct seconds table[] = {
        {"PILLION_INTERVAL", &config.interval, "0.05", "3600", "0.04", "3600.5", "1", CLOCK_SECOND / 20,
         3600 * CLOCK_SECOND, CLOCK_SECOND},
        {"TRACKER_UPLOAD_INTERVAL", &config.upload_interval, "1", "86400", "0.9", "86401", "60", CLOCK_SECOND,
         86400 * CLOCK_SECOND, 60 * CLOCK_SECOND},
        {"PILLION_UPLOAD_INTERVAL", &config.upload_interval, "1.0", "86400", "0", "1e3", "60", CLOCK_SECOND,
         86400 * CLOCK_SECOND, 60 * CLOCK_SECOND},
        {"PILLION_EXIT_TIMEOUT", &config.exit_timeout, "0", "3600", "-1", "3601", "5", 0, 3600 * CLOCK_SECOND,
         5 * CLOCK_SECOND},
        {"PILLION_MIN_SECONDS", &config.min_life, "0", "31536000", "-0.1", "31536001", "0", 0, 31536000 * CLOCK_SECOND,
         0},
    };
    static const char *const nonsense[] = {"abc",  "1s", "1,5", "-1",  "+1",    "1 ",
                                           "0x10", ".",  "inf", "nan", "1.2.3", "99999999999999999999"};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct seconds *s = &table[i];
        read_with(s->name, s->least);
        assert_int_equal(*s->field, s->least_ns);
        assert_silent();
        read_with(s->name, s->most);
        assert_int_equal(*s->field, s->most_ns);
        assert_silent();
        read_with(s->name, s->below);
        assert_int_equal(*s->field, s->fallback_ns);
        assert_said(s->name, s->below, "seconds from", s->fallback);
        read_with(s->name, s->above);
        assert_int_equal(*s->field, s->fallback_ns);
        assert_said(s->name, s->above, "seconds from", s->fallback);
        for (size_t n = 0; n < sizeof nonsense / sizeof *nonsense; n++) {
            read_with(s->name, nonsense[n]);
            assert_int_equal(*s->field, s->fallback_ns);
            assert_said(s->name, nonsense[n], "seconds from", s->fallback);
        }
    }
    read_with("PILLION_INTERVAL", "0.25");
    assert_int_equal(config.interval, CLOCK_SECOND / 4);
    read_with("PILLION_INTERVAL", ".5");
    assert_int_equal(config.interval, CLOCK_SECOND / 2);
}

static void the_tracker_upload_interval_goes_before_our_own(void **state)
{
    (void)state;
    assert_int_equal(setenv("PILLION_UPLOAD_INTERVAL", "7", 1), 0);
    read_with("TRACKER_UPLOAD_INTERVAL", "9");
    assert_int_equal(config.upload_interval, 9 * CLOCK_SECOND);
}

static void the_token_has_three_places_in_order(void **state)
{
    (void)state;
    struct folder folder;
    char          path[FOLDER_PATH];
    assert_true(folder_make(&folder));
    assert_true(folder_write_text(&folder, "token", "from-file\nsecond line\n"));
    assert_int_equal(setenv("SENTINEL_API_TOKEN_FILE", folder_path(&folder, "token", path), 1), 0);
    read_config();
    assert_string_equal(config.token, "from-file");
    assert_int_equal(setenv("SENTINEL_API_KEY", "from-key", 1), 0);
    read_config();
    assert_string_equal(config.token, "from-key");
    assert_int_equal(setenv("SENTINEL_API_TOKEN", "from-token", 1), 0);
    read_config();
    assert_string_equal(config.token, "from-token");
    assert_int_equal(setenv("SENTINEL_API_TOKEN", "", 1), 0);
    read_config();
    assert_string_equal(config.token, "from-key");
    assert_silent();
    folder_remove(&folder);
}

static void a_token_file_may_have_any_line_end_or_none(void **state)
{
    (void)state;
    static const struct {
        const char *text, *token;
    } files[] = {
        {"abc", "abc"}, {"abc\n", "abc"}, {"abc\r\n", "abc"}, {"abc\r\nmore\r\n", "abc"}, {"\nabc\n", ""},
        {"\n", ""},     {"\r\n", ""},     {"", ""},           {"abc \n", "abc"},          {" \tabc\t \r\nmore", "abc"},
        {"a bc\n", ""}, {" \n", ""}};
    struct folder folder;
    char          path[FOLDER_PATH];
    assert_true(folder_make(&folder));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_true(folder_write_text(&folder, "token", files[i].text));
        read_with("SENTINEL_API_TOKEN_FILE", folder_path(&folder, "token", path));
        assert_string_equal(config.token, files[i].token);
        if (files[i].token[0])
            assert_silent();
        else
            assert_said("SENTINEL_API_TOKEN_FILE", path, "is no token", "local");
    }
    folder_remove(&folder);
}

static void a_token_file_that_cannot_be_read_is_named(void **state)
{
    (void)state;
    struct folder folder;
    char          path[FOLDER_PATH];
    assert_true(folder_make(&folder));
    read_with("SENTINEL_API_TOKEN_FILE", folder_path(&folder, "missing", path));
    assert_string_equal(config.token, "");
    assert_said("SENTINEL_API_TOKEN_FILE", path, "cannot be read", "local");
    read_with("SENTINEL_API_TOKEN_FILE", folder.path);
    assert_string_equal(config.token, "");
    assert_said("SENTINEL_API_TOKEN_FILE", folder.path, "cannot be read", "local");
    assert_int_equal(mkfifo(folder_path(&folder, "fifo", path), 0600), 0);
    read_with("SENTINEL_API_TOKEN_FILE", path);
    assert_string_equal(config.token, "");
    folder_remove(&folder);
}

static void a_token_with_spaces_or_controls_is_refused_and_never_shown(void **state)
{
    (void)state;
    static const char *const bad[] = {"se cret",
                                      "secret\r\nX-Header: 1",
                                      "s\xc3\xa9"
                                      "cret",
                                      " secret\x1b ",
                                      " \t",
                                      "secret\x7f"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        read_with("SENTINEL_API_TOKEN", bad[i]);
        assert_string_equal(config.token, "");
        assert_non_null(strstr(said_text(), "SENTINEL_API_TOKEN"));
        assert_null(strstr(said_text(), "cret"));
    }
}

static void white_space_around_a_token_is_taken_off_wherever_it_comes_from(void **state)
{
    (void)state;
    static const char *const names[] = {"SENTINEL_API_TOKEN", "SENTINEL_API_KEY"};
    static const char *const values[] = {"secret ", "\tsecret", "secret\n", " secret\r\n", "\n secret"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++)
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            read_with(names[n], values[i]);
            assert_string_equal(config.token, "secret");
            assert_silent();
        }
    read_with("SENTINEL_API_KEY", "a b");
    assert_said("SENTINEL_API_KEY", "is no token", "space", "local");
}

static void the_token_is_never_in_the_log(void **state)
{
    (void)state;
    static const char token[] = "very-secret-token-value";
    struct folder     folder;
    char              path[FOLDER_PATH];
    assert_true(folder_make(&folder));
    assert_true(folder_write_text(&folder, "token", "very-secret-token-value with spaces\n"));
    assert_int_equal(setenv("PILLION_LOG_LEVEL", "debug", 1), 0);
    assert_int_equal(setenv("SENTINEL_API_TOKEN", token, 1), 0);
    assert_int_equal(setenv("PILLION_INTERVAL", "nonsense", 1), 0);
    read_with("SENTINEL_API_URL", "ftp://somewhere");
    assert_string_equal(config.token, "");
    assert_null(strstr(said_text(), token));
    unsetenv("SENTINEL_API_TOKEN");
    read_with("SENTINEL_API_TOKEN_FILE", folder_path(&folder, "token", path));
    assert_string_equal(config.token, "");
    assert_null(strstr(said_text(), token));
    folder_remove(&folder);
}

static void a_token_has_a_longest_length(void **state)
{
    (void)state;
    static char token[TOKEN_SIZE + 1];
    memset(token, 'a', TOKEN_SIZE);
    read_with("SENTINEL_API_TOKEN", token);
    assert_string_equal(config.token, "");
    assert_non_null(strstr(said_text(), "too long"));
    token[TOKEN_SIZE - 1] = '\0';
    read_with("SENTINEL_API_TOKEN", token);
    assert_string_equal(config.token, token);
    assert_silent();
}

static void a_url_is_kept_with_its_path_and_without_trailing_slashes(void **state)
{
    (void)state;
    static const struct {
        const char *given, *kept;
    } urls[] = {{"https://host.example", "https://host.example"},
                {"https://host.example/", "https://host.example"},
                {"https://host.example:8443/a/b//", "https://host.example:8443/a/b"},
                {"http://127.0.0.1:8080/", "http://127.0.0.1:8080"},
                {"http://localhost", "http://localhost"},
                {"http://[::1]:80/x", "http://[::1]:80/x"}};
    assert_int_equal(setenv("SENTINEL_API_TOKEN", "token", 1), 0);
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        read_with("SENTINEL_API_URL", urls[i].given);
        assert_string_equal(config.api_url, urls[i].kept);
        assert_string_equal(config.token, "token");
        assert_silent();
    }
}

static void an_unusable_url_takes_the_token_away(void **state)
{
    (void)state;
    static const char *const urls[] = {"http://api.example",
                                       "http://127.0.0.1.example",
                                       "http://localhost.example",
                                       "ftp://host",
                                       "host.example",
                                       "https://",
                                       "https://a b",
                                       "https://host/?x=1",
                                       "file:///etc/passwd"};
    assert_int_equal(setenv("SENTINEL_API_TOKEN", "token", 1), 0);
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        read_with("SENTINEL_API_URL", urls[i]);
        assert_string_equal(config.token, "");
        assert_string_equal(config.api_url, "");
        assert_said("SENTINEL_API_URL", urls[i], "https", "local");
    }
    static char url[CONFIG_URL_MAX + 16] = "https://host/";
    memset(url + strlen(url), 'a', CONFIG_URL_MAX - strlen(url));
    read_with("SENTINEL_API_URL", url);
    assert_string_equal(config.token, "");
}

static void kept_runs_come_with_a_size(void **state)
{
    (void)state;
    static const struct {
        const char *given;
        uint64_t    runs, bytes;
    } good[] = {{"10", 10, UINT64_C(1) << 30},
                {"0", 0, UINT64_C(1) << 30},
                {"5,500", 5, 500},
                {"5,1K", 5, 1024},
                {"5,1k", 5, 1024},
                {"5,500M", 5, UINT64_C(500) << 20},
                {"5,500m", 5, UINT64_C(500) << 20},
                {"5,1.5G", 5, UINT64_C(3) << 29},
                {"5,2t", 5, UINT64_C(2) << 40},
                {"1000000,0", 1000000, 0}};
    static const char *const bad[] = {"x",
                                      "-1",
                                      "5,",
                                      ",1G",
                                      "5,G",
                                      "5,1X",
                                      "5,1GB",
                                      "5;1G",
                                      "5,1G,2",
                                      "1.5",
                                      "5,-1G",
                                      "5,9999999999T",
                                      "99999999999999999999"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        read_with("PILLION_KEEP", good[i].given);
        assert_int_equal(config.keep_runs, good[i].runs);
        assert_int_equal(config.keep_bytes, good[i].bytes);
        assert_silent();
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        read_with("PILLION_KEEP", bad[i]);
        assert_int_equal(config.keep_runs, 200);
        assert_int_equal(config.keep_bytes, UINT64_C(1) << 30);
        assert_said("PILLION_KEEP", bad[i], "a number of runs", "200,1G");
    }
}

static void what_is_shared_is_named_word_by_word(void **state)
{
    (void)state;
    static const struct {
        const char *given;
        unsigned    share;
    } words[] = {{"hostname", SHARE_HOSTNAME},
                 {"ip", SHARE_IP},
                 {"host_id", SHARE_HOST_ID},
                 {"account", SHARE_ACCOUNT},
                 {"command", SHARE_COMMAND},
                 {"all", SHARE_ALL},
                 {"ip,command", SHARE_IP | SHARE_COMMAND},
                 {"ip,,ip,", SHARE_IP}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        read_with("PILLION_SHARE", words[i].given);
        assert_int_equal(config.share, words[i].share);
        assert_silent();
    }
    assert_int_equal(SHARE_ALL, SHARE_HOSTNAME | SHARE_IP | SHARE_HOST_ID | SHARE_ACCOUNT | SHARE_COMMAND);
    read_with("PILLION_SHARE", "ip,host");
    assert_int_equal(config.share, SHARE_IP);
    assert_said("PILLION_SHARE", "ip,host", "hostname, ip, host_id, account, command, all", "what is known");
    read_with("PILLION_SHARE", "everything");
    assert_int_equal(config.share, 0);
}

static void tags_are_pairs(void **state)
{
    (void)state;
    assert_int_equal(setenv("TRACKER_TAGS", "a=1,,b=x=y,empty=,sp ace=v w", 1), 0);
    read_config();
    assert_int_equal(config.metadata.tag_count, 4);
    assert_string_equal(config.metadata.tags[0].key, "a");
    assert_string_equal(config.metadata.tags[0].value, "1");
    assert_string_equal(config.metadata.tags[1].key, "b");
    assert_string_equal(config.metadata.tags[1].value, "x=y");
    assert_string_equal(config.metadata.tags[2].key, "empty");
    assert_string_equal(config.metadata.tags[2].value, "");
    assert_string_equal(config.metadata.tags[3].key, "sp ace");
    assert_string_equal(config.metadata.tags[3].value, "v w");
    assert_silent();
    read_with("TRACKER_TAGS", "novalue,=nokey,k=v");
    assert_int_equal(config.metadata.tag_count, 1);
    assert_string_equal(config.metadata.tags[0].key, "k");
    assert_non_null(strstr(said_text(), "novalue"));
    assert_non_null(strstr(said_text(), "=nokey"));
}

static void there_is_room_for_64_tags_and_16_kib_of_them(void **state)
{
    (void)state;
    static char many[70 * 8];
    size_t      len = 0;
    for (int i = 0; i < 65; i++)
        len += (size_t)snprintf(many + len, sizeof many - len, "k%d=v,", i);
    read_with("TRACKER_TAGS", many);
    assert_int_equal(config.metadata.tag_count, 64);
    assert_string_equal(config.metadata.tags[63].key, "k63");
    assert_non_null(strstr(said_text(), "k64=v"));

    static char large[CONFIG_TEXT_MAX + 64];
    for (size_t room = 4; room > 0; room--) { /* full but for what the next tag would need, then beyond */
        size_t value = CONFIG_TEXT_MAX - room;
        memset(large, 'v', value + 2);
        memcpy(large, "k=", 2);
        memcpy(large + 2 + value, ",a=b", 5);
        read_with("TRACKER_TAGS", large);
        assert_int_equal(config.metadata.tag_count, 1);
        assert_string_equal(config.metadata.tags[0].key, room == 4 ? "k" : "a");
    }
}

static void metadata_is_taken_by_the_names_of_the_other_clients(void **state)
{
    (void)state;
    static const char *const names[] = {"TRACKER_JOB_NAME",        "TRACKER_PROJECT_NAME",   "TRACKER_STAGE_NAME",
                                        "TRACKER_TASK_NAME",       "TRACKER_TEAM",           "TRACKER_ENV",
                                        "TRACKER_LANGUAGE",        "TRACKER_ORCHESTRATOR",   "TRACKER_EXECUTOR",
                                        "TRACKER_EXTERNAL_RUN_ID", "TRACKER_CONTAINER_IMAGE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(setenv(names[i], names[i] + 8, 1), 0);
    read_config();
    const struct sentinel_run *m = &config.metadata;
    const char *const          fields[] = {
                 m->job_name, m->project_name, m->stage_name, m->task_name,       m->team,           m->env,
                 m->language, m->orchestrator, m->executor,   m->external_run_id, m->container_image};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_string_equal(fields[i], names[i] + 8);
    assert_silent();
}

static void the_output_goes_where_ours_says_else_where_the_trackers_says(void **state)
{
    (void)state;
    assert_int_equal(setenv("TRACKER_OUTPUT", "theirs", 1), 0);
    read_config();
    assert_string_equal(config.output, "theirs");
    assert_int_equal(setenv("PILLION_OUTPUT", "ours", 1), 0);
    read_config();
    assert_string_equal(config.output, "ours");
}

static void an_output_pattern_is_expanded(void **state)
{
    (void)state;
    char path[64];
    assert_int_equal(config_output("plain.csv", 1, "m", "id", path, sizeof path), 0);
    assert_string_equal(path, "plain.csv");
    assert_int_equal(config_output("%h/%r-%p.100%%", 42, "node7", "run", path, sizeof path), 0);
    assert_string_equal(path, "node7/run-42.100%");
    assert_int_equal(config_output("%x", 1, "m", "id", path, sizeof path), -EINVAL);
    assert_int_equal(config_output("end%", 1, "m", "id", path, sizeof path), -EINVAL);
    assert_int_equal(config_output("%r", 1, "m", "1234567", path, 8), 0);
    assert_string_equal(path, "1234567");
    assert_int_equal(config_output("%r", 1, "m", "12345678", path, 8), -ENAMETOOLONG);
    assert_int_equal(config_output("%h", 1, "", "id", path, sizeof path), -ENAMETOOLONG);
}

static void the_log_level_is_a_word(void **state)
{
    (void)state;
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    for (int i = 0; i < 4; i++) {
        read_with("PILLION_LOG_LEVEL", levels[i]);
        assert_int_equal(config.log_level, i);
        assert_int_equal(said.level, i);
        assert_silent();
    }
    read_with("PILLION_LOG_LEVEL", "verbose");
    assert_int_equal(config.log_level, LOG_WARN);
    assert_said("PILLION_LOG_LEVEL", "verbose", "error, warn, info, debug", "warn");
    read_with("PILLION_LOG", "stderr");
    assert_string_equal(config.log, "stderr");
}

static void words_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *name, *fallback, *other, *allowed;
    } words[] = {{"PILLION_RANKS", "node", "first", "node, all, first"},
                 {"PILLION_CLOUD", "auto", "probe", "auto, probe, off"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        read_with(words[i].name, words[i].fallback);
        assert_silent();
        read_with(words[i].name, words[i].other);
        assert_silent();
        read_with(words[i].name, "nonsense");
        assert_said(words[i].name, "nonsense", words[i].allowed, words[i].fallback);
    }
}

static void clouds_are_asked_as_told(void **state)
{
    (void)state;
    static const struct {
        const char       *given;
        enum config_cloud cloud;
    } words[] = {{"auto", CONFIG_CLOUD_AUTO},
                 {"probe", CONFIG_CLOUD_PROBE},
                 {"off", CONFIG_CLOUD_OFF},
                 {"", CONFIG_CLOUD_AUTO},
                 {"OFF ", CONFIG_CLOUD_AUTO}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        read_with("PILLION_CLOUD", words[i].given);
        assert_int_equal(config.cloud, words[i].cloud);
    }
    read_config();
    assert_int_equal(config.cloud, CONFIG_CLOUD_AUTO);
}

static void an_s3_endpoint_is_a_url(void **state)
{
    (void)state;
    read_with("PILLION_S3_ENDPOINT", "http://127.0.0.1:9000/base//");
    assert_silent();
    assert_string_equal(config.s3_endpoint, "http://127.0.0.1:9000/base");
    read_with("PILLION_S3_ENDPOINT", "127.0.0.1:9000");
    assert_said("PILLION_S3_ENDPOINT", "127.0.0.1:9000", "http or https", "AWS");
    assert_string_equal(config.s3_endpoint, "");
    read_with("PILLION_S3_ENDPOINT", "https://me:password@server");
    assert_said("PILLION_S3_ENDPOINT", "not valid", "http or https", "AWS");
    assert_null(strstr(said.early.data, "password"));
}

static void a_bucket_of_ones_own_is_a_place_below_which_keys_are_made(void **state)
{
    (void)state;
    read_with("PILLION_S3_URI", "s3://bucket/a/b/");
    assert_silent();
    assert_string_equal(config.s3_uri, "s3://bucket/a/b");
    assert_true(config_delivers(&config));
    read_with("PILLION_S3_URI", "s3://bucket");
    assert_string_equal(config.s3_uri, "s3://bucket");
    read_with("PILLION_S3_URI", "https://bucket/a");
    assert_non_null(strstr(said_text(), "PILLION_S3_URI=https://bucket/a is not valid"));
    assert_string_equal(config.s3_uri, "");
    assert_false(config_delivers(&config));
    read_with("PILLION_S3_URI", "");
    assert_silent();
    assert_false(config_delivers(&config));
}

static void a_token_wins_over_a_bucket_and_so_does_one_of_no_use(void **state)
{
    (void)state;
    static const char *const tokens[] = {"a-token", "no token"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(setenv("SENTINEL_API_TOKEN", tokens[i], 1), 0);
        read_with("PILLION_S3_URI", "s3://bucket/a");
        assert_non_null(strstr(said_text(), "PILLION_S3_URI is not used: SENTINEL_API_TOKEN is set"));
        assert_string_equal(config.s3_uri, "");
        assert_int_equal(config_delivers(&config), i == 0);
        assert_int_equal(unsetenv("SENTINEL_API_TOKEN"), 0);
    }
}

static void the_aws_tools_names_of_a_server_count_for_such_a_bucket_alone(void **state)
{
    (void)state;
    assert_int_equal(setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1", 1), 0);
    read_with("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:2");
    assert_string_equal(config.s3_endpoint, "");
    assert_int_equal(setenv("PILLION_S3_URI", "s3://bucket", 1), 0);
    read_config();
    assert_string_equal(config.s3_endpoint, "http://127.0.0.1:1");
    read_with("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:2");
    assert_string_equal(config.s3_endpoint, "http://127.0.0.1:2");
    read_with("PILLION_S3_ENDPOINT", "http://127.0.0.1:3");
    assert_string_equal(config.s3_endpoint, "http://127.0.0.1:3");
    read_with("AWS_ENDPOINT_URL_S3", "no url"); /* AWS itself is not where the user meant */
    assert_string_equal(config.s3_uri, "");
    assert_non_null(strstr(said_text(), "the run stays local"));
    assert_int_equal(unsetenv("PILLION_S3_URI") | unsetenv("AWS_ENDPOINT_URL"), 0);
}

static void yes_and_no_have_many_words(void **state)
{
    (void)state;
    static const char *const good[] = {"1", "true", "yes", "on", "0", "false", "no", "off", "ON", "False"};
    static const char *const bad[] = {"2", "y", "onn", "t", " on", "enabled"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        read_with("PILLION_SIGNALS", good[i]);
        assert_silent();
        assert_int_equal(config.takes_signals, i < 4 || i == 8);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        read_with("PILLION_SIGNALS", bad[i]);
        assert_said("PILLION_SIGNALS", bad[i], "on, off", "on is used");
        assert_true(config.takes_signals);
    }
}

static void assert_crowd(const char *names, uint64_t expected)
{
    char copy[256];
    (void)snprintf(copy, sizeof copy, "%s", names);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
        char *equals = strchr(word, '=');
        *equals = '\0';
        assert_int_equal(setenv(word, equals + 1, 1), 0);
    }
    read_with("PILLION_INTERVAL", "1");
    assert_int_equal(config.crowd, expected);
    (void)snprintf(copy, sizeof copy, "%s", names);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
        *strchr(word, '=') = '\0';
        assert_int_equal(unsetenv(word), 0);
    }
}

static void a_crowd_is_of_nodes_under_each_launcher_and_of_ranks_only_where_each_has_a_run(void **state)
{
    (void)state;
    assert_crowd("OMPI_COMM_WORLD_SIZE=4096 OMPI_COMM_WORLD_LOCAL_SIZE=64", 64);
    assert_crowd("PMI_SIZE=4096 MPI_LOCALNRANKS=32", 128);
    assert_crowd("OMPI_COMM_WORLD_SIZE=32 OMPI_COMM_WORLD_LOCAL_SIZE=32", 0); /* one node */
    assert_crowd("PMI_SIZE=4096", 0);
    assert_crowd("FLUX_JOB_NNODES=100 FLUX_JOB_SIZE=6400", 100);
    assert_crowd("SLURM_STEP_NUM_NODES=10 SLURM_STEP_NUM_TASKS=640", 10);
    assert_crowd("SLURM_STEP_NUM_NODES=10 SLURM_STEP_NUM_TASKS=640 PILLION_RANKS=all", 640);
    assert_crowd("OMPI_COMM_WORLD_SIZE=4096 OMPI_COMM_WORLD_LOCAL_SIZE=64 PILLION_RANKS=all", 4096);
    assert_crowd("LSB_JOBINDEX_END=500", 500);
    assert_crowd("SGE_TASK_LAST=undefined", 0);
    assert_crowd("SGE_TASK_LAST=1000", 1000);
}

static const char *tag_of(const char *key)
{
    const struct sentinel_run *m = &config.metadata;
    for (size_t i = 0; i < m->tag_count; i++)
        if (strcmp(m->tags[i].key, key) == 0)
            return m->tags[i].value;
    return "";
}

static void a_job_and_its_request_become_tags_and_a_tag_of_the_user_s_stands(void **state)
{
    (void)state;
    static const char *const set[][2] = {
        {"SLURM_JOB_ID", "42"},         {"SLURM_JOB_NAME", "nightly"},  {"SLURM_JOB_PARTITION", "gpu"},
        {"SLURM_STEP_ID", "0"},         {"SLURM_PROCID", "4"},          {"SLURM_STEP_NUM_TASKS", "8"},
        {"SLURM_CPUS_ON_NODE", "4"},    {"SLURM_MEM_PER_NODE", "2048"}, {"SLURM_JOB_START_TIME", "1000"},
        {"SLURM_JOB_END_TIME", "4600"}, {"SLURM_GPUS_ON_NODE", "2"}};
    static const char *const tags[][2] = {{"job_name", "nightly"},    {"job_partition", "gpu"}, {"job_rank", "4"},
                                          {"job_ranks", "8"},         {"job_cpus", "mine"},     {"job_seconds", "3600"},
                                          {"job_memory_mib", "2048"}, {"job_gpus", "2"},        {"a", "b"}};
    for (size_t i = 0; i < sizeof set / sizeof *set; i++)
        assert_int_equal(setenv(set[i][0], set[i][1], 1), 0);
    read_with("TRACKER_TAGS", "a=b,job_cpus=mine");
    config_look_around(&config, "train.py");
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        assert_string_equal(tag_of(tags[i][0]), tags[i][1]);
    assert_int_equal(config.metadata.tag_count, sizeof tags / sizeof *tags);
    assert_string_equal(config.metadata.job_name, "nightly");
    assert_string_equal(config.metadata.task_name, "train.py");
    for (size_t i = 0; i < sizeof set / sizeof *set; i++)
        assert_int_equal(unsetenv(set[i][0]), 0);
}

static void a_crowd_is_the_larger_of_step_and_array(void **state)
{
    (void)state;
    static const struct {
        const char *nodes, *tasks;
        uint64_t    crowd;
    } crowds[] = {{"", "", 0},   {"16", "", 16}, {"", "500", 500},
                  {"4", "3", 4}, {"x", "-1", 0}, {"99999999999", "", 1000000}};
    for (size_t i = 0; i < sizeof crowds / sizeof *crowds; i++) {
        assert_int_equal(setenv("SLURM_STEP_NUM_NODES", crowds[i].nodes, 1), 0);
        read_with("SLURM_ARRAY_TASK_COUNT", crowds[i].tasks);
        assert_int_equal(config.crowd, crowds[i].crowd);
        assert_silent();
    }
    assert_int_equal(unsetenv("SLURM_STEP_NUM_NODES"), 0);
}

static void a_value_with_line_breaks_stays_one_line(void **state)
{
    (void)state;
    read_with("PILLION_INTERVAL", "1\n2026-01-01T00:00:00Z error forged");
    assert_ptr_equal(strchr(said_text(), '\n'), said_text() + strlen(said_text()) - 1);
    static char huge[8192];
    memset(huge, 'x', sizeof huge - 1);
    read_with("PILLION_INTERVAL", huge);
    assert_int_equal(config.interval, CLOCK_SECOND);
    assert_true(strlen(said_text()) < 1024);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, forget_environment, done)

static void a_receivers_scheme_has_any_case(void **state)
{
    (void)state;
    read_with("PILLION_OTLP_ENDPOINT", "HTTPS://Collector.Example/a/");
    assert_string_equal(config.otlp, "https://Collector.Example/a");
    read_with("PILLION_OTLP_ENDPOINT", "Http://localhost:4318");
    assert_string_equal(config.otlp, "http://localhost:4318");
    read_with("PILLION_OTLP_ENDPOINT", "HTTP://collector.example:4318/");
    assert_string_equal(config.otlp, "http://collector.example:4318");
    assert_silent();
    read_with("PILLION_OTLP_ENDPOINT", "ftp://x");
    assert_null(config.otlp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_environment_gives_the_defaults),
        TEST(empty_values_count_as_unset),
        TEST(seconds_have_bounds_decimals_and_a_default),
        TEST(the_tracker_upload_interval_goes_before_our_own),
        TEST(the_token_has_three_places_in_order),
        TEST(a_token_file_may_have_any_line_end_or_none),
        TEST(a_token_file_that_cannot_be_read_is_named),
        TEST(a_token_with_spaces_or_controls_is_refused_and_never_shown),
        TEST(white_space_around_a_token_is_taken_off_wherever_it_comes_from),
        TEST(the_token_is_never_in_the_log),
        TEST(a_token_has_a_longest_length),
        TEST(a_url_is_kept_with_its_path_and_without_trailing_slashes),
        TEST(an_unusable_url_takes_the_token_away),
        TEST(kept_runs_come_with_a_size),
        TEST(what_is_shared_is_named_word_by_word),
        TEST(tags_are_pairs),
        TEST(there_is_room_for_64_tags_and_16_kib_of_them),
        TEST(metadata_is_taken_by_the_names_of_the_other_clients),
        TEST(the_output_goes_where_ours_says_else_where_the_trackers_says),
        TEST(an_output_pattern_is_expanded),
        TEST(the_log_level_is_a_word),
        TEST(words_are_checked),
        cmocka_unit_test(clouds_are_asked_as_told),
        TEST(an_s3_endpoint_is_a_url),
        TEST(a_bucket_of_ones_own_is_a_place_below_which_keys_are_made),
        TEST(a_token_wins_over_a_bucket_and_so_does_one_of_no_use),
        TEST(the_aws_tools_names_of_a_server_count_for_such_a_bucket_alone),
        TEST(yes_and_no_have_many_words),
        TEST(a_crowd_is_the_larger_of_step_and_array),
        TEST(a_crowd_is_of_nodes_under_each_launcher_and_of_ranks_only_where_each_has_a_run),
        TEST(a_job_and_its_request_become_tags_and_a_tag_of_the_user_s_stands),
        TEST(a_value_with_line_breaks_stays_one_line),
        TEST(a_receivers_scheme_has_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
