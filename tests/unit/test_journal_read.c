// SPDX-License-Identifier: Apache-2.0
// The state of a run, from its lines; and whether its process is still there.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/file.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/bytes.h"
#include "folder.h"
#include "store/journal_read.h"
#include "store/run_dir.h"

static struct folder folder;
static int           dir;
static cJSON        *loaded;

static int make(void **state)
{
    (void)state;
    loaded = NULL;
    if (!folder_make(&folder))
        return -1;
    dir = folder_open(&folder);
    return dir >= 0 ? 0 : -1;
}

static int drop(void **state)
{
    (void)state;
    cJSON_Delete(loaded);
    close(dir);
    folder_remove(&folder);
    return 0;
}

static int load(const char *text, size_t len)
{
    cJSON_Delete(loaded);
    loaded = NULL;
    assert_true(folder_write(&folder, "run.jsonl", text, len));
    return journal_load(dir, &loaded);
}

static int load_text(const char *text)
{
    return load(text, strlen(text));
}

static void the_last_value_of_a_key_stands(void **state)
{
    (void)state;
    assert_int_equal(
        load_text("{\"id\":\"x\",\"state\":\"running\",\"pid\":7}\n{\"state\":\"finished\",\"pid\":null}\n"), 0);
    assert_string_equal(journal_text(loaded, "id"), "x");
    assert_string_equal(journal_text(loaded, "state"), "finished");
    assert_true(journal_number(loaded, "pid", -1) == -1);
    assert_int_equal(cJSON_GetArraySize(loaded), 3);
    assert_int_equal(load_text("{\"a\":{\"b\":1,\"c\":2}}\n{\"a\":{\"b\":3}}\n"), 0);
    const cJSON *a = cJSON_GetObjectItemCaseSensitive(loaded, "a");
    assert_true(journal_number(a, "b", 0) == 3);
    assert_true(journal_number(a, "c", -1) == -1);
}

static void keys_differ_by_case(void **state)
{
    (void)state;
    assert_int_equal(load_text("{\"key\":1,\"Key\":2}\n{\"KEY\":3}\n"), 0);
    assert_true(journal_number(loaded, "key", 0) == 1);
    assert_true(journal_number(loaded, "Key", 0) == 2);
    assert_true(journal_number(loaded, "KEY", 0) == 3);
}

static void text_and_number_tell_their_types_apart(void **state)
{
    (void)state;
    assert_int_equal(load_text("{\"t\":\"text\",\"n\":1.5,\"o\":{},\"z\":null}\n"), 0);
    assert_string_equal(journal_text(loaded, "t"), "text");
    assert_null(journal_text(loaded, "n"));
    assert_null(journal_text(loaded, "o"));
    assert_null(journal_text(loaded, "missing"));
    assert_true(journal_number(loaded, "n", 0) == 1.5);
    assert_true(journal_number(loaded, "t", 9) == 9);
    assert_true(journal_number(loaded, "z", 9) == 9);
    assert_null(journal_text(NULL, "t"));
    assert_true(journal_number(NULL, "n", 9) == 9);
}

static void a_torn_last_line_is_no_line(void **state)
{
    (void)state;
    assert_int_equal(load_text("{\"a\":1}\n{\"a\":2}"), 0);
    assert_true(journal_number(loaded, "a", 0) == 1);
    assert_int_equal(load_text("{\"a\":1}\n{\"a\":"), 0);
    assert_true(journal_number(loaded, "a", 0) == 1);
    assert_int_equal(load_text("{\"a\":1}"), -EBADMSG);
    assert_null(loaded);
}

