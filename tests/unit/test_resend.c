// SPDX-License-Identifier: Apache-2.0
// Which runs are delivered later, which are left, and with what reason.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/file.h>
#include <time.h>

#include "base/clock.h"
#include "delivery/resend.h"
#include "engine/cgroup_tags.h"
#include "folder.h"
#include "server.h"
#include "store/journal_read.h"
#include "store/journal_write.h"
#include "store/run_dir.h"

#define ANSWER(status, body) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n" body
#define REGISTERED                                                                                        \
    ANSWER("200 OK", "{\"run_id\":\"r1\",\"upload_uri_prefix\":\"s3://bucket/a\",\"upload_credentials\":" \
                     "{\"access_key\":\"AK\",\"secret_key\":\"SK\",\"session_token\":\"ST\"}}")
#define FINISHED ANSWER("200 OK", "{\"cpu\":1}")
#define TOKEN    "abc" /* ba7816bf */
#define DEAD     "\"pid\":0,\"machine\":{\"boot_id\":\"old\"}"
#define OLD      "20260101T000000Z-m-1"
#define NEW      "20260102T000000Z-m-1"

static struct folder folder;
static struct server server;
static int           lock_error; /* of every flock; 0: it works */
static bool          serving;
static int           looked; /* of the last round, the steps */
static char          heard[4096];
static char          api[64];

int __real_flock(int fd, int operation); // NOLINT(bugprone-reserved-identifier)
int __wrap_flock(int fd, int operation); // NOLINT(bugprone-reserved-identifier)
int __wrap_flock(int fd, int operation)  // NOLINT(bugprone-reserved-identifier)
{
    errno = lock_error;
    return lock_error ? -1 : __real_flock(fd, operation);
}

static int make(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    lock_error = 0;
    serving = false;
    (void)clearenv();
    (void)snprintf(api, sizeof api, "http://127.0.0.1:1");
    return folder_make(&folder) && mkdir(folder_path(&folder, "runs", path), 0700) == 0 &&
                   setenv("PILLION_DIR", folder.path, 1) == 0 && setenv("SENTINEL_API_TOKEN", TOKEN, 1) == 0 &&
                   setenv("SENTINEL_API_URL", api, 1) == 0
               ? 0
               : -1;
}

static int drop(void **state)
{
    (void)state;
    if (serving)
        server_done(&server);
    folder_remove(&folder);
    return 0;
}

static void serve(const struct server_reply *replies, size_t count)
{
    assert_true(server_start(&server, replies, count));
    serving = true;
    (void)snprintf(api, sizeof api, "http://127.0.0.1:%d", server.port);
    assert_int_equal(setenv("SENTINEL_API_URL", api, 1), 0);
}

static void hear(void *context, const char *id, const char *outcome, const char *reason)
{
    size_t len = strlen(heard);
    assert_ptr_equal(context, heard);
    (void)snprintf(heard + len, sizeof heard - len, "%s %s: %s\n", id, outcome, reason);
}

static int sync_runs(const char *const *runs)
{
    struct engine_sync sync = {.runs = runs, .named = runs != NULL, .report = hear, .context = heard};
    struct config      all = {0};
    struct log         log;
    heard[0] = '\0';
    log_init(&log, LOG_WARN);
    config_read(&all, NULL, &log);
    log_done(&log);
    return resend_all(&sync, &all, cgroup_tags_of_lost);
}

static int sync_one(const char *id)
{
    const char *const runs[] = {id, NULL};
    return sync_runs(runs);
}

static const char *in_run(const char *id, const char *file)
{
    static char name[FOLDER_PATH];
    (void)snprintf(name, sizeof name, "runs/%s/%s", id, file);
    return name;
}

/* `members` follow the state; %s in the API's place is this API. */
static void add(const char *id, const char *state, const char *members)
{
    char path[FOLDER_PATH];
    char line[2048];
    assert_int_equal(mkdir(folder_path(&folder, in_run(id, ""), path), 0700), 0);
    (void)snprintf(line, sizeof line, "{\"id\":\"%s\",\"state\":\"%s\"%s%s}\n", id, state, *members ? "," : "",
                   members);
    assert_true(folder_write_text(&folder, in_run(id, "run.jsonl"), line));
    assert_true(folder_write_text(&folder, in_run(id, "metrics.csv"), "header\nrow\n"));
}

