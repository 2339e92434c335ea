// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "collect/space.h"

static struct fixture f;
static struct space   space;
static struct scratch scratch;
static char           asked[1024];

static int set_up(void **state)
{
    (void)state;
    fixture_open(&f);
    asked[0] = '\0';
    return scratch_init(&scratch);
}

static int tear_down(void **state)
{
    (void)state;
    space_close(&space);
    scratch_done(&scratch);
    fixture_close(&f);
    return 0;
}

/* A filesystem of 1000 blocks of 4 KiB, 10 of them for root alone; /same shows the figures of /. */
static int fake_statvfs(const char *path, struct statvfs *ret)
{
    size_t len = strlen(asked);
    (void)snprintf(asked + len, sizeof asked - len, "%s,", path);
    if (strcmp(path, "/gone") == 0)
        return -1;
    unsigned more = strcmp(path, "/") == 0 || strcmp(path, "/same") == 0 ? 0 : (unsigned)strlen(path);
    *ret = (struct statvfs){.f_bsize = 65536, .f_frsize = 4096, .f_blocks = 1000 + more, .f_bfree = 410, .f_bavail = 400};
    return 0;
}

static int read_mounts(const char *mountinfo, struct sample *ret)
{
    *ret = (struct sample){.space_total = METRIC_NONE};
    fixture_write(&f, "proc/self/mountinfo", "%s", mountinfo);
    assert_int_equal(space_open(&space, &f.roots), 0);
    space.statvfs = fake_statvfs;
    return space_read(&space, &scratch, ret);
}

static void what_root_keeps_for_itself_is_not_free(void **state)
{
    (void)state;
    struct sample s;
    assert_int_equal(read_mounts("27 1 254:0 / / rw shared:1 - ext4 /dev/vda rw\n", &s), 0);
    assert_int_equal(s.space_total, 4096000);
    assert_int_equal(s.space_free, 400 * 4096);
    assert_int_equal(s.space_used, 600 * 4096);
}

static void bind_mounts_of_one_device_are_counted_once(void **state)
{
    (void)state;
    struct sample s;
    assert_int_equal(read_mounts("27 1 254:0 / / rw - ext4 /dev/vda rw\n28 27 254:0 /a /b rw - ext4 /dev/vda rw\n"
                                 "29 27 254:1 / /data rw - xfs /dev/mapper/d rw\n30 27 254:1 /x /y rw - xfs /dev/mapper/d rw\n"
                                 "31 27 0:40 /@ /btr rw - btrfs /dev/sdc1 rw\n32 27 0:40 /@home /h rw - btrfs /dev/sdc1 rw\n",
                                 &s), 0);
    assert_string_equal(asked, "/,/data,/btr,");
}

static void network_fuse_autofs_and_images_are_never_asked(void **state)
{
    (void)state;
    struct sample s;
    assert_int_equal(read_mounts("27 1 254:0 / / rw - ext4 /dev/vda rw\n1 27 0:50 / /n rw - nfs4 /dev/null:/x rw\n"
                                 "2 27 0:51 / /c rw - cifs //server/x rw\n3 27 8:3 / /ntfs rw - fuseblk /dev/sdb1 rw\n"
                                 "4 27 0:53 / /auto rw - autofs /dev/auto rw\n5 27 0:54 / /s rw - fuse.sshfs me@x: rw\n"
                                 "6 27 7:1 / /snap/a ro - squashfs /dev/loop1 ro\n7 27 7:2 / /img rw - ext4 /dev/loop2 rw\n"
                                 "8 27 11:0 / /cd ro - iso9660 /dev/sr0 ro\n9 27 0:55 / /tmp rw - tmpfs tmpfs rw\n"
                                 "10 27 0:56 / /dev rw - devtmpfs devtmpfs rw\n11 27 252:0 / /z rw - ext4 /dev/zram0 rw\n",
                                 &s), 0);
    assert_string_equal(asked, "/,");
}

static void a_disk_that_machines_share_is_not_asked_as_their_locks_may_hang(void **state)
{
    (void)state;
    struct sample s;
    assert_int_equal(read_mounts("27 1 254:0 / / rw - ext4 /dev/vda rw\n28 27 253:1 / /g rw - gfs2 /dev/mapper/g rw\n"
                                 "29 27 253:2 / /o rw - ocfs2 /dev/sdc rw\n", &s), 0);
    assert_string_equal(asked, "/,");
}

