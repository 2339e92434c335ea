// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include <fcntl.h>

#include "collect/disk.h"

static struct fixture f;
static struct disk    disk;
static struct scratch scratch;

static int set_up(void **state)
{
    (void)state;
    fixture_open(&f);
    return scratch_init(&scratch);
}

static int tear_down(void **state)
{
    (void)state;
    disk_close(&disk);
    scratch_done(&scratch);
    fixture_close(&f);
    return 0;
}

static void whole(const char *name, unsigned sectors)
{
    char path[128];
    (void)snprintf(path, sizeof path, "sys/block/%s/size", name);
    fixture_write(&f, path, "%u\n", sectors);
    (void)snprintf(path, sizeof path, "sys/block/%s/slaves", name);
    fixture_folder(&f, path);
}

static void slave(const char *name, const char *below)
{
    char path[128];
    (void)snprintf(path, sizeof path, "sys/block/%s/slaves/%s", name, below);
    fixture_link(&f, path, "../..");
}

static struct sample reading(void)
{
    struct sample s = {0};
    assert_int_equal(disk_read(&disk, &scratch, &s), 0);
    return s;
}

static void partitions_are_not_counted_with_their_disk(void **state)
{
    (void)state;
    whole("vda", 1000);
    whole("nvme0n1", 1000);
    whole("mmcblk0", 1000);
    fixture_write(&f, "proc/diskstats",
                  " 254 0 vda 1 0 10 0 1 0 100 0 0 0 0 0 0 0 0 0 0\n 254 1 vda1 1 0 9 0 1 0 90 0 0 0 0\n"
                  " 259 0 nvme0n1 1 0 20 0 1 0 200 0 0 0 0\n 259 1 nvme0n1p1 1 0 19 0 1 0 190 0 0 0 0\n"
                  " 179 0 mmcblk0 1 0 30 0 1 0 300 0 0 0 0\n 179 1 mmcblk0p1 1 0 29 0 1 0 290 0 0 0 0\n");
    assert_int_equal(disk_open(&disk, &f.roots), 0);
    assert_int_equal(reading().disk_read, 60 * 512);
    assert_int_equal(reading().disk_write, 600 * 512);
}

static void partitions_are_known_without_sys_too(void **state)
{
    (void)state;
    fixture_write(
        &f, "proc/diskstats",
        "254 0 vda 1 0 10 0 1 0 1 0 0 0 0\n254 1 vda1 1 0 9 0 1 0 1 0 0 0 0\n254 12 vda12 1 0 9 0 1 0 1 0 0 0 0\n"
        "254 16 vdab 1 0 5 0 1 0 1 0 0 0 0\n259 0 nvme0n1 1 0 20 0 1 0 1 0 0 0 0\n"
        "259 1 nvme0n1p1 1 0 19 0 1 0 1 0 0 0 0\n259 2 nvme0n2 1 0 7 0 1 0 1 0 0 0 0\n"
        "7 0 loop0 1 0 100 0 1 0 1 0 0 0 0\n253 0 dm-0 1 0 100 0 1 0 1 0 0 0 0\n");
    assert_int_equal(disk_open(&disk, &f.roots), 0);
    assert_int_equal(reading().disk_read, (10 + 5 + 20 + 7) * 512);
}

static void a_sector_is_512_bytes_on_a_4_kib_device_too(void **state)
{
    (void)state;
    whole("sda", 1000);
    fixture_write(&f, "sys/block/sda/queue/hw_sector_size", "4096\n");
    fixture_write(&f, "proc/diskstats", "8 0 sda 1 0 8 0 1 0 16 0 0 0 0\n");
    assert_int_equal(disk_open(&disk, &f.roots), 0);
    assert_int_equal(reading().disk_read, 4096);
    assert_int_equal(reading().disk_write, 8192);
}

