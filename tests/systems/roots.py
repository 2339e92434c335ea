# SPDX-License-Identifier: Apache-2.0
"""Root filesystems of other systems, made once and kept in the cache that the dependencies are kept in, and the way
into them: a mount namespace of the program's own, so that nothing that happens there lasts.

Debian's are debootstrap's smallest, with python. musl's holds its loader and what musl-gcc builds."""
import ctypes
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402

PATIENCE = 200  # seconds for a system that is not in the cache
PAIR, STATE = "/pillion", "/state"  # where a root has the libraries and PILLION_DIR
PLACES = ("/etc/ld.so.preload", "/usr/lib/libpillion.so", "/usr/lib/libpillion-engine.so")  # empty until mounted over
CLONE_NEWNS, MS_RDONLY, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 1, 4096, 16384, 1 << 18
libc = ctypes.CDLL(None, use_errno=True)


def need(tool, package):
    path = shutil.which(tool)
    if path is None:
        raise AssertionError("%s is missing: install the package %s (tools/check does that)" % (tool, package))
    return path


def cache():
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(os.environ.get("PILLION_CACHE") or home + "/pillion") / "systems"


def repositories():
    """Those that apt is set up with."""
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE)"], stdout=subprocess.PIPE, check=True)
    return list(dict.fromkeys(line for line in done.stdout.decode().split() if "security" not in line))


def apart():
    """A preexec_fn: what is mounted below goes with the last process that sees it."""
    if libc.unshare(CLONE_NEWNS) < 0:
        raise OSError(ctypes.get_errno(), "unshare")
    mount(None, "/", flags=MS_REC | MS_PRIVATE)


def debootstrap(suite, path, repository, deadline):
    """None, or the last words of the log."""
    shutil.rmtree(path, ignore_errors=True)
    process = subprocess.Popen([need("debootstrap", "debootstrap"), "--variant=minbase", "--include=python3-minimal", suite,
                                str(path), repository], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=apart)
    try:
        log = process.communicate(timeout=max(deadline - time.monotonic(), 1))[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        log = process.communicate()[0] + b"\nnot within %d s" % PATIENCE
    return None if process.returncode == 0 else log[-1500:].decode(errors="replace")


def bootstrap(suite, path):
    """From the first repository that serves the suite. SkipTest when there is none: what is served, and how fast, is
    nothing that a change here has in its hands."""
    why = "apt is set up with no repository"
    deadline = time.monotonic() + PATIENCE
    for repository in repositories():
        why = debootstrap(suite, path, repository, deadline)
        if why is None:
            shutil.rmtree(path / "var/cache/apt", ignore_errors=True)
            return
    shutil.rmtree(path, ignore_errors=True)
    raise unittest.SkipTest("no root of Debian %s is to be had: %s" % (suite, why))


def debian(suite):
    """The path of its root; SkipTest where it is neither in the cache nor to be had."""
    path = cache() / suite
    path.parent.mkdir(parents=True, exist_ok=True)
    with open("%s.lock" % path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            part = path.with_name(suite + ".part")
            bootstrap(suite, part)
            prepare(part)
            part.rename(path)
    return path


def prepare(root):
    """Places for what is put there, for one program at a time, by mounts."""
    for folder in (PAIR, STATE, "/proc", "/dev", "/tmp"):
        (root / folder[1:]).mkdir(exist_ok=True)
    for file in PLACES:
        (root / file[1:]).parent.mkdir(parents=True, exist_ok=True)
        (root / file[1:]).touch()


def musl(path, programs):
    """A root with musl and {name: source} alone."""
    compiler = need("musl-gcc", "musl-tools")
    for folder in ("bin", "lib", "etc"):
        (path / folder).mkdir(parents=True)
    loader = next(pathlib.Path("/lib").glob("ld-musl-*.so.1"))
    shutil.copy(str(loader.resolve()), str(path / "lib" / loader.name))
    prepare(path)
    for name, source in programs.items():
        error = compile_with(compiler, source, path / "bin" / name)
        if error:
            raise AssertionError(error)
    return path


def compile_with(compiler, source, target, *flags):
    """Builds text, or a file; None, or the compiler's words."""
    if not isinstance(source, pathlib.Path):
        text, source = source, target.with_name(target.name + ".c")
        source.write_text(text)
    done = subprocess.run([compiler, "-D_GNU_SOURCE", "-O1", "-o", str(target), str(source), *flags],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return None if done.returncode == 0 else done.stdout.decode(errors="replace")


def mount(source, target, kind=None, flags=0, words=None):
    if libc.mount(*(None if word is None else str(word).encode() for word in (source, target, kind)), flags,
                  None if words is None else words.encode()) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(target))


def entrance(root, pair, state, also=(), uid=None):
    """A preexec_fn that goes into the root. `also`: (file, path in the root) pairs to be seen there."""
    def enter():
        apart()
        for source, target in ((pair, PAIR), (state, STATE), ("/dev", "/dev")) + tuple(also):
            mount(source, str(root) + target, flags=MS_BIND | MS_REC)
        mount("proc", str(root) + "/proc", "proc")
        mount("tmp", str(root) + "/tmp", "tmpfs", words="mode=1777")
        os.chroot(str(root))
        os.chdir("/")
        if uid is not None:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
    return enter
