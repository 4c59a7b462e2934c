#!/bin/bash
# Builds the Debian packages in a minimal tree, judges them with lintian, and installs, upgrades, removes and purges them
# in another one while an identity lives. See --help.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tests/system/packages.sh [--suite NAME]... [--logs DIR] [--keep] [--built]

  --suite NAME   bookworm (Debian 12) or trixie (Debian 13); repeatable; default: both
  --logs DIR     where packages, logs and lintian's words go, in a directory for each suite; default: build/packages
  --built        take the packages that are there from a run before
  --keep         leave the trees for inspection
One line a check: PASS or FAIL and what; after a FAIL why. Exit: 0 if every check passed, 1 if one failed, 64 wrong
usage, 69 something is missing that it needs.
Needs root, debootstrap, zstd and git. Packages come from the archive that this machine's apt uses. Trees, and a
compiler's cache for each suite, are kept in /var/tmp/hwenroll-fresh, or in $HWENROLL_FRESH_CACHE. DEB_BUILD_OPTIONS is
handed on: noautodbgsym leaves out the packages of debugging symbols, which take some minutes to compress.
TEXT
}

complain() {
    echo "packages.sh: $2" >&2
    exit "$1"
}

suites=() keep=no logs='' built=no
arguments=("$@")
while [ $# -gt 0 ]; do
    case $1 in
    --suite) suites+=("${2:?--suite needs a name}") && shift ;;
    --logs) logs=${2:?--logs needs a directory} && shift ;;
    --built) built=yes ;;
    --keep) keep=yes ;;
    -h | --help) usage && exit 0 ;;
    *) complain 64 "unknown argument '$1'; see --help" ;;
    esac
    shift
