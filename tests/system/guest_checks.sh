#!/bin/bash
# Runs as root in the guest of guest.sh: one line a check, PASS or FAIL, what was proved, figures or the reason.
# shellcheck disable=SC2317 # check() calls functions by name
set -euo pipefail

live=/var/lib/hwenroll/live failed=no challenge=$(cat /etc/lab-ca.challenge)

# Nothing after it could pass.
stop_if_failed() { [ "$failed" = no ] || finish; }
finish() {
    journalctl --quiet --no-pager --output short-precise >/dev/ttyS0 || true
    echo "all checks have run"
    exit 0
}

# within SECONDS COMMAND...: until it is true. The guest is emulated, and slow.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || { echo "not in time: $*" && return 1; }
        sleep 0.5
    done
}
expect() { [ "$2" = "$3" ] || { echo "$1 is '$2', not '$3'" && return 1; }; }
property() { systemctl show --property "$2" --value "$1"; }
state_is() { [ "$(hwenroll status | awk -v id="$1" '$1 == id { print $2 }')" = "$2" ]; }
journal() { journalctl --quiet --no-pager --output cat "$@"; }
journal_has() { [ -n "$(journal "$@")" ]; }
serial() { openssl x509 -in "$live/$1/current/cert.pem" -noout -serial | cut -d= -f2; }
has_another_serial() { [ "$(serial "$1")" != "$2" ]; }
drop_in() {
    mkdir -p "/etc/systemd/system/$1.service.d"
    cat >"/etc/systemd/system/$1.service.d/$2.conf"
}

check() {
    local rc=0 verdict=PASS said=/run/said since
    since=$(date '+%F %T')
    set +e
    (set -e && "$1") >"$said" 2>&1
    rc=$?
    set -e
    [ "$rc" = 0 ] || verdict=FAIL
    printf '%s  %s: %s\n' "$verdict" "$2" "$(paste --serial --delimiters ';' "$said")"
    [ "$rc" = 0 ] || failed=yes
    [ "$rc" = 0 ] || journalctl --quiet --no-pager --since "$since" --output short-precise | tail -n 25 | sed 's/^/    | /'
}

# seal NAME FILE: by the TPM alone, and not to a register that an update of the firmware changes. 23 is the applications',
# which nothing here extends. systemd 252 seals to none at all (--tpm2-pcrs=), but does not open it again.
seal() { systemd-creds encrypt --with-key=tpm2 --tpm2-pcrs=23 --name="$1" - "$2"; }

seals() {
    [ -c /dev/tpmrm0 ] || { echo "there is no /dev/tpmrm0" && return 1; }
    # It says that the register has never been written, which is what makes it the right one.
    printf %s "$challenge" | seal lab.challenge /etc/hwenroll/challenge.cred 2>/dev/null
    head -c 16 /dev/urandom | base64 | seal tpm.auth /etc/hwenroll/auth.cred 2>/dev/null
    expect "the challenge" "$(systemd-creds decrypt --name=lab.challenge /etc/hwenroll/challenge.cred - 2>/dev/null)" \
        "$challenge"
    echo "$(wc -c </etc/hwenroll/challenge.cred) octets"
}

fingerprint() { hwenroll ca show "$1" --json | sed -nE 's/.*"pin": *"([^"]+)".*/\1/p'; }

configure() {
    systemctl start lab-ca-corp.service
    within 30 bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080' 2>/dev/null
    local url=http://localhost:8080/scep
    cat >/etc/hwenroll/hwenroll.toml <<TEXT
[token.tpm]
type = "tpm2"
tcti = "device:/dev/tpmrm0"
auth = "credential:tpm.auth"

[ca.corp]
url = "$url"
fingerprint = "$(fingerprint "$url")"
challenge = "credential:lab.challenge"

[identity.web]
ca = "corp"
token = "tpm"
subject = "CN=web.example.com"
TEXT
    drop_in hwenrolld challenge <<<$'[Service]\nLoadCredentialEncrypted=lab.challenge:/etc/hwenroll/challenge.cred'
    # Not an encrypted one here: for that systemd itself opens the TPM to the unit.
    drop_in hwenroll-token@tpm auth <<<$'[Service]\nSetCredential=tpm.auth:any'
    drop_in hwenroll-token@tpm group <<<$'[Service]\nSupplementaryGroups=tss'
    systemctl daemon-reload
    systemctl start hwenroll-hook.socket hwenroll-token@tpm.socket
}

