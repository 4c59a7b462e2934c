#!/bin/bash
# Builds and runs the benchmarks, and prints their figures as Markdown for docs/performance.md. See --help.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() {
    cat <<'TEXT'
usage: tests/bench/run.sh [--quick] [--no-build] [--callgrind] [PART…]

  PART         message      messages built and read in a second, replies of 1 MiB
               token        what the key provider and the token worker add to one use of a key
               enrollment   50 enrollments beside Debian's scepclient, and memory
               fleet        10,000 identities in one agent: start, memory, status
               idle         five minutes of an agent without work beside certmonger-session: wake-ups and memory
               default: all of them
  --quick      few repetitions, 5 enrollments, 1,000 identities, 70 s: shows that everything works, and first figures
  --no-build   use the programs in build/bench as they are
  --callgrind  instead of times, instructions of one enrollment by process and function (needs valgrind): they do not
               depend on what else the machine does
Missing Debian packages are installed first, which needs root. The tables go to standard output, all else to standard
error. Exit code: 0 when every part ran; a missed goal is a line of a table. Goals are judged on an idle machine: the
head of the output says how busy it was.
TEXT
}

give_up() {
    echo "run.sh: $1" >&2
    exit "${2:-70}"
}

given=${*:+ $*}
quick=() build=yes callgrind=no parts=()
for argument in "$@"; do
    case $argument in
    --quick) quick=(--quick) ;;
    --no-build) build=no ;;
    --callgrind) callgrind=yes ;;
    message | token | enrollment | fleet | idle) parts+=("$argument") ;;
    -h | --help) usage && exit 0 ;;
    *) give_up "unknown argument '$argument'; see --help" 64 ;;
    esac
done
[ ${#parts[@]} -gt 0 ] || parts=(message token enrollment fleet idle)
bin=$PWD/build/bench/bin

# The programs make all their files below TMPDIR. `timeout` leads a process group of its own, which the servers that a
# program has started belong to, so that nothing stays when one part is cut short.
work=$(mktemp -d)
part=''
clean_up() {
    [ -z "$part" ] || kill -- "-$part" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
export TMPDIR=$work

# bounded SECONDS COMMAND…
bounded() {
    local limit=$1 status=0
    shift
    timeout --kill-after=10 "$limit" "$@" &
    part=$!
    wait "$part" || status=$?
    kill -- "-$part" 2>/dev/null || true
    part=''
    [ $status != 124 ] || echo "run.sh: $(basename "$1") was still running after $limit s" >&2
    return $status
}

if [ $build = yes ]; then
    .ci/install-deps --bench
    { cmake --preset bench && cmake --build build/bench --parallel "$(nproc)" \
        --target message_bench token_bench enrollment_bench fleet_bench hwenrolld hwenroll hwenroll-token \
        scep-lab-ca; } >"$work/build.log" 2>&1 || {
        tail -n 40 "$work/build.log" >&2
        give_up "the build failed; its last lines are above"
    }
fi

version_of() {
    # shellcheck disable=SC2016 # dpkg-query's own placeholder
    dpkg-query --show --showformat='${Version}' "$1" 2>/dev/null || echo unknown
}

head_lines() {
    local commit system
    commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
    system=$(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)
    printf 'Date: %s. Commit: %s%s. Load at the start: %s, %s processors (%s).\n' "$(date -u +%F)" "$commit" \
        "$(git diff --quiet HEAD 2>/dev/null || echo ' with changes')" "$(cut -d' ' -f1 /proc/loadavg)" "$(nproc)" \
        "$(sed -n '/^model name/{s/.*: //p;q}' /proc/cpuinfo)"
    printf '%s, %s, SoftHSM2 %s, scep %s, preset bench.\n' "$system" "$(openssl version | cut -d' ' -f1,2)" \
        "$(version_of softhsm2)" "$(version_of scep)"
    echo "Command: \`tests/bench/run.sh$given\`."
}

head_lines
if [ $callgrind = yes ]; then
    command -v valgrind >/dev/null || give_up "valgrind is not installed: apt-get install valgrind" 69
    mkdir "$work/counts"
    bounded 900 "$bin/enrollment_bench" --quick --callgrind "$work/counts" ||
        give_up "the enrollment under callgrind failed" 1
    for counts in "$work"/counts/one/*; do
        printf '\n```\n'
        callgrind_annotate "$counts" | grep -v '^--* *$' | head -n 45 | cut -c 1-150
        printf '```\n'
    done
    exit 0
fi
failed=()
for name in "${parts[@]}"; do
    echo "run.sh: $name" >&2
    if [ "$name" = idle ]; then
        idle_for=300
        [ ${#quick[@]} = 0 ] || idle_for=70
        bounded 900 tests/bench/idle.sh "$bin" "$idle_for" || failed+=("$name")
        continue
    fi
    bounded 900 "$bin/${name}_bench" "${quick[@]}" || failed+=("$name")
done
[ ${#failed[@]} = 0 ] || give_up "failed: ${failed[*]}" 1