static void what_stands_on_a_disk_is_not_counted_again(void **state)
{
    (void)state;
    whole("nvme0n1", 1000);
    whole("dm-0", 900);
    slave("dm-0", "nvme0n1p3");
    whole("dm-1", 800);
    slave("dm-1", "dm-0");
    whole("md0", 800);
    slave("md0", "sda1");
    whole("loop0", 70);
    whole("ram0", 70);
    whole("zram0", 70);
    whole("dm-2", 60);
    slave("dm-2", "loop0");
    fixture_write(
        &f, "proc/diskstats",
        "259 0 nvme0n1 1 0 10 0 1 0 1 0 0 0 0\n253 0 dm-0 1 0 10 0 1 0 1 0 0 0 0\n253 1 dm-1 1 0 10 0 1 0 1 0 0 0 0\n"
        "9 0 md0 1 0 10 0 1 0 1 0 0 0 0\n7 0 loop0 1 0 10 0 1 0 1 0 0 0 0\n1 0 ram0 1 0 10 0 1 0 1 0 0 0 0\n"
        "252 0 zram0 1 0 10 0 1 0 1 0 0 0 0\n253 2 dm-2 1 0 3 0 1 0 1 0 0 0 0\n");
    assert_int_equal(disk_open(&disk, &f.roots), 0);
    assert_int_equal(reading().disk_read, 10 * 512);
    assert_int_equal(disk_capacity(&f.roots), 1000 * 512);
}

/* A loop device's bytes are a file's, which lies on a disk that is counted; so are those of what stands on it. */
static void what_stands_on_loop_devices_alone_is_not_counted_either(void **state)
{
    (void)state;
    whole("vda", 1000);
    whole("loop0", 70);
    whole("loop1", 70);
    whole("zram0", 70);
    whole("dm-0", 60);
    slave("dm-0", "loop0");
    whole("md0", 60);
    slave("md0", "loop0");
    slave("md0", "loop1");
    whole("dm-1", 60);
    slave("dm-1", "md0");
    whole("dm-2", 60);
    slave("dm-2", "zram0");
    fixture_write(
        &f, "proc/diskstats",
        "254 0 vda 1 0 64 0 1 0 1 0 0 0 0\n7 0 loop0 1 0 16 0 1 0 1 0 0 0 0\n7 1 loop1 1 0 16 0 1 0 1 0 0 0 0\n"
        "253 0 dm-0 1 0 16 0 1 0 1 0 0 0 0\n9 0 md0 1 0 32 0 1 0 1 0 0 0 0\n253 1 dm-1 1 0 16 0 1 0 1 0 0 0 0\n"
        "253 2 dm-2 1 0 16 0 1 0 1 0 0 0 0\n252 0 zram0 1 0 16 0 1 0 1 0 0 0 0\n");
    assert_int_equal(disk_open(&disk, &f.roots), 0);
    assert_int_equal(reading().disk_read, 64 * 512);
    assert_int_equal(disk_capacity(&f.roots), 1000 * 512);
}

static void an_array_that_has_no_members_yet_is_not_taken_for_a_disk(void **state)
{
    (void)state;
    whole("sda", 1000);
    whole("md127", 0);
    whole("dm-0", 0);
    fixture_write(
        &f, "proc/diskstats",
        "8 0 sda 1 0 0 0 1 0 1 0 0 0 0\n9 127 md127 1 0 0 0 1 0 1 0 0 0 0\n253 0 dm-0 1 0 0 0 1 0 1 0 0 0 0\n");
    assert_int_equal(disk_open(&disk, &f.roots), 0);
    assert_int_equal(reading().disk_read, 0);
    slave("md127", "sda");
    slave("dm-0", "md127");
    fixture_write(
        &f, "proc/diskstats",
        "8 0 sda 1 0 9 0 1 0 1 0 0 0 0\n9 127 md127 1 0 9 0 1 0 1 0 0 0 0\n253 0 dm-0 1 0 9 0 1 0 1 0 0 0 0\n");
    assert_int_equal(reading().disk_read, 9 * 512);
}

