#!/bin/bash
# What a new user types on a Debian that systemd-nspawn boots: five commands to a certificate that is deployed, and what is
# in the way of it, each ending with the next command to type. See --help.
# shellcheck disable=SC2317 # check() calls functions by name
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tests/system/five_commands.sh [--suite NAME]... [--packages DIR] [--logs DIR] [--only NAME,…] [--keep]

  --suite NAME    bookworm (Debian 12) or trixie (13); repeatable; default: both
  --packages DIR  where packages.sh has left them, in DIR/SUITE; default: build/packages
  --logs DIR      what is kept: results, what each command printed, the console; default: build/five-commands
  --only NAME,…   some of the checks by their functions' names, e.g. wrong_pin,no_drop_in
  --keep          leave the trees for inspection
On the machine are SoftHSM2 with an initialised token, and scep-lab-ca, which stands for somebody else's CA. Each failure
begins with a clean machine on which the package has just been installed; what the failed command proposes is then typed.
One line a check: PASS or FAIL and what; after a FAIL why. Exit: 0 if every check passed, 1 if one failed, 64 wrong
usage, 69 something is missing that it needs.
Needs root, systemd-nspawn (package systemd-container), debootstrap, zstd, overlayfs and a kernel with cgroup2. About two
minutes a suite, after tests/system/packages.sh.
TEXT
}

complain() {
    echo "five_commands.sh: $2" >&2
    exit "$1"
}

checkout=$(cd "$(dirname "$0")/../.." && pwd)
suites=() packages=$checkout/build/packages log_root=$checkout/build/five-commands only='' keep=no
arguments=("$@")
while [ $# -gt 0 ]; do
    case $1 in
    --suite) suites+=("${2:?--suite needs a name}") && shift ;;
    --packages) packages=$(realpath "${2:?--packages needs a directory}") && shift ;;
    --logs) log_root=${2:?--logs needs a directory} && shift ;;
    --only) only=${2:?--only needs a name} && shift ;;
    --keep) keep=yes ;;
    -h | --help) usage && exit 0 ;;
    *) complain 64 "unknown argument '$1'; see --help" ;;
    esac
    shift
