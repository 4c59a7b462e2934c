# A Debian tree that runs under systemd-nspawn with systemd as PID 1; sourced after trees.sh. Whoever sources it lives
# in a mount namespace of its own, and sets `logs`.
# shellcheck shell=bash disable=SC2154 # tree and logs come from outside

machine='' leader='' # processes: systemd-nspawn, and PID 1 of the machine
group=/sys/fs/cgroup/hwenroll-booted-$$

# prepare_host: a cgroup of the machine's own and a place for the state of systemd-nspawn, whatever this machine has.
# Where cgroup v1 is mounted, as beside it in containers, it would choose that.
prepare_host() {
    if mountpoint --quiet /sys/fs/cgroup; then
        umount --recursive --lazy /sys/fs/cgroup
    fi
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mkdir -p /run/systemd
    mount -t tmpfs -o mode=0755 tmpfs /run/systemd
}

# switch_on: boots the tree; 0 when systemd is up. A network of its own, since PrivateNetwork= needs one; capabilities
# and bpf(), since IPAddressDeny= and DevicePolicy= are silently nothing without them.
switch_on() {
    mkdir "$group"
    # shellcheck disable=SC2016 # expanded by the inner shell
    bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" \
        systemd-nspawn --quiet --register=no --keep-unit --machine="hwenroll-booted-$$" --directory="$tree" --boot \
        --console=pipe --private-network --capability=all --system-call-filter=bpf --link-journal=no \
        --kill-signal=SIGRTMIN+3 >>"$logs/console.log" 2>&1 </dev/null &
    machine=$!
    local end=$((SECONDS + 60))
    while [ "$SECONDS" -lt "$end" ] && kill -0 "$machine" 2>/dev/null; do
        # Its status is 1 for `degraded`.
        if find_leader && { inside systemctl is-system-running --wait 2>/dev/null || true; } |
            grep -Eqx 'running|degraded'; then
            return 0
        fi
        sleep 0.2
    done
    tail -n 5 "$logs/console.log" >&2
    return 1
}

find_leader() {
    local process
    for process in $(pgrep -P "$machine"); do
        if [ "$(awk '/^NSpid:/ { print $NF }' "/proc/$process/status" 2>/dev/null)" = 1 ]; then
            leader=$process
            return 0
        fi
    done
    return 1
}

# inside COMMAND...: as root in the machine.
inside() {
    nsenter --target "$leader" --mount --uts --ipc --net --pid --cgroup -- \
        env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@" </dev/null
}

# switch_off: an orderly end if that comes within 30 seconds, else none.
switch_off() {
    [ -n "$machine" ] || return 0
    local tries
    kill -TERM "$machine" 2>/dev/null || true
    for ((tries = 0; tries < 300; tries++)); do
        kill -0 "$machine" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$machine" 2>/dev/null || true
    wait "$machine" 2>/dev/null || true
    machine='' leader=''
    for ((tries = 0; tries < 50; tries++)); do
        find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true
        [ -d "$group" ] || break
        sleep 0.1
    done
}
