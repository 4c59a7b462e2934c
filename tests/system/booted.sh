#!/bin/bash
# Boots a minimal Debian tree with systemd as PID 1 and proves there what systemd/ promises: the agent enrolls, renews,
# runs hooks as root and raises alerts in its sandbox, reaches a token that is a service of its own, and comes back after
# kills and boots. See --help.
# shellcheck disable=SC2317 # check() calls functions by name
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tests/system/booted.sh [--build DIR] [--lab-ca FILE] [--suite NAME] [--logs DIR] [--keep]

  --build DIR    where the programs are, in DIR/bin; default: build/dev. A release build will do: no test clock is used
  --lab-ca FILE  the lab CA; default: scep-lab-ca in DIR/bin, or in build/dev/bin
  --suite NAME   bookworm (Debian 12, the default) or trixie (13). The programs must have been built on that Debian:
                 those of 12 do not find their libraries on 13
  --logs DIR     what is kept of a run: results, the journal, the console; default: build/booted
  --keep         leave the tree for inspection
Nothing is compiled. One line a check: PASS or FAIL, what was proved, figures; after a FAIL why, and the journal's last
lines. Exit: 0 if every check passed, 1 if one failed, 64 wrong usage, 69 something is missing that it needs.
Needs root, systemd-nspawn (package systemd-container), debootstrap, zstd and a kernel with cgroup2. Packages come from
the archive that this machine's apt uses. Trees are cached for a week in /var/tmp/hwenroll-fresh, or in
$HWENROLL_FRESH_CACHE. Takes about two minutes, and two more where no tree is cached.
TEXT
}

complain() {
    echo "booted.sh: $2" >&2
    exit "$1"
}

checkout=$(cd "$(dirname "$0")/../.." && pwd)
build=$checkout/build/dev lab_ca='' suite=bookworm logs=$checkout/build/booted keep=no
arguments=("$@")
while [ $# -gt 0 ]; do
    case $1 in
    --build) build=${2:?--build needs a directory} && shift ;;
    --lab-ca) lab_ca=${2:?--lab-ca needs a file} && shift ;;
    --suite) suite=${2:?--suite needs a name} && shift ;;
    --logs) logs=${2:?--logs needs a directory} && shift ;;
    --keep) keep=yes ;;
    -h | --help) usage && exit 0 ;;
    *) complain 64 "unknown argument '$1'; see --help" ;;
    esac
    shift
done
cache=${HWENROLL_FRESH_CACHE:-/var/tmp/hwenroll-fresh}
[ -n "$lab_ca" ] || lab_ca=$build/bin/scep-lab-ca
[ -x "$lab_ca" ] || lab_ca=$checkout/build/dev/bin/scep-lab-ca
main_file=etc/hwenroll/hwenroll.toml
programs=("$build"/bin/{hwenrolld,hwenroll,hwenroll-token,hwenroll-hook})

# What the programs are linked with, by the names of each Debian; their -dev packages are in .ci/install-deps.
packages=(systemd systemd-sysv dbus softhsm2 openssl libp11-kit0 libseccomp2 libsqlite3-0)
case $suite in
bookworm) packages+=(libssl3 libcurl4 libfmt9 libtss2-{esys-3.0.2-0,mu0,rc0,tctildr0}) ;;
trixie) packages+=(libssl3t64 libcurl4t64 libfmt10 libtss2-{esys-3.0.2-0,mu-4.0.1-0,rc0,tctildr0}t64) ;;
*) complain 64 "unknown suite '$suite'; see --help" ;;
esac

[ "$(id -u)" = 0 ] || complain 69 "needs root (debootstrap, systemd-nspawn)"
for program in systemd-nspawn systemctl debootstrap zstd unshare nsenter pgrep; do
    command -v "$program" >/dev/null ||
        complain 69 "needs '$program' (packages systemd-container debootstrap zstd procps)"
done
for program in "${programs[@]}" "$lab_ca"; do
    [ -x "$program" ] || complain 69 "$program is missing; first: cmake --preset dev && cmake --build build/dev \
--target hwenrolld hwenroll hwenroll-token hwenroll-hook scep-lab-ca"
done

# As in fresh.sh: every mount of this script ends with it.
if [ "${HWENROLL_BOOTED_INSIDE:-}" != yes ]; then
    HWENROLL_BOOTED_INSIDE=yes exec unshare --mount --propagation private -- "$0" "${arguments[@]}"
fi

