# SPDX-License-Identifier: Apache-2.0
"""Containers made by runc, as an engine makes them: an OCI bundle whose root filesystem is a few of this machine's
programs with their libraries, /proc, /dev and /sys as Docker mounts them, Docker's capabilities and seccomp profile.

    bundle = Bundle(folder)
    bundle.add("sh", "sleep", HOOK)
    container = bundle.start(["sh", "-c", "sleep 2"], env)      # a pillion.Program, with kill() and exec_()
"""
import functools
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess

import pillion

# https://docs.docker.com/engine/containers/run/#runtime-privilege-and-linux-capabilities
CAPABILITIES = ["CAP_" + name for name in (
    "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID "
    "SYS_CHROOT").split()]

# https://docs.docker.com/engine/security/seccomp/: what its profile refuses to a container without more capabilities.
REFUSED = frozenset("""
    acct add_key bpf clock_adjtime clock_settime create_module delete_module fanotify_init finit_module fsconfig
    fsmount fsopen fspick get_kernel_syms get_mempolicy init_module io_uring_enter io_uring_register io_uring_setup
    ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie mbind mount mount_setattr move_mount move_pages
    nfsservctl open_by_handle_at open_tree perf_event_open pivot_root query_module quotactl quotactl_fd reboot
    request_key set_mempolicy set_mempolicy_home_node setdomainname sethostname setns settimeofday swapoff swapon sysfs
    syslog _sysctl umount2 unshare uselib userfaultfd ustat vhangup clone clone3 personality socket
""".split())
NEW_NAMESPACES = 0x7E020000
AF_VSOCK = 40
ENOSYS = 38

_numbers = itertools.count(1)


