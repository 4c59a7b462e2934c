# What booted.sh asks its machine. Sourced after machine.sh.
# shellcheck shell=bash disable=SC2154,SC2317 # sourced: tree, logs and checkout come from outside; check() calls by name

listens() { inside bash -c "exec 3<>/dev/tcp/127.0.0.1/$1" 2>/dev/null; }
property() { inside systemctl show --property "$2" --value "$1"; }
agent() { property hwenrolld "$1"; }
state_is() { [ "$(inside hwenroll status | awk -v id="$1" '$1 == id { print $2 }')" = "$2" ]; }
serial() { openssl x509 -in "$tree/var/lib/hwenroll/live/$1/current/cert.pem" -noout -serial | cut -d= -f2; }
issued() { wc -l 2>/dev/null <"$tree/var/lib/lab-ca-$1/issued.jsonl" || echo 0; }
messages() { wc -l 2>/dev/null <"$tree/var/lib/lab-ca-$1/lint.jsonl" || echo 0; }
issued_more() { [ "$(issued "$1")" -gt "$2" ]; }
journal() { inside journalctl --quiet --no-pager --output cat "$@"; }
journal_has() { [ -n "$(journal "$@")" ]; }
log_has() { grep -qs "$2" "$tree/var/log/$1"; }
processes_of() {
    # shellcheck disable=SC2016 # expanded in the machine
    inside sh -c 'grep -s "^Uid:.$(id -u "$0")[^0-9]" /proc/[0-9]*/status | wc -l' "$1"
}
lines() { grep -cs "$2" "$tree/var/log/$1" || true; }
log_grew() { [ "$(lines "$1" "$2")" -gt "$3" ]; }
another_run() {
    [ "$(agent ActiveState)" = active ] && [ "$(agent MainPID)" != 0 ] && [ "$(agent MainPID)" != "$1" ]
}

# within SECONDS COMMAND...: until it is true.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || { echo "not in time: $*" && return 1; }
        sleep 0.2
    done
}

# expect WHAT IS SHOULD-BE
expect() {
    [ "$2" = "$3" ] || { echo "$1 is '$2', not '$3'" && return 1; }
}