# shellcheck source=tests/system/trees.sh
. "$checkout/tests/system/trees.sh"
# shellcheck source=tests/system/machine.sh
. "$checkout/tests/system/machine.sh"
find_archives || complain 69 "apt on this machine knows no archive whose address ends in /debian"

passed=0 failed=0
clean_up() {
    switch_off
    remove_tree
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- The machine: its tree, its configuration -----------------------------------------------------------------------

# booted_tree: prints the path of an archive of a minimal tree with `packages`, made anew when older than a week.
booted_tree() {
    local packed base
    packed=$cache/$suite-booted-$(cksum <<<"${packages[*]}" | cut -d' ' -f1).tar.zst
    if ! is_fresh "$packed"; then
        base=$(minimal_tree "$suite") || return 1
        unpack_tree "$suite-base" "$base"
        complete_tree "$suite"
        if ! in_tree 1200 "export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && apt-get install -qq --yes \
            --no-install-recommends ${packages[*]}" >"$cache/$suite-booted.log" 2>&1 </dev/null; then
            tail -n 5 "$cache/$suite-booted.log" >&2
            return 1
        fi
        release_mounts
        rm -f "$tree/usr/sbin/policy-rc.d" "$tree"/var/cache/apt/archives/*.deb
        pack "$tree" "$packed"
        rm -rf --one-file-system "$tree"
    fi
    echo "$packed"
}

# What a package would do: programs in one directory, so that each finds hwenroll-token beside itself, units, the user.
install_product() {
    local home=$tree/usr/libexec/hwenroll
    mkdir -p "$home" "$tree/etc/hwenroll/conf.d"
    cp "${programs[@]}" "$home/"
    cp "$lab_ca" "$tree/usr/local/sbin/scep-lab-ca"
    ln -s ../libexec/hwenroll/hwenrolld "$tree/usr/sbin/hwenrolld"
    ln -s ../libexec/hwenroll/hwenroll "$tree/usr/bin/hwenroll"
    cp "$checkout"/systemd/*.{service,socket} "$tree/usr/lib/systemd/system/"
    install -D -m 0644 "$checkout/systemd/hwenroll.sysusers" "$tree/usr/lib/sysusers.d/hwenroll.conf"
    # Tokens of SoftHSM2 are files that the agent's worker writes.
    drop_in hwenrolld softhsm <<'TEXT'
[Service]
SupplementaryGroups=softhsm
ReadWritePaths=/var/lib/softhsm/tokens
TEXT
    echo "booted" >"$tree/etc/hostname"
    echo "127.0.0.1 localhost booted" >"$tree/etc/hosts"
}

# drop_in UNIT NAME: from standard input.
drop_in() {
    mkdir -p "$tree/etc/systemd/system/$1.service.d"
    cat >"$tree/etc/systemd/system/$1.service.d/$2.conf"
}

# What hooks act on: a service that notes its reloads, and a program that notes who runs it.
install_consumer() {
    cat >"$tree/etc/systemd/system/consumer.service" <<'TEXT'
[Service]
ExecStart=/bin/sleep infinity
ExecReload=/bin/sh -c 'echo reloaded >>/var/log/reloads'
[Install]
WantedBy=multi-user.target
TEXT
    cat >"$tree/usr/local/sbin/note-change" <<'TEXT'
#!/bin/sh
echo "$HWENROLL_IDENTITY $HWENROLL_GENERATION uid=$(id -u) $(sed -n 's/^0:://p' /proc/self/cgroup)" >>/var/log/changes
TEXT
    chmod 0755 "$tree/usr/local/sbin/note-change"
}

# install_ca NAME PORT OPTION...: a lab CA as a service.
install_ca() {
    local name=$1 port=$2
    shift 2
    cat >"$tree/etc/systemd/system/lab-ca-$name.service" <<TEXT
[Service]
StateDirectory=lab-ca-$name
ExecStart=/usr/local/sbin/scep-lab-ca --dir /var/lib/lab-ca-$name --listen 127.0.0.1:$port \
    --challenge lab --renewal both $*
[Install]
WantedBy=multi-user.target
TEXT
}

# secret FILE VALUE: as the agent's own.
secret() {
    (umask 077 && printf '%s\n' "$2" >"$tree$1")
    inside chown hwenroll: "$1"
}

# token NAME PIN-SOURCE: makes it, and prints its section.
token() {
    local name=$1 pin=$2
    cat <<TEXT
[token.$name]
type = "pkcs11"
module = "/usr/lib/softhsm/libsofthsm2.so"
uri = "pkcs11:token=$name"
pin = "$pin"

TEXT
}

# authority NAME PORT: its section.
authority() {
    local url=http://127.0.0.1:$2/scep
    cat <<TEXT
[ca.$1]
url = "$url"
fingerprint = "$(inside hwenroll ca show "$url" --json | sed -nE 's/.*"pin": *"([^"]+)".*/\1/p')"
challenge = "file:/etc/hwenroll/lab.challenge"

TEXT
}

# identity NAME CA TOKEN: its section, with hooks.
identity() {
    cat <<TEXT
[identity.$1]
ca = "$2"
token = "$3"
subject = "CN=$1.example.com"
on_change = [["/usr/bin/systemctl", "reload", "consumer.service"], ["/usr/local/sbin/note-change"]]

TEXT
}

group_id() { inside getent group "$1" | cut -d: -f3; }

make_token() {
    inside setpriv --reuid=hwenroll --regid=hwenroll --groups="$(group_id softhsm)" \
        softhsm2-util --init-token --free --label "$1" --pin 24680 --so-pin 13579 >/dev/null
}

configure() {
    inside systemctl enable --quiet --now lab-ca-corp.service lab-ca-brief.service
    within 10 listens 8080
    within 10 listens 8081
    secret /etc/hwenroll/lab.challenge lab
    secret /etc/hwenroll/lab.pin 24680
    make_token lab
    { token lab file:/etc/hwenroll/lab.pin && authority corp 8080 && identity web corp lab; } \
        >"$tree/$main_file"
    inside systemctl enable --quiet --now consumer.service
}

# --- Questions to the machine -----------------------------------------------------------------------------------------

listens() { inside bash -c "exec 3<>/dev/tcp/127.0.0.1/$1" 2>/dev/null; }
property() { inside systemctl show --property "$2" --value "$1"; }
agent() { property hwenrolld "$1"; }
state_is() { [ "$(inside hwenroll status | awk -v id="$1" '$1 == id { print $2 }')" = "$2" ]; }
serial() { openssl x509 -in "$tree/var/lib/hwenroll/live/$1/current/cert.pem" -noout -serial | cut -d= -f2; }
issued() { wc -l 2>/dev/null <"$tree/var/lib/lab-ca-$1/issued.jsonl" || echo 0; }
messages() { wc -l 2>/dev/null <"$tree/var/lib/lab-ca-$1/lint.jsonl" || echo 0; }
issued_more() { [ "$(issued "$1")" -gt "$2" ]; }
journal() { inside journalctl --quiet --no-pager --output cat "$@"; }
journal_has() { [ -n "$(journal "$@")" ]; }
log_has() { grep -qs "$2" "$tree/var/log/$1"; }
processes_of() {
    # shellcheck disable=SC2016 # expanded in the machine
    inside sh -c 'grep -s "^Uid:.$(id -u "$0")[^0-9]" /proc/[0-9]*/status | wc -l' "$1"
}
lines() { grep -cs "$2" "$tree/var/log/$1" || true; }
log_grew() { [ "$(lines "$1" "$2")" -gt "$3" ]; }
another_run() {
    [ "$(agent ActiveState)" = active ] && [ "$(agent MainPID)" != 0 ] && [ "$(agent MainPID)" != "$1" ]
}

# within SECONDS COMMAND...: until it is true.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || { echo "not in time: $*" && return 1; }
        sleep 0.2
    done
}