static void volumes_of_zfs_bcache_and_drbd_are_counted_at_the_disks_below(void **state)
{
    (void)state;
    whole("sda", 1000);
    whole("sdb", 1000);
    whole("zd0", 500); /* lists no slaves */
    whole("zd16", 500);
    whole("drbd0", 500);
    whole("bcache0", 500);
    slave("bcache0", "sda");
    slave("bcache0", "sdb");
    whole("zdisk", 7); /* somebody's own */
    fixture_write(&f, "proc/diskstats",
                  "8 0 sda 1 0 10 0 1 0 1 0 0 0 0\n8 16 sdb 1 0 20 0 1 0 1 0 0 0 0\n230 0 zd0 1 0 10 0 1 0 1 0 0 0 0\n"
                  "230 16 zd16 1 0 10 0 1 0 1 0 0 0 0\n147 0 drbd0 1 0 10 0 1 0 1 0 0 0 0\n"
                  "251 0 bcache0 1 0 10 0 1 0 1 0 0 0 0\n99 0 zdisk 1 0 3 0 1 0 1 0 0 0 0\n");
    assert_int_equal(disk_open(&disk, &f.roots), 0);
    assert_int_equal(reading().disk_read, 33 * 512);
    assert_int_equal(disk_capacity(&f.roots), 2007 * 512);
}

/* /sys shows nothing below them. */
static void disks_put_together_outside_of_dm_are_counted_at_their_paths(void **state)
{
    (void)state;
    static const char *const stacked[] = {"emcpowera", "emcpowerbc", "vpatha",    "sddlmaa", "VxDMP1",
                                          "VxVM17000", "nvmesh!vol", "ublkb0",    "ublkb12", "asm!data-12",
                                          "zloop0",    "zd0",        "emcpowerz", "dm-0",    "nvmesh!a"};
    struct bytes             stats;
    bytes_init(&stats, 8192);
    whole("sda", 1000);
    whole("nvme0n1", 1000);
    whole("emcpower", 7); /* somebody's own, as these names go on in another way */
    whole("vpath1", 7);
    bytes_text(&stats, "8 0 sda 1 0 10 0 1 0 1 0 0 0 0\n259 0 nvme0n1 1 0 20 0 1 0 1 0 0 0 0\n"
                       "9 0 emcpower 1 0 1 0 1 0 1 0 0 0 0\n9 1 vpath1 1 0 2 0 1 0 1 0 0 0 0\n");
    for (size_t i = 0; i < sizeof stacked / sizeof *stacked; i++) {
        char name[64];
        whole(stacked[i], 500);
        (void)snprintf(name, sizeof name, "%s", stacked[i]);
        if (strchr(name, '!'))
            *strchr(name, '!') = '/';
        bytes_format(&stats, "120 %zu %s 1 0 400 0 1 0 1 0 0 0 0\n", i, name);
    }
    fixture_write_bytes(&f, "proc/diskstats", stats.data, stats.len);
    assert_int_equal(disk_open(&disk, &f.roots), 0);
    assert_int_equal(reading().disk_read, 33 * 512);
    assert_int_equal(disk_capacity(&f.roots), 2014 * 512);
    disk_close(&disk);
    fixture_remove(&f, "sys/block");
    fixture_write(&f, "proc/diskstats",
                  "8 0 sda 1 0 10 0 1 0 1 0 0 0 0\n120 0 emcpowera 1 0 400 0 1 0 1 0 0 0 0\n"
                  "120 1 emcpowera1 1 0 300 0 1 0 1 0 0 0 0\n");
    assert_int_equal(disk_open(&disk, &f.roots), 0);
    assert_int_equal(reading().disk_read, 10 * 512);
    bytes_done(&stats);
}

