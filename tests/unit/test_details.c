// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include "base/clock.h"
#include "collect/details.h"

static const struct tree nobody = {.root = 4242, .main_process = 4242};

static struct collectors *opened(const struct fixture *f, struct sample *first)
{
    struct collectors *c = NULL;
    assert_int_equal(collect_open(&f->roots, &nobody, &c), 0);
    assert_null(collect_details(c));
    assert_true(collect_keep_details(c));
    collect_read(c, first);
    return c;
}

static void each_cpu_has_its_use_and_the_sum_is_the_machines(void **state)
{
    (void)state;
    struct fixture f;
    struct details d = {0};
    struct cpu     cpu;
    struct scratch scratch;
    fixture_open(&f);
    assert_int_equal(scratch_init(&scratch), 0);
    fixture_write(&f, "proc/stat",
                  "cpu  100 0 20 9 9 0 0\ncpu0 60 0 10 5 5 0 0\ncpu2 40 0 10 4 4 0 0\nintr 5 1 2\nctxt 7\n");
    assert_int_equal(cpu_open(&cpu, &f.roots), 0);
    details_read_cpus(&d, &cpu, &scratch, 5 * CLOCK_SECOND);
    assert_int_equal(d.cpu_count, 3);
    assert_true(d.cpus[0].usage == METRIC_NONE && d.cpus[1].usage == METRIC_NONE); /* no interval yet; offline */
    fixture_write(&f, "proc/stat",
                  "cpu  200 0 55 9 9 0 0\ncpu0 110 0 35 5 5 10 5\ncpu1 1 0 0 0 9 0 0\ncpu2 90 0 10 4 4 0 0\n");
    details_read_cpus(&d, &cpu, &scratch, 6 * CLOCK_SECOND);
    assert_int_equal(d.cpus[0].usage, 9000); /* 50 user, 25 system, 10 irq, 5 softirq of 100 ticks */
    assert_true(d.cpus[1].usage == METRIC_NONE);
    assert_int_equal(d.cpus[2].usage, 5000);
    cpu_close(&cpu);
    scratch_done(&scratch);
    details_done(&d);
    fixture_close(&f);
}

static void a_tick_too_many_is_shown_in_the_next_interval(void **state)
{
    (void)state;
    static const unsigned busy[] = {0, 11, 19, 29};
    static const unsigned usage[] = {0, 10000, 9000, 10000};
    struct fixture        f;
    struct details        d = {0};
    struct cpu            cpu;
    struct scratch        scratch;
    fixture_open(&f);
    assert_int_equal(scratch_init(&scratch), 0);
    fixture_write(&f, "proc/stat", "cpu  1 0 0 0 0 0 0\n");
    assert_int_equal(cpu_open(&cpu, &f.roots), 0);
    for (int i = 0; i < 4; i++) {
        fixture_write(&f, "proc/stat", "cpu  1 0 0 0 0 0 0\ncpu0 %u 0 0 1 0 0 0\n", busy[i]);
        details_read_cpus(&d, &cpu, &scratch, CLOCK_SECOND + (int64_t)i * 100 * CLOCK_MILLISECOND);
        if (i > 0)
            assert_int_equal(d.cpus[0].usage, usage[i]);
    }
    cpu_close(&cpu);
    scratch_done(&scratch);
    details_done(&d);
    fixture_close(&f);
}

static void disks_and_interfaces_add_up_to_the_sums(void **state)
{
    (void)state;
    struct fixture f;
    struct sample  before;
    struct sample  now;
    fixture_open(&f);
    fixture_write(&f, "proc/diskstats", "8 0 sda 1 2 30 4 5 6 70 8 9 10 11\n7 0 loop0 1 2 3 4 5 6 7 8 9 10 11\n");
    fixture_write(&f, "sys/block/sda/size", "1000\n");
    fixture_write(&f, "sys/block/sda/device/model", "  Disk of Mine  \n");
    fixture_write(&f, "sys/block/sda/device/wwid", "naa.5\n");
    fixture_write(&f, "sys/block/sda/queue/rotational", "0\n");
    fixture_write(&f, "sys/block/sdb/size", "0\n");
    fixture_write(&f, "proc/net/dev", "  lo: 9 0 0 0 0 0 0 0 9 0\n  eth0: 100 0 0 0 0 0 0 0 50 0\n");
    fixture_write(&f, "sys/class/net/eth0/address", "02:fc:00:00:00:01\n");
    fixture_write(&f, "sys/class/net/eth0/operstate", "up\n");
    fixture_write(&f, "sys/class/net/eth0/speed", "-1\n");
    fixture_write(&f, "sys/class/net/eth0/mtu", "1500\n");
    struct collectors    *c = opened(&f, &before);
    const struct details *d = collect_details(c);
    fixture_write(&f, "proc/diskstats", "8 0 sda 1 2 40 4 5 6 71 8 9 10 11\n8 16 sdb 1 2 5 4 5 6 0 8 9 10 11\n");
    fixture_write(&f, "proc/net/dev", "  lo: 99 0 0 0 0 0 0 0 99 0\n  eth0: 107 0 0 0 0 0 0 0 58 0\n");
    collect_read(c, &now);
    assert_int_equal(d->disk_count, 2);
    assert_string_equal(d->disks[0].name, "sda");
    assert_string_equal(d->disks[0].model, "Disk of Mine");
    assert_string_equal(d->disks[0].serial, "naa.5");
    assert_int_equal(d->disks[0].kind, DISK_KIND_SSD);
    assert_int_equal(d->disks[0].capacity, 512000);
    assert_int_equal(d->disks[0].read, 10 * 512);
    assert_int_equal(d->disks[1].read, 5 * 512); /* new, so it began at 0 */
    assert_true(d->disks[1].capacity == METRIC_NONE && d->disks[1].kind == DISK_KIND_UNKNOWN);
    assert_int_equal(d->disks[0].read + d->disks[1].read, now.disk_read - before.disk_read);
    assert_int_equal(d->disks[0].written + d->disks[1].written, now.disk_write - before.disk_write);
    assert_int_equal(d->interface_count, 1);
    assert_string_equal(d->interfaces[0].address, "02:fc:00:00:00:01");
    assert_string_equal(d->interfaces[0].state, "up");
    assert_true(d->interfaces[0].speed == METRIC_NONE);
    assert_int_equal(d->interfaces[0].mtu, 1500);
    assert_int_equal(d->interfaces[0].received, now.net_recv - before.net_recv);
    assert_int_equal(d->interfaces[0].sent, 8);
    assert_int_equal(d->interfaces[0].sent_total, 58);
    collect_close(c);
    fixture_close(&f);
}

