#!/bin/bash
# Enrolls a web server's identity whose private key never leaves its token, on this machine and in a temporary
# directory: a SoftHSM2 token, a SCEP CA for labs, the agent, and a TLS handshake with the token's key. Then the daemon
# renews certificates of seconds and carries them over the end of their CA. See --help.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
    cat <<'TEXT'
usage: ./demo.sh [--keep]

  --keep   leave the temporary directory, and print its name
Missing Debian packages are installed first, which needs root; nothing else on this machine is changed. Takes some
minutes on a new machine, most of them for compiling, and about 80 seconds after that. Exit code 0: every step did what it says.
TEXT
}

keep=no
for argument in "$@"; do
    case $argument in
    --keep) keep=yes ;;
    -h | --help) usage && exit 0 ;;
    *) echo "demo.sh: unknown argument '$argument'; see --help" >&2 && exit 64 ;;
    esac
done

bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
fi

steps=0
step() {
    steps=$((steps + 1))
    printf '\n%s%d. %s%s\n' "$bold" "$steps" "$1" "$plain"
}

# Shows a command the way one would type it in the temporary directory, and runs it.
show() {
    local text=$*
    text=${text//$work\//}
    printf '%s$ %s%s\n' "$dim" "${text//$bin\//}" "$plain"
    "$@"
}

random_hex() {
    od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'
}

give_up() {
    echo "demo.sh: $1" >&2
    exit 70
}

# wait_for FILE PATTERN PID WHAT: until FILE has a line that matches, for at most 10 seconds.
wait_for() {
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        ! grep -qsE "$2" "$1" || return 0
        kill -0 "$3" 2>/dev/null || break
        sleep 0.1
    done
    cat "${1%.url}" >&2 2>/dev/null || true
    give_up "$4 did not start"
}

work='' servers=()
clean_up() {
    local pid
    for pid in "${servers[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    if [ "$keep" = yes ]; then
        [ -z "$work" ] || echo "kept $work"
    else
        [ -z "$work" ] || rm -rf "$work"
    fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step "Build the agent and the lab CA"
.ci/install-deps --build
log=$(mktemp)
if ! { cmake --preset dev && cmake --build build/dev --parallel "$(nproc)" \
    --target hwenrolld hwenroll hwenroll-token scep-lab-ca; } >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    rm -f "$log"
    give_up "the build failed; its last lines are above"
fi
rm -f "$log"
bin=$PWD/build/dev/bin
echo "hwenrolld hwenroll hwenroll-token scep-lab-ca in build/dev/bin"

work=$(mktemp -d)
umask 077

step "Make a software token (SoftHSM2) with a random PIN"
mkdir "$work/token"
cat >"$work/softhsm2.conf" <<TEXT
directories.tokendir = $work/token
objectstore.backend = file
log.level = ERROR
TEXT
export SOFTHSM2_CONF=$work/softhsm2.conf
# Without a line end: libp11's engine takes the whole file for the PIN.
random_hex 4 >"$work/lab.pin"
softhsm2-util --init-token --free --label lab --pin "$(cat "$work/lab.pin")" --so-pin "$(random_hex 4)"

step "Start a SCEP CA for labs on the loopback interface"
random_hex 12 >"$work/corp.challenge"
"$bin/scep-lab-ca" --dir "$work/lab-ca" --listen 127.0.0.1:0 --challenge-file "$work/corp.challenge" \
    --ready-file "$work/lab-ca.log.url" >"$work/lab-ca.log" 2>&1 &
servers+=($!)
wait_for "$work/lab-ca.log.url" . "$!" scep-lab-ca
url=$(cat "$work/lab-ca.log.url")
cat "$work/lab-ca.log"

step "Look at the CA's certificate; a person compares the fingerprint with the CA's operator"
show "$bin/hwenroll" ca show "$url"
fingerprint=$("$bin/hwenroll" ca show "$url" --json | sed -nE 's/.*"pin": *"([^"]+)".*/\1/p')
[ -n "$fingerprint" ] || give_up "'hwenroll ca show' printed no fingerprint"

step "Write the configuration, and check it"
cat >"$work/hwenroll.toml" <<TEXT
[agent]
state_dir = "$work/state"
runtime_dir = "$work/run"
publish_dir = "$work/live"

[token.lab]
type = "pkcs11"
module = "/usr/lib/softhsm/libsofthsm2.so"
uri = "pkcs11:token=lab"
pin = "file:$work/lab.pin"

[ca.corp]
url = "$url"
fingerprint = "$fingerprint"
challenge = "file:$work/corp.challenge"

[identity.web]
ca = "corp"
token = "lab"
key = "rsa:2048"
subject = "CN=web01.example.com,O=Example"
san = ["dns:web01.example.com"]
key_usage = ["digitalSignature", "keyEncipherment"]
extended_key_usage = ["serverAuth", "clientAuth"]
TEXT
mkdir "$work/state" "$work/run"
cat "$work/hwenroll.toml"
config=(--config "$work/hwenroll.toml")
show "$bin/hwenroll" check-config "${config[@]}"

step "Enroll: the key is made on the token, the CA signs, the result is published"
show "$bin/hwenrolld" --once "${config[@]}"
echo "exit code 0: every identity is valid"

step "The key on the token: sensitive, never extractable, made there"
show "$bin/hwenroll" token keys "${config[@]}"

step "What consumers read"
live=$work/live/web/current
show ls -l "$live/"
show openssl x509 -in "$live/cert.pem" -noout -subject -issuer -dates -ext subjectAltName
echo "key.uri: $(cat "$live/key.uri")"

step "The agent's own view"
show "$bin/hwenroll" status "${config[@]}"

step "The certificate verifies against the CA that was pinned"
show openssl verify -CAfile "$live/ca.pem" -verify_hostname web01.example.com "$live/cert.pem"

step "A TLS handshake: the server's private key is the one on the token"
uri=$(cat "$live/key.uri")
case $uri in *\?*) uri+='&' ;; *) uri+='?' ;; esac
PKCS11_MODULE_PATH=/usr/lib/softhsm/libsofthsm2.so openssl s_server -www -engine pkcs11 -keyform engine \
    -key "${uri}pin-source=file:$work/lab.pin" -cert "$live/cert.pem" -accept 127.0.0.1:0 >"$work/tls.log" 2>&1 &
