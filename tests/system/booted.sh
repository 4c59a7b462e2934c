#!/bin/bash
# Boots a minimal Debian tree with systemd as PID 1 and proves there what systemd/ promises: the agent enrolls, renews,
# runs hooks as root and raises alerts in its sandbox, reaches a token that is a service of its own, and comes back after
# kills, broken configurations and boots. See --help.
# shellcheck disable=SC2317 # check() calls functions by name
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tests/system/booted.sh [--suite NAME] [--build DIR] [--lab-ca FILE] [--package PATH]... [--logs DIR] [--keep]

  --suite NAME   bookworm (Debian 12, the default) or trixie (13)
  --build DIR    where the programs are, in DIR/bin. A release build will do: no test clock is used. Those of 12 run on 13,
                 with the libraries that 13 lacks brought along. Default: build/dev on the Debian of this machine; those
                 of another one are built in a tree of it first, into build/SUITE, which is kept and takes some minutes
                 the first time
  --lab-ca FILE  the lab CA; default: scep-lab-ca in DIR/bin, or in build/dev/bin
  --package PATH a .deb, or a directory with some: installed by apt-get, in place of copied programs and files. The units
                 are then those of the packages, which are upgraded and removed at the end
  --logs DIR     what is kept of a run: results, the journal, the console; default: build/booted, build/booted-SUITE
  --keep         leave the tree for inspection
One line a check: PASS or FAIL, what was proved, figures; after a FAIL why, and the journal's last lines. Exit: 0 if every
check passed, 1 if one failed, 64 wrong usage, 69 something is missing that it needs.
Needs root, systemd-nspawn (package systemd-container), debootstrap, zstd and a kernel with cgroup2. Packages come from
the archive that this machine's apt uses. Trees are cached for a week in /var/tmp/hwenroll-fresh, or in
$HWENROLL_FRESH_CACHE. Takes about three minutes, and two more where no tree is cached.
TEXT
}

complain() {
    echo "booted.sh: $2" >&2
    exit "$1"
}

checkout=$(cd "$(dirname "$0")/../.." && pwd)
build='' lab_ca='' suite=bookworm logs='' keep=no debs=()
arguments=("$@")
while [ $# -gt 0 ]; do
    case $1 in
    --build) build=${2:?--build needs a directory} && shift ;;
    --lab-ca) lab_ca=${2:?--lab-ca needs a file} && shift ;;
    --suite) suite=${2:?--suite needs a name} && shift ;;
    --package) debs+=("$(realpath "${2:?--package needs a file or a directory}")") && shift ;;
    --logs) logs=${2:?--logs needs a directory} && shift ;;
    --keep) keep=yes ;;
    -h | --help) usage && exit 0 ;;
    *) complain 64 "unknown argument '$1'; see --help" ;;
    esac
    shift
done
cache=${HWENROLL_FRESH_CACHE:-/var/tmp/hwenroll-fresh}
main_file=etc/hwenroll/hwenroll.toml
program_names=(hwenrolld hwenroll hwenroll-token hwenroll-hook)
# shellcheck source=/dev/null
at_home=$(. /etc/os-release && [ "${VERSION_CODENAME:-}" = "$suite" ] && echo yes) || at_home=no
if [ "$at_home" = yes ]; then
    : "${logs:=$checkout/build/booted}"
else
    : "${logs:=$checkout/build/booted-$suite}"
fi

# What the programs are linked with, by the names of each Debian; their -dev packages are in .ci/install-deps.
packages=(systemd systemd-sysv dbus softhsm2 openssl nginx libengine-pkcs11-openssl libp11-kit0 libseccomp2 libsqlite3-0)
case $suite in
bookworm) packages+=(libssl3 libcurl4 libfmt9 libtss2-{esys-3.0.2-0,mu0,rc0,tctildr0}) ;;
trixie) packages+=(libssl3t64 libcurl4t64 libfmt10 libtss2-{esys-3.0.2-0,mu-4.0.1-0,rc0,tctildr0}t64) ;;
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
# shellcheck source=tests/system/agent_checks.sh
. "$checkout/tests/system/agent_checks.sh"
# shellcheck source=tests/system/token_checks.sh
. "$checkout/tests/system/token_checks.sh"
# shellcheck source=tests/system/unit_checks.sh
. "$checkout/tests/system/unit_checks.sh"
# shellcheck source=tests/system/secret_checks.sh
. "$checkout/tests/system/secret_checks.sh"
# shellcheck source=tests/system/package_checks.sh
. "$checkout/tests/system/package_checks.sh"
need systemd-nspawn systemctl nsenter pgrep
canaries=("$pin" "$challenge")
be_alone

