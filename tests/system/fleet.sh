#!/bin/bash
# Runs docs/examples/ansible, the roll-out of docs/guides/fleet.md, with ansible-playbook on a Debian that systemd-nspawn
# boots: the package from an archive, a TPM that swtpm emulates, a lab CA. See --help.
# shellcheck disable=SC2034,SC2154,SC2317 # what the sourced files use and set; check() calls functions by name
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tests/system/fleet.sh [--suite NAME] [--build DIR] [--package PATH]... [--logs DIR] [--keep]

  --suite NAME    bookworm (Debian 12, the default) or trixie (13)
  --build DIR     where the programs are, in DIR/bin; default: build/dev. Those of Debian 12 run on 13, with the libraries
                  that 13 lacks brought along
  --package PATH  a .deb for the machine's archive, or a directory with some. Default: one that this script makes of the
                  programs and of systemd/
  --logs DIR      what is kept of a run: results, what Ansible printed, the journal; default: build/fleet-SUITE
  --keep          leave the tree for inspection
The machine rolls itself out: connection local, as web01.example.com of the example's inventory. One line a check: PASS or
FAIL, what was proved, figures; after a FAIL why. Exit: 0 if every check passed, 1 if one failed, 64 wrong usage, 69
something is missing that it needs.
Needs root, systemd-nspawn (package systemd-container), debootstrap, zstd and a kernel with cgroup2. Packages, Ansible among
them, come from the archive that this machine's apt uses and go into the tree. Trees are cached for a week in
/var/tmp/hwenroll-fresh, or in $HWENROLL_FRESH_CACHE. Takes about two minutes, and some more where no tree is cached.
TEXT
}

complain() {
    echo "fleet.sh: $2" >&2
    exit "$1"
}

checkout=$(cd "$(dirname "$0")/../.." && pwd)
build='' lab_ca='' suite=bookworm logs='' keep=no debs=() given=()
arguments=("$@")
while [ $# -gt 0 ]; do
    case $1 in
    --suite) suite=${2:?--suite needs a name} && shift ;;
    --build) build=${2:?--build needs a directory} && shift ;;
    --package) given+=("$(realpath "${2:?--package needs a file or a directory}")") && shift ;;
    --logs) logs=${2:?--logs needs a directory} && shift ;;
    --keep) keep=yes ;;
    -h | --help) usage && exit 0 ;;
    *) complain 64 "unknown argument '$1'; see --help" ;;
    esac
    shift
done
: "${build:=$checkout/build/dev}" "${logs:=$checkout/build/fleet-$suite}"
cache=${HWENROLL_FRESH_CACHE:-/var/tmp/hwenroll-fresh}
program_names=(hwenrolld hwenroll hwenroll-token hwenroll-hook)

packages=(systemd systemd-sysv dbus openssl curl libp11-kit0 libseccomp2 libsqlite3-0 ansible-core python3-apt sudo swtpm)
case $suite in
bookworm) packages+=(libssl3 libcurl4 libfmt9 libtss2-{esys-3.0.2-0,mu0,rc0,tctildr0,tcti-swtpm0}) ;;
trixie)
    packages+=(libssl3t64 libcurl4t64 libfmt10
        libtss2-{esys-3.0.2-0,mu-4.0.1-0,rc0,tctildr0,tcti-swtpm0}t64)
    ;;
*) complain 64 "unknown suite '$suite'; see --help" ;;
esac

# shellcheck source=tests/system/trees.sh
. "$checkout/tests/system/trees.sh"
# shellcheck source=tests/system/machine.sh
. "$checkout/tests/system/machine.sh"
# shellcheck source=tests/system/checks.sh
. "$checkout/tests/system/checks.sh"
# shellcheck source=tests/system/questions.sh
. "$checkout/tests/system/questions.sh"
# shellcheck source=tests/system/product.sh
. "$checkout/tests/system/product.sh"
need systemd-nspawn systemctl dpkg-deb nsenter pgrep
be_alone

clean_up() {
    switch_off
    remove_tree
}
trap clean_up EXIT

# --- The machine ------------------------------------------------------------------------------------------------------

