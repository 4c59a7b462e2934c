# Minimal Debian trees for the system tests; sourced, not run. Whoever sources it has complain(), and sets `arguments` (its
# own), `checkout`, `cache` (a directory) and `keep` (yes: a tree is left for inspection).
# shellcheck shell=bash disable=SC2154 # what is set outside

tree='' # the one that is in use

# need PROGRAM...: what is missing is told, with 69.
need() {
    local program
    [ "$(id -u)" = 0 ] || complain 69 "needs root (debootstrap, chroot)"
    for program in debootstrap zstd unshare "$@"; do
        command -v "$program" >/dev/null || complain 69 "needs '$program'; see --help"
    done
}

# be_alone: goes on in a mount namespace of the script's own. Every mount ends with its last process, and no removal of a
# tree can reach a mount of the machine. Returns in there, with the archives found; trees are removed when it ends.
be_alone() {
    if [ "${HWENROLL_ALONE:-}" != "${0##*/}" ]; then
        HWENROLL_ALONE=${0##*/} exec unshare --mount --propagation private -- "$0" "${arguments[@]}"
    fi
    find_archives || complain 69 "apt on this machine knows no archive whose address ends in /debian"
    trap remove_tree EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# find_archives: sets main_archive and security_archive to what serves this machine, e.g. .../debian.
find_archives() {
    main_archive=$(archive debian) || return 1
    security_archive=$(archive debian-security) || security_archive=${main_archive%/debian}/debian-security
}
archive() {
    # shellcheck disable=SC2016 # apt's own placeholder
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 -E "/$1/?\$" | sed 's,/*$,,'
}

# is_fresh FILE: it is there and not older than a week.
is_fresh() {
    [ -n "$(find "$(dirname "$1")" -name "$(basename "$1")" -size +0 -mtime -7)" ]
}

# pack DIRECTORY FILE: FILE appears as a whole or not at all.
pack() {
    tar -C "$1" --one-file-system -cf - . | zstd -q -3 -T0 -f -o "$2.new"
    mv "$2.new" "$2"
}

# minimal_tree SUITE: prints the path of an archive of a minbase tree, made anew when older than a week.
minimal_tree() {
    local packed=$cache/$1.tar.zst base
    if ! is_fresh "$packed"; then
        base=$(mktemp -d "$cache/base.XXXXXX")
        chmod 0755 "$base"
        if ! debootstrap --variant=minbase "$1" "$base" "$main_archive" >"$cache/$1.log" 2>&1; then
            tail -n 5 "$cache/$1.log" >&2
            rm -rf --one-file-system "$base"
            return 1
        fi
        rm -f "$base"/var/cache/apt/archives/*.deb
        pack "$base" "$packed"
        rm -rf --one-file-system "$base"
    fi
    echo "$packed"
}

# prepared_tree KIND WANTED COMMAND: prints the path of an archive of a minimal tree of `suite` in which COMMAND has run. It
# is made anew when older than a week, or when WANTED, a text with all that COMMAND installs, is another one.
prepared_tree() {
    local packed base
    packed=$cache/$suite-$1-$(cksum <<<"$2" | cut -d' ' -f1).tar.zst
    if ! is_fresh "$packed"; then
        base=$(minimal_tree "$suite") || return 1
        unpack_tree "$suite-base" "$base"
        complete_tree "$suite"
        if ! in_tree 1800 "export DEBIAN_FRONTEND=noninteractive; $3" >"$cache/$suite-$1.log" 2>&1 </dev/null; then
            tail -n 5 "$cache/$suite-$1.log" >&2
            return 1
        fi
        release_mounts
        rm -f "$tree/usr/sbin/policy-rc.d" "$tree"/var/cache/apt/archives/*.deb
        pack "$tree" "$packed"
        rm -rf --one-file-system "$tree"
    fi
    echo "$packed"
}

# copy_checkout DIRECTORY OPTION...: the files of git ls-files OPTION... into that directory of the tree.
copy_checkout() {
    local to=$tree$1
    shift
    mkdir -p "$to"
    git -C "$checkout" -c safe.directory="$checkout" ls-files -z "$@" |
        (cd "$checkout" && tar --null --files-from=- --ignore-failed-read -cf - 2>/dev/null) |
        tar -C "$to" --no-same-owner -xf -
}

# unpack_tree NAME PACKED: makes it the tree in use.
unpack_tree() {
    tree=$(mktemp -d "$cache/$1.XXXXXX")
    tar -C "$tree" -I zstd -xf "$2"
    chmod 0755 "$tree" # mktemp made it 0700, and nobody but root could then reach "/"
}

# complete_tree SUITE: what an installed machine has and debootstrap leaves out: the update suites, name resolution, a
# few devices.
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

# in_tree SECONDS COMMAND: runs it as root in the tree, in process namespaces of its own, with a bare environment; what
# still runs after that many seconds is killed, and the result is 137.
in_tree() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    timeout --foreground --signal=KILL "$1" \
        unshare --mount --pid --fork --kill-child=KILL --uts --ipc -- sh -c '
            hostname fresh
            mount -t proc proc "$0/proc" && mount -t sysfs -o ro sysfs "$0/sys" &&
            exec chroot "$0" env -i HOME=/root TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
                bash -c "$1"' "$tree" "$2"
}

release_mounts() {
    local mount
    awk -v under="$tree/" 'index($5, under) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
        while read -r mount; do umount --lazy "$mount"; done
}

remove_tree() {
    [ -n "$tree" ] || return 0
    release_mounts
    if [ "$keep" = yes ]; then
        echo "${0##*/}: kept $tree"
    else
        rm -rf --one-file-system "$tree"
    fi
    tree=''
}