static void add_old(const char *id, const char *state, const char *members)
{
    add(id, state, members);
    static const char *const files[] = {"run.jsonl", "metrics.csv"};
    struct timespec          times[2] = {{.tv_sec = time(NULL) - 7200}, {.tv_sec = time(NULL) - 7200}};
    for (size_t i = 0; i < 2; i++) {
        char path[FOLDER_PATH];
        assert_int_equal(utimensat(AT_FDCWD, folder_path(&folder, in_run(id, files[i]), path), times, 0), 0);
    }
}

static cJSON *load(const char *id)
{
    char   path[FOLDER_PATH];
    cJSON *state = NULL;
    int    dir = open(folder_path(&folder, in_run(id, ""), path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(journal_load(dir, &state), 0);
    close(dir);
    return state;
}

static void assert_state(const char *id, const char *expected)
{
    cJSON *state = load(id);
    assert_string_equal(journal_text(state, "state"), expected);
    cJSON_Delete(state);
}

static void assert_left(const char *id, const char *reason)
{
    char line[512];
    (void)snprintf(line, sizeof line, "%s left: %s\n", id, reason);
    assert_string_equal(heard, line);
}

static void an_undelivered_run_is_delivered(void **state)
{
    (void)state;
    const struct server_reply script[] = {{REGISTERED, SERVER_CLOSES}, {FINISHED, SERVER_CLOSES}};
    add(OLD, "undelivered",
        "\"finished_at\":\"2026-01-01T00:01:00.500Z\",\"exit_code\":3,\"registration\":{\"job_name\":\"x\",\"n\":1}");
    serve(script, 2);
    assert_int_equal(sync_runs(NULL), 0);
    assert_string_equal(heard, OLD " delivered: \n");
    assert_state(OLD, "finished");
    server_stop(&server);
    assert_int_equal(server.request_count, 2);
    char value[256];
    assert_string_equal(server_header(&server, 0, "Authorization", value), "Bearer " TOKEN);
    assert_string_equal(server_body(&server, 0), "{\"job_name\":\"x\",\"n\":1}");
    cJSON *body = cJSON_Parse(server_body(&server, 1));
    assert_true(journal_number(body, "exit_code", -1) == 3);
    assert_string_equal(journal_text(body, "data_csv"), "header\nrow\n");
    assert_int_equal(strncmp(journal_text(body, "finished_at"), "2026-01-01T00:01:00", 19), 0);
    cJSON_Delete(body);
    assert_int_equal(sync_runs(NULL), 0); /* and not a second time */
    assert_string_equal(heard, "");
}

static void a_registered_run_is_only_finished(void **state)
{
    (void)state;
    const struct server_reply script = {FINISHED, SERVER_CLOSES};
    add(OLD, "undelivered", "\"finished_at\":\"2026-01-01T00:01:00Z\",\"sentinel_run_id\":\"known\"");
    serve(&script, 1);
    assert_int_equal(sync_runs(NULL), 0);
    server_stop(&server);
    assert_int_equal(server.request_count, 1);
    assert_int_equal(strncmp(server.requests[0], "POST /runs/known/finish ", 24), 0);
}

static void a_run_whose_program_was_killed_is_ended_and_delivered(void **state)
{
    (void)state;
    const struct server_reply script = {FINISHED, SERVER_CLOSES};
    char                      members[256];
    serve(&script, 1);
    (void)snprintf(members, sizeof members,
                   DEAD ",\"api_url\":\"%s\",\"token_id\":\"ba7816bf\",\"sentinel_run_id\":\"k\"", api);
    add_old(OLD, "running", members);
    assert_int_equal(sync_runs(NULL), 0);
    assert_string_equal(heard, OLD " delivered: \n");
    cJSON *after = load(OLD);
    assert_string_equal(journal_text(after, "state"), "finished");
    assert_non_null(journal_text(after, "finished_at"));
    cJSON_Delete(after);
    server_stop(&server);
    cJSON *body = cJSON_Parse(server_body(&server, 0));
    assert_null(cJSON_GetObjectItemCaseSensitive(body, "exit_code"));
    assert_string_equal(journal_text(body, "run_status"), "failed");
    cJSON_Delete(body);
}

static void a_local_run_is_delivered_only_by_name(void **state)
{
    (void)state;
    const struct server_reply script[] = {{REGISTERED, SERVER_CLOSES}, {FINISHED, SERVER_CLOSES}};
    add(OLD, "local", "\"finished_at\":\"2026-01-01T00:01:00Z\",\"exit_code\":0");
    serve(script, 2);
    assert_int_equal(sync_runs(NULL), 0);
    assert_string_equal(heard, "");
    assert_state(OLD, "local");
    assert_int_equal(sync_one(OLD), 0);
    assert_string_equal(heard, OLD " delivered: \n");
    assert_state(OLD, "finished");
    assert_int_equal(sync_one(OLD), 0);
    assert_string_equal(heard, OLD " delivered: \n");
}

/* Members of a run of this boot whose process is this one, or one that has gone. */
static const char *of_this_boot(bool alive)
{
    static char members[512];
    char        boot[64] = "";
    char        text[1024] = "";
    struct stat ns;
    int         fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    assert_true(read(fd, boot, 36) == 36);
    close(fd);
    fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    close(fd);
    const char *at = strrchr(text, ')');
    for (int field = 2; field < 22; field++)
        at = strchr(at, ' ') + 1;
    assert_int_equal(stat("/proc/self/ns/pid", &ns), 0);
    (void)snprintf(members, sizeof members,
                   "\"pid\":%d,\"pid_start\":%llu,\"machine\":{\"boot_id\":\"%s\",\"pid_namespace\":%llu},"
                   "\"api_url\":\"%s\"",
                   getpid(), strtoull(at, NULL, 10) + !alive, boot, (unsigned long long)ns.st_ino, api);
    return members;
}

static void a_run_at_work_is_left(void **state)
{
    (void)state;
    add(OLD, "running", of_this_boot(true));
    assert_int_equal(sync_runs(NULL), 1);
    assert_left(OLD, "still running");
    assert_state(OLD, "running");
}

static void where_nothing_can_be_locked_only_the_dead_of_this_boot_are_delivered(void **state)
{
    (void)state;
    const struct server_reply script[] = {{REGISTERED, SERVER_CLOSES}, {FINISHED, SERVER_CLOSES}};
    serve(script, 2);
    lock_error = ENOTSUP;
    add_old(OLD, "undelivered", DEAD);
    add(NEW, "undelivered", of_this_boot(true)); /* its program is being held, perhaps */
    assert_int_equal(sync_one(OLD), 1);
    assert_left(OLD, "files cannot be locked here, and somebody may work on it");
    assert_int_equal(sync_one(NEW), 1);
    assert_left(NEW, "files cannot be locked here, and somebody may work on it");
    add("gone", "running", of_this_boot(false));
    assert_int_equal(sync_one("gone"), 0);
    assert_state("gone", "finished");
}

static void a_fresh_run_of_another_machine_is_left(void **state)
{
    (void)state;
    char members[256];
    (void)snprintf(members, sizeof members, DEAD ",\"api_url\":\"%s\"", api);
    add(OLD, "finishing", members);
    assert_int_equal(sync_runs(NULL), 1);
    assert_left(OLD, "perhaps still running on another machine");
}

static void another_account_is_left_alone(void **state)
{
    (void)state;
    add(OLD, "undelivered", "\"api_url\":\"https://other.example\"");
    assert_int_equal(sync_runs(NULL), 1);
    assert_left(OLD, "made for another SENTINEL_API_URL");
    char members[256];
    (void)snprintf(members, sizeof members, "\"api_url\":\"%s\",\"token_id\":\"00000000\"", api);
    add(NEW, "undelivered", members);
    assert_int_equal(sync_one(NEW), 1);
    assert_left(NEW, "made with another API token");
}

static void a_later_format_is_left_alone(void **state)
{
    (void)state;
    add(OLD, "undelivered", "\"format\":2");
    assert_int_equal(sync_one(OLD), 1);
    assert_left(OLD, "a later version of pillion wrote it");
}

static void without_a_token_nothing_can_go(void **state)
{
    (void)state;
    assert_int_equal(unsetenv("SENTINEL_API_TOKEN"), 0);
    add(OLD, "undelivered", "");
    assert_int_equal(sync_runs(NULL), 1);
    assert_left(OLD, "no API token: set SENTINEL_API_TOKEN");
}

static void a_run_that_somebody_works_on_is_left(void **state)
{
    (void)state;
    struct run_dir   other;
    char             path[FOLDER_PATH];
    struct state_dir home = {.dir = -1,
                             .runs = open(folder_path(&folder, "runs", path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    add(OLD, "undelivered", "");
    run_dir_init(&other);
    assert_int_equal(run_dir_open(&home, OLD, &other), 0);
    assert_int_equal(sync_runs(NULL), 1);
    assert_left(OLD, "somebody works on it");
    run_dir_close(&other);
    state_dir_close(&home);
}

static void what_cannot_be_read_is_told(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    assert_int_equal(sync_one("missing"), 1);
    assert_left("missing", "no such run");
    assert_int_equal(mkdir(folder_path(&folder, in_run(OLD, ""), path), 0700), 0);
    assert_true(folder_write_text(&folder, in_run(OLD, "run.jsonl"), "garbage\n"));
    assert_int_equal(sync_one(OLD), 1);
    assert_left(OLD, "damaged");
}

/* Root's, made ahead of a run that has not begun yet, or never will. */
static void a_blank_folder_is_passed_over(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    assert_int_equal(mkdir(folder_path(&folder, in_run(OLD, ""), path), 0700), 0);
    assert_true(folder_write_text(&folder, in_run(OLD, "lock"), ""));
    assert_true(folder_write_text(&folder, in_run(OLD, "run.jsonl"), ""));
    assert_true(folder_write_text(&folder, in_run(OLD, "metrics.csv"), ""));
    assert_int_equal(sync_one(NULL), 0);
    assert_string_equal(heard, "");
}

static void a_run_without_rows_stays(void **state)
{
    (void)state;
    add(OLD, "undelivered", "\"finished_at\":\"2026-01-01T00:01:00Z\",\"sentinel_run_id\":\"k\"");
    assert_true(folder_write_text(&folder, in_run(OLD, "metrics.csv"), "torn"));
    assert_int_equal(sync_runs(NULL), 1);
    assert_string_equal(heard, OLD " failed: it has no row\n");
    assert_state(OLD, "undelivered");
}

static void an_attempt_that_may_have_arrived_is_not_forgotten(void **state)
{
    (void)state;
    add(OLD, "undelivered", "\"unanswered\":true,\"finished_at\":\"2026-01-01T00:01:00Z\",\"sentinel_run_id\":\"k\"");
    assert_true(folder_write_text(&folder, in_run(OLD, "metrics.csv"), ""));
    assert_int_equal(sync_runs(NULL), 1);
    cJSON *after = load(OLD);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(after, "unanswered")));
    cJSON_Delete(after);
}

static void a_run_whose_rows_are_all_stored_is_finished_at_once(void **state)
{
    (void)state;
    const struct server_reply script = {FINISHED, SERVER_CLOSES};
    add(OLD, "undelivered",
        "\"finished_at\":\"2026-01-01T00:01:00Z\",\"sentinel_run_id\":\"k\",\"upload_uri_prefix\":\"s3://bucket/a\","
        "\"uploaded\":2,\"sealed\":2,\"batch\":[40,100]");
    serve(&script, 1);
    int64_t before = clock_monotonic();
    assert_int_equal(sync_runs(NULL), 0);
    assert_true(clock_monotonic() - before < 60 * CLOCK_SECOND); /* it waited for nothing */
    server_stop(&server);
    assert_int_equal(server.request_count, 1);
    assert_non_null(strstr(server_body(&server, 0), "\"data_source\":\"s3\""));
    assert_non_null(strstr(server_body(&server, 0), "[\"s3://bucket/a/0001.csv.gz\",\"s3://bucket/a/0002.csv.gz\"]"));
    assert_state(OLD, "finished");
}

static void a_finish_that_may_have_arrived_is_repeated_in_its_form(void **state)
{
    (void)state;
    static const char *const sources[] = {"s3", "inline"};
    for (size_t i = 0; i < 2; i++) {
        const struct server_reply script = {ANSWER("409 twice", ""), SERVER_CLOSES};
        char                      members[300];
        (void)snprintf(members, sizeof members,
                       "\"finished_at\":\"2026-01-01T00:01:00Z\",\"sentinel_run_id\":\"k\",\"unanswered\":true,"
                       "\"upload_uri_prefix\":\"s3://bucket/a\",\"uploaded\":1,\"sealed\":1,\"batch\":[0,100],"
                       "\"data_source\":\"%s\"",
                       sources[i]);
        add(i == 0 ? OLD : NEW, "undelivered", members);
        serve(&script, 1);
        assert_int_equal(sync_one(i == 0 ? OLD : NEW), 0);
        server_stop(&server);
        assert_non_null(strstr(server_body(&server, 0), i == 0 ? "\"data_uris\"" : "\"data_csv\""));
        server_done(&server);
        serving = false;
    }
}

static void odd_progress_does_no_harm(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "\"uploaded\":1e300,\"sealed\":-1,\"batch\":[1e300,-5]", "\"uploaded\":\"2\",\"sealed\":[],\"batch\":{}",
        "\"uploaded\":-7,\"sealed\":3,\"batch\":[900,10]",       "\"sealed\":1,\"batch\":[0,99999999]",
        "\"uploaded\":0,\"sealed\":1,\"batch\":[3,4,5]",
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        const struct server_reply script = {FINISHED, SERVER_CLOSES};
        char                      members[400];
        char                      id[40];
        (void)snprintf(id, sizeof id, "20260103T00000%zuZ-m-1", i);
        (void)snprintf(members, sizeof members, "\"finished_at\":\"2026-01-01T00:01:00Z\",\"sentinel_run_id\":\"k\",%s",
                       odd[i]);
        add(id, "undelivered", members);
        serve(&script, 1);
        assert_int_equal(sync_one(id), 0); /* no place is named: all goes inline */
        server_stop(&server);
        assert_non_null(strstr(server_body(&server, 0), "header\\nrow\\n"));
        server_done(&server);
        serving = false;
    }
}

/* What a leader delivers along its way, until it rests; the number of looks. */
static int go_along(struct resend_backlog *b, struct network *network)
{
    int     looks = 0;
    int64_t began = clock_monotonic();
    b->next = 0;
    do {
        resend_backlog_step(b, clock_monotonic());
        int64_t due = resend_backlog_due(b) - clock_monotonic();
        network_poll(network, NULL, 0, due < CLOCK_SECOND ? due : CLOCK_SECOND);
        looks++;
    } while ((b->names || resend_run_is_under_way(&b->one)) && clock_monotonic() - began < 30 * CLOCK_SECOND);
    return looks;
}

/* A program whose own run was delivered at once, at its end; the number of times that there was something to do. */
static int go_at_the_end(struct resend_backlog *b, struct network *network)
{
    int     looks = 0;
    int64_t began = clock_monotonic();
    resend_backlog_end(b, began);
    resend_backlog_take(b, began + 5 * CLOCK_SECOND);
    while (resend_backlog_end_step(b, clock_monotonic()) && clock_monotonic() - began < 30 * CLOCK_SECOND) {
        network_poll(network, NULL, 0, resend_backlog_due(b) - clock_monotonic());
        looks++;
    }
    return looks;
}

typedef int going(struct resend_backlog *b, struct network *network);

static void with_backlog(going *go, const struct server_reply *replies, size_t count)
{
    static struct config  config;
    struct state_dir      home;
    struct network        network;
    struct resend_backlog b;
    struct log            log;
    serve(replies, count);
    log_init(&log, LOG_ERROR);
    config = (struct config){0};
    config_read(&config, NULL, &log);
    log_done(&log);
    home = (struct state_dir){.dir = folder_open(&folder), .runs = -1};
    home.runs = openat(home.dir, "runs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    network_init(&network);
    resend_backlog_init(&b, &config, &home, &network, cgroup_tags_of_lost);
    looked = go(&b, &network);
    resend_backlog_drop(&b);
    assert_null(b.names);
    log_done(&b.one.log);
    network_done(&network);
    state_dir_close(&home);
    server_stop(&server);
}

static void along_the_way(const struct server_reply *replies, size_t count)
{
    with_backlog(go_along, replies, count);
    assert_true(looked > 0);
}

#define ENDED "\"finished_at\":\"2026-01-01T00:01:00Z\",\"sentinel_run_id\":\"k\""

static void a_leader_delivers_what_others_left(void **state)
{
    (void)state;
    const struct server_reply script = {FINISHED, SERVER_CLOSES};
    add(OLD, "undelivered", ENDED);
    add(NEW, "undelivered", ENDED);
    add("20260103T000000Z-m-1", "local", ENDED);
    along_the_way(&script, 1);
    assert_state(OLD, "finished");
    assert_state(NEW, "finished");
    assert_state("20260103T000000Z-m-1", "local");
    assert_int_equal(server.request_count, 2);
}

static void an_end_delivers_what_others_left_the_oldest_first(void **state)
{
    (void)state;
    const struct server_reply script = {FINISHED, SERVER_CLOSES};
    char                      request[64];
    add(NEW, "undelivered", "\"finished_at\":\"2026-01-01T00:01:00Z\",\"sentinel_run_id\":\"new\"");
    add(OLD, "undelivered", "\"finished_at\":\"2026-01-01T00:01:00Z\",\"sentinel_run_id\":\"old\"");
    with_backlog(go_at_the_end, &script, 1);
    assert_state(OLD, "finished");
    assert_state(NEW, "finished");
    assert_int_equal(server.request_count, 2);
    (void)snprintf(request, sizeof request, "POST /runs/old/finish");
    assert_non_null(strstr(server.requests[0], request));
}

static void at_an_end_what_is_delivered_already_costs_no_time(void **state)
{
    (void)state;
    const struct server_reply script = {FINISHED, SERVER_CLOSES};
    char                      id[] = "20260101T000000Z-m-100";
    for (int i = 0; i < 30; i++) {
        (void)snprintf(id, sizeof id, "20260101T000000Z-m-1%02d", i);
        add(id, "finished", ENDED);
    }
    add(NEW, "undelivered", ENDED);
    with_backlog(go_at_the_end, &script, 1);
    assert_state(NEW, "finished");
    assert_int_equal(server.request_count, 1);
}

static void another_end_within_ten_seconds_leaves_them(void **state)
{
    (void)state;
    const struct server_reply script = {FINISHED, SERVER_CLOSES};
    with_backlog(go_at_the_end, &script, 1);
    server_done(&server);
    serving = false;
    add(OLD, "undelivered", ENDED);
    with_backlog(go_at_the_end, &script, 1);
    assert_int_equal(looked, 0);
    assert_int_equal(server.request_count, 0);
    assert_state(OLD, "undelivered");
}

static void another_that_is_at_it_leaves_them_too(void **state)
{
    (void)state;
    const struct server_reply script = {FINISHED, SERVER_CLOSES};
    struct timespec           times[2] = {{.tv_sec = time(NULL) - 60}, {.tv_sec = time(NULL) - 60}};
    char                      path[FOLDER_PATH];
    add(OLD, "undelivered", ENDED);
    assert_true(folder_write_text(&folder, "resent", ""));
    int held = open(folder_path(&folder, "resent", path), O_RDONLY | O_CLOEXEC);
    assert_int_equal(futimens(held, times), 0);
    assert_int_equal(__real_flock(held, LOCK_EX | LOCK_NB), 0);
    with_backlog(go_at_the_end, &script, 1);
    close(held);
    assert_int_equal(looked, 0);
    assert_state(OLD, "undelivered");
}

static void at_an_end_one_that_fails_is_tried_once_and_is_in_nobodys_way(void **state)
{
    (void)state;
    const struct server_reply script[] = {{ANSWER("500 of this run alone", ""), SERVER_CLOSES},
                                          {FINISHED, SERVER_CLOSES}};
    add(OLD, "undelivered", ENDED);
    add(NEW, "undelivered", ENDED);
    with_backlog(go_at_the_end, script, 2);
    assert_int_equal(server.request_count, 2);
    assert_non_null(strstr(folder_read(&folder, in_run(NEW, "run.jsonl")), "finished\""));
}

static void a_leader_asks_no_more_of_an_api_that_says_no(void **state)
{
    (void)state;
    const struct server_reply script = {ANSWER("401 no", ""), SERVER_CLOSES};
    add(OLD, "undelivered", ENDED);
    add(NEW, "undelivered", ENDED);
    along_the_way(&script, 1);
    assert_int_equal(server.request_count, 1);
}

static void what_is_refused_for_good_is_not_tried_again_along_the_way(void **state)
{
    (void)state;
    const struct server_reply script = {ANSWER("404 no such run", ""), SERVER_CLOSES};
    add(OLD, "undelivered", ENDED);
    add(NEW, "undelivered", ENDED);
    along_the_way(&script, 1);
    assert_int_equal(server.request_count, 2);
    server_done(&server);
    serving = false;
    (void)unlinkat(folder_open(&folder), "synced", 0);
    along_the_way(&script, 1);
    assert_int_equal(server.request_count, 0);
}

/* A run that goes to this server as a bucket, and whose beginning is there. */
static void add_bucket(const char *id, bool started)
{
    char members[512];
    (void)snprintf(members, sizeof members,
                   "\"finished_at\":\"2026-01-01T00:01:00Z\",\"destination\":\"s3://bucket/p\",\"s3_endpoint\":\"%s\","
                   "\"key\":\"20260101T000000Z-m-1-0123456789abcdef\",\"date\":\"2026-01-01\",\"started\":%s",
                   api, started ? "true" : "false");
    add(id, "undelivered", members);
}

static void a_run_that_is_tried_in_vain_does_not_grow(void **state)
{
    (void)state;
    char        path[FOLDER_PATH];
    struct stat info;
    off_t       size[2] = {0, 0};
    add(OLD, "undelivered", ENDED);
    assert_true(folder_write_text(&folder, in_run(OLD, "metrics.csv"), ""));
    add_bucket(NEW, true);
    assert_int_equal(setenv("AWS_EC2_METADATA_DISABLED", "true", 1), 0); /* there are no keys */
    for (int i = 0; i < 6; i++) {
        assert_true(i % 2 || sync_runs(NULL) == 2);
        assert_int_equal(stat(folder_path(&folder, in_run(i % 2 ? NEW : OLD, "run.jsonl"), path), &info), 0);
        assert_true(i < 2 || info.st_size == size[i % 2]);
        size[i % 2] = info.st_size;
    }
}

static void keys_that_cannot_be_had_are_tried_for_one_run_alone(void **state)
{
    (void)state;
    const struct server_reply script = {ANSWER("500 ill", ""), SERVER_CLOSES};
    serve(&script, 1);
    assert_int_equal(setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", api, 1), 0);
    add_bucket(OLD, false);
    add_bucket(NEW, true);
    add_bucket("20260103T000000Z-m-1", false);
    assert_int_equal(sync_runs(NULL), 3);
    server_stop(&server);
    assert_int_equal(server.request_count, 3);
    for (const char *at = heard; *at; at = strchr(at, '\n') + 1)
        assert_non_null(strstr(at, "no keys from AWS_CONTAINER_CREDENTIALS_FULL_URI: HTTP 500"));
}

static void an_api_that_has_moved_is_no_fault_of_the_run(void **state)
{
    (void)state;
    const struct server_reply gone = {ANSWER("404 no such page", ""), SERVER_CLOSES};
    const struct server_reply back[] = {{REGISTERED, SERVER_CLOSES}, {FINISHED, SERVER_CLOSES}};
    add(OLD, "undelivered", "\"finished_at\":\"2026-01-01T00:01:00Z\"");
    add(NEW, "undelivered", "\"finished_at\":\"2026-01-01T00:01:00Z\"");
    along_the_way(&gone, 1);
    assert_int_equal(server.request_count, 1);
    server_done(&server);
    serving = false;
    (void)unlinkat(folder_open(&folder), "synced", 0);
    along_the_way(back, 2);
    assert_true(server.request_count >= 2);
}

static void a_refused_run_stays_with_its_reason(void **state)
{
    (void)state;
    const struct server_reply script = {ANSWER("401 no", "{\"detail\":\"unknown\"}"), SERVER_CLOSES};
    add(OLD, "undelivered", "\"finished_at\":\"2026-01-01T00:01:00Z\"");
    serve(&script, 1);
    assert_int_equal(sync_runs(NULL), 1);
    assert_non_null(strstr(heard, OLD " failed: register: HTTP 401"));
    cJSON *after = load(OLD);
    assert_string_equal(journal_text(after, "state"), "undelivered");
    assert_non_null(strstr(journal_text(after, "reason"), "HTTP 401"));
    cJSON_Delete(after);
    assert_null(strstr(folder_read(&folder, in_run(OLD, "log")), TOKEN));
}

static void an_attempt_of_before_that_arrived_is_recognised(void **state)
{
    (void)state;
    const struct server_reply script = {ANSWER("409 twice", ""), SERVER_CLOSES};
    char                      members[256];
    serve(&script, 1);
    (void)snprintf(members, sizeof members,
                   DEAD ",\"api_url\":\"%s\",\"sentinel_run_id\":\"k\",\"finished_at\":\"2026-01-01T00:01:00Z\"", api);
    add_old(OLD, "finishing", members);
    assert_int_equal(sync_runs(NULL), 0);
    assert_state(OLD, "finished");
}

static void the_oldest_goes_first(void **state)
{
    (void)state;
    const struct server_reply script = {FINISHED, SERVER_CLOSES};
    add(NEW, "undelivered", "\"sentinel_run_id\":\"new\",\"finished_at\":\"2026-01-01T00:01:00Z\"");
    add(OLD, "undelivered", "\"sentinel_run_id\":\"old\",\"finished_at\":\"2026-01-01T00:01:00Z\"");
    serve(&script, 1);
    assert_int_equal(sync_runs(NULL), 0);
    assert_string_equal(heard, OLD " delivered: \n" NEW " delivered: \n");
}

static void without_a_folder_there_is_nothing_to_do(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    assert_int_equal(setenv("PILLION_DIR", folder_path(&folder, "missing", path), 1), 0);
    assert_int_equal(setenv("PILLION_INTERVAL", "nonsense", 1), 0); /* something to be said about it */
    assert_int_equal(sync_runs(NULL), 0);
    assert_int_equal(sync_one(OLD), -ENOENT);
    assert_false(folder_has(&folder, "missing"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_undelivered_run_is_delivered),
        TEST(a_registered_run_is_only_finished),
        TEST(a_run_whose_program_was_killed_is_ended_and_delivered),
        TEST(a_local_run_is_delivered_only_by_name),
        TEST(a_run_at_work_is_left),
        TEST(where_nothing_can_be_locked_only_the_dead_of_this_boot_are_delivered),
        TEST(a_fresh_run_of_another_machine_is_left),
        TEST(another_account_is_left_alone),
        TEST(a_later_format_is_left_alone),
        TEST(without_a_token_nothing_can_go),
        TEST(a_run_that_somebody_works_on_is_left),
        TEST(what_cannot_be_read_is_told),
        TEST(a_blank_folder_is_passed_over),
        TEST(a_run_without_rows_stays),
        TEST(an_attempt_that_may_have_arrived_is_not_forgotten),
        TEST(a_run_whose_rows_are_all_stored_is_finished_at_once),
        TEST(a_finish_that_may_have_arrived_is_repeated_in_its_form),
        TEST(odd_progress_does_no_harm),
        TEST(a_leader_delivers_what_others_left),
        TEST(an_end_delivers_what_others_left_the_oldest_first),
        TEST(at_an_end_what_is_delivered_already_costs_no_time),
        TEST(another_end_within_ten_seconds_leaves_them),
        TEST(another_that_is_at_it_leaves_them_too),
        TEST(at_an_end_one_that_fails_is_tried_once_and_is_in_nobodys_way),
        TEST(a_leader_asks_no_more_of_an_api_that_says_no),
        TEST(what_is_refused_for_good_is_not_tried_again_along_the_way),
        TEST(a_run_that_is_tried_in_vain_does_not_grow),
        TEST(keys_that_cannot_be_had_are_tried_for_one_run_alone),
        TEST(an_api_that_has_moved_is_no_fault_of_the_run),
        TEST(a_refused_run_stays_with_its_reason),
        TEST(an_attempt_of_before_that_arrived_is_recognised),
        TEST(the_oldest_goes_first),
        TEST(without_a_folder_there_is_nothing_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