# expect WHAT IS SHOULD-BE
expect() {
    [ "$2" = "$3" ] || { echo "$1 is '$2', not '$3'" && return 1; }
}

# --- Checks: what one prints is figures if it passes, and the reason if not ------------------------------------------

starts() {
    inside systemctl enable --quiet --now hwenroll-hook.socket hwenrolld.service
    expect ActiveState "$(agent ActiveState)" active
    expect NotifyAccess "$(agent NotifyAccess)" main
    echo "READY=1 after $((($(agent ActiveEnterTimestampMonotonic) -
        $(agent InactiveExitTimestampMonotonic)) / 1000)) ms"
}

enrolls() {
    within 60 state_is web OK
    expect "certificates issued" "$(issued corp)" 1
    local live=/var/lib/hwenroll/live/web/current
    inside openssl verify -CAfile "$live/ca.pem" "$live/cert.pem" >/dev/null
    inside grep -q '^pkcs11:.*token=lab' "$live/key.uri"
    echo "serial $(serial web)"
}

publishes() {
    local live=/var/lib/hwenroll/live file
    for file in "$live" "$live/web" "$live/web/current/"; do
        expect "$file" "$(inside stat --format '%a %U' "$file")" '711 hwenroll'
    done
    for file in cert chain fullchain ca; do
        expect "$file.pem" "$(inside stat --format '%a %U' "$live/web/current/$file.pem")" '644 hwenroll'
    done
    expect key.pem "$(inside stat --format '%a %U' "$live/web/current/key.pem")" '600 hwenroll'
    expect state.db "$(inside stat --format '%a %U' /var/lib/hwenroll/state.db)" '600 hwenroll'
    inside setpriv --reuid=nobody --regid=nogroup --clear-groups cat "$live/web/current/fullchain.pem" >/dev/null
    echo "711, 644, key.pem and state.db 600; nobody can read fullchain.pem"
}

