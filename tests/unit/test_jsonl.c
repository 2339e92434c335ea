// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include <cJSON.h>
#include <time.h>

#include "collect/details.h"
#include "engine/jsonl.h"

#define LINE                                                                                                         \
    "1795346661.250,80,1.500000,0.250000,1.8000,100.5000,2300.2500,1.0000,2.0000,3.0000,4.0000,4096,512,270.553174," \
    "0.000001,1.000000,7,8,0.5000,100.0000,1,4242,0,0.010000,0.020000,0.0300,20.5000,9,1152921504606846976,,,"

static struct sample sample(void)
{
    return (struct sample){
        .memory_total = 4096, .memory_used = 1024, .memory_available = 3072, .swap_total = 2048, .swap_free = 512};
}

static cJSON *parsed(const struct jsonl_row *row)
{
    struct bytes out;
    bytes_init(&out, JSONL_LINE_MAX);
    jsonl_encode(row, &out);
    assert_false(out.failed);
    assert_int_equal(out.data[out.len - 1], '\n');
    assert_null(memchr(out.data, '\n', out.len - 1));
    cJSON *object = cJSON_ParseWithLength(out.data, out.len);
    assert_non_null(object);
    bytes_done(&out);
    return object;
}

static const cJSON *member(const cJSON *object, const char *group, const char *key)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(
        group ? cJSON_GetObjectItemCaseSensitive(object, group) : object, key);
    if (!found)
        fail_msg("%s.%s is missing", group ? group : "", key);
    return found;
}

static void number_is(const cJSON *object, const char *group, const char *key, double expected)
{
    const cJSON *found = member(object, group, key);
    if (!cJSON_IsNumber(found) || found->valuedouble < expected - 1e-9 || found->valuedouble > expected + 1e-9)
        fail_msg("%s.%s is not %f", group ? group : "", key, expected);
}

static void cells_are_figures_and_empty_ones_null(void **state)
{
    (void)state;
    struct sample now = sample();
    cJSON *o = parsed(&(struct jsonl_row){.line = text_of(LINE), .interval_ms = 1001, .job_name = "a", .now = &now});
    number_is(o, NULL, "timestamp_secs", 1795346661);
    number_is(o, NULL, "timestamp", 1795346661.25);
    number_is(o, NULL, "actual_interval_ms", 1001);
    number_is(o, NULL, "tracked_pid", 4242);
    number_is(o, "cpu", "utilization_pct", 1.8);
    number_is(o, "cpu", "process_child_count", 0);
    number_is(o, "cpu", "process_pss_mib", 20.5);
    number_is(o, "cpu", "process_disk_write_bytes", 1152921504606846976.0);
    assert_true(cJSON_IsNull(member(o, "cpu", "process_gpu_usage")));
    number_is(o, "memory", "used_mib", 2300.25);
    number_is(o, "memory", "total_mib", 4);
    number_is(o, "memory", "used_pct", 25);
    number_is(o, "memory", "swap_used_mib", 1.5);
    number_is(o, "memory", "swap_used_pct", 75);
    cJSON_Delete(o);
}

static void the_first_row_has_no_interval_and_no_swap_is_zero_percent(void **state)
{
    (void)state;
    struct sample now = sample();
    now.swap_total = now.swap_free = 0;
    cJSON *o = parsed(&(struct jsonl_row){.line = text_of(LINE), .interval_ms = -1, .now = &now});
    assert_null(cJSON_GetObjectItemCaseSensitive(o, "actual_interval_ms"));
    assert_true(cJSON_IsNull(member(o, NULL, "job_name")));
    number_is(o, "memory", "swap_used_pct", 0);
    cJSON_Delete(o);
}

