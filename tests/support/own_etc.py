# SPDX-License-Identifier: Apache-2.0
"""An /etc of a test's own, for a program and what that starts.

    etc = OwnEtc(self.tmp / "etc")
    etc.write("pillion.conf", "PILLION_INTERVAL=5\\n")
    self.launch(*etc.enter("true"), preload=False)

The program is begun in a mount namespace that ends with it; the test never enters one. There an empty tmpfs lies over
/etc, into which a shell copies the files, so nothing that happens there can reach the machine's own, and nothing is ever
mounted below a folder that a test removes."""
import os
import pathlib
import shutil
import subprocess

import pillion

# What programs need of the machine's.
NEEDED = ("passwd", "group", "nsswitch.conf", "ld.so.cache")

# Each step only if the one before went well. `$0`: the files; `$1`: a folder to lie over /usr/lib, read-only, or "".
BEGIN = """set -e
[ -z "$1" ] || mount -t overlay -o "ro,lowerdir=$1:/usr/lib" none /usr/lib
mount -t tmpfs -o mode=755 none /etc
[ "$(stat --file-system --format %T /etc)" = tmpfs ]
cp -a "$0/." /etc
shift
exec "$@"
"""
NAMESPACE = ("unshare", "--mount", "--propagation", "private")


def need():
    """Ends the script where there can be no such namespace."""
    if os.geteuid() != 0:
        pillion.leave_out("only root can have an /etc of its own")
    if subprocess.run([*NAMESPACE, "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
        pillion.leave_out(pillion.forbidden("unshare -m"))


class OwnEtc:
    def __init__(self, folder, more=()):
        """`more`: files and folders of the machine's besides those that all need."""
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.folder.chmod(0o755)
        self.lib = None
        for name in (*NEEDED, *more):
            source = pathlib.Path("/etc") / name
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, self.folder / name, **(
                {"symlinks": True} if source.is_dir() else {}))

    def path(self, name):
        """Of a file that will be /etc/NAME; what was there is gone."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        elif path.is_symlink() or path.exists():
            path.unlink()
        return path

    def write(self, name, text, mode=0o644, owner=0):
        path = self.path(name)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        os.chown(path, owner, owner)
        path.chmod(mode)

    def install(self, folder):
        """From now on there is a /usr/lib/pillion, as packages lay it, and a command in it."""
        self.lib = pathlib.Path(folder)
        version = self.lib / "pillion" / "0.1.0-test"
        version.mkdir(parents=True)
        for path in (pillion.HOOK, pillion.ENGINE, pillion.COMMAND):
            shutil.copy(path, version)
            (version / path.name).chmod(0o755)
            (self.lib / "pillion" / path.name).symlink_to(version.name + "/" + path.name)
        for path in (self.lib, self.lib / "pillion", version):
            path.chmod(0o755)

    def enter(self, *words):
        """The words that begin a program there."""
        return (*NAMESPACE, "sh", "-c", BEGIN, self.folder, self.lib or "", *words)
