# SPDX-License-Identifier: Apache-2.0
"""What readelf and nm say about the files of the build tree."""
import glob
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from pillion import main  # noqa: E402, F401

SOURCE = pathlib.Path(os.environ.get("PILLION_SOURCE") or pathlib.Path(__file__).resolve().parents[2])
BUILD = pathlib.Path(os.environ.get("PILLION_BUILD") or SOURCE / "build")
HOOK = BUILD / "lib" / "libpillion.so"
ENGINE = BUILD / "lib" / "libpillion-engine.so"
CLIENT = BUILD / "lib" / "libpillion-sentinel.so.0"
CLIENT_ARCHIVE = BUILD / "lib" / "libpillion-sentinel.a"

ROOMS = ("hook", "engine", "config", "store", "delivery", "sentinel", "sentinel/aws", "sentinel/http", "sentinel/cloud",
         "client", "otlp", "collect", "collect/tree", "collect/gpu", "collect/cgroup", "base", "libc")
FLOOR = (2, 17)


def output(*command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True,
                          env=dict(os.environ, LC_ALL="C")).stdout


class Symbol:
    """One line of `readelf --dyn-syms`."""

    def __init__(self, fields):
        name = fields[7] if len(fields) > 7 else ""
        self.name, _, version = name.partition("@")
        self.version = version.lstrip("@").split(" ")[0]
        self.bind, self.visibility, self.section = fields[4], fields[5], fields[6]
        self.is_import = self.section == "UND"
        self.is_weak = self.bind == "WEAK"


def dynamic_symbols(file):
    rows = (line.split(None, 7) for line in output("readelf", "-W", "--dyn-syms", file).splitlines())
    symbols = [Symbol(row) for row in rows if len(row) >= 8 and re.match(r"\d+:$", row[0])]
    return [symbol for symbol in symbols if symbol.name]


def imports(file):
    return {symbol.name: symbol for symbol in dynamic_symbols(file) if symbol.is_import}


def exports(file):
    """Without the names of sections, which ld leaves there on some machines."""
    return {symbol.name for symbol in dynamic_symbols(file) if not symbol.is_import and symbol.bind != "LOCAL"}


def lacking_in_musl(file):
    """Strong imports that the installed musl does not have; None without one. Which machine's it is makes no difference."""
    for libc in glob.glob("/usr/lib/*-linux-musl/libc.so") + glob.glob("/lib/ld-musl-*.so.1"):
        return {name for name, symbol in imports(file).items() if not symbol.is_weak} - exports(libc)
    return None


def needed(file):
    return re.findall(r"\(NEEDED\).*\[(.+)\]", output("readelf", "-Wd", file))


def dynamic_section(file):
    return output("readelf", "-Wd", file)


def segments(file):
    """(type, flags) of each program header."""
    found = re.findall(r"^  ([A-Z_]+)\s+0x\S+ 0x\S+ 0x\S+ 0x\S+ 0x\S+ ([R ][W ][E ])", output("readelf", "-Wl", file), re.M)
    return [(kind, flags.replace(" ", "")) for kind, flags in found]


def loaded(file):
    """(address, size in memory, flags) of each LOAD segment."""
    found = re.findall(r"^  LOAD\s+0x\S+ (0x\S+) 0x\S+ 0x\S+ (0x\S+) ([R ][W ][E ])", output("readelf", "-Wl", file), re.M)
    return [(int(at, 16), int(size, 16), flags.replace(" ", "")) for at, size, flags in found]


def section(file, name):
    """(address, size); None: there is none."""
    found = re.search(r"\] %s +\S+ +(\S+) \S+ (\S+)" % re.escape(name), output("readelf", "-WS", file))
    return found and (int(found[1], 16), int(found[2], 16))


def too_new(file):
    """Imports whose version is above the floor, as name@version."""
    found = []
    for symbol in imports(file).values():
        match = re.match(r"GLIBC_(\d+)\.(\d+)", symbol.version)
        if match and (int(match[1]), int(match[2])) > FLOOR:
            found.append("%s@%s" % (symbol.name, symbol.version))
        elif symbol.version and not match:
            found.append("%s@%s" % (symbol.name, symbol.version))
    return found


def room_of(path):
    """collect/tree for …/pillion_rooms.dir/collect/tree/pss.c.o"""
    return str(path.parent).rpartition(".dir/")[2]


def room_objects():
    """The object files of src/: {room: [path]}, without the copies that sanitized unit tests and the command link, and
    without those of a file that has moved or gone since."""
    found = {room: [] for room in ROOMS}
    for path in sorted((BUILD / "src").rglob("*.o")):
        if room_of(path) in found and re.search(r"/(pillion|pillion-engine|pillion_rooms|pillion_corner)\.dir/", str(path)) \
                and (SOURCE / "src" / source_name(path)).exists():
            found[room_of(path)].append(path)
    return found


def symbols_of(paths):
    """{path: (defined global names, undefined names)}, of an archive those of all members. One call for all: nm for each
    of two hundred files takes most of a minute where a process is slow to start."""
    found = {str(path): (set(), set()) for path in paths}
    for line in output("nm", "-A", *paths).splitlines():  # "PATH:0000 T name", "ARCHIVE:MEMBER:     U name"
        place, _, words = line.rpartition(":")
        if not words.strip():  # an archive's own line
            continue
        kind, name = words.split()[-2:]
        defined, undefined = found[place if place in found else place.rpartition(":")[0]]
        if kind in "Uw":
            undefined.add(name.split("@")[0])
        elif kind.isupper() or kind == "u":
            defined.add(name)
    return {path: found[str(path)] for path in paths}


def source_name(path):
    """collect/tree/pss.c for …/collect/tree/pss.c.o"""
    return "%s/%s" % (room_of(path), path.name[:-2])