static void lines_that_are_no_objects_are_skipped(void **state)
{
    (void)state;
    assert_int_equal(
        load_text("garbage\n\n{\"a\":1}\n[1,2]\n\"text\"\n{\"a\":2,}\nnull\n{\"a\":3} x\n{'a':4}\n{\"b\":5}\n"), 0);
    assert_true(journal_number(loaded, "a", 0) == 1);
    assert_true(journal_number(loaded, "b", 0) == 5);
    static const char zeros[] = "{\"a\":1}\n\0\0\0\0\n{\"b\":\"x\0y\"}\n{\"c\":2}\n";
    assert_int_equal(load(zeros, sizeof zeros - 1), 0);
    assert_true(journal_number(loaded, "a", 0) == 1);
    assert_null(journal_text(loaded, "b"));
    assert_true(journal_number(loaded, "c", 0) == 2);
}

static void a_line_that_nests_without_end_is_skipped(void **state)
{
    (void)state;
    static char text[400 * 1024];
    size_t      len = 0;
    len += (size_t)snprintf(text, sizeof text, "{\"a\":1}\n{\"deep\":");
    memset(text + len, '[', 100 * 1024);
    len += 100 * 1024;
    memset(text + len, ']', 100 * 1024);
    len += 100 * 1024;
    len += (size_t)snprintf(text + len, sizeof text - len, "}\n{\"many\":[1");
    for (int i = 0; i < 20000; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, ",%d", i);
    len += (size_t)snprintf(text + len, sizeof text - len, "]}\n{\"b\":2}\n");
    assert_int_equal(load(text, len), 0);
    assert_int_equal(cJSON_GetArraySize(loaded), 2);
}

static void nothing_to_load_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(journal_load(dir, &loaded), -ENOENT);
    assert_int_equal(load_text(""), -EBADMSG);
    assert_int_equal(load_text("\n\n"), -EBADMSG);
    assert_int_equal(load_text("no\n"), -EBADMSG);
    assert_null(loaded);
    char path[FOLDER_PATH];
    assert_int_equal(truncate(folder_path(&folder, "run.jsonl", path), RUN_DIR_STATE_MAX + 16), 0); /* one line */
    assert_int_equal(journal_load(dir, &loaded), -EFBIG);
}

static void a_command_of_four_thousand_arguments_is_read(void **state)
{
    (void)state;
    static char text[64 * 1024];
    size_t      len = (size_t)snprintf(text, sizeof text, "{\"command\":[\"x\"");
    for (int i = 0; i < 4096; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, ",\"%d\"", i);
    len += (size_t)snprintf(text + len, sizeof text - len, "],\"pid\":7}\n");
    assert_int_equal(load(text, len), 0);
    assert_true(journal_number(loaded, "pid", 0) == 7);
}

static void a_run_of_months_has_more_lines_than_memory(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    int  file = open(folder_path(&folder, "run.jsonl", path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    char block[64 * 40];
    assert_true(file >= 0);
    for (int i = 0; i < 2 * RUN_DIR_STATE_MAX / (int)sizeof block; i++) {
        size_t len = 0;
        for (int j = 0; j < 64; j++)
            len += (size_t)snprintf(block + len, sizeof block - len, "{\"uploaded\":%d,\"batch\":[%d,7]}\n", i, j);
        assert_int_equal(write(file, block, len), len);
    }
    (void)close(file);
    assert_int_equal(journal_load(dir, &loaded), 0);
    assert_true(journal_number(loaded, "uploaded", 0) > 1000);
    assert_int_equal(cJSON_GetArraySize(loaded), 2);
}

/* ---- liveness ---- */

static uint64_t start_of(pid_t pid)
{
    char     path[64];
    char     text[1024] = "";
    uint64_t start = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    close(fd);
    const char *at = strrchr(text, ')');
    assert_non_null(at);
    for (int field = 2; field < 22; field++) {
        at = strchr(at, ' ');
        assert_non_null(at);
        at++;
    }
    start = strtoull(at, NULL, 10);
    assert_true(start > 0);
    return start;
}

static void write_run(pid_t pid, uint64_t start, const char *boot, uint64_t pid_namespace, double interval)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "{\"state\":\"running\",\"pid\":%d,\"pid_start\":%llu,\"interval\":%.3f,"
                   "\"machine\":{\"boot_id\":\"%s\",\"pid_namespace\":%llu,\"host_name\":\"m\"}}\n",
                   pid, (unsigned long long)start, interval, boot, (unsigned long long)pid_namespace);
    assert_int_equal(load_text(text), 0);
}