def docker_seccomp(*refused):
    """Docker's profile for x86-64, an allow-list. `refused`: what older ones do not know."""
    header = pathlib.Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h").read_text()
    names = set(re.findall(r"#define __NR_(\w+)", header)) - REFUSED - set(refused)
    compare = [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"} for value in (0, 8, 0x20000, 0x20008, 0xFFFFFFFF)]
    calls = [
        {"names": sorted(names), "action": "SCMP_ACT_ALLOW"},
        {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
         "args": [{"index": 0, "value": NEW_NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS},
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW",
         "args": [{"index": 0, "value": AF_VSOCK, "op": "SCMP_CMP_NE"}]},
    ] + [{"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [one]} for one in compare]
    return {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": calls}


def mount(target, kind, *options, source=None):
    return {"destination": target, "type": kind, "source": source or kind, "options": list(options)}


MOUNTS = [
    mount("/proc", "proc", "nosuid", "noexec", "nodev"),
    mount("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
    mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"),
    mount("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro"),
    mount("/sys/fs/cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "ro"),
]
SHM = mount("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k", source="shm")
MASKED = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug",
          "/proc/scsi", "/sys/firmware"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


class Container(pillion.Program):
    """`runc run` in the foreground; its status is the one of the container's process 1."""

    def __init__(self, bundle, name, keep=False):
        self.bundle, self.name = bundle, name
        super().__init__(bundle.runc("run", *(["--keep"] if keep else []), "--bundle", bundle.folder, name), preload=False,
                         env={"PATH": os.environ["PATH"]})

    def call(self, *words):
        done = subprocess.run([str(word) for word in self.bundle.runc(*words)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        if done.returncode:
            raise AssertionError("runc %s: %s" % (words, done.stderr.decode(errors="replace")))
        return done.stdout.decode()

    def send(self, name):
        """A signal to process 1."""
        self.call("kill", self.name, name)

    def enter(self, *words):
        """A program from outside, as a health check."""
        return self.call("exec", self.name, *words)

    def process_1(self):
        """As the machine numbers it; waits until it is there."""
        def running():
            done = subprocess.run([str(word) for word in self.bundle.runc("state", self.name)], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL)
            state = json.loads(done.stdout) if done.returncode == 0 else {}
            return state.get("status") == "running" and state["pid"]
        return pillion.wait_for(running, timeout=30, what="process 1 of a container")

    def remove(self):
        """Whatever is left of it."""
        subprocess.run([str(word) for word in self.bundle.runc("delete", "--force", self.name)],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@functools.lru_cache(maxsize=None)
def libraries_of(path):
    """By ldd, a shell script that takes longer than all the rest of a bundle."""
    said = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
    return re.findall(r"(/\S+) \(0x", said)


class Bundle:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.root = self.folder / "rootfs"
        for name in ("bin", "lib", "dev", "proc", "sys", "root"):
            (self.root / name).mkdir(parents=True)
        (self.root / "tmp").mkdir()
        (self.root / "tmp").chmod(0o1777)
        (self.root / "lib64").symlink_to("lib")
        self.folder.chmod(0o755)

    def runc(self, *words):
        return ["runc", "--root", self.folder / "state", *words]

    def add(self, *programs):
        """Programs by name or path into /bin, with the libraries that they need."""
        for program in programs:
            path = shutil.which(str(program))
            if path is None:
                raise AssertionError("%s is missing (tools/check installs it)" % program)
            shutil.copy(path, self.root / "bin")
            for library in libraries_of(path):
                if not (self.root / "lib" / os.path.basename(library)).exists():
                    shutil.copy(library, self.root / "lib")

    def preload(self):
        """The two files: all that is changed for pillion."""
        for library in (pillion.HOOK, pillion.ENGINE):
            shutil.copy(library, self.root / "lib")
            os.chmod(self.root / "lib" / library.name, 0o644)
        return "/lib/" + pillion.HOOK.name

    def start(self, argv, env, user=0, read_only=False, shm=True, network=True, capabilities=CAPABILITIES, seccomp=None,
              binds=None, no_new_privileges=False, beside=None, mapped=None, resources=None, keep=False):
        """Docker's defaults, but for the seccomp profile. `network`: the machine's. `binds`: {target: source, or (source, "ro")}.
        `beside`: a container whose processes this one sees, as in a pod that shares them. `mapped`: root is this user
        outside. `resources`: limits, as the OCI runtime specification names them. `keep`: its cgroup stays until it is
        removed."""
        kinds = ["ipc", "uts", "mount"] + ([] if network else ["network"])
        processes = {"type": "pid", "path": "/proc/%d/ns/pid" % beside.process_1()} if beside else {"type": "pid"}
        pairs = {target: source if isinstance(source, tuple) else (source, "rw") for target, source in (binds or {}).items()}
        binds = [mount(target, "bind", "rbind", how, source=str(source)) for target, (source, how) in pairs.items()]
        spec = {
            "ociVersion": "1.0.2",
            "process": {
                "terminal": False, "cwd": "/", "user": {"uid": user, "gid": user}, "args": list(argv),
                "env": ["%s=%s" % pair for pair in env.items()],
                "capabilities": {kind: capabilities for kind in ("bounding", "effective", "permitted")},
                "noNewPrivileges": no_new_privileges,
            },
            "root": {"path": "rootfs", "readonly": read_only},
            "hostname": "box",
            "mounts": MOUNTS + ([SHM] if shm else []) + binds,
            "linux": {"namespaces": [processes] + [{"type": kind} for kind in kinds],
                      "maskedPaths": MASKED, "readonlyPaths": READ_ONLY},
        }
        if user:
            spec["process"]["capabilities"]["effective"] = spec["process"]["capabilities"]["permitted"] = []
        if mapped:
            spec["linux"]["namespaces"].append({"type": "user"})
            for kind in ("uidMappings", "gidMappings"):
                spec["linux"][kind] = [{"containerID": 0, "hostID": mapped, "size": 65536}]
        if resources:
            spec["linux"]["resources"] = resources
        if seccomp:
            spec["linux"]["seccomp"] = seccomp
        for target in [bind["destination"] for bind in binds]:
            (self.root / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
        (self.folder / "config.json").write_text(json.dumps(spec, indent=1))
        return Container(self, "pillion-test-%d-%d" % (os.getpid(), next(_numbers)), keep)