# make_package: what a package of the project has that the roll-out needs; its dependencies are in the tree.
make_package() {
    local root=$tree/srv/package home
    home=$root/usr/libexec/hwenroll
    mkdir -p "$home" "$root"/{DEBIAN,usr/sbin,usr/bin,etc/hwenroll/conf.d,usr/lib/systemd/system}
    cp "${programs[@]}" "$home/"
    ln -s ../libexec/hwenroll/hwenrolld "$root/usr/sbin/hwenrolld"
    ln -s ../libexec/hwenroll/hwenroll "$root/usr/bin/hwenroll"
    cp "$checkout"/systemd/*.{service,socket,path,timer} "$root/usr/lib/systemd/system/"
    install -D -m 0644 "$checkout/systemd/hwenroll.sysusers" "$root/usr/lib/sysusers.d/hwenroll.conf"
    install -D -m 0644 "$checkout/systemd/hwenroll.tmpfiles" "$root/usr/lib/tmpfiles.d/hwenroll.conf"
    printf 'Package: hwenroll\nVersion: 0\nArchitecture: all\nMaintainer: fleet.sh\nDescription: of fleet.sh\n' \
        >"$root/DEBIAN/control"
    # As debhelper has it: users, directories, the units enabled and started.
    cat >"$root/DEBIAN/postinst" <<'TEXT'
#!/bin/sh
set -e
systemd-sysusers hwenroll.conf
systemd-tmpfiles --create hwenroll.conf
systemctl daemon-reload
systemctl enable --quiet hwenroll-hook.socket hwenrolld.service
systemctl start hwenroll-hook.socket hwenrolld.service || true
TEXT
    chmod 0755 "$root/DEBIAN/postinst"
    dpkg-deb --root-owner-group -Znone --build "$root" "$tree/srv/archive/hwenroll.deb" >/dev/null
    rm -rf --one-file-system "$root"
}

# make_archive: what apt-get of the machine finds.
make_archive() {
    local path file
    mkdir -p "$tree/srv/archive"
    for path in "${given[@]}"; do
        find "$path" -maxdepth 1 -name '*.deb' ! -name '*-dbgsym_*' -exec cp -t "$tree/srv/archive" {} +
    done
    [ ${#given[@]} -gt 0 ] || make_package
    for file in "$tree"/srv/archive/*.deb; do
        dpkg-deb --field "$file"
        printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$(basename "$file")" "$(stat --format %s "$file")" \
            "$(sha256sum "$file" | cut -d' ' -f1)"
    done >"$tree/srv/archive/Packages"
    rm -f "$tree"/etc/apt/sources.list.d/*
    echo 'deb [trusted=yes] file:/srv/archive ./' >"$tree/etc/apt/sources.list"
}

prepare_tree() {
    make_archive
    mkdir -p "$tree/srv/example"
    cp "$lab_ca" "$tree/usr/local/sbin/scep-lab-ca"
    mkdir "$tree/srv/programs"
    cp "${programs[@]}" "$tree/srv/programs/"
    bring_libraries "$tree/srv/programs"
    cp -r "$checkout"/docs/examples/ansible/. "$tree/srv/example/"
    echo web01 >"$tree/etc/hostname"
    echo '127.0.0.1 localhost' >"$tree/etc/hosts"
    echo '127.0.1.1 web01.example.com web01' >>"$tree/etc/hosts"
    install_ca corp 8080 --lifetime 86400
    cat >"$tree/etc/systemd/system/tpm.service" <<'TEXT'
[Service]
StateDirectory=tpm
ExecStart=/usr/bin/swtpm socket --tpm2 --tpmstate dir=/var/lib/tpm --server type=tcp,port=2321 \
    --ctrl type=tcp,port=2322 --flags not-need-init,startup-clear
[Install]
WantedBy=multi-user.target
TEXT
    chroot "$tree" systemctl enable --quiet lab-ca-corp.service tpm.service 2>"$logs/enable.log"
}

# --- The roll-out -----------------------------------------------------------------------------------------------------

limit=web01.example.com # of the inventory
# play NAME ARGUMENT...: the example on this machine; what Ansible prints is in NAME.log.
play() {
    local name=$1
    shift
    inside env --chdir=/srv/example ANSIBLE_NOCOLOR=1 timeout 300 \
        ansible-playbook -i inventory.yml site.yml --limit "$limit" --connection local \
        -e hwenroll_ca_url=http://localhost:8080/scep -e "$fingerprints" \
        -e hwenroll_tpm_tcti=swtpm:host=127.0.0.1,port=2321 "$@" >"$logs/$name.log" 2>&1
}
# recap NAME WORD: that figure of the last line.
recap() { sed -n "s/^web01.example.com  *:.* $2=\([0-9]*\).*/\1/p" "$logs/$1.log"; }
# came_to NAME TASK, and is_absent PATH…
came_to() { grep -q "TASK \[hwenroll : $2\]" "$logs/$1.log"; }
did_not_come_to() { ! came_to "$@" || { echo "it came to '$2'" && return 1; }; }
is_absent() { [ ! -e "$tree$1" ] || { echo "$1 is there" && return 1; }; }
sum_of() { sha256sum "$tree$1" | cut -d' ' -f1; }

check_mode() {
    is_absent /usr/bin/hwenroll
    play check --check --diff -e hwenroll_challenge=lab -e hwenroll_tpm_tcti=device:/dev/tpmrm0 || { tail -n 20 "$logs/check.log" && return 1; }
    is_absent /usr/bin/hwenroll
    is_absent /etc/hwenroll/hwenroll.toml
    ! grep -q '^+lab$' "$logs/check.log" || { echo "the difference shows the challenge" && return 1; }
    grep -qx '+BindPaths=/dev/tpmrm0' "$logs/check.log"
    echo "it would change $(recap check changed)"
}

# The second machine, which would be this one too, is of the next stage.
a_refusal_ends_it() {
    limit=all
    ! play refusal -e hwenroll_challenge=wrong -e hwenroll_enroll_timeout=60 ||
        { echo "it went on" && return 1; }
    came_to refusal 'Wait for the certificate'
    did_not_come_to refusal 'Judge as monitoring does'
    ! grep web02 "$logs/refusal.log" || { echo "it went on to the next machine" && return 1; }
    expect "failed" "$(recap refusal failed)" 1
    grep -o 'E-[A-Z-]*' "$logs/refusal.log" | sort -u | xargs
}

rolls_out() {
    play first -e hwenroll_challenge=lab || { tail -n 30 "$logs/first.log" && return 1; }
    is_absent /etc/hwenroll/corp.challenge
    inside openssl x509 -in /var/lib/hwenroll/live/host/current/cert.pem -noout -subject
    inside hwenroll check
    expect "hwenrolld" "$(agent ActiveState) $(property hwenrolld UnitFileState)" "active enabled"
    ! grep -rq 'lab$' "$logs/first.log" || { echo "Ansible printed the challenge" && return 1; }
}

changes_nothing_again() {
    local process
    process=$(agent MainPID)
    play second -e hwenroll_challenge=lab || { tail -n 30 "$logs/second.log" && return 1; }
    expect "changed" "$(recap second changed)" 0
    expect "MainPID" "$(agent MainPID)" "$process"
    echo "ok=$(recap second ok)"
}

keeps_what_is_in_force() {
    local before
    before=$(sum_of /etc/hwenroll/hwenroll.toml)
    ! play mistake -e '{"hwenroll_ca_fingerprints": ["SHA1:00"]}' || { echo "it went on" && return 1; }
    came_to mistake 'Write the configuration'
    did_not_come_to mistake 'Start the agent'
    expect "hwenroll.toml" "$(sum_of /etc/hwenroll/hwenroll.toml)" "$before"
    expect "host" "$(inside hwenroll status | awk '$1 == "host" { print $2 }')" OK
    grep -o 'E-[A-Z-]*' "$logs/mistake.log" | sort -u | xargs
}

reloads_a_change() {
    local process
    process=$(agent MainPID)
    play change -e hwenroll_ca_url=http://127.0.0.1:8080/scep || { tail -n 30 "$logs/change.log" && return 1; }
    grep -q 'RUNNING HANDLER \[hwenroll : Reload hwenrolld\]' "$logs/change.log"
    expect "MainPID" "$(agent MainPID)" "$process"
    within 10 journal_has _PID="$process" -g 'configuration was read again'
}

mkdir -p "$cache" "$logs"
rm -f "$logs"/*.log "$logs"/{results.txt,said,journal.txt}
find_programs
packed=$(packed_tree fleet) || complain 69 "no tree of '$suite' could be made"
unpack_tree "$suite-fleet" "$packed"
prepare_tree
prepare_host
switch_on || complain 69 "the tree did not boot; $logs/console.log may say why"
within 20 listens 8080 && within 20 listens 2321
inside apt-get update -qq >"$logs/apt.log" 2>&1
fingerprints="{\"hwenroll_ca_fingerprints\": [\"$("${programs[1]}" --version >/dev/null && inside sh -c \
    'curl --silent "http://localhost:8080/scep?operation=GetCACert" | openssl x509 -inform DER -noout -fingerprint -sha256' |
    sed 's/.*=//; s/://g; s/^/SHA256:/')\"]}"
inside ansible-playbook --version | head -n 1 | tee -a "$logs/results.txt"

check check_mode "--check --diff of a machine without the package shows what would be, with the TPM's drop-in"
check a_refusal_ends_it "a challenge that the CA refuses ends the run before the next stage"
check rolls_out "with the right one it installs, enrolls on the TPM, and takes the challenge away"
check changes_nothing_again "a second run changes nothing"
check keeps_what_is_in_force "a configuration with a mistake is not written"
check reloads_a_change "a change of the configuration reloads the agent"
inside journalctl --quiet --no-pager --output short-precise >"$logs/journal.txt" || true
echo "$passed checks passed, $failed failed, in $SECONDS s; logs: $logs"
exit $((failed > 0))
