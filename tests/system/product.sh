# The machine of booted.sh: what a package would install, and who uses it. Sourced after machine.sh.
# shellcheck shell=bash disable=SC2154,SC2317 # sourced: tree, logs and checkout come from outside; check() calls by name

# What secrets are on it: secret_checks.sh searches for them.
pin=canary-pin-73914682 challenge=canary-challenge-55128846

# packed_tree KIND: prints the path of an archive of a minimal tree, made anew when older than a week: `booted` with
# `packages`, `build` with what .ci/install-deps --build lists.
packed_tree() {
    local wanted=("${packages[@]}")
    if [ "$1" = build ]; then
        mapfile -t wanted < <("$checkout/.ci/install-deps" --build --list && echo ccache)
    fi
    prepared_tree "$1" "${wanted[*]}" \
        "apt-get update -qq && apt-get install -qq --yes --no-install-recommends ${wanted[*]}"
}

# find_programs: sets `programs` and `lab_ca`. Those of another Debian are built in a tree of it, into build/SUITE of
# this checkout, which the next run goes on with.
find_programs() {
    local program
    programs=()
    [ ${#debs[@]} = 0 ] || [ -n "$build$lab_ca" ] || return 0
    if [ -z "$build" ] && [ "$at_home" = yes ]; then
        build=$checkout/build/dev
    elif [ -z "$build" ]; then
        build=$checkout/build/$suite
        build_programs || complain 69 "the programs could not be built on '$suite'; see $logs/build.log"
    fi
    for program in "${program_names[@]}"; do programs+=("$build/bin/$program"); done
    [ -n "$lab_ca" ] || lab_ca=$build/bin/scep-lab-ca
    [ -x "$lab_ca" ] || lab_ca=$checkout/build/dev/bin/scep-lab-ca
    for program in "${programs[@]}" "$lab_ca"; do
        [ -x "$program" ] || complain 69 "$program is missing; first: cmake --preset dev && cmake --build build/dev \
--target ${program_names[*]} scep-lab-ca"
    done
}

build_programs() {
    local packed
    packed=$(packed_tree build) || return 1
    unpack_tree "$suite-build" "$packed"
    complete_tree "$suite"
    mkdir -p "$tree$checkout" "$cache/ccache-$suite" "$tree/ccache"
    mount --bind "$checkout" "$tree$checkout"
    mount --bind "$cache/ccache-$suite" "$tree/ccache"
    in_tree 5400 "export CCACHE_DIR=/ccache && cd '$checkout' && cmake --preset dev -B '$build' &&
        cmake --build '$build' --parallel $(nproc) --target ${program_names[*]} scep-lab-ca" \
        >"$logs/build.log" 2>&1 </dev/null || { remove_tree && return 1; }
    remove_tree
}

install_product() {
    if [ ${#debs[@]} -gt 0 ]; then
        install_packages
    else
        install_files
    fi
    # Tokens of SoftHSM2 are files that the agent's worker writes.
    local unit
    for unit in hwenrolld hwenroll-once; do
        drop_in "$unit" softhsm <<'TEXT'
[Service]
SupplementaryGroups=softhsm
ReadWritePaths=/var/lib/softhsm/tokens
TEXT
    done
    echo "booted" >"$tree/etc/hostname"
    echo "127.0.0.1 localhost booted" >"$tree/etc/hosts"
}

# By apt-get from files, without any archive but for what they depend on.
install_packages() {
    local path
    mkdir "$tree/var/tmp/debs"
    for path in "${debs[@]}"; do
        if [ -d "$path" ]; then
            find "$path" -maxdepth 1 -name '*.deb' ! -name '*-dbgsym_*' -exec cp -t "$tree/var/tmp/debs" {} +
        else
            cp "$path" "$tree/var/tmp/debs/"
        fi
    done
    complete_tree "$suite"
    in_tree 600 'export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && apt-get install -qq --yes \
        --no-install-recommends /var/tmp/debs/*.deb' >"$logs/packages.log" 2>&1 </dev/null ||
        { tail -n 5 "$logs/packages.log" >&2 && complain 69 "the packages cannot be installed; see $logs/packages.log"; }
    release_mounts
    rm -f "$tree/usr/sbin/policy-rc.d"
    [ -n "$lab_ca" ] && cp "$lab_ca" "$tree/usr/local/sbin/scep-lab-ca"
    if [ ! -x "$tree/usr/local/sbin/scep-lab-ca" ]; then
        path=$(cd "$tree" && find usr/bin usr/sbin -name scep-lab-ca | head -n 1)
        [ -n "$path" ] || complain 69 "no package brings scep-lab-ca; see --lab-ca"
        ln -s "/$path" "$tree/usr/local/sbin/scep-lab-ca"
    fi
}

# What a package would do: programs in one directory, so that each finds hwenroll-token beside itself, units, users.
install_files() {
    local home=$tree/usr/libexec/hwenroll
    mkdir -p "$home"
    cp "${programs[@]}" "$home/"
    cp "$lab_ca" "$tree/usr/local/sbin/scep-lab-ca"
    ln -s ../libexec/hwenroll/hwenrolld "$tree/usr/sbin/hwenrolld"
    ln -s ../libexec/hwenroll/hwenroll "$tree/usr/bin/hwenroll"
    bring_libraries "$home"
    cp "$checkout"/systemd/*.{service,socket,path,timer} "$tree/usr/lib/systemd/system/"
    install -D -m 0644 "$checkout/systemd/hwenroll.sysusers" "$tree/usr/lib/sysusers.d/hwenroll.conf"
    install -D -m 0644 "$checkout/systemd/hwenroll.tmpfiles" "$tree/usr/lib/tmpfiles.d/hwenroll.conf"
    install -D -m 0644 "$checkout/systemd/hwenroll.catalog" "$tree/usr/lib/systemd/catalog/hwenroll.catalog"
    chroot "$tree" journalctl --update-catalog
}

# bring_libraries DIRECTORY: what its programs were linked with on this machine and the tree's Debian does not have, so
# that those of --build run on the next one, with its own libraries otherwise.
bring_libraries() {
    local name
    # shellcheck disable=SC2016 # expanded in the tree
    chroot "$tree" sh -c 'ldd "$0"/* /usr/local/sbin/scep-lab-ca' "${1#"$tree"}" | sed -n 's/ => not found$//p' | sort -u |
        while read -r name; do
            cp "$(ldconfig -p | awk -v name="$name" '$1 == name { print $NF; exit }')" "$tree/usr/local/lib/$name"
        done
    chroot "$tree" ldconfig
}

# drop_in UNIT NAME: from standard input.
drop_in() {
    mkdir -p "$tree/etc/systemd/system/$1.service.d"
    cat >"$tree/etc/systemd/system/$1.service.d/$2.conf"
}

# What hooks act on: a service that notes its reloads, and a program that notes who runs it.
install_consumer() {
    cat >"$tree/etc/systemd/system/consumer.service" <<'TEXT'
[Service]
ExecStart=/bin/sleep infinity
ExecReload=/bin/sh -c 'echo reloaded >>/var/log/reloads'
[Install]
WantedBy=multi-user.target
TEXT
    cat >"$tree/usr/local/sbin/note-change" <<'TEXT'
#!/bin/sh
echo "$HWENROLL_IDENTITY $HWENROLL_GENERATION uid=$(id -u) $(sed -n 's/^0:://p' /proc/self/cgroup)" >>/var/log/changes
TEXT
    chmod 0755 "$tree/usr/local/sbin/note-change"
}

# install_ca NAME PORT OPTION...: a lab CA as a service. Its challenge is in a file, since its arguments are everybody's.
install_ca() {
    local name=$1 port=$2
    shift 2
    (umask 077 && printf '%s\n' "$challenge" >"$tree/etc/lab-ca.challenge")
    cat >"$tree/etc/systemd/system/lab-ca-$name.service" <<TEXT
[Service]
StateDirectory=lab-ca-$name
ExecStart=/usr/local/sbin/scep-lab-ca --dir /var/lib/lab-ca-$name --listen 127.0.0.1:$port \
    --challenge-file /etc/lab-ca.challenge --renewal both $*
[Install]
WantedBy=multi-user.target
TEXT
}

# secret FILE VALUE: as the agent's own; without a line feed, which libp11's engine would take for a part of it.
secret() {
    (umask 077 && printf %s "$2" >"$tree$1")
    inside chown hwenroll: "$1"
}

# token NAME PIN-SOURCE: makes it, and prints its section.
token() {
    local name=$1 source=$2
    cat <<TEXT
[token.$name]
type = "pkcs11"
module = "/usr/lib/softhsm/libsofthsm2.so"
uri = "pkcs11:token=$name"
pin = "$source"

TEXT
}

# authority NAME PORT: its section.
authority() {
    local url=http://localhost:$2/scep
    cat <<TEXT
[ca.$1]
url = "$url"
fingerprint = "$(inside hwenroll ca show "$url" --json | sed -nE 's/.*"pin": *"([^"]+)".*/\1/p')"
challenge = "file:/etc/hwenroll/lab.challenge"

TEXT
}

# identity NAME CA TOKEN: its section, with hooks.
identity() {
    cat <<TEXT
[identity.$1]
ca = "$2"
token = "$3"
subject = "CN=$1.example.com"
on_change = [["/usr/bin/systemctl", "reload", "consumer.service"], ["/usr/local/sbin/note-change"]]

TEXT
}

group_id() { inside getent group "$1" | cut -d: -f3; }

make_token() {
    inside setpriv --reuid=hwenroll --regid=hwenroll --groups="$(group_id softhsm)" \
        softhsm2-util --init-token --free --label "$1" --pin "$pin" --so-pin 13579 >/dev/null
}

configure() {
    inside systemctl enable --quiet --now lab-ca-corp.service lab-ca-brief.service
    within 10 listens 8080
    within 10 listens 8081
    secret /etc/hwenroll/lab.challenge "$challenge"
    secret /etc/hwenroll/lab.pin "$pin"
    make_token lab
    { token lab file:/etc/hwenroll/lab.pin && authority corp 8080 && identity web corp lab; } \
        >"$tree/$main_file.to-be"
    inside systemctl enable --quiet --now consumer.service
}

# recipe NAME: that block of docs/consumers.md, with things as the machine has them.
recipe() {
    awk -v name="<!-- recipe: $1 -->" '
        $0 == name { found = 1 }
        found && /^```/ { if (inside) exit; inside = 1; next }
        inside' "$checkout/docs/consumers.md" |
        sed 's,/live/web/,/live/web01/,g'
}
