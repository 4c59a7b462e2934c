#!/bin/bash
# Proves that varlinkctl, systemd's own Varlink client, understands the agent's control socket: it runs in a minimal Debian
# tree, the agent beside it. See --help.
# shellcheck disable=SC2034,SC2154,SC2317 # keep is trees.sh's and tree its own; check() calls functions by name
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tests/system/varlink.sh [--build DIR] [--suite NAME] [--logs DIR] [--keep]

  --build DIR   where hwenrolld is, in DIR/bin; default: build/dev. It runs on this machine, not in the tree
  --suite NAME  whose varlinkctl: trixie (Debian 13, the default); bookworm has none
  --logs DIR    what the agent said and varlinkctl answered; default: build/varlink
  --keep        leave the tree for inspection
Nothing is compiled. One line a check: PASS or FAIL. Exit: 0 if every check passed, 1 if one failed, 64 wrong usage, 69
something is missing that it needs. Needs root, debootstrap and zstd. Packages come from the archive that this machine's
apt uses. Trees are cached for a week in /var/tmp/hwenroll-fresh, or in $HWENROLL_FRESH_CACHE.
TEXT
}

complain() {
    echo "varlink.sh: $2" >&2
    exit "$1"
}

checkout=$(cd "$(dirname "$0")/../.." && pwd)
build=$checkout/build/dev suite=trixie logs=$checkout/build/varlink keep=no
arguments=("$@")
while [ $# -gt 0 ]; do
    case $1 in
    --build) build=${2:?--build needs a directory} && shift ;;
    --suite) suite=${2:?--suite needs a name} && shift ;;
    --logs) logs=${2:?--logs needs a directory} && shift ;;
    --keep) keep=yes ;;
    -h | --help) usage && exit 0 ;;
    *) complain 64 "unknown argument '$1'; see --help" ;;
    esac
    shift
done
cache=${HWENROLL_FRESH_CACHE:-/var/tmp/hwenroll-fresh}

[ -x "$build/bin/hwenrolld" ] || complain 69 "$build/bin/hwenrolld is missing; first: cmake --preset dev && \
cmake --build build/dev --target hwenrolld hwenroll-token"

# shellcheck source=tests/system/trees.sh
. "$checkout/tests/system/trees.sh"
need
be_alone

mkdir -p "$cache" "$logs"
work=$(mktemp -d) agent=''
finish() {
    if [ -n "$agent" ]; then
        kill "$agent" 2>/dev/null || true
        wait "$agent" 2>/dev/null || true
    fi
    remove_tree
    rm -rf --one-file-system "$work"
}
trap finish EXIT

# The agent has nothing to reach: an identity that is tried again later is enough to ask about.
start_agent() {
    mkdir -m 0755 "$work/run"
    mkdir -m 0700 "$work/state"
    echo 0000 >"$work/pin" && chmod 0600 "$work/pin"
    cat >"$work/hwenroll.toml" <<TOML
[agent]
state_dir = "$work/state"
runtime_dir = "$work/run"
publish_dir = "$work/live"
admin_group = "users"
[token.lab]
type = "pkcs11"
module = "/nonexistent/module.so"
uri = "pkcs11:token=lab"
pin = "file:$work/pin"
[ca.corp]
url = "http://127.0.0.1:9/scep"
fingerprint = "SHA256:$(printf '00:%.0s' {1..31})00"
[identity.web]
ca = "corp"
token = "lab"
key = "rsa:2048"
subject = "CN=web01.example.com"
TOML
    "$build/bin/hwenrolld" --config "$work/hwenroll.toml" >"$logs/agent.log" 2>&1 &
    agent=$!
    local tries
    for tries in {1..200}; do
        [ ! -S "$work/run/control" ] || return 0
        kill -0 "$agent" || break
        sleep 0.1
    done
    cat "$logs/agent.log" >&2
    complain 1 "the agent does not listen ($tries tries)"
}

socket=/run/hwenroll/control
# ask SECONDS WORDS...: varlinkctl in the tree; what it says is in $said, both outputs.
said=''
ask() {
    local limit=$1 rc=0
    shift
    said=$(in_tree "$limit" "$(printf '%q ' "$@")" 2>&1 </dev/null) || rc=$?
    printf '$ %s\n%s\n(exit %d)\n' "$*" "$said" "$rc" >>"$logs/answers.log"
    return "$rc"
}
says() { grep -qF -- "$1" <<<"$said"; }
# refused NAME WORDS...: the call ends with that error.
refused() {
    local name=$1
    shift
    ! ask 20 varlinkctl "$@" && says "$name"
}

