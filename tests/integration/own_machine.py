# SPDX-License-Identifier: Apache-2.0
"""A network and a /sys/class of this test process's own, for what a test cannot have of the machine: the clouds' addresses
and another DMI. Both go with the process. Standard library only."""
import ctypes
import fcntl
import os
import pathlib
import socket
import struct
import tempfile

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
SIOCSIFADDR, SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFNETMASK = 0x8916, 0x8913, 0x8914, 0x891C
IFF_UP = 1
ETH_P_ALL, PACKET_OUTGOING = 3, 4
DMI = pathlib.Path("/sys/class/dmi/id")

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name, *arguments):
    if getattr(_libc, name)(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, "%s: %s" % (name, os.strerror(error)))


def _mount(source, target, kind, flags):
    _call("mount", os.fsencode(source), os.fsencode(target), kind, ctypes.c_ulong(flags), None)


def _unshare():
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        return _call("unshare", CLONE_NEWNS | CLONE_NEWNET)
    _call("unshare", CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET)
    pathlib.Path("/proc/self/setgroups").write_text("deny")
    pathlib.Path("/proc/self/uid_map").write_text("0 %d 1" % user)
    pathlib.Path("/proc/self/gid_map").write_text("0 %d 1" % group)


def _interface(name, address=None):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        label = name.encode()
        if address:
            ip = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(s, SIOCSIFADDR, struct.pack("16s16s", label, ip))
            whole = struct.pack("HH4s8x", socket.AF_INET, 0, b"\xff\xff\xff\xff")
            fcntl.ioctl(s, SIOCSIFNETMASK, struct.pack("16s16s", label, whole))
            return
        flags = struct.unpack("16sh14x", fcntl.ioctl(s, SIOCGIFFLAGS, struct.pack("16sh14x", label, 0)))[1]
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14x", label, flags | IFF_UP))


def _own_classes():
    """/sys/class as it is, but for dmi, which is an empty folder."""
    names = [name for name in os.listdir("/sys/class") if name != "dmi"]
    real = tempfile.mkdtemp(prefix="pillion-classes-")
    _mount("/sys/class", real, None, MS_BIND | MS_REC)
    _mount("tmpfs", "/sys/class", b"tmpfs", 0)
    for name in names:
        folder = os.path.join("/sys/class", name)
        os.mkdir(folder)
        _mount(os.path.join(real, name), folder, None, MS_BIND | MS_REC)
    _call("umount2", os.fsencode(real), 2)
    os.rmdir(real)
    DMI.mkdir(parents=True)


def enter(*addresses):
    """From here on this process and its children have a network of nothing but a loopback with these addresses, and a
    DMI to be set. None, or why this machine does not allow it."""
    try:
        _unshare()
        _mount("none", "/", None, MS_REC | MS_PRIVATE)
        _interface("lo")
        for number, address in enumerate(addresses, 1):
            _interface("lo:%d" % number, address)
        _own_classes()
    except OSError as error:
        return "no network and /sys/class of its own: %s" % error
    return None


def set_dmi(**fields):
    for path in DMI.iterdir():
        path.unlink()
    for name, value in fields.items():
        (DMI / name).write_text(value + "\n")


class Packets:
    """What leaves any socket of this network while it is open: the addresses and ports that it went to."""

    def __enter__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self.socket.setblocking(False)
        return self

    def __exit__(self, *_):
        self.socket.close()

    def seen(self):
        """{(address, port)}; port 0 for what is neither TCP nor UDP."""
        found = set()
        while True:
            try:
                packet, source = self.socket.recvfrom(65536)
            except BlockingIOError:
                return found
            if source[2] != PACKET_OUTGOING:
                continue
            if packet[0] >> 4 != 4:
                found.add(("IPv6", 0))
                continue
            header = (packet[0] & 15) * 4
            port = struct.unpack("!H", packet[header + 2:header + 4])[0] if packet[9] in (6, 17) else 0
            found.add((socket.inet_ntoa(packet[16:20]), port))