journals() {
    journal_has HWENROLL_IDENTITY=web _SYSTEMD_UNIT=hwenrolld.service ||
        { echo "no record of hwenrolld.service has HWENROLL_IDENTITY=web" && return 1; }
    inside journalctl --fields | grep '^HWENROLL_' | sort | xargs
}

# People of the group may change things, others may not.
controls() {
    expect "the control socket" "$(inside stat --format '%a %U %G' /run/hwenroll/control)" '660 hwenroll hwenroll-admin'
    inside useradd --groups hwenroll-admin admin
    inside useradd other
    inside setpriv --reuid=admin --regid=admin --init-groups hwenroll resume web >/dev/null
    ! inside setpriv --reuid=other --regid=other --init-groups hwenroll resume web 2>&1 ||
        { echo "anybody may resume web" && return 1; }
}

hooks_run_as_root() {
    within 30 log_has changes '^web 1 uid=0 .*hwenroll-hook@'
    within 10 log_has reloads reloaded
    head -n 1 "$tree/var/log/changes"
}

reloads() {
    local pid
    pid=$(agent MainPID)
    { authority brief 8081 && identity brief brief lab && printf '[limits]\nmin_lifetime = "5s"\n'; } \
        >"$tree/etc/hwenroll/conf.d/brief.toml"
    inside systemctl reload hwenrolld
    within 10 journal_has _PID="$pid" -g 'configuration was read again'
    within 60 state_is brief OK
    expect MainPID "$(agent MainPID)" "$pid"
    expect ActiveState "$(agent ActiveState)" active
    echo "brief is there; $(agent StatusText)"
}

bad_reload() {
    local pid
    pid=$(agent MainPID)
    cp "$tree/$main_file" "$tree/$main_file.good"
    trap 'mv "$tree/$main_file.good" "$tree/$main_file"' EXIT
    echo 'this is [no TOML' >"$tree/$main_file"
    inside systemctl reload hwenrolld
    within 10 status_says 'not in force'
    agent StatusText
    cp "$tree/$main_file.good" "$tree/$main_file"
    inside systemctl reload hwenrolld
    within 10 status_is_good
    within 10 state_is web OK
    expect MainPID "$(agent MainPID)" "$pid"
}
status_says() { [[ $(agent StatusText) == *$1* ]]; }
status_is_good() { ! status_says 'not in force'; }

renews() {
    local first runs
    first=$(issued brief) runs=$(lines changes '^brief')
    within 60 issued_more brief $((first + 1))
    within 30 log_grew changes '^brief .*uid=0 .*hwenroll-hook@' "$runs"
    within 20 history_has brief 'consumers use generation 3'
    echo "$(($(issued brief) - first)) renewals; $(lines changes '^brief .*uid=0') hooks as root"
}
history_has() { [[ $(inside hwenroll history "$1") == *$2* ]]; }

alerts() {
    local id
    id=$(sed -nE 's/.*overdue_message_id = "([0-9a-f]{32})".*/\1/p' "$checkout/agent/observe/log_ids.h")
    inside systemctl stop lab-ca-brief
    within 120 journal_has MESSAGE_ID="$id" HWENROLL_IDENTITY=brief PRIORITY=3
    journal -n 1 MESSAGE_ID="$id" HWENROLL_IDENTITY=brief
    rm "$tree/etc/hwenroll/conf.d/brief.toml"
    inside systemctl reload hwenrolld
}

