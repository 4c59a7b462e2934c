# What consumers.sh asks its machine. Sourced after product.sh. What a check prints is figures if it passes, and the reason
# if not.
# shellcheck shell=bash disable=SC2154,SC2317 # sourced: tree, logs and checkout come from outside; check() calls by name

guides=("$checkout/docs/guides/consumers.md" "$checkout/docs/consumers.md")

# block NAME: that recipe of the guides as it stands.
block() {
    local text
    text=$(awk -v name="<!-- recipe: $1 -->" '
        $0 == name { found = 1 }
        found && /^```/ { if (inside) exit; inside = 1; next }
        inside' "${guides[@]}")
    [ -n "$text" ] || { echo "the guides have no recipe '$1'" >&2 && return 1; }
    printf '%s\n' "$text"
}

# place PATH [MODE]: the recipe of that name goes to that place.
place() {
    mkdir -p "$tree$(dirname "$1")"
    block "$1" >"$tree$1"
    chmod "${2:-0644}" "$tree$1"
}

# begin NAME: what comes in as that identity's section is in force.
begin() {
    cat >"$tree/etc/hwenroll/conf.d/$1.toml"
    inside systemctl daemon-reload
    inside systemctl reload hwenrolld
}

published() { inside test -s "/var/lib/hwenroll/live/$1/current/cert.pem"; }
# deployed NAME: hooks and check have ended well.
deployed() { state_is "$1" OK; }
# renew NAME: until the consumers have been told.
renew() {
    local before
    before=$(serial "$1")
    inside hwenroll renew "$1" >/dev/null
    within 60 has_another_serial "$1" "$before"
    within 120 deployed "$1"
}
has_another_serial() { [ "$(serial "$1")" != "$2" ]; }
# said UNIT TEXT: how often it did, and said_more UNIT TEXT COUNT.
said() { journal -u "$1" | grep -c -- "$2" || true; }
said_more() { [ "$(said "$1" "$2")" -gt "$3" ]; }

versions() {
    # shellcheck disable=SC2016 # dpkg-query's own
    inside dpkg-query --show --showformat '${Package} ${Version}\n' haproxy charon-systemd openvpn wpasupplicant \
        pkcs11-provider libengine-pkcs11-openssl softhsm2 openssl 2>/dev/null | paste --serial --delimiters , || true
}

prepare_consumers() {
    inside systemctl enable --quiet --now lab-ca-corp.service
    within 10 listens 8080
    secret /etc/hwenroll/lab.challenge "$challenge"
    secret /etc/hwenroll/lab.pin "$pin"
    make_token lab
    { token lab file:/etc/hwenroll/lab.pin && authority corp 8080; } >"$tree/$main_file"
    place /etc/hwenroll/openssl-provider.cnf
    inside systemctl enable --quiet --now hwenroll-hook.socket hwenrolld.service
    prepare_peers
}

# The other ends are in a network namespace of the machine, and have a CA of their own.
prepare_peers() {
    inside ip netns add peers
    inside ip -n peers link set lo up
    inside ip link add ike0 type veth peer name ike1 netns peers
    inside ip link add eth0 type veth peer name eth1 netns peers
    inside ip addr add 10.99.0.1/24 dev ike0
    inside ip -n peers addr add 10.99.0.2/24 dev ike1
    inside ip link set ike0 up
    inside ip link set eth0 up
    inside ip -n peers link set ike1 up
    inside ip -n peers link set eth1 up
    echo '127.0.0.1 vpn.example.com' >>"$tree/etc/hosts"
    inside sh -ec '
        mkdir /srv/peers && cd /srv/peers
        openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj "/CN=CA of the peers" -days 2
        openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=server.example.com
        printf "extendedKeyUsage=serverAuth\nkeyUsage=digitalSignature,keyEncipherment\n" >extensions
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -out server.pem -days 2 -extfile extensions' \
        >"$logs/peers.log" 2>&1
    inside curl --silent --show-error 'http://localhost:8080/scep?operation=GetCACert' |
        openssl x509 -inform DER -out "$tree/srv/peers/corp.pem"
}

# --- HAProxy ----------------------------------------------------------------------------------------------------------

# Debian's haproxy.cfg as the guide changes it.
configure_haproxy() {
    local file=$tree/etc/haproxy/haproxy.cfg
    sed -i '/^\t\(chroot\|user\|group\)\>/d' "$file"
    block 'haproxy global' >"$tree/srv/global"
    sed -i "/^global\$/r $tree/srv/global" "$file"
    block /etc/haproxy/haproxy.cfg >>"$file"
    echo '    http-request return status 200 content-type text/plain string served' >>"$file"
}

haproxy_serves() {
    configure_haproxy
    place /etc/systemd/system/haproxy.service.d/hwenroll.conf
    {
        printf '[identity.web]\nca = "corp"\ntoken = "lab"\nsubject = "CN=web01.example.com"\n'
        printf 'san = ["dns:web01.example.com"]\n'
        block 'haproxy hwenroll.toml'
    } | begin web
    within 60 published web
    inside systemctl start haproxy
    within 20 haproxy_answers
    expect "the served serial" "$(served_serial)" "$(serial web)"
    within 120 deployed web
    echo "serial $(serial web)"
}
haproxy_answers() {
    [ "$(inside curl --silent --resolve web01.example.com:443:127.0.0.1 \
        --cacert /var/lib/hwenroll/live/web/current/ca.pem https://web01.example.com/)" = served ]
}
served_serial() {
    inside sh -c 'openssl s_client -connect 127.0.0.1:443 2>/dev/null | openssl x509 -noout -serial' | cut -d= -f2
}

haproxy_takes_a_renewal() {
    local before process
    before=$(serial web)
    process=$(property haproxy MainPID)
    renew web
    haproxy_answers
    expect "the served serial" "$(served_serial)" "$(serial web)"
    expect "HAProxy's process" "$(property haproxy MainPID)" "$process"
    echo "serial $before, then $(serial web)"
}

haproxy_keeps_the_old_one() {
    local before complaints
    before=$(serial web)
    complaints=$(said hwenrolld 'E-HOOK-FAILED web')
    echo 'no-such-section' >>"$tree/etc/haproxy/haproxy.cfg"
    inside hwenroll renew web >/dev/null
    within 60 has_another_serial web "$before"
    within 60 said_more hwenrolld 'E-HOOK-FAILED web' "$complaints"
    haproxy_answers
    expect "the served serial" "$(served_serial)" "$before"
    sed -i '$d' "$tree/etc/haproxy/haproxy.cfg"
    within 180 deployed web
    expect "the served serial" "$(served_serial)" "$(serial web)"
}

haproxy_has_no_way() {
    inside haproxy -vv | grep -q -- ' -ENGINE '
    configure_haproxy
    ! inside haproxy -c -f /etc/haproxy/haproxy.cfg >"$logs/haproxy.log" 2>&1 ||
        { echo "it takes the configuration of the guide" && return 1; }
    grep -o "unknown keyword 'crt-store'.*" "$logs/haproxy.log"
    inside haproxy -v | head -n 1
}

# --- strongSwan -------------------------------------------------------------------------------------------------------

strongswan_loads() {
    place /etc/strongswan.d/charon/pkcs11.conf
    place /etc/swanctl/conf.d/gateway.conf
    place /usr/local/sbin/hwenroll-swanctl 0755
    printf 'secrets {\n    ike-peer {\n        id = peer.example.com\n        secret = "of the test"\n    }\n}\n' \
        >"$tree/etc/swanctl/conf.d/peer.conf"
    inside systemctl start strongswan
    block 'strongswan hwenroll.toml' | begin gateway
    within 90 deployed gateway
    expect "the loaded serial" "$(loaded_serial)" "$(serial gateway)"
    inside swanctl --list-certs --type x509 --flag none | grep 'has private key'
}
loaded_serial() {
    inside swanctl --list-certs --type x509 --flag none | sed -n 's/^ *serial: *//p' | tr -d : | tr a-f A-F
}

# The peer's charon, without plugins that it does not need; its connection is by a shared secret on its side.
start_ike_peer() {
    mkdir -p "$tree/srv/ike/x509ca"
    cp "$tree/srv/peers/corp.pem" "$tree/srv/ike/x509ca/"
    cat >"$tree/srv/ike/strongswan.conf" <<'TEXT'
charon-systemd {
    load = random nonce openssl x509 revocation constraints pubkey pkcs1 pkcs8 pem kdf kernel-netlink socket-default vici
    plugins {
        vici {
            socket = unix:///srv/ike/vici
        }
    }
}
TEXT
    cat >"$tree/srv/ike/swanctl.conf" <<'TEXT'
connections {
    gateway {
        remote_addrs = 10.99.0.1
        local {
            auth = psk
            id = peer.example.com
        }
        remote {
            auth = pubkey
            id = gateway.example.com
        }
    }
}
secrets {
    ike-gateway {
        id = gateway.example.com
        secret = "of the test"
    }
}
TEXT
    inside systemd-run --quiet --unit=ike-peer --property=Type=notify \
        --property=NetworkNamespacePath=/run/netns/peers --setenv=STRONGSWAN_CONF=/srv/ike/strongswan.conf \
        /usr/sbin/charon-systemd
    ike_peer --load-all --noprompt
}
ike_peer() {
    inside env STRONGSWAN_CONF=/srv/ike/strongswan.conf SWANCTL_DIR=/srv/ike swanctl "$@" --uri unix:///srv/ike/vici 2>&1
}
# What the peer has been sent: it keeps certificates that it has believed.
peer_has() { ike_peer --list-certs --type x509 | tr -d : | grep -qi "serial *$1"; }

strongswan_is_believed() {
    start_ike_peer >>"$logs/peers.log"
    connect_ike "$(serial gateway)"
    renew gateway
    expect "the loaded serial" "$(loaded_serial)" "$(serial gateway)"
    connect_ike "$(serial gateway)"
}
connect_ike() {
    ike_peer --initiate --ike gateway --timeout 20 >>"$logs/peers.log" ||
        { tail -n 5 "$logs/peers.log" && return 1; }
    ike_peer --list-sas | grep -o 'gateway: .*ESTABLISHED'
    peer_has "$1" || { echo "the peer was not sent $1" && return 1; }
    ike_peer --terminate --ike gateway >>"$logs/peers.log"
}

# --- OpenVPN ----------------------------------------------------------------------------------------------------------

# The server notes the serial number of each client's certificate that it has verified.
start_vpn_server() {
    ! inside systemctl --quiet is-active vpn-server || return 0
    cat >"$tree/srv/peers/server.conf" <<'TEXT'
dev tun
proto udp
local 127.0.0.1
port 1194
server 10.98.0.0 255.255.255.0
topology subnet
ca /srv/peers/corp.pem
cert /srv/peers/server.pem
key /srv/peers/server.key
dh none
remote-cert-tls client
script-security 2
tls-verify /srv/peers/note-serial
TEXT
    # shellcheck disable=SC2016 # expanded where it runs
    printf '#!/bin/sh\n[ "$1" != 0 ] || echo "$tls_serial_hex_0" | tr -d : | tr a-f A-F >>/var/log/vpn-serials\n' \
        >"$tree/srv/peers/note-serial"
    chmod 0755 "$tree/srv/peers/note-serial"
    inside systemd-run --quiet --unit=vpn-server --property=Type=notify \
        /usr/sbin/openvpn --suppress-timestamps --config /srv/peers/server.conf
    cp "$tree/srv/peers/ca.pem" "$tree/etc/openvpn/client/server-ca.pem"
}
vpn_is_up() {
    log_has vpn-serials "$(serial vpn)" && [ "$(journal -u openvpn-client@corp | grep -Eo \
        'Initialization Sequence Completed|process exiting' | tail -n 1)" = 'Initialization Sequence Completed' ]
}

openvpn_connects_by_a_provider() {
    start_vpn_server
    place /etc/openvpn/client/corp.conf
    place /etc/systemd/system/openvpn-client@corp.service.d/hwenroll.conf
    block 'openvpn-provider hwenroll.toml' | begin vpn
    within 90 deployed vpn
    within 30 vpn_is_up
    renew vpn
    within 30 vpn_is_up
    paste --serial --delimiters ' ' "$tree/var/log/vpn-serials"
}

# The configuration of the guide, with what it says in place of certificate and key.
openvpn_connects_by_pkcs11() {
    start_vpn_server
    rm -f "$tree/etc/systemd/system/openvpn-client@corp.service.d/hwenroll.conf"
    {
        block /etc/openvpn/client/corp.conf | grep -Ev '^(cert|key) '
        block 'openvpn pkcs11'
    } >"$tree/etc/openvpn/client/corp.conf"
    place /usr/local/sbin/hwenroll-openvpn 0755
    place /usr/local/sbin/hwenroll-openvpn-pin 0755
    place /etc/systemd/system/hwenroll-openvpn-pin.service
    place /etc/systemd/system/openvpn-client@corp.service.d/pin.conf
    block 'openvpn hwenroll.toml' | begin vpn
    if published vpn; then renew vpn; else within 90 deployed vpn; fi
    within 30 vpn_is_up
    expect "certificates that OpenVPN finds" "$(vpn_certificates)" 1
    serial vpn
}
vpn_certificates() { inside openvpn --show-pkcs11-ids /usr/lib/softhsm/libsofthsm2.so | grep -c 'Serialized id'; }

openvpn_takes_a_renewal() {
    renew vpn
    within 30 vpn_is_up
    expect "certificates that OpenVPN finds" "$(vpn_certificates)" 1
    serial vpn
    # As after a restart of the agent amid a delivery.
    inside env HWENROLL_PATH=/var/lib/hwenroll/live/vpn/current /usr/local/sbin/hwenroll-openvpn >/dev/null
    within 30 vpn_is_up
    expect "certificates after the hook ran twice" "$(vpn_certificates)" 1
}

# --- wpa_supplicant ---------------------------------------------------------------------------------------------------

# A switch's port by hostapd, whose own EAP server asks for a certificate.
start_switch() {
    cat >"$tree/srv/peers/hostapd.conf" <<'TEXT'
interface=eth1
driver=wired
logger_stdout=-1
logger_stdout_level=1
ieee8021x=1
use_pae_group_addr=1
eap_server=1
eap_user_file=/srv/peers/eap-users
ca_cert=/srv/peers/corp.pem
server_cert=/srv/peers/server.pem
private_key=/srv/peers/server.key
TEXT
    echo '* TLS' >"$tree/srv/peers/eap-users"
    inside systemd-run --quiet --unit=switch --property=NetworkNamespacePath=/run/netns/peers \
        /usr/sbin/hostapd /srv/peers/hostapd.conf
    cp "$tree/srv/peers/ca.pem" "$tree/etc/wpa_supplicant/radius-ca.pem"
}

# The unit of the package waits for udev, which this machine has not: its command, then.
wpa_is_let_in() {
    start_switch
    place /usr/local/sbin/hwenroll-wpa 0755
    block 'wpa_supplicant hwenroll.toml' | begin host
    within 90 deployed host
    inside systemd-run --quiet --unit=wired \
        /usr/sbin/wpa_supplicant -c/etc/wpa_supplicant/wpa_supplicant-wired-eth0.conf -Dwired -ieth0
    within 30 is_authorized
    expect "hostapd's successes" "$(said switch CTRL-EVENT-EAP-SUCCESS)" 1
    inside wpa_cli -i eth0 status | grep -E '^(EAP state|suppPortStatus|eap_tls_version)='
}
is_authorized() { inside wpa_cli -i eth0 status 2>/dev/null | grep -qx 'suppPortStatus=Authorized'; }

wpa_takes_a_renewal() {
    local process
    process=$(property wired MainPID)
    renew host
    within 30 said_more switch CTRL-EVENT-EAP-SUCCESS 1
    within 10 is_authorized
    expect "wpa_supplicant's process" "$(property wired MainPID)" "$process"
    grep -F "$(cat "$tree/var/lib/hwenroll/live/host/current/key.uri")?" \
        "$tree/etc/wpa_supplicant/wpa_supplicant-wired-eth0.conf"
}