static const char *boot_id(void)
{
    static char text[64];
    int         fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, text, sizeof text - 1), 37);
    close(fd);
    text[36] = '\0';
    return text;
}

static uint64_t our_namespace(void)
{
    struct stat info;
    assert_int_equal(stat("/proc/self/ns/pid", &info), 0);
    return info.st_ino;
}

static void age(const char *name, time_t seconds)
{
    struct timespec times[2] = {{.tv_sec = time(NULL) - seconds}, {.tv_sec = time(NULL) - seconds}};
    assert_int_equal(utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void a_process_that_writes_is_alive(void **state)
{
    (void)state;
    write_run(getpid(), start_of(getpid()), boot_id(), our_namespace(), 1);
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_ALIVE);
}

static void a_process_that_is_gone_is_dead(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    assert_true(child > 0);
    write_run(child, start_of(child), boot_id(), our_namespace(), 1);
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_ALIVE);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_DEAD);
}

static void a_number_given_to_another_process_is_dead(void **state)
{
    (void)state;
    write_run(getpid(), start_of(getpid()) + 1, boot_id(), our_namespace(), 1);
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_DEAD);
    write_run(0, 0, boot_id(), our_namespace(), 1);
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_DEAD);
    write_run(-1, 0, boot_id(), our_namespace(), 1);
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_DEAD);
}

static void *wait_as_pillion(void *barrier)
{
    (void)prctl(PR_SET_NAME, "pillion");
    (void)pthread_barrier_wait(barrier);
    (void)pthread_barrier_wait(barrier);
    return NULL;
}

static void a_quiet_process_is_alive_while_it_has_our_thread(void **state)
{
    (void)state;
    pthread_barrier_t barrier;
    pthread_t         thread;
    write_run(getpid(), start_of(getpid()), boot_id(), our_namespace(), 1);
    age("run.jsonl", 12);
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_ALIVE);
    age("run.jsonl", 60);
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_DEAD);
    assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, wait_as_pillion, &barrier), 0);
    (void)pthread_barrier_wait(&barrier);
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_ALIVE);
    (void)pthread_barrier_wait(&barrier);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_barrier_destroy(&barrier), 0);
    assert_true(folder_write_text(&folder, "metrics.csv", "row\n"));
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_ALIVE);
}

static void a_slow_run_may_be_quiet_for_longer(void **state)
{
    (void)state;
    write_run(getpid(), start_of(getpid()), boot_id(), our_namespace(), 60);
    age("run.jsonl", 180);
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_ALIVE);
    age("run.jsonl", 200);
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_DEAD);
}

static void a_run_of_elsewhere_is_alive_until_its_files_are_old(void **state)
{
    (void)state;
    static const struct {
        const char *boot;
        uint64_t    other_namespace;
    } places[] = {{"00000000-0000-0000-0000-000000000000", 0}, {NULL, 1}, {"", 0}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        write_run(getpid(), start_of(getpid()), places[i].boot ? places[i].boot : boot_id(),
                  our_namespace() + places[i].other_namespace, 1);
        assert_int_equal(journal_liveness(loaded, dir), LIVENESS_FOREIGN);
        age("run.jsonl", 3600);
        assert_int_equal(journal_liveness(loaded, dir), LIVENESS_FOREIGN);
        age("run.jsonl", 3600 + 180 + 10);
        assert_int_equal(journal_liveness(loaded, dir), LIVENESS_DEAD);
    }
    assert_true(folder_write_text(&folder, "metrics.csv", "row\n"));
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_FOREIGN);
}