done
[ ${#suites[@]} -gt 0 ] || suites=(bookworm trixie)
checkout=$(cd "$(dirname "$0")/../.." && pwd)
cache=${HWENROLL_FRESH_CACHE:-/var/tmp/hwenroll-fresh}
logs=${logs:-$checkout/build/packages}

# shellcheck source=tests/system/trees.sh
. "$checkout/tests/system/trees.sh"
need git
be_alone

failures=0
# check TEXT COMMAND: a shell command in the tree in use. Its output is shown where it fails.
check() {
    local output begun=$SECONDS
    if output=$(in_tree 600 "set -euo pipefail; $2" 2>&1 </dev/null); then
        printf 'PASS  %-9s %s (%d s)\n' "$suite" "$1" $((SECONDS - begun))
    else
        printf 'FAIL  %-9s %s\n' "$suite" "$1"
        printf '%s\n' "$output" | tail -n 25 | sed 's/^/    | /'
        failures=$((failures + 1))
    fi
    printf '== %s\n%s\n' "$1" "$output" >>"$out/checks.log"
}

apt_install='export DEBIAN_FRONTEND=noninteractive; apt-get install -qq --yes --no-install-recommends'

# build_tree: prints the path of an archive of a minimal tree with all that debian/control wants, and lintian.
build_tree() {
    local control
    control=$(cat "$checkout/debian/control")
    prepared_tree packages "$(sed -n '/^Build-Depends:/,/^[^ B]/p' <<<"$control")" \
        "mkdir -p /source/debian && printf '%s\n' ${control@Q} >/source/debian/control && apt-get update -qq &&
         $apt_install build-essential fakeroot lintian ccache &&
         apt-get build-dep -qq --yes --no-install-recommends /source && rm -r /source"
}

# build_packages: leaves them in $out, and the same as of an older version in $out/older.
build_packages() {
    local packed begun=$SECONDS
    packed=$(build_tree) || return 1
    unpack_tree "$suite-packages" "$packed"
    complete_tree "$suite"
    mkdir -p "$tree/ccache" "$cache/ccache-$suite"
    mount --bind "$cache/ccache-$suite" "$tree/ccache"
    copy_checkout /build/hwenroll
    if ! in_tree 5400 "cd /build/hwenroll && export CCACHE_DIR=/ccache CCACHE_BASEDIR=/build/hwenroll &&
        export DEB_BUILD_OPTIONS='${DEB_BUILD_OPTIONS:-}' && dpkg-buildpackage -us -uc" >"$out/build.log" 2>&1 </dev/null; then
        echo "FAIL  $suite build; the last lines of $out/build.log:"
        tail -n 25 "$out/build.log" | sed 's/^/    | /'
        remove_tree
        return 1
    fi
    printf 'PASS  %-9s built (%d s)\n' "$suite" $((SECONDS - begun))
    cp "$tree"/build/*.{deb,dsc,tar.xz,changes,buildinfo} "$out/"
    (cd "$out" && ls -l -- *.deb) | awk '{ print "      " $5 " octets " $9 }'
    in_tree 600 "cd /build && lintian --allow-root --info --display-info --pedantic *.changes" >"$out/lintian.txt" 2>&1 || true
    for kind in E W I P; do
        printf '      lintian %s: %d\n' "$kind" "$(grep -c "^$kind:" "$out/lintian.txt" || true)"
    done
    check "lintian has no error and no warning" "cd /build && lintian --allow-root --fail-on error,warning *.changes"
    # An older version of the same, for upgrades.
    check "older packages for the upgrade" "mkdir /build/older && cd /build/older &&
        for deb in ../hwenroll_*.deb ../scep-lab-ca_*.deb; do
            dpkg-deb -R \$deb unpacked && sed -i 's/^Version: .*/Version: 0.0.1/' unpacked/DEBIAN/control &&
            dpkg-deb --root-owner-group -b unpacked . && rm -r unpacked; done"
    mkdir -p "$out/older"
    cp "$tree"/build/older/*.deb "$out/older/"
    remove_tree
}

# put FILE MODE: a file of the tree, from standard input.
put() {
    mkdir -p "$(dirname "$tree$1")"
    cat >"$tree$1"
    chmod "$2" "$tree$1"
}

# What an administrator adds: a token of SoftHSM2, its PIN, the configuration; and a lab CA, as commands of the tree.
put_identity() {
    put /srv/lab.sh 0755 <<'TEXT'
set -eu
. /srv/ca.sh
usermod -a -G softhsm hwenroll
if ! [ -e /etc/hwenroll/lab.pin ]; then
    printf 24680135 >/etc/hwenroll/lab.pin
    printf 'open sesame\n' >/etc/hwenroll/corp.challenge
    chown hwenroll: /etc/hwenroll/lab.pin /etc/hwenroll/corp.challenge
    chmod 0600 /etc/hwenroll/lab.pin /etc/hwenroll/corp.challenge
    as_agent softhsm2-util --init-token --free --label lab --pin 24680135 --so-pin 97531864
    sed -e "s,^url .*,url = \"$(cat /srv/url)\"," \
        -e "s,^fingerprint .*,fingerprint = \"$(openssl x509 -in /srv/ca/ca.pem -noout -fingerprint -sha256 |
            sed 's/.*=/SHA256:/')\"," \
        -e '/^on_change/d' /usr/share/doc/hwenroll/examples/hwenroll.toml >/etc/hwenroll/hwenroll.toml
fi
TEXT
    put /srv/ca.sh 0644 <<'TEXT'
# as_agent COMMAND: what the unit does.
as_agent() {
    install -d -o hwenroll -m 0711 /var/lib/hwenroll
    install -d -o hwenroll -m 0755 /run/hwenroll
    setpriv --reuid=hwenroll --regid=hwenroll --init-groups -- "$@"
}
rm -f /srv/url
printf 'open sesame\n' >/srv/challenge
scep-lab-ca --dir /srv/ca --listen 127.0.0.1:7070 --challenge-file /srv/challenge --ready-file /srv/url \
    >>/srv/ca.log 2>&1 &
ca=$!
trap 'kill $ca' EXIT
for try in $(seq 300); do [ ! -s /srv/url ] || break; sleep 0.1; done
requests() { grep -c . /srv/ca.log || true; }
TEXT
}

# What an administrator has enabled and changed by hand, as systemctl enable and edit, and the timer's run, leave it; and
# the same of somebody else's unit.
put_links() {
    put /srv/links.sh 0644 <<'TEXT'
set -eu
etc=/etc/systemd/system units=/usr/lib/systemd/system
link() {
    mkdir -p "$etc/$1" "$etc/$2.d" /var/lib/systemd/timers
    ln -s "$3" "$etc/$1/$2"
    printf '[Unit]\n' >"$etc/$2.d/override.conf"
}
link_by_hand() {
    link timers.target.wants hwenroll-once.timer $units/hwenroll-once.timer
    link sockets.target.wants hwenroll-token@lab.socket $units/hwenroll-token@.socket
    link timers.target.wants other.timer $units/other.timer
    mkdir -p $etc/hwenrolld.service.d $etc/hwenroll-token@lab.service.d
    printf '[Service]\nSupplementaryGroups=softhsm\n' >$etc/hwenrolld.service.d/lab.conf
    cp $etc/hwenrolld.service.d/lab.conf $etc/hwenroll-token@lab.service.d/lab.conf
    ln -s /dev/null $etc/hwenroll-hook.socket
    touch /var/lib/systemd/timers/stamp-hwenroll-once.timer /var/lib/systemd/timers/stamp-other.timer
}
# are_kept: all of that, whether or not the units that they name are there.
are_kept() {
    test -h $etc/timers.target.wants/hwenroll-once.timer
    test -h $etc/sockets.target.wants/hwenroll-token@lab.socket
    test -f $etc/hwenrolld.service.d/lab.conf
    test -f $etc/hwenroll-token@lab.service.d/lab.conf
    test "$(readlink $etc/hwenroll-hook.socket)" = /dev/null
}
are_enabled() {
    are_kept
    test -f $etc/timers.target.wants/hwenroll-once.timer
    test -f $etc/sockets.target.wants/hwenroll-token@lab.socket
}
TEXT
}

expected_files='
/usr/sbin/hwenrolld /usr/bin/hwenroll /usr/libexec/hwenroll/hwenroll-token /usr/libexec/hwenroll/hwenroll-hook
/usr/bin/scep-lab-ca /usr/lib/systemd/system/hwenrolld.service /usr/lib/systemd/system/hwenroll-hook.socket
/usr/lib/systemd/system/hwenroll-hook@.service /usr/lib/systemd/system/hwenroll-token@.service
/usr/lib/systemd/system/hwenroll-token@.socket /usr/lib/sysusers.d/hwenroll.conf
/usr/lib/systemd/system/hwenrolld-config.path /usr/lib/systemd/system/hwenroll-once.service
/usr/lib/systemd/system/hwenroll-once.timer /usr/lib/systemd/system/hwenrolld.service.d/10-configured.conf
/usr/lib/systemd/catalog/hwenroll.catalog /usr/lib/tmpfiles.d/hwenroll.conf /etc/apparmor.d/usr.sbin.hwenrolld
/usr/share/bash-completion/completions/hwenroll /usr/share/zsh/vendor-completions/_hwenroll
/usr/share/fish/vendor_completions.d/hwenroll.fish
/usr/share/varlink/io.hwenroll.Agent.varlink /usr/share/doc/hwenroll/README.md /usr/share/doc/hwenroll/hooks.md
/usr/share/doc/hwenroll/token-services.md /usr/share/doc/hwenroll/copyright /usr/share/doc/scep-lab-ca/lab-ca.md
/usr/share/doc/hwenroll/examples/hwenroll.toml /etc/hwenroll/conf.d'

for page in "$checkout"/docs/man/*.[158]; do
    expected_files+=" /usr/share/man/man${page##*.}/${page##*/}.gz"
done

live_through_versions() {
    local base
    base=$(minimal_tree "$suite") || return 1
    unpack_tree "$suite-installed" "$base"
    complete_tree "$suite"
    mkdir -p "$tree/debs"
    cp -r "$out"/hwenroll_*.deb "$out"/scep-lab-ca_*.deb "$out/older" "$tree/debs/"
    cp -r "$checkout/debian/tests" "$tree/srv/tests"
    # minbase leaves documentation out nowhere, but a machine may.
    rm -f "$tree"/etc/dpkg/dpkg.cfg.d/*
    put_identity
    put_links
    check "installs with what it depends on" "apt-get update -qq; $apt_install /debs/older/*.deb openssl softhsm2"
    check "an unconfigured service is enabled" \
        "test -h /etc/systemd/system/multi-user.target.wants/hwenrolld.service
         test -h /etc/systemd/system/sockets.target.wants/hwenroll-hook.socket
         ! ls /etc/systemd/system/*.wants | grep -E 'hwenroll-token|hwenroll-once'"
    check "its files are there" "for file in ${expected_files//$'\n'/ }; do test -e \$file || { echo \$file; exit 1; }; done"
    check "its users and groups are there" \
        "getent passwd hwenroll hwenroll-token && getent group hwenroll-admin && id -nG hwenroll | grep -w hwenroll-admin"
    check "the units find their programs" \
        "sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' /usr/lib/systemd/system/hwenroll*.service | while read -r program; do
             test -x \$program || { echo \$program; exit 1; }; done"
    check "its test (debian/tests) passes" "/srv/tests/enrollment"
    check "an identity is enrolled with the example's configuration" \
        ". /srv/lab.sh; hwenroll check-config; as_agent hwenrolld --once; hwenroll status | grep OK
         openssl x509 -in /var/lib/hwenroll/live/web/current/cert.pem -noout -serial >/srv/serial"
    check "what is enabled by hand is so by its units" ". /srv/links.sh; link_by_hand; are_enabled"
    check "upgrades" "$apt_install /debs/*.deb; dpkg-query -W hwenroll scep-lab-ca; dpkg -l hwenroll | grep -w 0.1.0
        . /srv/links.sh; are_enabled"
    unchanged='. /srv/ca.sh; before=$(requests); as_agent hwenrolld --once; test "$before" = "$(requests)"
        hwenroll status | grep OK
        openssl x509 -in /var/lib/hwenroll/live/web/current/cert.pem -noout -serial | cmp - /srv/serial'
    check "the identity lives on, nothing is asked anew" "$unchanged"
    check "is removed; configuration and state stay" \
        "apt-get remove -qq --yes hwenroll; [ ! -e /usr/sbin/hwenrolld ]; test -e /etc/hwenroll/hwenroll.toml
         test -e /var/lib/hwenroll/state.db; test -e /var/lib/hwenroll/live/web/current/cert.pem
         . /srv/links.sh; are_kept; test ! -e /usr/lib/systemd/system/hwenroll-once.timer"
    check "is installed again; the identity lives on, and what was enabled is so" \
        "$apt_install /debs/hwenroll_*.deb; $unchanged; . /srv/links.sh; are_enabled"
    check "is purged; the key that stays on its token is named, the rest is gone" \
        "apt-get purge -qq --yes hwenroll 2>&1 | tee /srv/purge.log; grep 'pkcs11:.*token=lab' /srv/purge.log
         for path in /etc/hwenroll /var/lib/hwenroll /run/hwenroll; do ! test -e \$path || { find \$path; exit 1; }; done
         if find /etc /run /usr /var -xdev -name '*hwenroll*' | grep .; then exit 1; fi
         test -h /etc/systemd/system/timers.target.wants/other.timer
         test -f /etc/systemd/system/other.timer.d/override.conf; test -f /var/lib/systemd/timers/stamp-other.timer"
    check "is installed after that as for the first time" \
        "$apt_install /debs/hwenroll_*.deb; test -d /etc/hwenroll/conf.d; [ ! -e /var/lib/hwenroll/state.db ]
         (hwenroll status || true) 2>&1 | grep E-CONFIG-FILE"
    check "scep-lab-ca is purged" "apt-get purge -qq --yes scep-lab-ca; ! test -e /usr/bin/scep-lab-ca"
    remove_tree
}

# .ci/install-deps is the one list of packages; debian/control cannot ask it.
check_build_depends() {
    local package missing=''
    for package in $("$checkout/.ci/install-deps" --build --list | grep -E '^lib.*-dev$|^nlohmann' |
        grep -vE '^lib(gtest|gmock|rapidcheck)-dev$'); do
        grep -qE "^ ${package}[ ,]" "$checkout/debian/control" || missing+=" $package"
    done
    if [ -n "$missing" ]; then
        echo "FAIL  debian/control does not build-depend on$missing"
        failures=$((failures + 1))
    fi
}

mkdir -p "$cache"
check_build_depends
for suite in "${suites[@]}"; do
    out=$logs/$suite
    mkdir -p "$out"
    if [ "$built" = no ]; then
        rm -rf "${out:?}"/*
        build_packages || { failures=$((failures + 1)) && continue; }
    fi
    : >"$out/checks.log"
    live_through_versions || failures=$((failures + 1))
done
exit "$((failures != 0))"
