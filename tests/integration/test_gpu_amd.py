#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""GPUs of amdgpu through the whole shipped engine, on a machine without any: in a mount namespace of the test's own,
/sys/class/drm, /dev/dri and the program's fdinfo are folders of files. What a driver does is not shown by this."""
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import PYTHON, ServedTest, pillion  # noqa: E402

# $0: a folder with `drm`, which becomes /sys/class/drm. What else is read in /sys/class stays, and /dev keeps the
# devices that programs cannot do without.
MOUNTED = r"""
set -e
mkdir "$0/class" "$0/dev" && mount --bind /sys/class "$0/class"
mount -t tmpfs none /sys/class
for name in net dmi drm; do
    from="$0/class/$name"
    [ $name = drm ] && from="$0/drm"
    if [ -d "$from" ]; then mkdir "/sys/class/$name" && mount --bind "$from" "/sys/class/$name"; fi
done
mount -t tmpfs none "$0/dev" && mkdir "$0/dev/dri" "$0/dev/shm" && : > "$0/dev/dri/renderD128"
for name in null zero full random urandom; do
    : > "$0/dev/$name" && mount --bind "/dev/$name" "$0/dev/$name"
done
mount --rbind "$0/dev" /dev
exec env LD_PRELOAD="$HOOK" "$@"
"""

# Opens the node and works on it for half of the time; prints how long, in ms.
WORKS = r"""
import ctypes, os, sys, time
node, info = os.open("/dev/dri/renderD128", os.O_RDWR), sys.argv[1]
def tell(ms):
    with open(info + "/new", "w") as file:
        file.write("pos:\t0\nflags:\t02100002\ndrm-driver:\tamdgpu\ndrm-client-id:\t17\ndrm-pdev:\t0000:03:00.0\n"
                   "drm-resident-vram:\t2048 KiB\ndrm-memory-vram:\t2048 KiB\ndrm-engine-gfx:\t%d ns\n" % (ms * 1e6))
    os.rename(info + "/new", info + "/%d" % node)
tell(0)
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(info.encode(), b"/proc/%d/fdinfo" % os.getpid(), None, 4096, None): # MS_BIND
    sys.exit(os.strerror(ctypes.get_errno()))
begun = time.monotonic()
while time.monotonic() < begun + 2.5:
    time.sleep(0.02)
    busy = (time.monotonic() - begun) * 500
    tell(busy)
print(int(busy))
"""


@unittest.skipUnless(os.geteuid() == 0, "only root mounts over /sys and /dev")
class Devices(ServedTest):
    def setUp(self):
        super().setUp()
        if not shutil.which("unshare") or self.launch("unshare", "-m", "true", preload=False).status != 0:
            self.skipTest("no mount namespace here")
        self.device(0, "0000:03:00.0", gpu_busy_percent=37, mem_info_vram_used=3 << 20, mem_info_vram_total=16 << 30,
                    product_name="AMD Instinct MI300X OAM")
        self.device(1, "0000:83:00.0", gpu_busy_percent=100, mem_info_vram_used=5 << 20, mem_info_vram_total=16 << 30)
        (self.tmp / "drm" / "card0-DP-1").symlink_to(".devices/0000:03:00.0")

    def device(self, card, pdev, driver="amdgpu", **attributes):
        folder = self.tmp / "drm" / ".devices" / pdev
        (folder / "power").mkdir(parents=True)
        (folder / "power" / "runtime_status").write_text("active\n")
        (folder / "driver").symlink_to("../../../../bus/pci/drivers/%s" % driver)
        for name, value in attributes.items():
            (folder / name).write_text("%s\n" % value)
        (self.tmp / "drm" / ("card%d" % card)).mkdir()
        (self.tmp / "drm" / ("card%d" % card) / "device").symlink_to("../.devices/%s" % pdev)

    def mounted(self, *argv):
        env = dict(self.env(), HOOK=str(pillion.HOOK))
        result = self.launch("unshare", "-m", "sh", "-c", MOUNTED, self.tmp, *argv, preload=False, env=env)
        self.assertEqual((result.status, result.stderr), (0, b""), result)
        return result.stdout, self.only_run().rows

    def test_rows_and_registration_have_the_devices_and_none_of_them_is_the_trees(self):
        _, rows = self.mounted("sleep", "0.5")
        for row in rows:
            self.assertEqual((row["system_gpu_usage"], row["system_gpu_vram_mib"], row["system_gpu_utilized"]),
                             (1.37, 8, 2))
            self.assertEqual((row["process_gpu_usage"], row["process_gpu_vram_mib"], row["process_gpu_utilized"]),
                             (0, 0, 0))
            self.assertIsNotNone(row["system_net_recv_bytes"])
        body = self.server.of("register")[0].body
        self.assertEqual({key: value for key, value in body.items() if key.startswith("host_gpu")},
                         {"host_gpu_model": "AMD Instinct MI300X OAM", "host_gpu_count": 2,
                          "host_gpu_memory_mib": 32768})

    def test_with_few_descriptor_numbers_the_figures_are_the_same(self):
        (self.tmp / "fdinfo").mkdir()
        _, rows = self.mounted("sh", "-c", 'ulimit -n 32 && exec "$@"', "sh", PYTHON, "-S", "-c", WORKS,
                               self.tmp / "fdinfo")
        self.assertEqual({row["system_gpu_usage"] for row in rows}, {1.37})
        self.assertEqual({row["process_gpu_vram_mib"] for row in rows} - {0}, {2})

    def test_a_sleeping_device_is_idle(self):
        for folder in (self.tmp / "drm" / ".devices").iterdir():
            (folder / "power" / "runtime_status").write_text("suspended\n")
        _, rows = self.mounted("sleep", "0.3")
        self.assertEqual({(row["system_gpu_usage"], row["system_gpu_utilized"]) for row in rows}, {(0, 0)})

    def test_graphics_of_a_virtual_machine_are_no_gpu(self):
        shutil.rmtree(self.tmp / "drm")
        self.device(0, "0000:00:01.0", driver="virtio_gpu")
        _, rows = self.mounted("sleep", "0.3")
        self.assertEqual({row["system_gpu_usage"] for row in rows} | {row["process_gpu_usage"] for row in rows}, {None})
        self.assertFalse([key for key in self.server.of("register")[0].body if "gpu" in key])

    def test_what_a_program_works_is_in_its_rows(self):
        (self.tmp / "fdinfo").mkdir()
        out, rows = self.mounted(PYTHON, "-S", "-c", WORKS, self.tmp / "fdinfo")
        worked = int(out) / 1000
        seen = sum(after["process_gpu_usage"] * (after["timestamp"] - before["timestamp"])
                   for before, after in zip(rows, rows[1:]))
        self.assertTrue(0.3 * worked < seen < 1.1 * worked, (worked, seen))
        self.assertEqual({row["process_gpu_vram_mib"] for row in rows} - {0}, {2})
        for row in rows:
            self.assertEqual(row["process_gpu_utilized"], int(row["process_gpu_usage"] > 0), row)


if __name__ == "__main__":
    pillion.main()
