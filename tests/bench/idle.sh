#!/bin/bash
# What an agent with one valid identity costs while it has nothing to do, beside Debian's certmonger-session, which is
# given one self-signed certificate to watch. Prints Markdown; run by run.sh. See --help.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tests/bench/idle.sh DIRECTORY-OF-PROGRAMS [SECONDS]

Watches for SECONDS (default 300) how often hwenrolld and its hwenroll-token wake up, by their voluntary context
switches in /proc, and reads the proportional set sizes of both and of certmonger-session at the same moment, which
needs root. The agent runs by the system's clock, with the watchdog of hwenrolld.service.
TEXT
}
[ "${1:-}" != --help ] || { usage && exit 0; }
[ $# -ge 1 ] || { usage >&2 && exit 64; }
bin=$1 seconds=${2:-300}
work=$(mktemp -d)
started=()
clean_up() {
    [ ${#started[@]} = 0 ] || kill "${started[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    # certmonger-session is no child of this shell and writes until its end.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        if ! kill -0 "${certmonger:-none}" 2>/dev/null; then
            break
        fi
        sleep 0.5
    done
    rm -rf "$work"
}
trap clean_up EXIT

# wait_for SECONDS COMMAND…: until it succeeds
wait_for() {
    local left=$((10 * $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $((left -= 1)) -gt 0 ] || { echo "idle.sh: this did not come true: $*" >&2 && exit 1; }
        sleep 0.1
    done
}

export SOFTHSM2_CONF=$work/softhsm2.conf
mkdir "$work/tokens"
printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$work/tokens" >"$SOFTHSM2_CONF"
softhsm2-util --init-token --free --label lab --so-pin 87654321 --pin 1234 >"$work/log"
(umask 077 && echo 1234 >"$work/pin" && echo challenge-55128846 >"$work/challenge")
"$bin/scep-lab-ca" --dir "$work/ca" --listen 127.0.0.1:0 --challenge-file "$work/challenge" \
    --ready-file "$work/ca.url" 2>>"$work/log" &
started+=($!)
wait_for 10 test -s "$work/ca.url"
fingerprint=$(openssl x509 -in "$work/ca/ca.pem" -noout -fingerprint -sha256)
cat >"$work/hwenroll.toml" <<TOML
[agent]
state_dir = "$work/state"
runtime_dir = "$work/run"
publish_dir = "$work/live"
[token.lab]
type = "pkcs11"
module = "/usr/lib/softhsm/libsofthsm2.so"
uri = "pkcs11:token=lab"
pin = "file:$work/pin"
[ca.corp]
url = "$(cat "$work/ca.url")"
fingerprint = "SHA256:${fingerprint#*=}"
challenge = "file:$work/challenge"
[identity.web]
ca = "corp"
token = "lab"
key = "rsa:2048"
subject = "CN=web01.example.com"
TOML
WATCHDOG_USEC=180000000 NOTIFY_SOCKET=$work/notify "$bin/hwenrolld" --config "$work/hwenroll.toml" 2>>"$work/log" &
agent=$!
started+=("$agent")
wait_for 60 "$bin/hwenroll" wait web --timeout 1 --config "$work/hwenroll.toml"
worker=$(cat /proc/$agent/task/*/children | tr -d ' ')

# certmonger keeps its state below HOME and is asked over the session's bus.
mkdir "$work/home"
cat >"$work/certmonger.sh" <<'SH'
# The first call has the bus start certmonger-session.
selfsign-getcert request -s -k "$HOME/key.pem" -f "$HOME/cert.pem" -N CN=web01.example.com
dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetConnectionUnixProcessID \
    string:org.fedorahosted.certmonger | awk '/uint32/ { print $2 }' >"$HOME/pid"
while kill -0 "$(cat "$HOME/pid")"; do
    sleep 1
done
SH
HOME=$work/home dbus-run-session -- bash "$work/certmonger.sh" >>"$work/log" 2>&1 &
started+=($!)
wait_for 60 test -s "$work/home/cert.pem"
wait_for 10 test -s "$work/home/pid"
certmonger=$(cat "$work/home/pid")
started+=("$certmonger")
sleep 5 # what the two still have to do after their certificates is no idling

switches() {
    cat /proc/"$1"/task/*/status | awk '/^voluntary_ctxt_switches/ { sum += $2 } END { print sum }'
}
pss() {
    awk '/^Pss:/ { printf "%.1f", $2 / 1024 }' "/proc/$1/smaps_rollup"
}
resident() {
    awk '/^VmRSS:/ { printf "%.1f", $2 / 1024 }' "/proc/$1/status"
}
before=$(switches $agent) worker_before=$(switches "$worker") certmonger_before=$(switches "$certmonger")
sleep "$seconds"
per_minute() {
    awk -v n="$1" -v s="$seconds" 'BEGIN { printf "%.2f", n * 60 / s }'
}
row() {
    printf '| %s | %s | %s | %s | %s |\n' "$1" "$2" "$(per_minute "$2")" "$(pss "$3")" "$(resident "$3")"
}
printf '\n### Idle with one identity, %s s\n\n' "$seconds"
printf '| what | wake-ups | a minute | proportional (PSS), MiB | resident, MiB |\n| --- | --- | --- | --- | --- |\n'
row hwenrolld $(($(switches $agent) - before)) $agent
row hwenroll-token $(($(switches "$worker") - worker_before)) "$worker"
row "certmonger-session $(dpkg-query --show --showformat='${Version}' certmonger)" \
    $(($(switches "$certmonger") - certmonger_before)) "$certmonger"
