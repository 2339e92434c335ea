# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# Read by tools/quickstart and tools/check: what the machine has to have, and how it is got.

say() { printf '%s\n' "== $*"; }

fail() {
    printf '%s\n' "${0##*/}: $*" >&2
    exit 1
}

is_debian() { command -v apt-get >/dev/null 2>&1 && command -v dpkg-query >/dev/null 2>&1; }

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# Not Debian: the tools can be there all the same, and where they come from is not ours to know.
need_tools() {
    lacking=
    for tool in cmake cc "$@"; do
        command -v "$tool" >/dev/null 2>&1 || lacking="$lacking $tool"
    done
    [ -z "$lacking" ] ||
        fail "this is not Debian, so install these yourself and call again:$lacking (CMake 3.25 or newer, a C compiler)."
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

confirm() {
    [ -t 0 ] && [ -z "${CI-}" ] || return 0
    printf '%s [Y/n] ' "$1"
    read -r answer || answer=n
    case $answer in '' | [yY]*) ;; *) return 1 ;; esac
}

may_install() { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null 2>&1; }

# Every one of the packages is here, or apt-get knows it.
can_install() {
    for package; do
        is_installed "$package" || { may_install && apt-cache show "$package" >/dev/null 2>&1; } || return 1
    done
}

# Installs those of the Debian packages that are missing.
need_packages() {
    lacking=
    for package; do
        is_installed "$package" || lacking="$lacking $package"
    done
    [ -n "$lacking" ] || return 0
    may_install ||
        fail "neither root nor sudo; have somebody install these packages and call again:$lacking"
    say "Installing with apt-get:$lacking"
    confirm "Install them?" || fail "nothing was installed; these packages are needed:$lacking"
    as_root apt-get -q update ||
        fail "the package lists cannot be fetched: is the network reachable, and is /etc/apt right?"
    # shellcheck disable=SC2086  # the list is meant to be split
    as_root apt-get -q -y install --no-install-recommends $lacking ||
        fail "apt-get could not install$lacking; its own message above says why."
}

# CMake fetches and unpacks the libraries by itself, over TLS with these certificates.
# shellcheck disable=SC2034  # used by both
build_packages="cmake make gcc libc6-dev ca-certificates"

jobs() { nproc 2>/dev/null || echo 2; }

# configure PRESET [OPTION...]
configure() {
    preset=$1
    shift
    [ -z "${PILLION_DEPS-}" ] || set -- "-DPILLION_DEPS=$PILLION_DEPS" "$@"
    cmake --preset "$preset" "$@" ||
        fail "configuring failed: the message above says why; a second call goes on where this one stopped."
}

build() {
    cmake --build "build/$1" --parallel "$(jobs)" || fail "building failed: the compiler's message is above."
}
