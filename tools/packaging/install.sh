#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install pillion @VERSION@ from the folder that this script is in, or in place of another version.
#
#   ./install.sh [--prefix FOLDER]               into FOLDER/lib/pillion, FOLDER/bin ...; without it into /usr
#   ./install.sh [--prefix FOLDER] --uninstall   removes what this script has installed there
#
# Programs that run keep what they have loaded. An installed copy of this script is FOLDER/lib/pillion/install.sh.
set -eu

arch=@ARCH@ folder=@FOLDER@ prefix='' uninstall=''
fail() {
    echo "install.sh: $*" >&2
    exit 1
}
usage() { sed -n '3,8s/^# \{0,1\}//p' "$0"; }
here=$(cd "$(dirname "$0")" && pwd)
case $here in */lib/pillion) prefix=${here%/lib/pillion} ;; esac
while [ $# -gt 0 ]; do
    case $1 in
    --prefix) [ $# -gt 1 ] || fail "--prefix needs a folder"; prefix=$2 && shift ;;
    --prefix=*) prefix=${1#--prefix=} ;;
    --uninstall) uninstall=yes ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done
prefix=${prefix:-/usr}
case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
lib=$prefix/lib/pillion
list=$lib/installed # every file, link and folder (with / behind it) that was made here, below the prefix
umask 022

# The folder's own name may be a link, and so may what the list names. Comments count too: of a second one ld.so takes
# the words for libraries.
is_preloaded() {
    [ -e /etc/ld.so.preload ] || return 1
    real=$(readlink -f "$lib")
    # shellcheck disable=SC2013  # words are meant
    for name in $(tr : ' ' </etc/ld.so.preload); do
        case $name:$(readlink -f "$name") in "$lib"/* | *:"$real"/*) return 0 ;; esac
    done
    return 1
}

# remove: the files that standard input names, then those of its folders (they end with /) that are empty.
remove() {
    all=$(cat)
    printf '%s\n' "$all" | grep -v '/$' | while IFS= read -r file; do rm -f "$prefix/$file"; done
    printf '%s\n' "$all" | grep '/$' | sort -r | while IFS= read -r at; do rmdir "$prefix/$at" 2>/dev/null || true; done
}

# The loader's list of libraries has the client's.
refresh() { [ "$prefix" != /usr ] || [ ! -x /sbin/ldconfig ] || /sbin/ldconfig || true; }

if [ -n "$uninstall" ]; then
    [ -e "$list" ] || fail "nothing was installed in $prefix by this script."
    ! is_preloaded || fail "/etc/ld.so.preload names what is in $lib, so every program would complain without it. Take that line out first; nothing was removed."
    rm -f "$lib/libpillion.so" "$lib/pillion" # first: nothing may lead to what is gone
    { cat "$list" && rm -f "$list"; } | remove
    refresh
    echo "pillion was removed from $prefix; the runs of its users are left."
    exit 0
fi

[ -d "$here/lib/pillion/$folder" ] || fail "$here does not hold what this script installs: unpack the archive anew."
[ "$(uname -m)" = "$arch" ] || fail "this is for $arch, and the machine is $(uname -m)."
[ ! -e "$lib/libpillion.so" ] || [ -e "$list" ] ||
    fail "$lib is there and not from this script: remove that package first (apt-get remove pillion, rpm -e pillion)."
command=
for one in "$folder/pillion" "$folder/musl/pillion"; do
    [ -n "$command" ] || ! "$here/lib/pillion/$one" --version >/dev/null 2>&1 || command=$one
done
if [ -z "$command" ]; then # its musl or glibc may be too old, or for another machine
    echo "install.sh: the command pillion does not run here ($("$here/lib/pillion/$folder/pillion" --version 2>&1 | head -n 1)). The libraries do: what they leave is read where it runs." >&2
    command=$folder/pillion
fi

made=
make_folder() {
    [ ! -d "$prefix/$1" ] || return 0
    case $1 in */*) make_folder "${1%/*}" ;; esac
    mkdir "$prefix/$1"
    made="$made$1/
"
}

# put FILE: a copy beside its place, then a rename, so that nobody ever sees a part of it.
put() {
    make_folder "${1%/*}"
    part=$prefix/${1%/*}/.pillion.$$
    cp -P "$here/$1" "$part"
    mv -f "$part" "$prefix/$1"
}

# turn NAME TARGET: a link, which is there at every instant. Its target is a file, so mv replaces the link itself.
turn() {
    ln -s "$2" "$lib/.pillion.$$"
    mv -f "$lib/.pillion.$$" "$lib/$1"
}

[ -d "$prefix" ] || made="/
"
mkdir -p "$prefix"
make_folder lib/pillion
cd "$here"
find bin include lib share ! -type d >"$lib/.new"
while IFS= read -r file; do put "$file"; done <"$lib/.new"
cp "$here/install.sh" "$lib/.pillion.$$"
mv -f "$lib/.pillion.$$" "$lib/install.sh"
printf 'lib/pillion/%s\n' install.sh libpillion.so pillion >>"$lib/.new"
printf %s "$made" >>"$lib/.new"
[ ! -e "$list" ] || cp "$list" "$lib/.both"
cat "$lib/.new" >>"$lib/.both"
mv -f "$lib/.both" "$list" # from here on a second call goes on where this one was ended
was=$(readlink "$lib/libpillion.so" || true)
turn libpillion.so "$folder/libpillion.so"
turn pillion "$command"
if [ -n "$was" ]; then
    sleep 1 # what was loaded with the old hook just now loads the old engine
    grep -vxFf "$lib/.new" "$list" >"$lib/.old" || true
    remove <"$lib/.old"
    sed -n '/\/$/p' "$lib/.old" | while IFS= read -r at; do [ ! -d "$prefix/$at" ] || printf '%s\n' "$at"; done >>"$lib/.new"
    rm -f "$lib/.old"
fi
sort -u "$lib/.new" >"$lib/.both"
mv -f "$lib/.both" "$list"
rm -f "$lib/.new"
refresh
echo "pillion @VERSION@ is in $prefix. Next: $prefix/bin/pillion run -- PROGRAM, or LD_PRELOAD=$lib/libpillion.so PROGRAM"
