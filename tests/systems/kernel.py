# SPDX-License-Identifier: Apache-2.0
"""A virtual machine with Debian's own kernel, emulated, so that it needs nothing of this machine's kernel: its root is
this system's, read-only below a layer of memory, so it has the same tools and the pair that was built here.

The kernel is unpacked once into the cache. Results come back in a folder that both sides see."""
import fcntl
import json
import lzma
import pathlib
import re
import shutil
import subprocess
import time

import roots

LEFT_OUT = ("sound", "drivers/gpu", "drivers/media", "drivers/net/ethernet", "drivers/net/wireless", "drivers/infiniband",
            "drivers/staging", "drivers/scsi", "drivers/usb", "drivers/iio", "drivers/hid")
TO_BEGIN = ("virtio_pci", "virtio_blk", "virtio_net", "9p", "9pnet_virtio", "crc32c_generic", "ext4", "overlay")  # all else modprobe finds
DISKS = {"vda": 2048, "vdb": 256}  # MiB: the tests' folders, and PILLION_TEST_DISK
QEMU = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max,la57=off", "-smp", "2", "-m", "1024",
        "-display", "none", "-no-reboot", "-serial", "stdio", "-monitor", "none", "-nic", "user,model=virtio-net-pci"]
# No clock and no check that a busy host misleads.
COMMAND_LINE = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr no_timer_check tsc=unstable clocksource=hpet"

INIT = """#!/bin/busybox sh
bb=/bin/busybox
$bb mkdir -p /proc /sys /dev /lower /upper /root /hold/source /hold/build
$bb mount -t proc proc /proc
$bb mount -t sysfs sysfs /sys
$bb mount -t devtmpfs devtmpfs /dev
for module in {modules}; do $bb insmod /$module || echo "no $module"; done
$bb mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=524288 system /lower
$bb mount -t tmpfs tmpfs /upper
$bb mkdir /upper/up /upper/work
$bb mount -t overlay -o lowerdir=/lower,upperdir=/upper/up,workdir=/upper/work overlay /root
$bb mount --bind "/root{source}" /hold/source
$bb mount --bind "/root{build}" /hold/build
cd /root
$bb mkdir -p proc sys dev lib/modules tmp run disk out
$bb mount --bind "/root{kernel}" lib/modules
$bb mount -t tmpfs -o mode=1777 tmpfs tmp
$bb mount -t tmpfs tmpfs run
$bb mkdir -p "/root{source}"
$bb mount --bind /hold/source "/root{source}"
$bb mkdir -p "/root{build}"
$bb mount --bind /hold/build "/root{build}"
$bb mount -t ext4 -o lazytime /dev/vda disk
$bb mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 out out
$bb mount --move /proc proc
$bb mount --move /sys sys
$bb mount --move /dev dev
$bb mkdir -p dev/pts dev/shm
$bb mount -t devpts devpts dev/pts
$bb mount -t tmpfs -o mode=1777 tmpfs dev/shm
$bb mount -t cgroup2 cgroup2 sys/fs/cgroup
$bb mount -t securityfs securityfs sys/kernel/security
exec $bb switch_root /root {python} "{source}/tests/systems/guest.py"
"""


class Kernel:
    """Unpacked: `image`, `modules` (the folder that has one of its version), and what modules.dep says."""

    def __init__(self, folder):
        self.image = next(folder.glob("boot/vmlinuz-*"))
        self.version = self.image.name[len("vmlinuz-"):]
        self.modules = next(path for path in (folder / "lib/modules", folder / "usr/lib/modules") if path.is_dir())
        self.needs = {}
        for line in (self.modules / self.version / "modules.dep").read_text().splitlines():
            path, needs = line.split(":")
            self.needs[path] = needs.split()

    def files(self, names):
        """The files of these modules, each behind those that it needs; what is built in has none."""
        found = []
        for name in names:
            for path in self.needs:
                if pathlib.PurePath(path).name.split(".")[0].replace("-", "_") == name:
                    found += [one for one in reversed(self.needs[path]) if one not in found] + [path]
        return list(dict.fromkeys(found))


