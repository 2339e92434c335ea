# SPDX-License-Identifier: Apache-2.0
"""Programs of a newer Debian than the machine's, with the libraries and the loader of that system, by apt-get with lists of
its own, which the archive's key has signed: nothing is installed. They are kept in the cache that the dependencies are
kept in."""
import fcntl
import os
import pathlib
import shutil
import subprocess
import unittest

SUITE = "trixie"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def cache():
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(os.environ.get("PILLION_CACHE") or home + "/pillion") / "systems"


def repositories():
    """Those that apt is set up with."""
    if not shutil.which("apt-get"):
        return []
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE)"], stdout=subprocess.PIPE)
    return [site for site in dict.fromkeys(done.stdout.decode().split()) if "debian" in site and "security" not in site]


def run(*argv, timeout=120, cwd=None):
    """The last words of what failed, or None."""
    try:
        done = subprocess.run(list(map(str, argv)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout, cwd=cwd)
    except subprocess.TimeoutExpired:
        return "not within %d s: %s" % (timeout, argv[0])
    return None if done.returncode == 0 else done.stdout[-500:].decode(errors="replace")


def fetch(site, folder, packages, with_dependencies):
    """Unpacks the packages into folder / "root"."""
    shutil.rmtree(folder, ignore_errors=True)
    archives = folder / "cache/archives"
    for name in ("state/lists/partial", "cache/archives/partial", "root"):
        (folder / name).mkdir(parents=True)
    (folder / "sources").write_text("deb [signed-by=%s] %s %s main\n" % (KEYRING, site, SUITE))
    apt = ["apt-get", "-q", "-y"]
    for option in ("Dir::State=%s/state", "Dir::Cache=%s/cache", "Dir::Etc::sourcelist=%s/sources"):
        apt += ["-o", option % folder]
    apt += ["-o", "Dir::State::status=/dev/null", "-o", "Dir::Etc::sourceparts=-", "-o", "APT::Sandbox::User=root"]
    what = ["--no-install-recommends", "--download-only", "install"] if with_dependencies else ["download"]
    error = run(*apt, "update") or run(*apt, *what, *packages, timeout=300, cwd=archives)
    for package in sorted(archives.glob("*.deb")):
        error = error or run("dpkg-deb", "-x", package, folder / "root")
    for name in ("state", "cache", "sources"):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return error


def unpacked(name, packages, with_dependencies=False):
    """The root of a system with these packages, made if need be. `name`: of the whole, for people."""
    path = cache() / ("%s-%s" % (name.lower(), SUITE))
    path.parent.mkdir(parents=True, exist_ok=True)
    with open("%s.lock" % path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        part = path.with_name(path.name + ".part")
        error = "apt is set up with no repository"
        for site in [] if path.exists() else repositories():
            error = fetch(site, part, packages, with_dependencies)
            if error is None:
                part.rename(path)
                break
        shutil.rmtree(part, ignore_errors=True)
    if not path.exists():
        raise unittest.SkipTest("no %s is to be had: %s" % (name, error))
    return path / "root"


def command(root, program):
    """The words that a command of that system begins with."""
    loader = next((root / "usr").glob("lib*/ld-linux-*.so.*"), None) or next(root.glob("usr/lib/ld-linux-*.so.*"))
    library = next((root / "usr/lib").glob("*-linux-gnu"))
    return [str(loader), "--library-path", str(library), str(root / program)]