survives_a_kill() {
    local pid had messages_had
    pid=$(agent MainPID) had=$(serial web) messages_had=$(messages corp)
    inside systemctl kill --signal=KILL --kill-whom=main hwenrolld
    within 30 another_run "$pid"
    within 30 state_is web OK
    expect "certificates issued" "$(issued corp)" 1
    expect serial "$(serial web)" "$had"
    echo "NRestarts $(agent NRestarts); messages at the CA $messages_had and $(messages corp)"
}

# The CA has issued and its answer is held back when the agent dies.
survives_a_kill_in_a_renewal() {
    local pid had runs
    pid=$(agent MainPID) had=$(issued corp) runs=$(lines changes '^web')
    inside hwenroll renew web >/dev/null
    within 30 issued_more corp "$had"
    inside systemctl kill --signal=KILL --kill-whom=main hwenrolld
    expect "generation when it was killed" "$(readlink "$tree/var/lib/hwenroll/live/web/current")" gen-001
    within 30 another_run "$pid"
    within 60 log_grew changes '^web .*uid=0' "$runs"
    within 60 state_is web OK
    expect "certificates issued" "$(issued corp)" $((had + 1))
    echo "one certificate more, $(readlink "$tree/var/lib/hwenroll/live/web/current")"
}

watchdog_bites() {
    local pid had=0
    drop_in hwenrolld watchdog <<<$'[Service]\nWatchdogSec=4'
    inside systemctl daemon-reload
    inside systemctl restart hwenrolld
    within 30 state_is web OK
    pid=$(agent MainPID) had=$(issued corp)
    inside systemctl kill --signal=STOP --kill-whom=main hwenrolld
    within 60 another_run "$pid"
    journal_has _PID=1 -g 'hwenrolld.service: Watchdog timeout' ||
        { echo "the journal does not say that it was the watchdog" && return 1; }
    within 30 state_is web OK
    expect "certificates issued" "$(issued corp)" "$had"
    rm "$tree/etc/systemd/system/hwenrolld.service.d/watchdog.conf"
    inside systemctl daemon-reload
    inside systemctl restart hwenrolld
    echo "NRestarts was $(journal _PID=1 -g 'Scheduled restart job' -n 1 | sed 's/.*at //')"
}