static void what_comes_from_far_away_is_a_disk_where_no_other_is(void **state)
{
    (void)state;
    whole("sda", 1000);
    whole("nvmesh!vol", 500);
    fixture_write(&f, "proc/diskstats", "8 0 sda 1 0 10 0 1 0 1 0 0 0 0\n120 0 nvmesh/vol 1 0 5 0 1 0 1 0 0 0 0\n");
    assert_int_equal(disk_open(&disk, &f.roots), 0);
    assert_int_equal(reading().disk_read, 15 * 512);
    assert_int_equal(disk_capacity(&f.roots), 1500 * 512);
    disk_close(&disk);
    fixture_remove(&f, "sys/block");
    whole("ublkb0", 500);
    whole("loop0", 70);
    fixture_write(&f, "proc/diskstats", "259 0 ublkb0 1 0 5 0 1 0 1 0 0 0 0\n7 0 loop0 1 0 5 0 1 0 1 0 0 0 0\n");
    assert_int_equal(disk_open(&disk, &f.roots), 0);
    assert_int_equal(reading().disk_read, 5 * 512);
    assert_int_equal(disk_capacity(&f.roots), 500 * 512);
}

/* Each a disk of its own, whatever it is made of: eMMC's boot areas have counters of their own, what is behind nbd,
 * rbd or iSCSI is on no disk of this machine. */
static void unusual_disks_are_disks(void **state)
{
    (void)state;
    static const char *const names[] = {"mmcblk0", "mmcblk0boot0", "sr0",  "nbd0",     "rbd0",
                                        "dasda",   "pmem0",        "xvda", "mtdblock0"};
    static char              lines[1024];
    size_t                   len = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        whole(names[i], 10);
        len += (size_t)snprintf(lines + len, sizeof lines - len, "9%zu 0 %s 1 0 1 0 1 0 1 0 0 0 0\n", i, names[i]);
    }
    (void)snprintf(lines + len, sizeof lines - len,
                   "179 1 mmcblk0p1 1 0 1 0 1 0 1 0 0 0 0\n43 1 nbd0p1 1 0 1 0 1 0 1 0 0 0 0\n94 1 dasda1 1 0 1 0 1 0 "
                   "1 0 0 0 0\n");
    fixture_write(&f, "proc/diskstats", "%s", lines);
    assert_int_equal(disk_open(&disk, &f.roots), 0);
    assert_int_equal(reading().disk_read, sizeof names / sizeof *names * 512);
}

static void a_disk_pulled_and_put_back_under_its_name_makes_no_jump(void **state)
{
    (void)state;
    whole("sda", 10);
    whole("nbd0", 10);
    fixture_write(&f, "proc/diskstats", "8 0 sda 1 0 10 0 1 0 1 0 0 0 0\n43 0 nbd0 1 0 5000 0 1 0 1 0 0 0 0\n");
    assert_int_equal(disk_open(&disk, &f.roots), 0);
    assert_int_equal(reading().disk_read, 5010 * 512);
    fixture_write(&f, "proc/diskstats", "8 0 sda 1 0 11 0 1 0 1 0 0 0 0\n");
    assert_int_equal(reading().disk_read, 5011 * 512);
    fixture_write(&f, "proc/diskstats", "8 0 sda 1 0 12 0 1 0 1 0 0 0 0\n43 0 nbd0 1 0 7 0 1 0 1 0 0 0 0\n");
    assert_int_equal(reading().disk_read, 5019 * 512); /* a new device: what it has was moved since */
}

static void an_nvme_with_two_paths_is_counted_once(void **state)
{
    (void)state;
    whole("nvme0n1", 1000);
    whole("nvme0c0n1", 1000);
    whole("nvme0c1n1", 1000);
    whole("nvme1n1", 500);
    fixture_write(&f, "sys/block/nvme0c0n1/hidden", "1\n");
    fixture_write(&f, "sys/block/nvme0c1n1/hidden", "1\n");
    fixture_write(&f, "proc/diskstats",
                  "259 0 nvme0n1 1 0 30 0 1 0 1 0 0 0 0\n0 0 nvme0c0n1 1 0 10 0 1 0 1 0 0 0 0\n"
                  "0 0 nvme0c1n1 1 0 20 0 1 0 1 0 0 0 0\n259 3 nvme1n1 1 0 5 0 1 0 1 0 0 0 0\n");
    assert_int_equal(disk_open(&disk, &f.roots), 0);
    assert_int_equal(reading().disk_read, 35 * 512);
    assert_int_equal(disk_capacity(&f.roots), 1500 * 512);
}

