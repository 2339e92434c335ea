#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fetches source packages of Debian, as Debian patches them, into DEST/<package>.
#
#   fetch-sources.sh DEST SUITE KEYRING PACKAGE...
#
# Every repository that apt is set up with is tried in turn. apt works in a private folder: the system's lists, cache
# and state are neither read nor written, so no privilege is needed. What vouches for a file: KEYRING signs the Release
# file, that names the sum of the Sources index, and that the sum of each source file.
set -eu

dest=$1 suite=$2 keyring=$3
shift 3
packages=$*

fail() {
    echo "$*" >&2
    exit 1
}

for tool in apt-get dpkg-source; do
    command -v "$tool" >/dev/null 2>&1 || fail "$tool is missing: install dpkg-dev (on Debian)."
done
[ -r "$keyring" ] || fail "$keyring is missing: install debian-archive-keyring."

work=$(mktemp -d "$dest.apt.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/parts" "$work/files" "$work/unpacked"
: >"$work/status"

# Proxies, certificates and credentials for repositories stay those of the system: only places are replaced.
# Hooks of the system, such as the cache cleaning of container images, are not for this folder.
cat >"$work/apt.conf" <<END
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::SourceList "$work/sources.list";
Dir::Etc::SourceParts "$work/parts";
Dir::State "$work";
Dir::State::Lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work";
Dir::Cache::archives "$work/archives";
APT::Sandbox::User "$(id -un)";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "2";
END
private_apt() { apt-get -q -c "$work/apt.conf" "$@"; }
private_cache() { apt-cache -q -c "$work/apt.conf" "$@"; }

repositories() {
    # shellcheck disable=SC2016  # apt's own
    apt-get indextargets --format '$(SITE)' 2>/dev/null | awk '!seen[$0]++' | grep -v security || true
}

update_from() {
    echo "deb-src [signed-by=$keyring] $1 $suite main" >"$work/sources.list"
    private_apt update >>"$work/log" 2>&1 && [ -n "$(find "$work/lists" -name '*Sources*' -print -quit)" ]
}

: >"$work/log"
found=
for repository in $(repositories); do
    if update_from "$repository"; then
        found=$repository
        break
    fi
done
if [ -z "$found" ]; then
    tail -n 15 "$work/log" >&2
    fail "No repository that apt is set up with serves Debian $suite sources (is the network reachable?)."
fi

# One line per file: 'URI' NAME SIZE SHA256:SUM. The description file of a package (.dsc) is written here from the
# signed index instead of being fetched: it holds nothing more, and mirrors have been seen that lack single ones.
# shellcheck disable=SC2086  # the list is meant to be split
private_apt source --print-uris $packages 2>>"$work/log" | grep "^'" | grep -v -e '\.dsc ' -e '\.asc ' >"$work/uris" ||
    fail "apt does not list the source packages of Debian $suite: $(tail -n 3 "$work/log")"
while read -r uri name _ sum; do
    uri=${uri#\'}
    /usr/lib/apt/apt-helper download-file "${uri%\'}" "$work/files/$name" "$sum" >>"$work/log" 2>&1 || {
        tail -n 5 "$work/log" >&2
        fail "$name could not be downloaded: try again."
    }
done <"$work/uris"

# Describe PACKAGE as the index does: the paragraph whose files are the ones fetched.
describe() {
    newest=$(cd "$work/files" && find . -name "$1_*.debian.tar.*" -o -name "$1_*.diff.gz")
    newest=${newest#./}
    private_cache showsrc --only-source "$1" | awk -v RS= -v file="$newest" 'index($0, file) { print; exit }' |
        sed -e 's/^Package: /Source: /' -e '/\.dsc$/d' -e '/\.asc$/d' -e '/^Directory: /d' -e '/^Package-List:/,/^[^ ]/{/^ /d}' \
            -e '/^Package-List:/d'
}
for package in $packages; do
    describe "$package" >"$work/files/$package.dsc"
    dpkg-source -x "$work/files/$package.dsc" "$work/unpacked/$package" >>"$work/log" 2>&1 || {
        tail -n 15 "$work/log" >&2
        fail "$package could not be unpacked by dpkg-source."
    }
done

rm -f "$work"/unpacked/*.tar.*

# The rename is the only step that others can see, so an interrupted run leaves nothing half done.
rm -rf "$dest"
mv "$work/unpacked" "$dest"