/* Of a container on this machine, whose processes have other numbers here. */
static void write_contained(const char *boot)
{
    char text[512];
    (void)snprintf(
        text, sizeof text,
        "{\"state\":\"running\",\"pid\":1,\"pid_start\":1,\"interval\":1.000,\"machine\":{\"boot_id\":\"%s\","
        "\"pid_namespace\":%llu,\"host_name\":\"m\"}}\n",
        boot, (unsigned long long)our_namespace() + 1);
    assert_int_equal(load_text(text), 0);
}

/* The lock as its maker saw it, or as one of elsewhere. Open. */
static int make_lock(bool ours)
{
    char        path[FOLDER_PATH];
    struct stat info;
    int         lock = open(folder_path(&folder, "lock", path), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(fstat(lock, &info), 0);
    assert_true(dprintf(lock, "%llx-%llx\n", (unsigned long long)info.st_dev, (unsigned long long)info.st_ino + !ours) >
                0);
    assert_int_equal(run_dir_sees_lock(lock), ours);
    return lock;
}

static void a_run_of_another_pid_namespace_is_told_by_its_lock(void **state)
{
    (void)state;
    int lock = make_lock(true);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    write_contained(boot_id());
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_FOREIGN);
    assert_int_equal(journal_liveness_at_last(loaded, dir), LIVENESS_FOREIGN);
    age("run.jsonl", 60);
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_FOREIGN);
    close(lock);
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_DEAD);
    age("run.jsonl", 0); /* it may be between two images */
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_UNLOCKED);
    assert_int_equal(journal_liveness_at_last(loaded, dir), LIVENESS_DEAD);
}

static void a_lock_of_elsewhere_tells_nothing(void **state)
{
    (void)state;
    close(make_lock(true));
    write_contained("00000000-0000-0000-0000-000000000000");
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_FOREIGN);
    write_contained(boot_id());
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_UNLOCKED);
    assert_true(cJSON_AddBoolToObject(loaded, "paused", true) != NULL);
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_FOREIGN);
    close(make_lock(false));
    write_contained(boot_id());
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_FOREIGN);
}

static void numbers_beyond_all_bounds_are_safe(void **state)
{
    (void)state;
    write_run(getpid(), start_of(getpid()), boot_id(), our_namespace(), 1e15);
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_ALIVE);
    assert_int_equal(load_text("{\"pid\":1e300,\"interval\":-1e300,\"pid_start\":1e300}\n"), 0);
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_FOREIGN);
}

static void a_run_that_does_not_say_where_is_of_elsewhere(void **state)
{
    (void)state;
    assert_int_equal(load_text("{\"state\":\"running\",\"pid\":1}\n"), 0);
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_FOREIGN);
    assert_int_equal(load_text("{\"state\":\"running\",\"machine\":\"text\"}\n"), 0);
    assert_int_equal(journal_liveness(loaded, dir), LIVENESS_FOREIGN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_last_value_of_a_key_stands),
        TEST(keys_differ_by_case),
        TEST(text_and_number_tell_their_types_apart),
        TEST(a_torn_last_line_is_no_line),
        TEST(lines_that_are_no_objects_are_skipped),
        TEST(a_line_that_nests_without_end_is_skipped),
        TEST(a_command_of_four_thousand_arguments_is_read),
        TEST(a_run_of_months_has_more_lines_than_memory),
        TEST(nothing_to_load_is_an_error),
        TEST(a_process_that_writes_is_alive),
        TEST(a_process_that_is_gone_is_dead),
        TEST(a_number_given_to_another_process_is_dead),
        TEST(a_quiet_process_is_alive_while_it_has_our_thread),
        TEST(a_slow_run_may_be_quiet_for_longer),
        TEST(a_run_of_elsewhere_is_alive_until_its_files_are_old),
        TEST(a_run_of_another_pid_namespace_is_told_by_its_lock),
        TEST(a_lock_of_elsewhere_tells_nothing),
        TEST(numbers_beyond_all_bounds_are_safe),
        TEST(a_run_that_does_not_say_where_is_of_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