static void what_is_no_number_is_null(void **state)
{
    (void)state;
    struct sample now;
    memset(&now, 0xff, sizeof now); /* METRIC_NONE everywhere */
    cJSON *o = parsed(
        &(struct jsonl_row){.line = text_of("1.5,007,1.,.5,1e5,\"],[,-3"), .interval_ms = 0, .now = &now});
    number_is(o, NULL, "timestamp", 1.5);
    assert_true(cJSON_IsNull(member(o, "cpu", "process_count")));
    assert_true(cJSON_IsNull(member(o, "cpu", "utime_secs")));
    assert_true(cJSON_IsNull(member(o, "cpu", "stime_secs")));
    assert_true(cJSON_IsNull(member(o, "memory", "free_mib")));
    assert_true(cJSON_IsNull(member(o, "memory", "total_mib")));
    assert_true(cJSON_IsNull(member(o, "memory", "swap_used_pct")));
    cJSON_Delete(o);
}

static void names_of_any_bytes_are_texts(void **state)
{
    (void)state;
    struct sample           now = sample();
    char                    path[] = "/a \"b\"\\\n\xff\xc3";
    struct mount_detail     on = {.type = "ext4", .source = "/dev/\x01", .disk = "sda", .total = 100, .free = 25};
    struct mount_detail     elsewhere = {.type = "overlay", .total = 8, .free = 8};
    struct mount_detail     uncounted = {.type = "xfs"};
    struct mount            list[] = {{.path = path, .detail = &on},
                                      {.path = path, .detail = &elsewhere},
                                      {.path = path, .detail = &uncounted},
                                      {.path = path}};
    struct mounts           mounts = {.list = list, .count = 4};
    struct disk_detail      disk = {.name = "sda",
                                    .model = "\"Model\" \x80",
                                    .kind = DISK_KIND_SSD,
                                    .capacity = METRIC_NONE,
                                    .read = 4096,
                                    .read_total = UINT64_MAX - 1};
    struct interface_detail eth = {.name = "e\xe9th\"0", .speed = METRIC_NONE, .mtu = 1500, .sent = 7};
    struct details          d = {.disk_span = {.seconds = 2},
                                 .net_span = {.seconds = 2},
                                 .cpus = (struct cpu_detail[]){{.usage = 10000}, {.usage = METRIC_NONE}, {.usage = 1}},
                                 .cpu_count = 3,
                                 .disks = &disk,
                                 .disk_count = 1,
                                 .interfaces = &eth,
                                 .interface_count = 1,
                                 .mounts = &mounts};
    cJSON                  *o = parsed(
                         &(struct jsonl_row){.line = text_of(LINE), .job_name = "it's \"x\" \xf0\x9f", .now = &now, .details = &d});
    assert_string_equal(member(o, NULL, "job_name")->valuestring, "it's \"x\" \xef\xbf\xbd\xef\xbf\xbd");
    const cJSON *cores = member(o, "cpu", "per_core_pct");
    assert_int_equal(cJSON_GetArraySize(cores), 3);
    assert_true(cJSON_GetArrayItem(cores, 0)->valuedouble == 100 && cJSON_GetArrayItem(cores, 2)->valuedouble == 0.01);
    assert_true(cJSON_IsNull(cJSON_GetArrayItem(cores, 1)));
    const cJSON *first = cJSON_GetArrayItem(member(o, NULL, "disk"), 0);
    number_is(first, NULL, "read_bytes", 4096);
    number_is(first, NULL, "read_bytes_per_sec", 2048);
    assert_string_equal(member(first, NULL, "device_type")->valuestring, "ssd");
    assert_true(cJSON_IsNull(member(first, NULL, "capacity_bytes")));
    assert_int_equal(cJSON_GetArraySize(member(first, NULL, "mounts")), 1);
    const cJSON *mount = cJSON_GetArrayItem(member(first, NULL, "mounts"), 0);
    assert_string_equal(member(mount, NULL, "mount_point")->valuestring, "/a \"b\"\\\n\xef\xbf\xbd\xef\xbf\xbd");
    number_is(mount, NULL, "used_pct", 75);
    assert_int_equal(cJSON_GetArraySize(member(o, NULL, "mounts")), 1);
    const cJSON *interface = cJSON_GetArrayItem(member(o, NULL, "network"), 0);
    assert_string_equal(member(interface, NULL, "interface")->valuestring, "e\xef\xbf\xbdth\"0");
    number_is(interface, NULL, "tx_bytes_per_sec", 3.5);
    assert_true(cJSON_IsNull(member(interface, NULL, "speed_mbps")));
    cJSON_Delete(o);
}

