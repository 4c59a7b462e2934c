#!/bin/bash
# Builds for small systems (preset small) and enrolls with that, without libsystemd and without a control socket. See
# --help.
# shellcheck disable=SC2317 # check() calls functions by name
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tests/system/small.sh [--jobs N] [--build DIR]

Configures and builds the preset small in build/small, proves that its programs need no libsystemd, enrolls an identity
at scep-lab-ca in a temporary directory (debian/tests/enrollment), starts the daemon and ends it by SIGTERM, and asks a
command that needs a running agent what is missing. With --build the programs are those of DIR/bin, and nothing is built.
One line a check; exit: 0 if all passed, else 1.
TEXT
}

jobs=$(nproc) build=''
while [ $# -gt 0 ]; do
    case $1 in
    --jobs) jobs=${2:?--jobs needs a number} && shift ;;
    --build) build=$(realpath "${2:?--build needs a directory}") && shift ;;
    -h | --help) usage && exit 0 ;;
    *) echo "small.sh: unknown argument '$1'; see --help" >&2 && exit 64 ;;
    esac
    shift
done
cd "$(dirname "$0")/../.."
if [ -z "$build" ]; then
    build=$PWD/build/small
    cmake --preset small >/dev/null
    cmake --build "$build" --parallel "$jobs" --target hwenrolld hwenroll hwenroll-token scep-lab-ca
fi
bin=$build/bin
export PATH=$bin:$PATH

failed=0
# check TEXT FUNCTION
check() {
    local output rc=0
    set +e # in a condition, errexit would be off inside, too
    output=$(set -e; "$2" 2>&1 </dev/null)
    rc=$?
    set -e
    if [ "$rc" = 0 ]; then
        echo "PASS  $1"
    else
        failed=1
        echo "FAIL  $1"
        printf '%s\n' "$output" | tail -n 20 | sed 's/^/    | /'
    fi
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

needs_no_libsystemd() {
    local program needed
    for program in hwenrolld hwenroll hwenroll-token; do
        # What it is itself linked with; a library of another package may need it in turn.
        needed=$(readelf --dynamic "$bin/$program" | grep NEEDED)
        ! grep libsystemd <<<"$needed" || return 1
    done
}

asks_in_vain() {
    local rc=0
    hwenroll enroll web --config docs/examples/hwenroll.toml >"$work/answer" 2>&1 || rc=$?
    cat "$work/answer"
    [ "$rc" = 69 ]
    grep -q 'HWENROLL_CONTROL=OFF' "$work/answer"
    grep -q -- '--once' "$work/answer"
}

daemon_lives_without_socket() {
    printf '[agent]\nstate_dir = "%s"\nruntime_dir = "%s"\n' "$work/state" "$work/run" >"$work/empty.toml"
    local daemon rc=0 tries
    hwenrolld --config "$work/empty.toml" >"$work/daemon.log" 2>&1 &
    daemon=$!
    for ((tries = 0; tries < 300; tries++)); do
        [ ! -e "$work/state/state.db" ] || break
        sleep 0.1
    done
    [ -e "$work/state/state.db" ]
    [ ! -e "$work/run/control" ]
    kill -TERM "$daemon"
    wait "$daemon" || rc=$?
    cat "$work/daemon.log"
    [ "$rc" = 0 ]
}

check "the programs are not linked with libsystemd" needs_no_libsystemd
check "an identity is enrolled, shown and left alone by the next run (debian/tests/enrollment)" \
    debian/tests/enrollment
check "the daemon opens no control socket and ends by SIGTERM with 0" daemon_lives_without_socket
check "a command that needs the agent says what is missing and exits 69" asks_in_vain
(cd "$bin" && ls -l hwenrolld hwenroll hwenroll-token) | awk '{ print "      " $5 " octets " $9 }'
exit "$failed"
