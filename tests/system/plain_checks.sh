#!/bin/bash
# Runs as root in the tree of plain.sh: one line a check, PASS or FAIL, what was proved, figures or the reason.
# shellcheck disable=SC2317 # check() calls functions by name
set -euo pipefail

programs=/usr/libexec/hwenroll at=/srv/hwenroll daemon=''
live=$at/state/live/web/current

within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || { echo "not in time: $*" && return 1; }
        sleep 0.2
    done
}
check() {
    local rc=0 verdict=PASS
    set +e
    (set -e && "$1") >/tmp/said 2>&1
    rc=$?
    set -e
    [ "$rc" = 0 ] || verdict=FAIL
    printf '%s  %s: %s\n' "$verdict" "$2" "$(paste --serial --delimiters ';' /tmp/said)"
    [ "$rc" = 0 ] || sed 's/^/    | /' "$at/stderr" 2>/dev/null
}
listens() { bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080' 2>/dev/null; }
status_word() { "$programs/hwenroll" --config "$at/hwenroll.toml" status 2>/dev/null | awk '$1 == "web" { print $2 }'; }
state_is() { [ "$(status_word)" = "$1" ]; }

# By a shell and as somebody else, with nothing of systemd's in its environment.
agent=(setpriv --reuid=agent --regid=agent --init-groups env -i PATH=/usr/bin:/bin "SOFTHSM2_CONF=$at/softhsm.conf")

prepare() {
    ip link set lo up 2>/dev/null || true
    useradd agent
    mkdir -p "$at/tokens" "$at/state" "$at/run"
    printf 'directories.tokendir = %s/tokens\n' "$at" >"$at/softhsm.conf"
    printf 24680 >"$at/pin"
    chown -R agent: "$at"
    chmod 0600 "$at/pin"
    "${agent[@]}" softhsm2-util --init-token --free --label lab --pin 24680 --so-pin 13579 >/dev/null
    "$programs/scep-lab-ca" --dir /srv/ca --listen 127.0.0.1:8080 --challenge lab --renewal both >/srv/ca.log 2>&1 &
    within 30 listens
    cat >"$at/hwenroll.toml" <<TEXT
[agent]
state_dir = "$at/state"
publish_dir = "$at/state/live"
runtime_dir = "$at/run"

[token.lab]
type = "pkcs11"
module = "/usr/lib/softhsm/libsofthsm2.so"
uri = "pkcs11:token=lab"
pin = "file:$at/pin"

[ca.corp]
url = "http://127.0.0.1:8080/scep"
fingerprint = "$("$programs/hwenroll" ca show http://127.0.0.1:8080/scep --json | sed -nE 's/.*"pin": *"([^"]+)".*/\1/p')"
challenge = "file:$at/challenge"

[identity.web]
ca = "corp"
token = "lab"
subject = "CN=web.example.com"
on_change = [["/bin/sh", "-c", "echo \$HWENROLL_IDENTITY \$HWENROLL_GENERATION \$(id -un) >>$at/state/changes"]]
TEXT
    "${agent[@]}" sh -c "umask 077 && printf lab >$at/challenge"
}

has_no_systemd() {
    [ ! -e /run/systemd ] && [ ! -e /run/dbus ] && [ ! -e /dev/log ] && ! command -v systemctl ||
        { echo "this tree has something of systemd's" && return 1; }
}

enrolls() {
    within 60 state_is OK
    openssl verify -CAfile "$live/ca.pem" "$live/cert.pem" >/dev/null
    grep -q . "$at/stderr"
    ! grep -q '^<[0-7]>' "$at/stderr" || { echo "its lines begin with priorities" && return 1; }
    tail -n 1 "$at/stderr"
}

runs_hooks_as_its_user() {
    within 30 grep -qs '^web 1 agent$' "$at/state/changes"
    cat "$at/state/changes"
}

renews() {
    "${agent[@]}" "$programs/hwenroll" --config "$at/hwenroll.toml" renew web >/dev/null
    within 60 grep -qs '^web 2 agent$' "$at/state/changes"
    within 30 state_is OK
    readlink "$live"
}

ends() {
    local begun=$SECONDS
    kill -TERM "$daemon"
    within 15 has_ended
    [ "$(pgrep -cu agent || true)" = 0 ] || { echo "processes of agent are left" && return 1; }
    echo "after $((SECONDS - begun)) s"
}
has_ended() { ! kill -0 "$daemon" 2>/dev/null || grep -qs '^State:.Z' "/proc/$daemon/status"; }

check has_no_systemd "nothing of systemd runs"
prepare
"${agent[@]}" "$programs/hwenrolld" --config "$at/hwenroll.toml" 2>"$at/stderr" &
daemon=$!
check enrolls "from a shell it enrolls and tells so on standard error"
check runs_hooks_as_its_user "on_change runs as its own user"
check renews "it renews when it is told to"
check ends "SIGTERM ends it and its workers"
rc=0
wait "$daemon" || rc=$?
if [ "$rc" = 0 ]; then echo "PASS  its exit code is 0"; else echo "FAIL  its exit code is $rc"; fi