static void a_network_root_is_not_asked_either(void **state)
{
    (void)state;
    struct sample s;
    assert_int_equal(read_mounts("27 1 0:50 / / rw - nfs server:/x rw\n", &s), -ENODATA);
    assert_string_equal(asked, "");
    assert_true(s.space_total == METRIC_NONE);
}

static void an_overlay_and_the_disk_below_it_are_one(void **state)
{
    (void)state;
    struct sample s;
    assert_int_equal(read_mounts("500 400 0:60 / / rw - overlay overlay rw,lowerdir=/l\n"
                                 "501 500 254:1 /var/lib/docker/c/hosts /same rw - ext4 /dev/vda1 rw\n"
                                 "502 500 254:2 / /volume rw - ext4 /dev/vdb rw\n", &s), 0);
    assert_int_equal(s.space_total, (1000 + 1007) * 4096);
    assert_string_equal(asked, "/,/same,/volume,");
}

static void a_mount_under_another_is_not_asked(void **state)
{
    (void)state;
    struct sample s;
    assert_int_equal(read_mounts("1 1 0:2 / / rw - rootfs rootfs rw\n27 1 254:0 / / rw - ext4 /dev/vda rw\n"
                                 "30 27 8:1 / /mnt rw - ext4 /dev/sda1 rw\n31 30 0:77 / /mnt rw - nfs s:/x rw\n"
                                 "32 27 8:17 / /a/b rw - ext4 /dev/sdb1 rw\n33 27 0:78 / /a rw - nfs s:/y rw\n"
                                 "34 27 0:79 / /boot rw - autofs systemd-1 rw\n35 34 8:2 / /boot rw - vfat /dev/sda2 rw\n"
                                 "36 27 8:33 / /ab rw - ext4 /dev/sdc1 rw\n", &s), 0);
    assert_string_equal(asked, "/,/boot,/ab,");
}

/* statvfs on /fuse/disk looks up "disk" in /fuse: a server that hangs would stop it all the same. */
static void a_mount_below_what_may_hang_is_not_asked(void **state)
{
    (void)state;
    struct sample s;
    assert_int_equal(read_mounts("27 1 254:0 / / rw - ext4 /dev/vda rw\n28 27 0:50 / /fuse rw - fuse.x x rw\n"
                                 "29 28 8:1 / /fuse/disk rw - ext4 /dev/sda1 rw\n30 27 0:51 / /home rw - nfs4 s:/h rw\n"
                                 "31 30 0:52 / /home/t rw - tmpfs t rw\n32 31 8:2 / /home/t/x rw - xfs /dev/sda2 rw\n"
                                 "33 27 8:3 / /data rw - xfs /dev/sda3 rw\n", &s), 0);
    assert_string_equal(asked, "/,/data,");
}

static void below_a_root_from_the_network_disks_are_asked(void **state)
{
    (void)state;
    struct sample s;
    assert_int_equal(read_mounts("27 1 0:50 / / rw - nfs server:/x rw\n28 27 8:1 / /scratch rw - xfs /dev/sda1 rw\n", &s), 0);
    assert_string_equal(asked, "/scratch,");
}

static void spaces_in_a_path_are_unescaped(void **state)
{
    (void)state;
    struct sample s;
    assert_int_equal(read_mounts("27 1 254:0 / /my\\040disk\\134x rw shared:1 master:2 - ext4 /dev/vda rw\n", &s), 0);
    assert_string_equal(asked, "/,/my disk\\x,"); /* no mount holds / by name: it is asked all the same */
}

static void a_filesystem_that_fails_is_left_out(void **state)
{
    (void)state;
    struct sample s;
    assert_int_equal(read_mounts("27 1 254:0 / / rw - ext4 /dev/vda rw\n28 27 254:1 / /gone rw - ext4 /dev/vdb rw\n", &s), 0);
    assert_int_equal(s.space_total, 4096000);
}

static void nonsense_is_no_mount(void **state)
{
    (void)state;
    struct sample s;
    assert_int_equal(read_mounts("\n1\n1 2 3\n1 2 3:4 / /x\n1 2 3:4 / /x rw - \n1 2 3:4 / /x rw ext4 /dev/vda rw\n", &s), -ENODATA);
    assert_string_equal(asked, "");
}