servers+=($!)
wait_for "$work/tls.log" '^ACCEPT 127' "$!" "openssl s_server"
address=$(sed -n 's/^ACCEPT //p' "$work/tls.log")
show openssl s_client -connect "$address" -servername web01.example.com -verify_hostname web01.example.com \
    -verify_return_error -CAfile "$live/ca.pem" -brief </dev/null 2>&1

step "Run the agent again: nothing is due, so the CA sees no request"
before=$(wc -l <"$work/lab-ca/lint.jsonl")
show "$bin/hwenrolld" --once "${config[@]}"
after=$(wc -l <"$work/lab-ca/lint.jsonl")
[ "$before" = "$after" ] || give_up "the second run made $((after - before)) requests"
echo "messages that the CA has seen: $before before, $after after"

step "Second act: certificates of seconds, renewed by the daemon, over the end of their CA"
second=$work/second
mkdir "$second" "$second/state" "$second/run"
"$bin/scep-lab-ca" --dir "$second/lab-ca" --listen 127.0.0.1:0 --challenge-file "$work/corp.challenge" \
    --ca-lifetime 60 --lifetime 20 --auto-rollover 20 --backdate 0 --renewal both \
    --ready-file "$second/lab-ca.log.url" >"$second/lab-ca.log" 2>&1 &
servers+=($!)
wait_for "$second/lab-ca.log.url" . "$!" scep-lab-ca
url=$(cat "$second/lab-ca.log.url")
fingerprint=$("$bin/hwenroll" ca show "$url" --json | sed -nE 's/.*"pin": *"([^"]+)".*/\1/p')
cat >"$second/hwenroll.toml" <<TEXT
[agent]
state_dir = "$second/state"
runtime_dir = "$second/run"
publish_dir = "$second/live"

[token.lab]
type = "pkcs11"
module = "/usr/lib/softhsm/libsofthsm2.so"
uri = "pkcs11:token=lab"
pin = "file:$work/lab.pin"

[ca.corp]
url = "$url"
fingerprint = "$fingerprint"
challenge = "file:$work/corp.challenge"

[limits]
min_lifetime = "5s"

[identity.seconds]
ca = "corp"
token = "lab"
subject = "CN=seconds.example.com"
retire_after = "2s"
TEXT
config=(--config "$second/hwenroll.toml")
echo "The CA lives for 60 s, a certificate for 20 s, and is renewed after 15. 20 s before its end the CA has a successor."
"$bin/hwenrolld" "${config[@]}" >"$second/hwenrolld.log" 2>&1 &
servers+=($!)
daemon=$!

# What the daemon says now, in three lines; on a terminal each takes the place of the one before.
shown=0
show_now() {
    local table state width
    table=$("$bin/hwenroll" status "${config[@]}" 2>/dev/null) || true
    state="$2 certificates issued, $(awk 'NR == 2 { print $2 }' <<<"$table")"
    if [ -t 1 ]; then
        width=$(tput cols 2>/dev/null || echo 80)
        [ $shown = 0 ] || printf '\e[3A'
        printf '%2d s, %s\n%s\n' "$1" "$state" "$table" | cut -c "1-$((width - 1))" | sed 's/^/\r\x1b[K/' | head -n 3
        shown=1
    elif [ "$state" != "$last_state" ]; then
        printf '%2d s, %s\n' "$1" "$state"
    fi
    last_state=$state
}
certificates() {
    wc -l 2>/dev/null <"$second/lab-ca/issued.jsonl" || echo 0
}
issuer_fingerprint() {
    openssl x509 -in "$second/live/seconds/current/ca.pem" -noout -fingerprint -sha256 2>/dev/null || true
}
begun=$SECONDS first_issuer='' last_state='' switched=no
while [ $((SECONDS - begun)) -lt 85 ]; do
    kill -0 "$daemon" 2>/dev/null || { cat "$second/hwenrolld.log" >&2 && give_up "hwenrolld ended"; }
    show_now $((SECONDS - begun)) "$(certificates)"
    issuer=$(issuer_fingerprint)
    [ -n "$first_issuer" ] || first_issuer=$issuer
    if [ -n "$issuer" ] && [ "$issuer" != "$first_issuer" ]; then
        switched=yes
        break
    fi
    sleep 0.5
done
show_now $((SECONDS - begun)) "$(certificates)"
[ $switched = yes ] || { cat "$second/hwenrolld.log" >&2 && give_up "no rollover within 85 s"; }
issued=$(wc -l <"$second/lab-ca/issued.jsonl")
[ "$issued" -ge 4 ] || give_up "only $issued certificates were issued"
show "$bin/hwenroll" history seconds "${config[@]}" --limit 40
show openssl verify -CAfile "$second/live/seconds/current/ca.pem" "$second/live/seconds/current/cert.pem"
kill -TERM "$daemon"
wait "$daemon" || give_up "hwenrolld did not end well"
echo "the CA has issued $issued certificates; the last one is its successor's; hwenrolld has stopped"

printf '\n%sDone.%s web01.example.com has a certificate whose private key was made on the token and never left it.\n' \
    "$bold" "$plain"