# Without a word about the token, in a directory that nothing else looks at.
init_finds_the_tpm() {
    local url=http://localhost:8080/scep found line scratch
    scratch=$(mktemp -d /var/tmp/init.XXXXXX)
    hwenroll init --config "$scratch/hwenroll.toml" --state-dir "$scratch/state" --name found --url "$url" \
        --fingerprint "$(fingerprint "$url")" --san dns:found.example.com --challenge-file - <<<"$challenge" >"$scratch/said" 2>&1 ||
        { cat "$scratch/said" && return 1; }
    found=$(sed -n 's/^token: //p' "$scratch/said")
    expect "the token that it proposes" "$found" 'TPM 2.0 at device:/dev/tpmrm0'
    for line in 'type = "tpm2"' 'tcti = "device:/dev/tpmrm0"'; do
        grep -qxF "$line" "$scratch/hwenroll.toml" || { echo "it has not written $line" && return 1; }
    done
    ! grep -q '^module = ' "$scratch/hwenroll.toml" || { echo "it has written a module" && return 1; }
    hwenroll check-config --config "$scratch/hwenroll.toml" || return 1
    echo "$found"
}

# What it wrote is good for more than check-config.
its_configuration_enrolls() {
    local at
    at=$(find /var/tmp/init.*/hwenroll.toml | tail -n 1)
    hwenrolld --once --config "$at"
    at=$(dirname "$at")/state/live/found/current
    grep -q 'BEGIN TSS2 PRIVATE KEY' "$at/key.pem"
    echo "serial $(openssl x509 -in "$at/cert.pem" -noout -serial | cut -d= -f2)"
}

# The drop-in without its DeviceAllow=.
is_denied_the_device() {
    systemctl start hwenrolld
    within 120 journal_has HWENROLL_IDENTITY=web -g 'E-TOKEN|E-TPM'
    ! state_is web OK || { echo "it has a certificate" && return 1; }
    journal -n 1 HWENROLL_IDENTITY=web -g 'E-TOKEN|E-TPM' | grep "E-TOKEN-ABSENT web: token 'tpm' cannot be reached" ||
        { journal -n 3 HWENROLL_IDENTITY=web && return 1; }
}

enrolls() {
    drop_in hwenroll-token@tpm auth <<<$'[Service]\nLoadCredentialEncrypted=tpm.auth:/etc/hwenroll/auth.cred'
    drop_in hwenroll-token@tpm device <<<$'[Service]\nDeviceAllow=/dev/tpmrm0 rw'
    systemctl daemon-reload
    systemctl stop hwenroll-token@tpm.service 2>/dev/null
    hwenroll resume web >/dev/null || true
    within 300 state_is web OK
    openssl verify -CAfile "$live/web/current/ca.pem" "$live/web/current/cert.pem" >/dev/null
    grep -q 'BEGIN TSS2 PRIVATE KEY' "$live/web/current/key.pem"
    # It ends when it is idle, so that the TPM is free for others.
    journal_has _PID=1 -u hwenroll-token@tpm.service -g Started
    echo "serial $(serial web), challenge and auth unsealed by the TPM"
}

renews() {
    local first
    first=$(serial web)
    hwenroll renew web >/dev/null
    within 300 has_another_serial web "$first"
    within 120 state_is web OK
    echo "serial $(serial web)"
}