static void a_disk_that_goes_takes_no_name_along(void **state)
{
    (void)state;
    struct fixture f;
    struct sample  s;
    fixture_open(&f);
    fixture_write(&f, "proc/diskstats", "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n8 16 sdb 1 2 3 4 5 6 7 8 9 10 11\n");
    fixture_write(&f, "sys/block/sda/device/model", "first\n");
    fixture_write(&f, "sys/block/sdb/device/model", "second\n");
    struct collectors *c = opened(&f, &s);
    fixture_write(&f, "proc/diskstats", "8 16 sdb 1 2 4 4 5 6 7 8 9 10 11\n");
    collect_read(c, &s);
    assert_int_equal(collect_details(c)->disk_count, 1);
    assert_string_equal(collect_details(c)->disks[0].model, "second");
    assert_int_equal(collect_details(c)->disks[0].read, 512);
    fixture_remove(&f, "proc/diskstats");
    collect_close(c);
    fixture_close(&f);
}

static void a_mount_knows_its_disk(void **state)
{
    (void)state;
    struct fixture f;
    struct sample  s;
    fixture_open(&f);
    fixture_write(&f, "proc/self/mountinfo",
                  "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 253:0 / /proc rw - xfs /dev/mapper/vg-lv rw\n"
                  "3 1 0:30 / /dev rw - btrfs /dev/sdb rw\n4 1 0:31 / /sys rw - tmpfs none rw\n");
    fixture_write(&f, "proc/diskstats", "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n");
    fixture_folder(&f, "sys/dev");
    fixture_link(&f, "sys/dev/block/8:1", "../../devices/pci0000:00/ata1/block/sda/sda1");
    fixture_link(&f, "sys/dev/block/253:0", "../../devices/virtual/block/dm-0");
    fixture_folder(&f, "sys/class");
    fixture_link(&f, "sys/class/block/sdb", "../../devices/pci0000:00/ata2/block/sdb");
    fixture_folder(&f, "sys/class/block/dm-0");
    fixture_folder(&f, "sys/class/block/dm-0/slaves");
    fixture_write(&f, "sys/class/block/dm-0/slaves/sdc2", "%s", "");
    fixture_link(&f, "sys/class/block/sdc2", "../../devices/pci0000:00/ata3/block/sdc/sdc2");
    struct collectors    *c = opened(&f, &s);
    const struct details *d = collect_details(c);
    assert_non_null(d->mounts);
    assert_int_equal(d->mounts->count, 3);
    static const char *const expected[][2] = {{"/", "sda"}, {"/proc", "sdc"}, {"/dev", "sdb"}};
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(d->mounts->list[i].path, expected[i][0]);
        assert_string_equal(d->mounts->list[i].detail->disk, expected[i][1]);
    }
    uint64_t total = 0;
    for (size_t i = 0; i < 3; i++)
        total += d->mounts->list[i].detail->total;
    assert_int_equal(total, s.space_total);
    collect_close(c);
    fixture_close(&f);
}

static void nothing_at_all_is_no_detail(void **state)
{
    (void)state;
    struct fixture f;
    struct sample  s;
    fixture_open(&f);
    struct collectors    *c = opened(&f, &s);
    const struct details *d = collect_details(c);
    collect_read(c, &s);
    assert_true(d->cpu_count == 0 && d->disk_count == 0 && d->interface_count == 0);
    collect_close(c);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cpu_has_its_use_and_the_sum_is_the_machines),
        cmocka_unit_test(a_tick_too_many_is_shown_in_the_next_interval),
        cmocka_unit_test(disks_and_interfaces_add_up_to_the_sums),
        cmocka_unit_test(a_disk_that_goes_takes_no_name_along),
        cmocka_unit_test(a_mount_knows_its_disk),
        cmocka_unit_test(nothing_at_all_is_no_detail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