clean_up() {
    switch_off
    remove_tree
}
trap clean_up EXIT

# --- The run ----------------------------------------------------------------------------------------------------------

keep_journal() {
    inside journalctl --quiet --no-pager --output short-precise >"$logs/journal-$1.txt" || true
}

finish() {
    keep_journal "$1"
    echo "$passed checks passed, $failed failed, in $SECONDS s; journals and console: $logs"
    exit $((failed > 0))
}

mkdir -p "$cache" "$logs"
rm -f "$logs"/{results.txt,console.log,said,journal-*.txt}
find_programs
packed=$(packed_tree booted) || complain 69 "no tree of '$suite' could be made"
unpack_tree "$suite-booted" "$packed"
install_product
install_consumer
install_ca corp 8080 --lifetime 86400 --fault RenewalReq:1:delay-4000
install_ca brief 8081 --lifetime 20 --backdate 0
prepare_host
switch_on || complain 69 "the tree did not boot; $logs/console.log may say why"
configure

check waits_for_its_configuration "without hwenroll.toml it fails once, and starts when there is one"
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
check waits_for_a_correction "started with a broken configuration it fails once, and starts when that is corrected"
check stays_stopped "stopped while it waits for a correction it stays so"
check waits_for_its_credential "a credential that cannot be opened is waited for"
check renews "certificates of 20 s are renewed, hooks run and are in the history"
check alerts "an alert is found by its MESSAGE_ID after the CA was stopped"
check catalog_is_shown "journalctl -x tells what an alert is"
check survives_a_kill "SIGKILL: restarted, nothing issued"
check survives_a_kill_in_a_renewal "SIGKILL while a renewal's answer is on its way: one certificate"
check watchdog_bites "SIGSTOP: the watchdog kills it and it is restarted"
check stops "systemctl stop ends within 10 s"
check hooks_outlive_a_stop "after a start the renewal goes on, and hooks still run as root"
check nginx_is_reloaded "nginx with a key on the token serves the certificate, and a renewed one after its hook"
check runs_by_a_timer "hwenroll-once.timer takes the agent's place, enrolls, and gives it back"
check refuses_pins "a credential: PIN and an unreadable file: PIN are refused clearly, others live on"
check sandbox_holds "the unit's sandbox holds"
check limits_are_set "memory and tasks are limited"
check exposure "systemd-analyze security: the agent 1.5 at most, of 10"
check token_becomes_a_service "a token behind hwenroll-token@lab.socket, with its PIN by credential, enrolls"
check token_is_confined "its worker is another user without privileges"
check token_service_recovers "SIGKILL of that worker: the next use has a new one"
check token_service_stops "systemctl stop of that worker ends it, and the next use starts it"
check token_service_waits_for_its_pin "without its credential it is started again with pauses"
check token_service_takes_an_encrypted_pin "its PIN comes by SetCredential=, and by LoadCredentialEncrypted="
check token_exposure "the exposure of a TPM's worker is 1.0 at most"
check secrets_stay "neither PIN nor challenge is in journal, arguments, environments, report, state or a core"
had_before=$(what_it_has)
keep_journal first-boot
switch_off
switch_on || { failed=$((failed + 1)) && echo "FAIL  the machine does not boot again" && finish second-boot; }
check comes_back_after_a_boot "after a boot it has what it had"
check secrets_stay "nor are they after it, in the journal of both boots"
if [ ${#debs[@]} -gt 0 ]; then
    check is_upgraded "installed again it is restarted; sockets stay"
    check timer_is_upgraded "installed again beside its timer it stays down"
    had_before_removal=$(what_it_has)
    check is_removed "removed it leaves no unit that runs or has failed"
    check comes_back_after_removal "installed after that it goes on"
fi
finish second-boot