# A TPM in the agent's own unit, without a socket of its token.
has_a_worker_of_its_own() {
    cat >>/etc/hwenroll/hwenroll.toml <<'TEXT'

[token.own]
type = "tpm2"
tcti = "device:/dev/tpmrm0"

[identity.own]
ca = "corp"
token = "own"
subject = "CN=own.example.com"
TEXT
    drop_in hwenrolld tpm <<<$'[Service]\nSupplementaryGroups=tss\nBindPaths=/dev/tpmrm0\nDeviceAllow=/dev/tpmrm0 rw'
    systemctl daemon-reload
    systemctl restart hwenrolld
    within 300 state_is own OK
    within 120 state_is web OK
    echo "serial $(serial own) under PrivateDevices=yes with BindPaths=/dev/tpmrm0"
}

# A process in the agent's group that takes more than all may: it is ended, and the agent is not.
is_limited() {
    local pid group rc=0
    pid=$(property hwenrolld MainPID) group=/sys/fs/cgroup$(property hwenrolld ControlGroup)
    expect memory.max "$(cat "$group/memory.max")" $((512 * 1024 * 1024))
    # shellcheck disable=SC2016 # expanded by the shell that moves
    sh -c 'echo $$ >"$0/cgroup.procs" && exec perl -e "my \$all = q(x) x (600 << 20); print length \$all"' "$group" || rc=$?
    expect "the end of what took 600 MiB" "$rc" 137
    sleep 2 # what is measured
    expect MainPID "$(property hwenrolld MainPID)" "$pid"
    expect "state of the unit" "$(property hwenrolld ActiveState)" active
    expect pids.max "$(cat "$group/pids.max")" 512
    echo "$(grep '^oom_kill ' "$group/memory.events"), at most" \
        "$(($(cat "$group/memory.peak" 2>/dev/null || echo 0) >> 20)) MiB"
}

exposed() {
    local unit
    for unit in hwenrolld hwenroll-token@tpm; do
        systemd-analyze security --no-pager --threshold=15 "$unit.service" |
            sed -nE 's/.*level for (.*): ([0-9.]+) .*/\1 \2/p'
    done
}

is_confined_by_apparmor() {
    local confined
    [ "$(cat /sys/module/apparmor/parameters/enabled)" = Y ] || { echo "this kernel has no AppArmor" && return 1; }
    confined=$(tr -d '\0' <"/proc/$(property hwenrolld MainPID)/attr/apparmor/current")
    expect "the agent's profile" "$confined" 'hwenrolld (enforce)'
    hwenroll renew web >/dev/null
    within 120 worker_is_confined
    within 300 state_is web OK
    ! journalctl --quiet --no-pager --output cat _TRANSPORT=kernel |
        grep -Eo 'apparmor="(DENIED|ALLOWED)".*profile="hwenroll.*' | sed 's/ pid=[0-9]*//' | sort -u | grep . || return 1
    echo "both in force, and nothing of all this was denied"
}
worker_is_confined() {
    local pid
    pid=$(property hwenroll-token@tpm MainPID)
    [ "$pid" != 0 ] && [ "$(tr -d '\0' 2>/dev/null <"/proc/$pid/attr/apparmor/current")" = 'hwenroll-token (enforce)' ]
}

check seals "systemd-creds seals a challenge and a TPM key's auth by the TPM"
stop_if_failed
check configure "the guest has a lab CA and a configuration"
check init_finds_the_tpm "hwenroll init finds /dev/tpmrm0 by itself, and check-config takes what it writes"
check its_configuration_enrolls "hwenrolld --once enrolls by it"
check is_denied_the_device "without DeviceAllow= the TPM cannot be reached, and that is told"
check enrolls "with DeviceAllow=/dev/tpmrm0 hwenroll-token@tpm.service enrolls"
stop_if_failed
check renews "and renews"
check has_a_worker_of_its_own "the TPM of a worker of the agent's own needs a drop-in of hwenrolld.service"
check is_limited "MemoryMax= ends what takes too much, and not the agent"
check exposed "with their drop-ins the units are exposed by 1.5 at most"
check is_confined_by_apparmor "under its AppArmor profile"
finish