# While the CA keeps an answer back, which it does once in each of its runs.
stops() {
    local begun took had
    had=$(issued corp)
    inside systemctl restart lab-ca-corp
    within 10 listens 8080
    inside hwenroll renew web >/dev/null
    within 30 issued_more corp "$had"
    begun=$((${EPOCHREALTIME//[.,]/} / 1000))
    inside systemctl stop hwenrolld
    took=$((${EPOCHREALTIME//[.,]/} / 1000 - begun))
    [ "$took" -lt 10000 ] || { echo "it took $took ms" && return 1; }
    expect Result "$(agent Result)" success
    expect ExecMainStatus "$(agent ExecMainStatus)" 0
    expect "left processes of hwenroll" "$(processes_of hwenroll)" 0
    echo "$took ms with a renewal under way"
}

# The directory of the agent's socket is the hooks' too.
hooks_outlive_a_stop() {
    local runs had
    runs=$(lines changes '^web') had=$(issued corp)
    inside systemctl start hwenrolld
    within 60 log_grew changes '^web' "$runs"
    within 60 state_is web OK
    expect "certificates issued" "$(issued corp)" "$had"
    [[ $(tail -n 1 "$tree/var/log/changes") == *uid=0*hwenroll-hook@* ]] ||
        { echo "the hook ran elsewhere: $(tail -n 1 "$tree/var/log/changes")" && return 1; }
    tail -n 1 "$tree/var/log/changes"
}

# A worker that the agent started has no credentials of its own; a file has to be readable for the service's user.
refuses_pins() {
    inside install -m 0600 /etc/hwenroll/lab.pin /etc/hwenroll/closed.pin
    trap let_pins_be EXIT
    drop_in hwenrolld credential <<<$'[Service]\nLoadCredential=vault-pin:/etc/hwenroll/lab.pin'
    make_token vault
    make_token closed
    { token vault credential:vault-pin && identity vaulted corp vault && token closed file:/etc/hwenroll/closed.pin &&
        identity closed corp closed; } >"$tree/etc/hwenroll/conf.d/pins.toml"
    inside systemctl daemon-reload
    inside systemctl restart hwenrolld
    within 30 journal_has HWENROLL_IDENTITY=vaulted -g 'cannot come from a credential'
    within 30 journal_has HWENROLL_IDENTITY=closed -g 'closed.pin.*Permission denied'
    within 10 state_is web OK
    journal -n 1 HWENROLL_IDENTITY=vaulted -g 'cannot come from a credential'
    journal -n 1 HWENROLL_IDENTITY=closed -g 'Permission denied'
}
let_pins_be() {
    rm "$tree/etc/hwenroll/conf.d/pins.toml" "$tree/etc/systemd/system/hwenrolld.service.d/credential.conf"
    inside systemctl daemon-reload
    inside systemctl restart hwenrolld
}

token_service() { property hwenroll-token@lab.service "$1"; }
token_runs() { [ "$(token_service MainPID)" != 0 ]; }
service_says() { journal_has -u hwenroll-token@lab.service -g "$1"; }

# The same token, PIN and keys as before, now behind a socket: the agent is only told where the PIN is.
token_becomes_a_service() {
    local had
    had=$(issued corp)
    mv "$tree/etc/hwenroll/lab.pin" "$tree/etc/hwenroll/service.pin"
    inside chown root: /etc/hwenroll/service.pin
    inside chown -R hwenroll-token: /var/lib/softhsm/tokens
    drop_in hwenroll-token@lab lab <<'TEXT'
[Service]
LoadCredential=lab.pin:/etc/hwenroll/service.pin
SupplementaryGroups=softhsm
ReadWritePaths=/var/lib/softhsm/tokens
TEXT
    sed -i 's,^pin = .*,pin = "credential:lab.pin",' "$tree/$main_file"
    inside systemctl daemon-reload
    inside systemctl enable --quiet --now hwenroll-token@lab.socket
    expect "the token's socket" "$(inside stat --format '%a %U' /run/hwenroll/token/lab)" '600 hwenroll'
    inside systemctl reload hwenrolld
    { identity served corp lab; } >"$tree/etc/hwenroll/conf.d/served.toml"
    inside systemctl reload hwenrolld
    within 60 state_is served OK
    within 30 state_is web OK
    expect "certificates issued" "$(issued corp)" $((had + 1))
    expect "workers of the agent's own" "$(processes_named hwenroll hwenroll-token)" 0
    token_runs || { echo "no worker runs as a service" && return 1; }
    echo "serial $(serial served), PIN by LoadCredential=, $(processes_named hwenroll-token hwenroll-token) worker"
}
# processes_named USER NAME: how many of them there are.
processes_named() {
    # shellcheck disable=SC2016 # expanded in the machine
    inside sh -c 'for p in /proc/[0-9]*; do
        [ "$(cat "$p/comm" 2>/dev/null)" = "$1" ] && grep -qs "^Uid:.$(id -u "$0")[^0-9]" "$p/status" && echo "$p"
    done | wc -l' "$1" "$2"
}

token_is_confined() {
    local pid may user
    pid=$(token_service MainPID) user=$(inside id -u hwenroll-token)
    may=$(inside sed -nE 's/^(Uid|CapEff|NoNewPrivs|Seccomp):\s*//p' "/proc/$pid/status" | xargs)
    expect "what the worker is and may" "$may" "$user $user $user $user 0000000000000000 1 2"
    # Of a process that can be dumped these files are its user's (proc(5)).
    expect "the owner of its memory" "$(inside stat --format %u "/proc/$pid/mem")" 0
    expect "the size of a core file" "$(inside sed -nE 's/^Max core file size +//p' "/proc/$pid/limits" | xargs)" '0 0 bytes'
    ! inside setpriv --reuid=hwenroll-token --regid=hwenroll-token --clear-groups cat "/proc/$pid/environ" 2>/dev/null ||
        { echo "its own user can read its environment" && return 1; }
    echo "of hwenroll-token: no capability, no new privileges, not dumpable, $(inside sed -nE \
        's/^(Seccomp_filters|VmLck):\s*/\1 /p' "/proc/$pid/status" | xargs)"
}

# One kill of what is logged in, and one deadline.
token_service_recovers() {
    local pid had
    pid=$(token_service MainPID) had=$(issued corp)
    inside systemctl kill --signal=KILL hwenroll-token@lab.service
    inside hwenroll renew served >/dev/null
    within 60 issued_more corp "$had"
    within 60 state_is served OK
    [ "$(token_service MainPID)" != "$pid" ] || { echo "the worker is still process $pid" && return 1; }
    expect "certificates issued" "$(issued corp)" $((had + 1))
    echo "NRestarts $(token_service NRestarts)"
}

token_service_stops() {
    local begun took had
    had=$(issued corp)
    begun=$((${EPOCHREALTIME//[.,]/} / 1000))
    inside systemctl stop hwenroll-token@lab.service 2>/dev/null
    took=$((${EPOCHREALTIME//[.,]/} / 1000 - begun))
    [ "$took" -lt 5000 ] || { echo "it took $took ms" && return 1; }
    expect Result "$(token_service Result)" success
    inside hwenroll renew served >/dev/null
    within 60 issued_more corp "$had"
    within 60 state_is served OK
    echo "in $took ms, in good order; the next use started it again"
}

# A credential that is not there: told, tried again with pauses, and there again without anybody's help.
token_service_waits_for_its_pin() {
    local had tries
    had=$(issued corp)
    mv "$tree/etc/hwenroll/service.pin" "$tree/etc/hwenroll/away.pin"
    inside systemctl stop hwenroll-token@lab.service 2>/dev/null
    inside hwenroll renew served >/dev/null
    within 30 service_says "$no_credential"
    sleep 6 # what is measured
    tries=$(journal -u hwenroll-token@lab.service -g "$no_credential" | wc -l)
    mv "$tree/etc/hwenroll/away.pin" "$tree/etc/hwenroll/service.pin"
    [ "$tries" -ge 2 ] && [ "$tries" -le 6 ] || { echo "it was started $tries times in 6 s" && return 1; }
    expect "the result of the socket" "$(property hwenroll-token@lab.socket Result)" success
    within 60 issued_more corp "$had"
    within 60 state_is served OK
    echo "started $tries times in 6 s without it"
}
no_credential='status=243/CREDENTIALS'

# A token in a TPM, by its drop-in.
token_exposure() {
    local figure
    drop_in hwenroll-token@tpm tpm <<<$'[Service]\nSupplementaryGroups=tss\nDeviceAllow=/dev/tpmrm0 rw'
    inside systemctl daemon-reload
    figure=$(exposure_of hwenroll-token@tpm.service)
    awk -v figure="$figure" 'BEGIN { exit !(figure != "" && figure <= 1.0) }' || { echo "it is '$figure'" && return 1; }
    printf 'hwenroll-token@tpm.service %s  hwenroll-token@lab.service %s\n' "$figure" \
        "$(exposure_of hwenroll-token@lab.service)"
}
exposure_of() {
    inside systemd-analyze security --no-pager "$1" | sed -nE 's/.*Overall exposure level for .*: ([0-9.]+) .*/\1/p'
}

# The unit itself with another program: what that may do, the agent may do.
sandbox_holds() {
    local unit=$tree/etc/systemd/system/hwenroll-probe.service
    cp "$checkout/systemd/hwenrolld.service" "$unit"
    cp "$checkout/tests/system/sandbox_probe.pl" "$tree/usr/local/sbin/sandbox-probe"
    drop_in hwenroll-probe probe <<'TEXT'
[Service]
Type=oneshot
ExecStart=
ExecStart=/usr/bin/perl /usr/local/sbin/sandbox-probe
Restart=no
WatchdogSec=0
StateDirectory=
StateDirectory=hwenroll-probe
RuntimeDirectory=
RuntimeDirectory=hwenroll-probe
DeviceAllow=/dev/tpmrm0 rw
TEXT
    # With the drop-in of a TPM: its numbers, and those of something else.
    inside mknod -m 0666 /dev/tpmrm0 c 10 224
    inside mknod -m 0666 /dev/other c 10 229
    inside systemctl daemon-reload
    inside systemctl start hwenroll-probe.service ||
        { journal -u hwenroll-probe.service && return 1; }
    journal -n 1 -u hwenroll-probe.service -g 'as expected'
}

processes_are_confined() {
    local pid may user count=0
    user=$(inside id -u hwenroll)
    for pid in $(inside cat "/sys/fs/cgroup$(agent ControlGroup)/cgroup.procs"); do
        may=$(inside sed -nE 's/^(Uid|CapEff|NoNewPrivs|Seccomp):\s*//p' "/proc/$pid/status" 2>/dev/null | xargs)
        [ -n "$may" ] || continue # an idle worker has ended
        expect "what process $pid is and may" "$may" "$user $user $user $user 0000000000000000 1 2"
        count=$((count + 1))
    done
    echo "$count processes, of hwenroll: no capability, no new privileges, seccomp"
}

exposure() {
    local unit figure
    for unit in hwenrolld.service hwenroll-hook@1.service; do
        figure=$(exposure_of "$unit")
        [ -n "$figure" ] || { echo "systemd-analyze has no figure for $unit" && return 1; }
        printf '%s %s  ' "$unit" "$figure"
    done
    echo
}

# what_it_has: what a boot must not change.
what_it_has() {
    echo "$(readlink "$tree/var/lib/hwenroll/live/web/current") with serial $(serial web)," \
        "$(issued corp) certificates and $(messages corp) messages at the CA"
}

comes_back_after_a_boot() {
    local number runs
    within 30 state_is web OK
    expect "what the machine has" "$(what_it_has)" "$had_before"
    what_it_has
    number=$(issued corp) runs=$(lines changes '^web')
    inside hwenroll renew web >/dev/null
    within 60 log_grew changes '^web .*uid=0' "$runs"
    within 60 state_is web OK
    expect "certificates issued" "$(issued corp)" $((number + 1))
    echo "and renews, with its hook as root"
}

# --- The run ----------------------------------------------------------------------------------------------------------

keep_journal() {
    inside journalctl --quiet --no-pager --output short-precise >"$logs/journal-$1.txt" || true
}

# check FUNCTION WHAT: in a subshell, where set -e holds and a failure ends it. Never itself in a condition, which would
# switch set -e off in there too.
check() {
    local rc=0 verdict=PASS since
    since=$(inside date '+%F %T')
    set +e
    (set -e && "$1") >"$logs/said" 2>&1
    rc=$?
    set -e
    [ "$rc" = 0 ] || verdict=FAIL
    printf '%s  %s: %s\n' "$verdict" "$2" "$(paste --serial --delimiters ';' "$logs/said")" | tee -a "$logs/results.txt"
    if [ "$rc" = 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        inside journalctl --quiet --no-pager --since "$since" --output short-precise 2>&1 |
            tail -n 25 | sed 's/^/    | /'
    fi
}

finish() {
    keep_journal "$1"
    echo "$passed checks passed, $failed failed, in $SECONDS s; journals and console: $logs"
    exit $((failed > 0))
}

mkdir -p "$cache" "$logs"
rm -f "$logs"/{results.txt,console.log,said,journal-*.txt}
packed=$(booted_tree) || complain 69 "no tree of '$suite' could be made"
unpack_tree "$suite-booted" "$packed"
install_product
install_consumer
install_ca corp 8080 --lifetime 86400 --fault RenewalReq:1:delay-4000
install_ca brief 8081 --lifetime 20 --backdate 0
prepare_host
switch_on || complain 69 "the tree did not boot; $logs/console.log may say why"
configure

check starts "hwenrolld.service reaches active"
check enrolls "it enrolls with a SoftHSM2 key in its sandbox"
[ "$failed" = 0 ] || finish first-boot
check processes_are_confined "its processes have no privilege"
check publishes "what it publishes has the modes of the design"
check journals "its journal has fields"
check controls "its control socket is hwenroll-admin's"
check hooks_run_as_root "on_change runs as root through hwenroll-hook.socket"
check reloads "systemctl reload takes a new identity up"
check bad_reload "systemctl reload of a broken configuration is told and changes nothing"
check renews "certificates of 20 s are renewed, hooks run and are in the history"
check alerts "an alert is found by its MESSAGE_ID after the CA was stopped"
check survives_a_kill "SIGKILL: restarted, nothing issued"
check survives_a_kill_in_a_renewal "SIGKILL while a renewal's answer is on its way: one certificate"
check watchdog_bites "SIGSTOP: the watchdog kills it and it is restarted"
check stops "systemctl stop ends within 10 s"
check hooks_outlive_a_stop "after a start the renewal goes on, and hooks still run as root"
check refuses_pins "a credential: PIN and an unreadable file: PIN are refused clearly, others live on"
check sandbox_holds "the unit's sandbox holds"
check exposure "systemd-analyze security, exposure of 10"
check token_becomes_a_service "a token behind hwenroll-token@lab.socket, with its PIN by credential, enrolls"
check token_is_confined "its worker is another user without privileges"
check token_service_recovers "SIGKILL of that worker: the next use has a new one"
check token_service_stops "systemctl stop of that worker ends it, and the next use starts it"
check token_service_waits_for_its_pin "without its credential it is started again with pauses"
check token_exposure "the exposure of a TPM's worker is 1.0 at most"
had_before=$(what_it_has)
keep_journal first-boot
switch_off
switch_on || { failed=$((failed + 1)) && echo "FAIL  the machine does not boot again" && finish second-boot; }
check comes_back_after_a_boot "after a boot it has what it had"
finish second-boot
