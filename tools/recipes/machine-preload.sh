#!/bin/sh
# The whole machine: every program loads pillion, by /etc/ld.so.preload. For administrators: ./machine-preload.sh on|off
#
# Put /etc/pillion.conf in its place before, and read README.md beside this: it says what a site must think of. Afterwards
# let "pillion doctor" look at both. "off" comes before pillion is removed; what runs already is left as it is.
#
# To change: nothing. Other lines of the file stay, but for comments: ld.so takes words of a second one for libraries.
set -eu
library=/usr/lib/pillion/libpillion.so
file=/etc/ld.so.preload

case ${1-} in
on)
    said=$(PILLION_DISABLE=1 LD_PRELOAD=$library /bin/true 2>&1)
    if [ ! -r "$library" ] || [ -n "$said" ]; then
        printf '%s\n' "${said:-$library cannot be read}" >&2
        exit 1
    fi
    ;;
off) ;;
*)
    echo "usage: $0 on|off" >&2
    exit 2
    ;;
esac

others=
[ ! -e "$file" ] || others=$(sed 's/#.*//; /^[[:space:]]*$/d; /\/libpillion\.so[[:space:]]*$/d' "$file")
umask 022
{
    [ "$1" = off ] || echo "$library"
    [ -z "$others" ] || printf '%s\n' "$others"
} >"$file.new"
if [ -s "$file.new" ]; then
    mv "$file.new" "$file" # whole at every instant
else
    rm -f "$file.new" "$file"
fi