static void a_gpu_has_temperature_power_and_clock(void **state)
{
    (void)state;
    struct sample     now = sample();
    struct jsonl_gpus gpus = {.count = 2,
                              .state = {{5025, 100, 512, 64, 61, 250500},
                                        {METRIC_NONE, METRIC_NONE, METRIC_NONE, METRIC_NONE, METRIC_NONE, METRIC_NONE}},
                              .detail = {{"NVIDIA A100", "GPU-1", 1024, 1410}, {"", "", METRIC_NONE, METRIC_NONE}}};
    cJSON            *o = parsed(&(struct jsonl_row){.line = text_of(LINE), .now = &now, .gpus = &gpus});
    const cJSON      *one = cJSON_GetArrayItem(member(o, NULL, "gpu"), 0);
    const cJSON      *other = cJSON_GetArrayItem(member(o, NULL, "gpu"), 1);
    number_is(one, NULL, "utilization_pct", 50.25);
    number_is(one, NULL, "vram_used_pct", 50);
    number_is(one, NULL, "temperature_celsius", 61);
    number_is(one, NULL, "power_watts", 250.5);
    number_is(one, NULL, "frequency_mhz", 1410);
    assert_string_equal(member(other, NULL, "host_id")->valuestring, "1");
    assert_true(cJSON_IsNull(member(other, NULL, "frequency_mhz")) &&
                cJSON_IsNull(member(other, NULL, "vram_used_pct")));
    cJSON_Delete(o);
}

/* As printed by resource-tracker-rs (src/metrics): an object a row, and nothing of it is missing here. */
static void every_name_of_the_rust_client_is_there(void **state)
{
    (void)state;
    static const struct {
        const char *group, *names;
    } all[] = {
        {NULL,
         "timestamp_secs actual_interval_ms job_name tracked_pid cpu memory network disk gpu resource-tracker-version"},
        {"cpu",
         "utilization_pct cgroup_utilization_pct cgroup_usage_secs per_core_pct utime_secs stime_secs process_count "
         "process_cores_used process_child_count process_utime_secs process_stime_secs process_pss_mib "
         "process_rss_mib process_disk_read_bytes process_disk_write_bytes process_gpu_usage process_gpu_vram_mib "
         "process_gpu_utilized"},
        {"memory",
         "total_mib free_mib available_mib used_mib used_pct buffers_mib cached_mib swap_total_mib swap_used_mib "
         "swap_used_pct active_mib inactive_mib"},
        {"network", "interface mac_address driver operstate speed_mbps mtu rx_bytes_per_sec tx_bytes_per_sec "
                    "rx_bytes_total tx_bytes_total"},
        {"disk", "device model vendor serial device_type capacity_bytes mounts read_bytes_per_sec write_bytes_per_sec "
                 "read_bytes_total write_bytes_total"},
        {"gpu", "uuid name device_type host_id detail utilization_pct vram_total_bytes vram_used_bytes vram_used_pct "
                "temperature_celsius power_watts frequency_mhz core_count"},
    };
    struct sample           now = sample();
    struct disk_detail      disk = {.name = "sda"};
    struct interface_detail eth = {.name = "eth0"};
    struct details          d = {.disks = &disk, .disk_count = 1, .interfaces = &eth, .interface_count = 1};
    struct jsonl_gpus       gpus = {.count = 1};
    cJSON *o = parsed(&(struct jsonl_row){.line = text_of(LINE), .now = &now, .details = &d, .gpus = &gpus});
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct text  names = text_of(all[i].names);
        struct text  name;
        char         key[64];
        const cJSON *group = all[i].group ? member(o, NULL, all[i].group) : o;
        while (text_word(&names, &name)) {
            assert_true(text_copy(name, key, sizeof key));
            (void)member(cJSON_IsArray(group) ? cJSON_GetArrayItem(group, 0) : group, NULL, key);
        }
    }
    cJSON_Delete(o);
}