def debian_kernel():
    """From the cache, or fetched into it."""
    folder = roots.cache() / "kernel"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open("%s.lock" % folder, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            part = folder.with_name("kernel.part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            unpack(fetch(part), part)
            part.rename(folder)
    return Kernel(folder)


def packages():
    """The one that linux-image-amd64 stands for, and the others of its kind, newest first."""
    said = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], stdout=subprocess.PIPE, check=True).stdout.decode()
    first = re.findall(r"Depends: (linux-image-[0-9]\S+)", said)
    said = subprocess.run(["apt-cache", "pkgnames", "linux-image-"], stdout=subprocess.PIPE, check=True).stdout.decode()
    others = re.findall(r"^linux-image-[0-9.]+(?:-[0-9]+|\+deb[0-9]+)-amd64$", said, re.M)
    return first + sorted(set(others) - set(first), key=lambda name: [int(n) for n in re.findall("[0-9]+", name)])[::-1]


def fetch(folder):
    said = b"apt-cache knows no linux-image-amd64"
    for name in packages()[:4]:
        done = subprocess.run(["apt-get", "download", name], cwd=str(folder), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        if done.returncode == 0:
            return next(folder.glob("*.deb"))
        said = done.stdout
    raise AssertionError("no kernel of Debian's could be fetched: %s" % said[-1000:].decode(errors="replace"))


def unpack(package, folder):
    content = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "--no-same-owner", "--exclude=*/usr/share", "--exclude=*/System.map-*"]
                   + ["--exclude=*/kernel/" + name for name in LEFT_OUT], stdin=content.stdout, cwd=str(folder), check=True)
    content.stdout.close()
    if content.wait() != 0:
        raise AssertionError("%s cannot be unpacked" % package)
    package.unlink()
    version = next(folder.glob("boot/vmlinuz-*")).name[len("vmlinuz-"):]
    base = folder if (folder / "lib/modules").is_dir() else folder / "usr"
    subprocess.run([roots.need("depmod", "kmod"), "-b", str(base), version], check=True, stderr=subprocess.DEVNULL)


# ---------------------------------------------------------------------------------------------------- initramfs


def member(name, mode, content=b""):
    """One of an archive as the kernel's document buffer-format.rst has it ("newc")."""
    fields = [0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)


def initramfs(kernel, **words):
    """busybox, a few modules, and INIT with these words."""
    files, names = {}, []
    for path in kernel.files(TO_BEGIN):
        content = (kernel.modules / kernel.version / path).read_bytes()
        names.append(pathlib.PurePath(path).name.split(".")[0] + ".ko")
        files[names[-1]] = lzma.decompress(content) if path.endswith(".xz") else content
    files["bin/busybox"] = pathlib.Path(roots.need("busybox", "busybox-static")).read_bytes()
    files["init"] = INIT.format(modules=" ".join(names), kernel=kernel.modules, **words).encode()
    parts = [member(name, 0o40755) for name in ("bin", "dev")]
    parts += [member(name, 0o100755, content) for name, content in files.items()]
    return b"".join(parts) + member("TRAILER!!!", 0)


# -------------------------------------------------------------------------------------------------- the machine


class Machine:
    """One boot. What it says on its console is in the file `console` of its folder, what guest.py leaves in `out`."""

    def __init__(self, kernel, folder, job, **words):
        self.out = folder / "out"
        self.out.mkdir()
        (self.out / "job.json").write_text(json.dumps(job))
        (folder / "initramfs").write_bytes(initramfs(kernel, **words))
        argv = [roots.need(QEMU[0], "qemu-system-x86")] + QEMU[1:]
        argv += ["-kernel", str(kernel.image), "-initrd", str(folder / "initramfs"), "-append", COMMAND_LINE]
        for name, size in DISKS.items():
            with open(folder / name, "wb") as file:
                file.truncate(size << 20)
            argv += ["-drive", "file=%s,format=raw,if=virtio,cache=unsafe" % (folder / name)]
        subprocess.run([roots.need("mkfs.ext4", "e2fsprogs"), "-q", "-F", str(folder / "vda")], check=True)
        for tag, path, more in (("system", "/", "readonly=on,"), ("out", self.out, "")):
            argv += ["-virtfs", "local,path=%s,mount_tag=%s,security_model=none,%smultidevs=remap" % (path, tag, more)]
        self.console = folder / "console"
        with open(self.console, "wb") as file:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)

    def wait(self, timeout):
        """Until it has switched itself off: did it, in this time?"""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        return self.process.poll() is not None

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def results(self):
        """What guest.py has told by now."""
        path = self.out / "results.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def last_words(self):
        return self.console.read_bytes()[-3000:].decode(errors="replace")
