#!/bin/bash
# Runs what docs/guides/consumers.md says of HAProxy, strongSwan, OpenVPN and wpa_supplicant: each with a certificate that
# hwenrolld enrolled and a key on a SoftHSM2 token, in a Debian tree that systemd-nspawn boots. See --help.
# shellcheck disable=SC2034,SC2154,SC2317 # what the sourced files use and set; check() calls functions by name
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tests/system/consumers.sh [--suite NAME] [--build DIR] [--logs DIR] [--keep]

  --suite NAME  trixie (Debian 13, the default) or bookworm (12, whose HAProxy cannot use a key on a token)
  --build DIR   where the programs are, in DIR/bin; default: build/dev. Those of Debian 12 run on 13, with the libraries
                that 13 lacks brought along
  --logs DIR    what is kept of a run: results, the journal, the console; default: build/consumers-SUITE
  --keep        leave the tree for inspection
The files and hooks are the blocks of docs/guides/consumers.md and docs/consumers.md as they stand, at the places that they
name. One line a check: PASS or FAIL, what was proved, figures; after a FAIL why, and the journal's last lines. Exit: 0 if
every check passed, 1 if one failed, 64 wrong usage, 69 something is missing that it needs.
Needs root, systemd-nspawn (package systemd-container), debootstrap, zstd and a kernel with cgroup2, tun and xfrm. Nothing is
installed on this machine, and nothing listens on it. Packages come from the archive that this machine's apt uses. Trees
are cached for a week in /var/tmp/hwenroll-fresh, or in $HWENROLL_FRESH_CACHE. Takes about four minutes, and some more
where no tree is cached.
TEXT
}

complain() {
    echo "consumers.sh: $2" >&2
    exit "$1"
}

checkout=$(cd "$(dirname "$0")/../.." && pwd)
build='' lab_ca='' suite=trixie logs='' keep=no debs=()
arguments=("$@")
while [ $# -gt 0 ]; do
    case $1 in
    --suite) suite=${2:?--suite needs a name} && shift ;;
    --build) build=${2:?--build needs a directory} && shift ;;
    --logs) logs=${2:?--logs needs a directory} && shift ;;
    --keep) keep=yes ;;
    -h | --help) usage && exit 0 ;;
    *) complain 64 "unknown argument '$1'; see --help" ;;
    esac
    shift
done
: "${build:=$checkout/build/dev}" "${logs:=$checkout/build/consumers-$suite}"
cache=${HWENROLL_FRESH_CACHE:-/var/tmp/hwenroll-fresh}
main_file=etc/hwenroll/hwenroll.toml
program_names=(hwenrolld hwenroll hwenroll-token hwenroll-hook)

packages=(systemd systemd-sysv dbus softhsm2 openssl curl libp11-kit0 libseccomp2 libsqlite3-0 opensc iproute2
    haproxy strongswan-swanctl charon-systemd libstrongswan-standard-plugins libstrongswan-extra-plugins
    openvpn wpasupplicant hostapd libengine-pkcs11-openssl)
case $suite in
bookworm) packages+=(libssl3 libcurl4 libfmt9 libtss2-{esys-3.0.2-0,mu0,rc0,tctildr0}) ;;
trixie) packages+=(pkcs11-provider libssl3t64 libcurl4t64 libfmt10 libtss2-{esys-3.0.2-0,mu-4.0.1-0,rc0,tctildr0}t64) ;;
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
# shellcheck source=tests/system/consumer_checks.sh
. "$checkout/tests/system/consumer_checks.sh"
need systemd-nspawn systemctl nsenter pgrep
be_alone

clean_up() {
    switch_off
    remove_tree
}
trap clean_up EXIT

mkdir -p "$cache" "$logs"
rm -f "$logs"/{results.txt,console.log,said,journal.txt}
find_programs
packed=$(packed_tree consumers) || complain 69 "no tree of '$suite' could be made"
unpack_tree "$suite-consumers" "$packed"
install_product
install_ca corp 8080 --lifetime 86400
prepare_host
# What the tree's own packages enabled would run without a configuration.
chroot "$tree" systemctl disable --quiet haproxy openvpn strongswan wpa_supplicant hostapd 2>/dev/null || true
switch_on || complain 69 "the tree did not boot; $logs/console.log may say why"
prepare_consumers
versions | tee -a "$logs/results.txt"

if [ "$suite" = bookworm ]; then
    check haproxy_has_no_way "HAProxy of Debian 12 is built without engines"
else
    check haproxy_serves "HAProxy serves the certificate with its key on the token, and curl trusts it"
    check haproxy_takes_a_renewal "HAProxy serves a renewed certificate after its reload"
    check haproxy_keeps_the_old_one "HAProxy serves the old one while its configuration has a mistake, then the new one"
fi
check strongswan_loads "swanctl loads the certificate and the key on the token"
check strongswan_is_believed "an IKE_SA with another charon, authenticated by that key, and again after a renewal"
[ "$suite" = bookworm ] || check openvpn_connects_by_a_provider \
    "OpenVPN connects by pkcs11-provider, and again with a renewed certificate after its restart"
check openvpn_connects_by_pkcs11 "OpenVPN connects with certificate and key on the token"
check openvpn_takes_a_renewal "OpenVPN: and with a renewed one, also when the hook runs twice"
check wpa_is_let_in "EAP-TLS: a switch lets wpa_supplicant in with its key on the token"
check wpa_takes_a_renewal "EAP-TLS: and with a renewed one after wpa_cli reconfigure"
inside journalctl --quiet --no-pager --output short-precise >"$logs/journal.txt" || true
echo "$passed checks passed, $failed failed, in $SECONDS s; results, journal and console: $logs"
exit $((failed > 0))
