#!/bin/bash
# A Debian without systemd, as in a container or on network gear: hwenrolld runs from a shell there. See --help.
# shellcheck disable=SC2034 # what the sourced files use
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tests/system/plain.sh [--suite NAME] [--build DIR] [--logs DIR] [--keep]

  --suite NAME  bookworm (Debian 12, the default) or trixie (13)
  --build DIR   where the programs are, in DIR/bin, built on that Debian; default as for booted.sh
  --logs DIR    what is kept of a run; default: build/plain
  --keep        leave the tree for inspection
In a minimal tree without init, D-Bus or syslog hwenrolld runs from a shell as a user without rights. One line a check:
PASS or FAIL, what was proved. Exit: 0 if every check passed, 1 if one failed, 64 wrong usage, 69 something is missing
that it needs. Needs root, debootstrap and zstd; trees are cached for a week as those of booted.sh are.
TEXT
}

complain() {
    echo "plain.sh: $2" >&2
    exit "$1"
}

checkout=$(cd "$(dirname "$0")/../.." && pwd)
build='' lab_ca='' suite=bookworm logs=$checkout/build/plain keep=no debs=()
arguments=("$@")
while [ $# -gt 0 ]; do
    case $1 in
    --suite) suite=${2:?--suite needs a name} && shift ;;
    --build) build=${2:?--build needs a directory} && shift ;;
    --logs) logs=${2:?--logs needs a directory} && shift ;;
    --keep) keep=yes ;;
    -h | --help) usage && exit 0 ;;
    *) complain 64 "unknown argument '$1'; see --help" ;;
    esac
    shift
done
cache=${HWENROLL_FRESH_CACHE:-/var/tmp/hwenroll-fresh}
program_names=(hwenrolld hwenroll hwenroll-token hwenroll-hook)
# shellcheck source=/dev/null
at_home=$(. /etc/os-release && [ "${VERSION_CODENAME:-}" = "$suite" ] && echo yes) || at_home=no
packages=(softhsm2 openssl iproute2 procps libp11-kit0 libseccomp2 libsystemd0 libsqlite3-0)
case $suite in
bookworm) packages+=(libssl3 libcurl4 libfmt9 libtss2-{esys-3.0.2-0,mu0,rc0,tctildr0}) ;;
trixie) packages+=(libssl3t64 libcurl4t64 libfmt10 libtss2-{esys-3.0.2-0,mu-4.0.1-0,rc0,tctildr0}t64) ;;
*) complain 64 "unknown suite '$suite'; see --help" ;;
esac

# shellcheck source=tests/system/trees.sh
. "$checkout/tests/system/trees.sh"
# shellcheck source=tests/system/product.sh
. "$checkout/tests/system/product.sh"
need
be_alone

mkdir -p "$cache" "$logs"
find_programs
packed=$(packed_tree plain) || complain 69 "no tree of '$suite' could be made"
unpack_tree "$suite-plain" "$packed"
complete_tree "$suite"
mkdir -p "$tree/usr/libexec/hwenroll"
cp "${programs[@]}" "$lab_ca" "$tree/usr/libexec/hwenroll/"
install -m 0755 "$checkout/tests/system/plain_checks.sh" "$tree/usr/local/sbin/plain-checks"
rc=0
in_tree 600 /usr/local/sbin/plain-checks >"$logs/results.txt" 2>&1 </dev/null || rc=$?
cat "$logs/results.txt"
[ "$rc" = 0 ] && ! grep -q '^FAIL' "$logs/results.txt"