static void two_thousand_mounts_are_bounded(void **state)
{
    (void)state;
    struct sample s;
    char         *content = malloc(1 << 18);
    size_t        len = 0;
    assert_non_null(content);
    for (int i = 0; i < 2000; i++)
        len += (size_t)sprintf(content + len, "%d 27 8:%d / /m%d rw - ext4 /dev/sd%d rw\n", 100 + i, i, i, i);
    assert_int_equal(read_mounts(content, &s), 0);
    assert_int_equal(space.mounts.count, MOUNTS_KEPT_MAX);
    free(content);
}

/* 60,000 mounts: 80 ms of each row otherwise, with the kernel's list of mounts locked. */
static void a_list_of_mounts_beyond_all_bounds_is_not_read_for_each_row(void **state)
{
    (void)state;
    enum { LONG = 9 << 20 };
    static const char one[] = "27 1 254:0 / / rw - ext4 /dev/vda rw\n";
    struct sample     s = {.space_total = METRIC_NONE};
    char             *content = malloc(LONG);
    assert_non_null(content);
    for (size_t i = 0; i < LONG; i++)
        content[i] = one[i % (sizeof one - 1)];
    fixture_write_bytes(&f, "proc/self/mountinfo", content, LONG);
    free(content);
    assert_int_equal(space_open(&space, &f.roots), 0);
    space.statvfs = fake_statvfs;
    assert_int_equal(space_read(&space, &scratch, &s), -EFBIG);
    assert_int_equal(space_read(&space, &scratch, &s), -ENODATA);
    assert_true(s.space_total == METRIC_NONE);
}

static void the_real_root_is_what_statvfs_says(void **state)
{
    (void)state;
    struct roots   real = {"/proc", "/sys"};
    struct sample  s = {.space_total = METRIC_NONE};
    struct statvfs root;
    assert_int_equal(space_open(&space, &real), 0);
    assert_int_equal(statvfs("/", &root), 0);
    if (space_read(&space, &scratch, &s) == 0)
        assert_true(s.space_total >= root.f_blocks * root.f_frsize);
    assert_int_equal(space_read(&space, &scratch, &s), 0);
}

/* In a mount namespace of its own; a user namespace where the test is not root. 77: neither is allowed here. */
static int new_mount_is_noticed(void)
{
    struct roots  real = {"/proc", "/sys"};
    struct sample s;
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return 77;
    if (mount("none", "/", "none", MS_REC | MS_PRIVATE, "") != 0 || space_open(&space, &real) != 0)
        return 77;
    (void)space_read(&space, &scratch, &s);
    struct mount *before = space.mounts.list;
    (void)space_read(&space, &scratch, &s);
    if (space.mounts.list != before)
        return 1; /* parsed again without need */
    if (mount("t", f.proc, "tmpfs", 0, "") != 0)
        return 77;
    mounts_done(&space.mounts); /* as if nothing had been known */
    (void)space_read(&space, &scratch, &s);
    int found = space.mounts.count > 0 ? 0 : 2;
    space_close(&space);
    scratch_done(&scratch);
    return found;
}

static void the_mounts_are_parsed_again_only_when_they_change(void **state)
{
    (void)state;
    int   status = 0;
    pid_t child = fork();
    space.fd = -1;
    if (child == 0)
        _exit(new_mount_is_noticed());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip(skip_is_in_chroot() ? "a chroot forbids mounts" : "no mounts may be made here");
    else
        assert_int_equal(WEXITSTATUS(status), 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(what_root_keeps_for_itself_is_not_free),
        test(bind_mounts_of_one_device_are_counted_once),
        test(network_fuse_autofs_and_images_are_never_asked),
        test(a_disk_that_machines_share_is_not_asked_as_their_locks_may_hang),
        test(a_network_root_is_not_asked_either),
        test(an_overlay_and_the_disk_below_it_are_one),
        test(a_mount_under_another_is_not_asked),
        test(a_mount_below_what_may_hang_is_not_asked),
        test(below_a_root_from_the_network_disks_are_asked),
        test(spaces_in_a_path_are_unescaped),
        test(a_filesystem_that_fails_is_left_out),
        test(nonsense_is_no_mount),
        test(two_thousand_mounts_are_bounded),
        test(a_list_of_mounts_beyond_all_bounds_is_not_read_for_each_row),
        test(the_real_root_is_what_statvfs_says),
        test(the_mounts_are_parsed_again_only_when_they_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