static void a_slash_in_a_name_is_an_exclamation_mark_in_sys(void **state)
{
    (void)state;
    whole("cciss!c0d0", 10);
    fixture_write(&f, "proc/diskstats",
                  "104 0 cciss/c0d0 1 0 4 0 1 0 1 0 0 0 0\n104 1 cciss/c0d0p1 1 0 4 0 1 0 1 0 0 0 0\n");
    assert_int_equal(disk_open(&disk, &f.roots), 0);
    assert_int_equal(reading().disk_read, 4 * 512);
}

static void a_disk_that_comes_and_goes_makes_no_jump_and_no_fall(void **state)
{
    (void)state;
    whole("sda", 10);
    fixture_write(&f, "proc/diskstats", "8 0 sda 1 0 1000 0 1 0 1 0 0 0 0\n");
    assert_int_equal(disk_open(&disk, &f.roots), 0);
    assert_int_equal(reading().disk_read, 1000 * 512);
    whole("sdb", 10);
    fixture_write(&f, "proc/diskstats", "8 0 sda 1 0 1001 0 1 0 1 0 0 0 0\n8 16 sdb 1 0 8 0 1 0 1 0 0 0 0\n");
    assert_int_equal(reading().disk_read, 1009 * 512);
    fixture_write(&f, "proc/diskstats", "8 0 sda 1 0 1002 0 1 0 1 0 0 0 0\n");
    assert_int_equal(reading().disk_read, 1010 * 512);
    fixture_write(&f, "proc/diskstats", "8 0 sda 1 0 2 0 1 0 1 0 0 0 0\n");
    assert_int_equal(reading().disk_read, 1010 * 512);
    fixture_write(&f, "proc/diskstats", "8 0 sda 1 0 5 0 1 0 1 0 0 0 0\n");
    assert_int_equal(reading().disk_read, 1013 * 512);
}

/* The kernel lists disks by their position, some thirty at a time: when one goes meanwhile, another is left out. */
static void a_disk_left_out_of_one_reading_makes_no_jump(void **state)
{
    (void)state;
    whole("sda", 10);
    whole("sdb", 10);
    fixture_write(&f, "proc/diskstats", "8 0 sda 1 0 10 0 1 0 1 0 0 0 0\n8 16 sdb 1 0 7000000 0 1 0 9000000 0 0 0 0\n");
    assert_int_equal(disk_open(&disk, &f.roots), 0);
    uint64_t before = reading().disk_write;
    fixture_write(&f, "proc/diskstats", "8 0 sda 1 0 11 0 1 0 1 0 0 0 0\n");
    assert_int_equal(reading().disk_read, 7000011 * 512ULL);
    fixture_write(&f, "proc/diskstats", "8 0 sda 1 0 12 0 1 0 1 0 0 0 0\n8 16 sdb 1 0 7000005 0 1 0 9000009 0 0 0 0\n");
    struct sample s = reading();
    assert_int_equal(s.disk_read, 7000017 * 512ULL);
    assert_int_equal(s.disk_write, before + 9 * 512);
}

static void put_disks(int first, int end, unsigned sectors)
{
    char  *content = malloc((size_t)(end - first) * 64);
    size_t len = 0;
    assert_non_null(content);
    for (int i = first; i < end; i++)
        len += (size_t)sprintf(content + len, "8 %d disk%da 1 0 %u 0 1 0 1 0 0 0 0\n", i, i, sectors);
    fixture_write_bytes(&f, "proc/diskstats", content, len);
    free(content);
}