done
[ ${#suites[@]} -gt 0 ] || suites=(bookworm trixie)
cache=${HWENROLL_FRESH_CACHE:-/var/tmp/hwenroll-fresh}

# shellcheck source=tests/system/trees.sh
. "$checkout/tests/system/trees.sh"
# shellcheck source=tests/system/machine.sh
. "$checkout/tests/system/machine.sh"
# shellcheck source=tests/system/secret_checks.sh
. "$checkout/tests/system/secret_checks.sh"
need systemd-nspawn nsenter pgrep
be_alone

# --- The machine ------------------------------------------------------------------------------------------------------

pristine='' snapshots=''
pin=canary-pin-73914682 challenge='canary sesame 55128846' wrong='canary sesame 91730264'
url=http://127.0.0.1:8080/scep

# prepare SUITE: sets `pristine`: SoftHSM2 with a token that its group may use, the CA, the package as a file beside all
# that it depends on, as the machine has no network once it is booted.
prepare() {
    local suite=$1 deb base
    for deb in "$packages/$suite"/{hwenroll,scep-lab-ca}_*.deb; do
        [ -e "$deb" ] || complain 69 "no package in $packages/$suite; first: tests/system/packages.sh --suite $suite"
    done
    base=$(minimal_tree "$suite") || complain 69 "no tree of '$suite' could be made"
    unpack_tree "$suite-five" "$base"
    pristine=$tree
    complete_tree "$suite"
    cp "$packages/$suite"/hwenroll_*.deb "$tree/srv/"
    cp "$packages/$suite"/scep-lab-ca_*.deb "$tree/var/tmp/"
    in_tree 900 "set -e; export DEBIAN_FRONTEND=noninteractive; apt-get update -qq
        apt-get install -qq --yes --no-install-recommends systemd systemd-sysv dbus softhsm2 openssl /var/tmp/scep-lab-ca_*.deb
        apt-get clean
        apt-get install -qq --yes --download-only /srv/hwenroll_*.deb
        apt-get install -qq --yes --download-only --reinstall softhsm2 softhsm2-common libsofthsm2
        softhsm2-util --init-token --free --label lab --pin $pin --so-pin 97531864
        chgrp -R softhsm /var/lib/softhsm/tokens && chmod -R g+rwX /var/lib/softhsm/tokens" \
        >"$logs/prepare.log" 2>&1 </dev/null ||
        { tail -n 5 "$logs/prepare.log" >&2 && complain 69 "the machine of '$suite' could not be made; see $logs/prepare.log"; }
    release_mounts
    rm -f "$tree/usr/sbin/policy-rc.d"
    echo web01 >"$tree/etc/hostname"
    echo "127.0.0.1 localhost web01" >"$tree/etc/hosts"
    printf '%s\n' "$challenge" >"$tree/srv/challenge"
    cat >"$tree/etc/systemd/system/lab-ca.service" <<TEXT
[Service]
ExecStart=/usr/bin/scep-lab-ca --dir /var/lib/lab-ca --listen 127.0.0.1:8080 --challenge-file /srv/challenge
[Install]
WantedBy=multi-user.target
TEXT
    ln -s ../lab-ca.service "$tree/etc/systemd/system/multi-user.target.wants/lab-ca.service"
    snapshots=$(mktemp -d "$cache/$suite-five-snapshots.XXXXXX")
}

# boot NAME LOWER: the machine of snapshot NAME, above the directories LOWER, running with its CA.
boot() {
    mkdir -p "$snapshots/$1"/{upper,work,root}
    mount -t overlay overlay -o "lowerdir=$2,upperdir=$snapshots/$1/upper,workdir=$snapshots/$1/work" "$snapshots/$1/root"
    tree=$snapshots/$1/root
    switch_on || { echo "it did not boot" && return 1; }
    within 20 inside test -s /var/lib/lab-ca/ca.pem
    fingerprint=SHA256:$(inside openssl x509 -in /var/lib/lab-ca/ca.pem -noout -fingerprint -sha256 | sed 's/.*=//')
}

# within SECONDS COMMAND...
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || { echo "not within the time: $*" && return 1; }
        sleep 0.1
    done
}

put_away() {
    switch_off
    umount "$tree"
    tree=$pristine
    [ "$keep" = yes ] || rm -rf --one-file-system "${snapshots:?}/$1"
}

# --- A person at it ---------------------------------------------------------------------------------------------------

count=0 output='' status=0
# type COMMAND [INPUT]: as root in the machine. Sets `output` and `status`. What asks for a secret has a terminal, which echoes
# nothing, and gets the secret as typed.
type() {
    local line="cd /srv; $1" input=${2:-}
    if [[ $1 == systemd-ask-password* ]]; then
        line="script --quiet --return --command ${line@Q} /dev/null"
        input+=$'\n'
    fi
    status=0
    output=$(printf %s "$input" | nsenter --target "$leader" --mount --uts --ipc --net --pid --cgroup -- \
        env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        timeout 300 bash -c "$line" 2>&1) || status=$?
    count=$((count + 1))
    printf '# %s\n%s\n(%s)\n\n' "$1" "$output" "$status" >>"$logs/$name.txt"
}

# succeeds COMMAND [INPUT]
succeeds() {
    type "$@"
    [ "$status" = 0 ] || { printf '%s: exit %s\n%s\n' "$1" "$status" "$output" && return 1; }
}

# fails COMMAND [INPUT]: and its last lines name a command to type.
fails() {
    type "$@"
    [ "$status" != 0 ] || { printf '%s: did not fail\n%s\n' "$1" "$output" && return 1; }
    names_a_command
}
names_a_command() {
    tail -n 3 <<<"$output" | grep -qE "(next: |')(hwenroll|systemctl|systemd-ask-password|apt|chown|chgrp|softhsm2-util|install|printf) " ||
        { printf 'its last lines name no command:\n%s\n' "$output" && return 1; }
}

# proposed: the command that the output ends with: of the first `next:`, or the first one in quotes.
proposed() {
    local line
    line=$(sed -n 's/^next: //p' <<<"$output" | head -n 1)
    [ -n "$line" ] || line=$(tail -n 3 <<<"$output" | grep -oE "'(hwenroll|systemctl|apt) [^']*'" | head -n 1 | tr -d "'")
    [ -n "$line" ] || { printf 'nothing is proposed:\n%s\n' "$output" >&2 && return 1; }
    printf '%s' "$line"
}

# proposes TEXT
proposes() {
    local line
    line=$(proposed)
    [[ $line == *"$1"* ]] || { printf "proposes '%s', not '%s'\n%s\n" "$line" "$1" "$output" && return 1; }
}

# follow [INPUT]: types it.
follow() { succeeds "$(proposed)" "${1:-}"; }

init() {
    echo "hwenroll init --url $url --fingerprint $fingerprint --name web --san dns:web01.example.com --token lab" \
        "--pin-file - --challenge-file - --drop-in"
}
secrets() { printf '%s\n%s\n' "${1:-$pin}" "${2:-$challenge}"; }

is_deployed() {
    local live=/var/lib/hwenroll/live/web/current
    inside openssl verify -CAfile /var/lib/lab-ca/ca.pem "$live/cert.pem" >/dev/null
    inside openssl x509 -in "$live/cert.pem" -noout -ext subjectAltName | grep -q web01.example.com
    inside grep -q '^pkcs11:.*token=lab' "$live/key.uri"
}
goes_on() {
    succeeds "hwenroll enroll web --wait"
    is_deployed
}

# --- The checks -------------------------------------------------------------------------------------------------------

five_commands() {
    local begun=$SECONDS
    count=0
    succeeds "apt install --yes ./hwenroll_*.deb"
    succeeds "$(init)" "$(secrets)"
    proposes "hwenroll doctor"
    succeeds "hwenroll doctor"
    succeeds "hwenroll enroll web --wait"
    succeeds "hwenroll status"
    grep -qE '^web +OK ' <<<"$output" || { echo "$output" && return 1; }
    [ "$count" = 5 ] || { echo "$count commands" && return 1; }
    is_deployed
    inside systemctl --quiet is-active hwenrolld.service
    # O6: one enrollment, although the agent began it before it was asked for.
    [ "$(find "$tree/var/lib/hwenroll/live/web" -name 'gen-*' | wc -l)" = 1 ] || { echo "enrolled twice" && return 1; }
    [ "$(inside stat -c '%a %U' /etc/hwenroll/lab.pin /etc/hwenroll/corp.challenge | sort -u)" = "600 hwenroll" ]
    [ $((SECONDS - begun)) -lt 180 ] || { echo "it took $((SECONDS - begun)) s" && return 1; }
    printf '5 commands, %s s; ' $((SECONDS - begun))
    secrets_stay
}

survives_a_boot() {
    succeeds "$(init)" "$(secrets)"
    goes_on
    switch_off
    trap switch_off EXIT # of the subshell, whose machine the next one is
    switch_on
    within 20 inside hwenroll wait web --timeout 1 >/dev/null
    succeeds "hwenroll status"
    grep -qE '^web +OK ' <<<"$output"
    succeeds "hwenroll doctor"
    secrets_stay
}

status_before_anything() {
    fails "hwenroll status"
    proposes "hwenroll init"
    fails "$(proposed)"
    proposes "hwenroll init --url"
}

doctor_before_init() {
    fails "hwenroll doctor"
    proposes "hwenroll init"
}

enroll_before_init() {
    fails "hwenroll enroll web"
    proposes "hwenroll init"
}

no_token_library() {
    succeeds "apt-get remove --yes libsofthsm2 softhsm2"
    fails "$(init)" "$(secrets)"
    proposes "apt install softhsm2"
    succeeds "$(proposed) --yes --no-install-recommends"
    succeeds "$(init)" "$(secrets)"
    goes_on
}

token_not_initialised() {
    rm -rf "$tree"/var/lib/softhsm/tokens/*
    fails "$(init)" "$(secrets)"
    proposes "softhsm2-util --init-token --free --label lab"
    succeeds "$(proposed) --pin $pin --so-pin 97531864"
    succeeds "$(init)" "$(secrets)"
    proposes "chgrp"
    follow
    goes_on
}

wrong_pin() {
    succeeds "$(init)" "$(secrets 11111111)"
    fails "hwenroll enroll web --wait"
    grep -q E-TOKEN-PIN <<<"$output"
    proposes "/dev/stdin /etc/hwenroll/lab.pin"
    local next
    next=$(proposed)
    fails "hwenroll doctor"
    type "hwenroll status"
    names_a_command
    succeeds "$next" "$pin"
    goes_on
    secrets_stay
}

wrong_challenge() {
    succeeds "$(init)" "$(secrets "$pin" "$wrong")"
    fails "hwenroll enroll web --wait"
    grep -q E-CA-REJECTED <<<"$output"
    proposes "/dev/stdin /etc/hwenroll/corp.challenge"
    follow "$challenge"
    goes_on
    secrets_stay
}

ca_unreachable() {
    inside systemctl stop lab-ca.service
    fails "$(init)" "$(secrets)"
    grep -q E-CA-UNREACHABLE <<<"$output"
    # Nothing that can be typed here brings a CA back: what is there to look at is told, and not the command that failed.
    proposes "hwenroll explain E-CA-UNREACHABLE"
    follow
    grep -q "the server is down" <<<"$output"
    inside systemctl start lab-ca.service
    within 20 inside hwenroll ca show "$url" >/dev/null
    succeeds "$(init)" "$(secrets)"
    goes_on
}

wrong_fingerprint() {
    local right=$fingerprint
    fingerprint=SHA256:$(printf '00:%.0s' {1..31})00
    fails "$(init)" "$(secrets)"
    grep -q E-CA-FINGERPRINT <<<"$output"
    proposes "hwenroll ca show $url"
    follow
    grep -qF "$right" <<<"$output" || { echo "the CA's fingerprint is not shown" && return 1; }
    fingerprint=$right
    succeeds "$(init)" "$(secrets)"
    goes_on
}

wrong_fingerprint_in_the_configuration() {
    succeeds "$(init)" "$(secrets)"
    goes_on
    inside systemctl stop hwenrolld.service
    rm -rf "$tree"/var/lib/hwenroll/*
    sed -i 's/^fingerprint = .*/fingerprint = "SHA256:'"$(printf '00:%.0s' {1..31})"'00"/' "$tree/etc/hwenroll/hwenroll.toml"
    inside systemctl start hwenrolld.service
    fails "hwenroll enroll web --wait"
    grep -q E-CA-FINGERPRINT <<<"$output"
    proposes "hwenroll ca show corp"
}

agent_stopped() {
    succeeds "$(init)" "$(secrets)"
    inside systemctl stop hwenrolld.service
    fails "hwenroll enroll web"
    grep -q E-CONTROL-NO-AGENT <<<"$output"
    type "hwenroll status"
    proposes "systemctl start hwenrolld"
    follow
    goes_on
}

closed_token_directory() {
    inside chmod -R g-rwx,o-rwx /var/lib/softhsm/tokens
    inside chown -R root:root /var/lib/softhsm/tokens
    inside chgrp softhsm /var/lib/softhsm/tokens
    inside chmod 1770 /var/lib/softhsm/tokens
    succeeds "$(init)" "$(secrets)"
    proposes "chgrp -R softhsm"
    fails "hwenroll doctor"
    proposes "chgrp -R softhsm"
    local next
    next=$(proposed)
    fails "hwenroll enroll web --wait"
    proposes "hwenroll doctor"
    succeeds "$next"
    goes_on
    succeeds "hwenroll doctor"
}

no_drop_in() {
    succeeds "$(init | sed 's/ --drop-in//')" "$(secrets)"
    proposes "/etc/systemd/system/hwenrolld.service.d/lab.conf"
    local next
    next=$(proposed)
    fails "hwenroll doctor"
    proposes "/etc/systemd/system/hwenrolld.service.d/lab.conf"
    fails "hwenroll enroll web --wait"
    proposes "hwenroll doctor"
    succeeds "$next"
    within 20 inside hwenroll wait web --timeout 1 >/dev/null
    goes_on
    succeeds "hwenroll doctor"
}

# --- The run ----------------------------------------------------------------------------------------------------------

failed=0
clean_up() {
    switch_off
    local mount
    for mount in "$snapshots"/*/root; do
        if mountpoint --quiet "$mount"; then umount --lazy "$mount"; fi
    done
    tree=$pristine
    remove_tree
    [ -z "$snapshots" ] || [ "$keep" = yes ] || rm -rf --one-file-system "$snapshots"
    pristine='' snapshots=''
}
trap clean_up EXIT

# check FUNCTION WHAT LOWER: on a machine above LOWER; see booted.sh for the subshell.
check() {
    local rc=0 verdict=PASS begun=$SECONDS
    name=$1
    rm -f "$logs/$name.txt"
    [[ -z $only || ,$only, == *,$1,* ]] || return 0
    : >"$logs/said"
    if boot "$1" "$3"; then
        set +e
        (set -e && "$1") >"$logs/said" 2>&1
        rc=$?
        set -e
    else
        rc=1
    fi
    [ "$rc" = 0 ] || verdict=FAIL
    printf '%s  %-8s %s (%d s) %s\n' "$verdict" "$suite" "$2" $((SECONDS - begun)) "$(head -n 1 "$logs/said")" |
        tee -a "$logs/results.txt"
    if [ "$rc" != 0 ]; then
        failed=$((failed + 1))
        sed 's/^/    | /' "$logs/said"
        inside journalctl --quiet --no-pager -u hwenrolld 2>&1 | tail -n 8 | sed 's/^/    | /'
    fi
    put_away "$1"
}

canaries=("$pin" "$challenge" "$wrong")
prepare_host
for suite in "${suites[@]}"; do
    logs=$log_root/$suite
    mkdir -p "$logs"
    rm -f "$logs"/{results.txt,console.log,said}
    prepare "$suite"
    check five_commands "from the package to a deployed certificate" "$pristine"
    name=install
    if boot installed "$pristine" && succeeds "apt install --yes ./hwenroll_*.deb"; then
        switch_off
        umount "$tree"
    else
        complain 69 "the package could not be installed; see $logs/install.txt"
    fi
    installed=$snapshots/installed/upper:$pristine
    check survives_a_boot "after a boot it has what it had" "$installed"
    check status_before_anything "status before anything" "$installed"
    check doctor_before_init "doctor before init" "$installed"
    check enroll_before_init "enroll before init" "$installed"
    check no_token_library "no token library" "$installed"
    check token_not_initialised "a token that is not initialised" "$installed"
    check closed_token_directory "a token that the service's user may not read" "$installed"
    check no_drop_in "a service that is not let near the token" "$installed"
    check wrong_pin "a wrong PIN" "$installed"
    check wrong_challenge "a wrong challenge" "$installed"
    check ca_unreachable "a CA that is not there" "$installed"
    check wrong_fingerprint "a wrong fingerprint" "$installed"
    check wrong_fingerprint_in_the_configuration "a wrong fingerprint in the configuration" "$installed"
    check agent_stopped "an agent that was stopped" "$installed"
    clean_up
done
exit $((failed > 0))
