#!/bin/bash
# Runs the two commands of the README on new machines: a minimal Debian tree each, with nothing in it but a copy of
# the tracked files of this checkout (no .git, no compiler). See --help.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tests/system/fresh.sh [--suite NAME]... [--command TEXT]... [--limit SECONDS] [--logs DIR]
                             [--untracked] [--keep]

Each command runs as root in a fresh minimal tree of each Debian suite, so that no command profits from another.
  --suite NAME     bookworm (Debian 12) or trixie (Debian 13); repeatable; default: both
  --command TEXT   shell text that runs in the copy of the checkout; repeatable;
                   default: ./demo.sh and ./test.sh
  --limit SECONDS  a command still running after that is killed and reported as rc 137; default: 5400
  --logs DIR       one log per run; default: build/fresh
  --untracked      copy files that git does not track yet, too (not those it ignores)
  --keep           leave the trees for inspection
Prints one line per run: suite, command, rc, wall time. Exit: 0 if every run ended with 0, else 1; 64 wrong usage, 69
something is missing that it needs.
Needs root, debootstrap and zstd. Packages come from the archive that this machine's apt uses. Minimal trees are cached
for a week in /var/tmp/hwenroll-fresh, or in $HWENROLL_FRESH_CACHE.
TEXT
}

complain() {
    echo "fresh.sh: $2" >&2
    exit "$1"
}

arguments=("$@")
suites=() commands=() limit=5400 keep=no logs='' listing=(--cached)
while [ $# -gt 0 ]; do
    case $1 in
    --suite) suites+=("${2:?--suite needs a name}") && shift ;;
    --command) commands+=("${2:?--command needs text}") && shift ;;
    --limit) limit=${2:?--limit needs seconds} && shift ;;
    --logs) logs=${2:?--logs needs a directory} && shift ;;
    --untracked) listing=(--cached --others --exclude-standard) ;;
    --keep) keep=yes ;;
    -h | --help) usage && exit 0 ;;
    *) complain 64 "unknown argument '$1'; see --help" ;;
    esac
    shift
done
[ ${#suites[@]} -gt 0 ] || suites=(bookworm trixie)
[ ${#commands[@]} -gt 0 ] || commands=(./demo.sh ./test.sh)

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cache=${HWENROLL_FRESH_CACHE:-/var/tmp/hwenroll-fresh}
logs=${logs:-$checkout/build/fresh}

# shellcheck source=tests/system/trees.sh
. "$checkout/tests/system/trees.sh"
need git
be_alone

# one_run SUITE COMMAND: 0 if the command ended with 0.
one_run() {
    local suite=$1 command=$2 rc=0 started packed log
    log=$logs/$suite-$(printf %.40s "$command" | tr -cs 'A-Za-z0-9' '_').log
    packed=$(minimal_tree "$suite") || return 1
    unpack_tree "$suite" "$packed"
    copy_checkout /checkout "${listing[@]}"
    complete_tree "$suite"
    started=$(date +%s)
    in_tree "$limit" "cd /checkout && $command" >"$log" 2>&1 </dev/null || rc=$?
    printf '%-9s %-12.40s rc %-3d %4d s  %s\n' "$suite" "$command" "$rc" $(($(date +%s) - started)) "$log"
    [ "$rc" = 0 ] || tail -n 20 "$log" | sed 's/^/    | /'
    remove_tree
    return "$((rc != 0))"
}

mkdir -p "$cache" "$logs"
failed=0
for suite in "${suites[@]}"; do
    for command in "${commands[@]}"; do
        one_run "$suite" "$command" || failed=1
    done
done
exit "$failed"
