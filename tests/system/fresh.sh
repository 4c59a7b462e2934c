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
Prints one line per run: suite, command, rc, wall time. Exit: 0 if every run ended with 0, else 1; 64 wrong usage.
Needs root, debootstrap and zstd. Packages come from the archive that this machine's apt uses. Minimal trees are cached
for a week in /var/tmp/hwenroll-fresh, or in $HWENROLL_FRESH_CACHE.
TEXT
}

complain() {
    echo "fresh.sh: $1" >&2
    exit 64
}

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
    *) complain "unknown argument '$1'; see --help" ;;
    esac
    shift
done
[ ${#suites[@]} -gt 0 ] || suites=(bookworm trixie)
[ ${#commands[@]} -gt 0 ] || commands=(./demo.sh ./test.sh)

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cache=${HWENROLL_FRESH_CACHE:-/var/tmp/hwenroll-fresh}
logs=${logs:-$checkout/build/fresh}

[ "$(id -u)" = 0 ] || complain "needs root (debootstrap, chroot)"
for program in debootstrap zstd unshare git; do
    command -v "$program" >/dev/null || complain "needs '$program'"
done

# Every mount lives in a mount namespace of this script: it ends with its last process, and no removal of a tree can
# reach a mount of the machine.
if [ "${HWENROLL_FRESH_INSIDE:-}" != yes ]; then
    arguments=(--limit "$limit" --logs "$logs")
    [ "$keep" = no ] || arguments+=(--keep)
    [ ${#listing[@]} = 1 ] || arguments+=(--untracked)
    for suite in "${suites[@]}"; do arguments+=(--suite "$suite"); done
    for command in "${commands[@]}"; do arguments+=(--command "$command"); done
    HWENROLL_FRESH_INSIDE=yes exec unshare --mount --propagation private -- "$0" "${arguments[@]}"
fi

# The archive that serves this machine, e.g. as a base for .../debian and .../debian-security.
archive() {
    # shellcheck disable=SC2016 # apt's own placeholder
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 -E "/$1/?\$" | sed 's,/*$,,'
}
main_archive=$(archive debian) || complain "apt on this machine knows no archive whose address ends in /debian"
security_archive=$(archive debian-security) || security_archive=${main_archive%/debian}/debian-security

tree=''
remove_tree() {
    [ -n "$tree" ] || return 0
    local mount
    awk -v under="$tree/" 'index($5, under) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
        while read -r mount; do umount --lazy "$mount"; done
    if [ "$keep" = yes ]; then
        echo "fresh.sh: kept $tree"
    else
        rm -rf --one-file-system "$tree"
    fi
    tree=''
}
trap remove_tree EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# minimal_tree SUITE: prints the path of an archive of a minbase tree, made anew when older than a week.
minimal_tree() {
    local packed=$cache/$1.tar.zst base
    if [ -z "$(find "$cache" -name "$1.tar.zst" -size +0 -mtime -7)" ]; then
        base=$(mktemp -d "$cache/base.XXXXXX")
        chmod 0755 "$base"
        if ! debootstrap --variant=minbase "$1" "$base" "$main_archive" >"$cache/$1.log" 2>&1; then
            tail -n 5 "$cache/$1.log" >&2
            rm -rf --one-file-system "$base"
            return 1
        fi
        rm -f "$base"/var/cache/apt/archives/*.deb
        tar -C "$base" --one-file-system -cf - . | zstd -q -3 -T0 -f -o "$packed.new"
        mv "$packed.new" "$packed"
        rm -rf --one-file-system "$base"
    fi
    echo "$packed"
}

copy_checkout() {
    mkdir "$tree/checkout"
    git -C "$checkout" -c safe.directory="$checkout" ls-files -z "${listing[@]}" |
        (cd "$checkout" && tar --null --files-from=- --ignore-failed-read -cf - 2>/dev/null) |
        tar -C "$tree/checkout" --no-same-owner -xf -
}

# What an installed machine has and debootstrap leaves out: the update suites, name resolution, a few devices.
complete_tree() {
    local suite=$1 device
    printf 'deb %s %s main\n' "$main_archive" "$suite" "$main_archive" "$suite-updates" \
        "$security_archive" "$suite-security" >"$tree/etc/apt/sources.list"
    apt-config dump | grep -E '^Acquire::(http|https)::Proxy ' >"$tree/etc/apt/apt.conf.d/90proxy" || true
    cp --dereference /etc/resolv.conf "$tree/etc/resolv.conf"
    echo '127.0.0.1 localhost fresh' >"$tree/etc/hosts"
    # No init runs in the tree, so no package may start a service.
    printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
    chmod 0755 "$tree/usr/sbin/policy-rc.d"
    mount -t tmpfs -o mode=0755,size=1m none "$tree/dev"
    for device in null zero full random urandom tty; do
        touch "$tree/dev/$device"
        mount --bind "/dev/$device" "$tree/dev/$device"
    done
    ln -s /proc/self/fd "$tree/dev/fd"
    mkdir "$tree/dev/shm" "$tree/dev/pts"
    mount -t tmpfs -o mode=1777 none "$tree/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666 none "$tree/dev/pts"
    ln -s pts/ptmx "$tree/dev/ptmx"
}

# in_tree COMMAND: runs it as root in the tree, in process namespaces of its own, with a bare environment.
in_tree() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    timeout --foreground --signal=KILL "$limit" \
        unshare --mount --pid --fork --kill-child=KILL --uts --ipc -- sh -c '
            hostname fresh
            mount -t proc proc "$0/proc" && mount -t sysfs -o ro sysfs "$0/sys" &&
            exec chroot "$0" env -i HOME=/root TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
                bash -c "cd /checkout && $1"' "$tree" "$1"
}

# one_run SUITE COMMAND: 0 if the command ended with 0.
one_run() {
    local suite=$1 command=$2 rc=0 started packed log
    log=$logs/$suite-$(printf %.40s "$command" | tr -cs 'A-Za-z0-9' '_').log
    packed=$(minimal_tree "$suite") || return 1
    tree=$(mktemp -d "$cache/$suite.XXXXXX")
    tar -C "$tree" -I zstd -xf "$packed"
    chmod 0755 "$tree" # mktemp made it 0700, and nobody but root could then reach "/"
    copy_checkout
    complete_tree "$suite"
    started=$(date +%s)
    in_tree "$command" >"$log" 2>&1 </dev/null || rc=$?
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