static void two_thousand_disks_are_all_counted(void **state)
{
    (void)state;
    put_disks(0, 2000, 1);
    assert_int_equal(disk_open(&disk, &f.roots), 0);
    assert_int_equal(reading().disk_read, 2000 * 512);
    put_disks(0, 2000, 3);
    assert_int_equal(reading().disk_read, 6000 * 512);
}

enum { TOO_MANY = DEVICES_MAX + 1000 };

static void more_disks_than_places_are_read_in_bounded_memory(void **state)
{
    (void)state;
    put_disks(0, TOO_MANY, 1);
    assert_int_equal(disk_open(&disk, &f.roots), 0);
    assert_int_equal(reading().disk_read, DEVICES_MAX * 512);
    assert_int_equal(disk.devices.capacity, DEVICES_MAX);
}

static void more_disks_than_places_make_no_jump_when_one_goes(void **state)
{
    (void)state;
    put_disks(0, TOO_MANY, 1000);
    assert_int_equal(disk_open(&disk, &f.roots), 0);
    for (int first = 0; first < 2; first++) {
        put_disks(first, TOO_MANY, 1000);
        assert_int_equal(reading().disk_read, DEVICES_MAX * 1000 * 512ULL);
    }
    for (int i = 0; i < 2; i++) /* the place of the one that went is free once it has been missing twice */
        assert_int_equal(reading().disk_read, DEVICES_MAX * 1000 * 512ULL);
    put_disks(1, TOO_MANY, 1001);
    assert_int_equal(reading().disk_read, DEVICES_MAX * 1001 * 512ULL);
}

static void the_real_machine_counts_what_we_write(void **state)
{
    (void)state;
    struct roots  real = {"/proc", "/sys"};
    struct sample before;
    struct sample now;
    assert_int_equal(disk_open(&disk, &real), 0);
    before = reading();
    now = before;
    int fd = open("/var/tmp", O_TMPFILE | O_RDWR, 0600);
    if (fd >= 0) {
        static char block[1 << 20];
        memset(block, 'x', sizeof block);
        assert_int_equal(write(fd, block, sizeof block), sizeof block);
        assert_int_equal(fsync(fd), 0);
        close(fd);
    }
    now = reading();
    assert_true(now.disk_read >= before.disk_read && now.disk_write >= before.disk_write);
    uint64_t capacity = disk_capacity(&real);
    if (fd >= 0 && capacity != METRIC_NONE && capacity > 0)
        assert_true(now.disk_write - before.disk_write >= 1 << 20);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(partitions_are_not_counted_with_their_disk),
        test(partitions_are_known_without_sys_too),
        test(a_sector_is_512_bytes_on_a_4_kib_device_too),
        test(what_stands_on_a_disk_is_not_counted_again),
        test(what_stands_on_loop_devices_alone_is_not_counted_either),
        test(an_array_that_has_no_members_yet_is_not_taken_for_a_disk),
        test(volumes_of_zfs_bcache_and_drbd_are_counted_at_the_disks_below),
        test(disks_put_together_outside_of_dm_are_counted_at_their_paths),
        test(what_comes_from_far_away_is_a_disk_where_no_other_is),
        test(unusual_disks_are_disks),
        test(a_disk_pulled_and_put_back_under_its_name_makes_no_jump),
        test(an_nvme_with_two_paths_is_counted_once),
        test(a_slash_in_a_name_is_an_exclamation_mark_in_sys),
        test(a_disk_that_comes_and_goes_makes_no_jump_and_no_fall),
        test(a_disk_left_out_of_one_reading_makes_no_jump),
        test(two_thousand_disks_are_all_counted),
        test(more_disks_than_places_are_read_in_bounded_memory),
        test(more_disks_than_places_make_no_jump_when_one_goes),
        test(the_real_machine_counts_what_we_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