info() {
    ask 20 varlinkctl info "$socket" && says hwenrolld && says io.hwenroll.Agent && says org.varlink.service
}
introspect() {
    local method
    ask 20 varlinkctl introspect "$socket" org.varlink.service && says 'method GetInfo' &&
        ask 20 varlinkctl introspect "$socket" io.hwenroll.Agent || return 1
    while read -r method; do
        says "method $method" || return 1
    done < <(sed -nE 's/^method ([A-Za-z]+).*/\1/p' "$checkout/agent/control/io.hwenroll.Agent.varlink")
}
valid_text() {
    cp "$checkout/agent/control/io.hwenroll.Agent.varlink" "$tree/tmp/" &&
        ask 20 varlinkctl validate-idl /tmp/io.hwenroll.Agent.varlink
}
reads() {
    ask 20 varlinkctl call "$socket" io.hwenroll.Agent.Status '{}' && says '"name"' && says '"web"' &&
        ask 20 varlinkctl call "$socket" io.hwenroll.Agent.Status '{"identity":"web"}' &&
        says '"web"' && ask 20 varlinkctl call "$socket" io.hwenroll.Agent.History '{"limit":5}' && says '"events"'
}
pages() {
    ask 20 varlinkctl --more call "$socket" io.hwenroll.Agent.Status '{}' && says '"web"'
}
# It goes on until it is ended.
monitors() {
    ask 20 sh -c "timeout 3 varlinkctl --more call $socket io.hwenroll.Agent.Monitor '{}'; [ \$? = 124 ]" &&
        says '"identity"' && says '"web"'
}
changes() {
    ask 20 varlinkctl call "$socket" io.hwenroll.Agent.Enroll '{"identity":"web"}' && says '"changed"' &&
        ask 20 varlinkctl --oneway call "$socket" io.hwenroll.Agent.Cancel '{"identity":"web"}'
}
names_errors() {
    refused io.hwenroll.Agent.Failed call "$socket" io.hwenroll.Agent.Renew '{"identity":"nobody"}' &&
        refused org.varlink.service.MethodNotFound call "$socket" io.hwenroll.Agent.Nothing '{}' &&
        refused org.varlink.service.InterfaceNotFound call "$socket" io.example.Other.Thing '{}' &&
        refused org.varlink.service.InvalidParameter call "$socket" io.hwenroll.Agent.Renew '{"identity":3}' &&
        refused org.varlink.service.ExpectedMore call "$socket" io.hwenroll.Agent.Monitor '{}'
}
# nobody, whose process has the socket's group, is no member of it in the user database.
denies() {
    local as=(setpriv --reuid 65534 --regid 100 --clear-groups)
    ask 20 "${as[@]}" varlinkctl call "$socket" io.hwenroll.Agent.Status '{}' && says '"web"' || return 1
    ! ask 20 "${as[@]}" varlinkctl call "$socket" io.hwenroll.Agent.Renew '{"identity":"web"}' &&
        says io.hwenroll.Agent.PermissionDenied
}
audited() {
    grep -q 'control: uid 0, pid [0-9]* asked for Enroll of .web.: ' "$logs/agent.log" &&
        grep -q 'control: uid 0, pid [0-9]* asked for Cancel of .web.: ' "$logs/agent.log" &&
        grep -q 'control: uid 0, pid [0-9]* asked for Renew of .nobody.: refused: E-UNKNOWN-NAME' "$logs/agent.log" &&
        grep -q "control: uid 65534, pid [0-9]* asked for Renew of .web.: not permitted" "$logs/agent.log"
}

failed=0
check() {
    if "$1"; then
        echo "PASS  $2"
    else
        echo "FAIL  $2"
        printf '%s\n' "$said" | tail -n 5 | sed 's/^/    | /'
        failed=1
    fi
}

: >"$logs/answers.log"
packed=$(prepared_tree varlink systemd 'apt-get update -qq && apt-get install -qq --yes --no-install-recommends systemd') ||
    complain 69 "no tree of $suite with varlinkctl"
unpack_tree "$suite" "$packed"
complete_tree "$suite"
start_agent
mkdir -p "$tree/run/hwenroll"
mount --bind "$work/run" "$tree/run/hwenroll"
ask 20 varlinkctl --version || complain 69 "the tree has no varlinkctl"
echo "varlinkctl of $(head -n 1 <<<"$said") against $("$build/bin/hwenrolld" --version 2>/dev/null | head -n 1)"

check info "info: who the agent is, and both its interfaces"
check introspect "introspect: every method of both interfaces"
check valid_text "validate-idl: the interface's file"
check reads "call: Status of all and of one, History"
check pages "call --more: Status in pages"
check monitors "call --more: Monitor tells how all are and goes on"
check changes "call, call --oneway: changes as root"
check names_errors "the standard's errors and the agent's own, by their names"
check denies "whoever is no member of admin_group reads and changes nothing"
check audited "every change is in the agent's log, the refused ones too"
exit "$failed"