static void the_name_of_the_file_decides(void **state)
{
    (void)state;
    assert_true(jsonl_is_wanted("rows.jsonl") && jsonl_is_wanted("/a/%r.jsonl") && jsonl_is_wanted(".jsonl"));
    assert_false(jsonl_is_wanted(NULL) || jsonl_is_wanted("") || jsonl_is_wanted("rows.csv") ||
                 jsonl_is_wanted("jsonl") || jsonl_is_wanted("rows.jsonl.csv") || jsonl_is_wanted("rows.JSONL"));
}

static void read_again(const struct fixture *f, struct collectors *c, struct sample *ret)
{
    const struct timespec moment = {.tv_nsec = 30000000};
    collect_suspend(c);
    (void)nanosleep(&moment, NULL);
    assert_int_equal(collect_resume(c, &f->roots), 0);
    collect_read(c, ret);
}

static void is_about(double value, double expected)
{
    if (value < expected * 0.99 || value > expected * 1.01)
        fail_msg("%f is not %f", value, expected);
}

/* What has grown since the last reading that succeeded has had all that time for it. */
static void a_rate_spans_a_reading_that_failed(void **state)
{
    (void)state;
    static const struct tree nobody = {.root = 4242, .main_process = 4242};
    struct fixture           f;
    struct sample            first;
    struct sample            failed;
    struct sample            now;
    struct collectors       *c = NULL;
    char                     gone[512];
    fixture_open(&f);
    fixture_write(&f, "proc/stat", "cpu  1 0 0 9 0 0 0\ncpu0 1 0 0 9 0 0 0\n");
    fixture_write(&f, "proc/diskstats", "8 0 sda 1 2 0 4 5 6 0 8 9 10 11\n");
    fixture_write(&f, "proc/net/dev", "  eth0: 0 0 0 0 0 0 0 0 0 0\n");
    fixture_folder(&f, "sys/class/net/eth0");
    assert_int_equal(collect_open(&f.roots, &nobody, &c), 0);
    assert_true(collect_keep_details(c));
    collect_read(c, &first);
    fixture_path(&f, "gone", gone);
    assert_int_equal(rename(f.proc, gone), 0);
    read_again(&f, c, &failed);
    assert_int_equal(rename(gone, f.proc), 0);
    assert_true(failed.disk_read == METRIC_NONE && failed.net_recv == METRIC_NONE && failed.cpu_user == METRIC_NONE);
    fixture_write(&f, "proc/stat", "cpu  3 0 0 9 0 0 0\ncpu0 3 0 0 9 0 0 0\n");
    fixture_write(&f, "proc/diskstats", "8 0 sda 1 2 1000 4 5 6 0 8 9 10 11\n");
    fixture_write(&f, "proc/net/dev", "  eth0: 5000 0 0 0 0 0 0 0 0 0\n");
    read_again(&f, c, &now);
    cJSON       *o = parsed(&(struct jsonl_row){.line = text_of(LINE), .now = &now, .details = collect_details(c)});
    double       seconds = (double)(now.monotonic - first.monotonic) / 1e9;
    const cJSON *disk = cJSON_GetArrayItem(member(o, NULL, "disk"), 0);
    const cJSON *interface = cJSON_GetArrayItem(member(o, NULL, "network"), 0);
    const cJSON *core = cJSON_GetArrayItem(member(o, "cpu", "per_core_pct"), 0);
    is_about(member(disk, NULL, "read_bytes_per_sec")->valuedouble, 512000 / seconds);
    is_about(member(interface, NULL, "rx_bytes_per_sec")->valuedouble, 5000 / seconds);
    assert_non_null(core);
    is_about(core->valuedouble, 100 * 2 / (seconds * (double)sysconf(_SC_CLK_TCK)));
    cJSON_Delete(o);
    collect_close(c);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_are_figures_and_empty_ones_null),
        cmocka_unit_test(the_first_row_has_no_interval_and_no_swap_is_zero_percent),
        cmocka_unit_test(what_is_no_number_is_null),
        cmocka_unit_test(names_of_any_bytes_are_texts),
        cmocka_unit_test(a_gpu_has_temperature_power_and_clock),
        cmocka_unit_test(every_name_of_the_rust_client_is_there),
        cmocka_unit_test(the_name_of_the_file_decides),
        cmocka_unit_test(a_rate_spans_a_reading_that_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
