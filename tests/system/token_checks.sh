# Checks of booted.sh: tokens, as the agent's own workers and as services. What one prints is figures if it passes, and the
# reason if not.
# shellcheck shell=bash disable=SC2154,SC2317 # sourced: tree, logs and checkout come from outside; check() calls by name

# A worker that the agent started has no credentials of its own; a file has to be readable for the service's user.
refuses_pins() {
    inside install -m 0600 /etc/hwenroll/lab.pin /etc/hwenroll/closed.pin
    trap let_pins_be EXIT
    drop_in hwenrolld credential <<<$'[Service]\nLoadCredential=vault-pin:/etc/hwenroll/lab.pin'
    make_token vault
    make_token closed
    { token vault credential:vault-pin && identity vaulted corp vault && token closed file:/etc/hwenroll/closed.pin &&
        identity closed corp closed; } >"$tree/etc/hwenroll/conf.d/pins.toml"
    inside systemctl daemon-reload
    inside systemctl restart hwenrolld
    within 30 journal_has HWENROLL_IDENTITY=vaulted -g 'cannot come from a credential'
    within 30 journal_has HWENROLL_IDENTITY=closed -g 'closed.pin.*Permission denied'
    within 10 state_is web OK
    journal -n 1 HWENROLL_IDENTITY=vaulted -g 'cannot come from a credential'
    journal -n 1 HWENROLL_IDENTITY=closed -g 'Permission denied'
}
let_pins_be() {
    rm "$tree/etc/hwenroll/conf.d/pins.toml" "$tree/etc/systemd/system/hwenrolld.service.d/credential.conf"
    inside systemctl daemon-reload
    inside systemctl restart hwenrolld
}

token_service() { property hwenroll-token@lab.service "$1"; }
token_runs() { [ "$(token_service MainPID)" != 0 ]; }
service_says() { journal_has -u hwenroll-token@lab.service -g "$1"; }

# The same token, PIN and keys as before, now behind a socket: the agent is only told where the PIN is.
token_becomes_a_service() {
    local had
    had=$(issued corp)
    mv "$tree/etc/hwenroll/lab.pin" "$tree/etc/hwenroll/service.pin"
    inside chown root: /etc/hwenroll/service.pin
    inside chown -R hwenroll-token: /var/lib/softhsm/tokens
    drop_in hwenroll-token@lab lab <<'TEXT'
[Service]
LoadCredential=lab.pin:/etc/hwenroll/service.pin
SupplementaryGroups=softhsm
ReadWritePaths=/var/lib/softhsm/tokens
TEXT
    sed -i 's,^pin = .*,pin = "credential:lab.pin",' "$tree/$main_file"
    inside systemctl daemon-reload
    inside systemctl enable --quiet --now hwenroll-token@lab.socket
    expect "the token's socket" "$(inside stat --format '%a %U' /run/hwenroll/token/lab)" '600 hwenroll'
    inside systemctl reload hwenrolld
    { identity served corp lab; } >"$tree/etc/hwenroll/conf.d/served.toml"
    inside systemctl reload hwenrolld
    within 60 state_is served OK
    within 30 state_is web OK
    expect "certificates issued" "$(issued corp)" $((had + 1))
    expect "workers of the agent's own" "$(processes_named hwenroll hwenroll-token)" 0
    token_runs || { echo "no worker runs as a service" && return 1; }
    echo "serial $(serial served), PIN by LoadCredential=, $(processes_named hwenroll-token hwenroll-token) worker"
}
# processes_named USER NAME: how many of them there are.
processes_named() {
    # shellcheck disable=SC2016 # expanded in the machine
    inside sh -c 'for p in /proc/[0-9]*; do
        [ "$(cat "$p/comm" 2>/dev/null)" = "$1" ] && grep -qs "^Uid:.$(id -u "$0")[^0-9]" "$p/status" && echo "$p"
    done | wc -l' "$1" "$2"
}

token_is_confined() {
    local pid may user
    pid=$(token_service MainPID) user=$(inside id -u hwenroll-token)
    may=$(inside sed -nE 's/^(Uid|CapEff|NoNewPrivs|Seccomp):\s*//p' "/proc/$pid/status" | xargs)
    expect "what the worker is and may" "$may" "$user $user $user $user 0000000000000000 1 2"
    # Of a process that can be dumped these files are its user's (proc(5)).
    expect "the owner of its memory" "$(inside stat --format %u "/proc/$pid/mem")" 0
    expect "the size of a core file" "$(inside sed -nE 's/^Max core file size +//p' "/proc/$pid/limits" | xargs)" '0 0 bytes'
    ! inside setpriv --reuid=hwenroll-token --regid=hwenroll-token --clear-groups cat "/proc/$pid/environ" 2>/dev/null ||
        { echo "its own user can read its environment" && return 1; }
    echo "of hwenroll-token: no capability, no new privileges, not dumpable, $(inside sed -nE \
        's/^(Seccomp_filters|VmLck):\s*/\1 /p' "/proc/$pid/status" | xargs)"
}

# One kill of what is logged in, and one deadline.
token_service_recovers() {
    local pid had
    pid=$(token_service MainPID) had=$(issued corp)
    inside systemctl kill --signal=KILL hwenroll-token@lab.service
    inside hwenroll renew served >/dev/null
    within 60 issued_more corp "$had"
    within 60 state_is served OK
    [ "$(token_service MainPID)" != "$pid" ] || { echo "the worker is still process $pid" && return 1; }
    expect "certificates issued" "$(issued corp)" $((had + 1))
    echo "NRestarts $(token_service NRestarts)"
}

token_service_stops() {
    local begun took had
    had=$(issued corp)
    begun=$((${EPOCHREALTIME//[.,]/} / 1000))
    inside systemctl stop hwenroll-token@lab.service 2>/dev/null
    took=$((${EPOCHREALTIME//[.,]/} / 1000 - begun))
    [ "$took" -lt 5000 ] || { echo "it took $took ms" && return 1; }
    expect Result "$(token_service Result)" success
    inside hwenroll renew served >/dev/null
    within 60 issued_more corp "$had"
    within 60 state_is served OK
    echo "in $took ms, in good order; the next use started it again"
}

# A credential that is not there: told, tried again with pauses, and there again without anybody's help.
token_service_waits_for_its_pin() {
    local had tries
    had=$(issued corp)
    mv "$tree/etc/hwenroll/service.pin" "$tree/etc/hwenroll/away.pin"
    inside systemctl stop hwenroll-token@lab.service 2>/dev/null
    inside hwenroll renew served >/dev/null
    within 30 service_says "$no_credential"
    sleep 6 # what is measured
    tries=$(journal -u hwenroll-token@lab.service -g "$no_credential" | wc -l)
    mv "$tree/etc/hwenroll/away.pin" "$tree/etc/hwenroll/service.pin"
    [ "$tries" -ge 2 ] && [ "$tries" -le 6 ] || { echo "it was started $tries times in 6 s" && return 1; }
    expect "the result of the socket" "$(property hwenroll-token@lab.socket Result)" success
    within 60 issued_more corp "$had"
    within 60 state_is served OK
    echo "started $tries times in 6 s without it"
}
no_credential='status=243/CREDENTIALS'

# A token in a TPM, by its drop-in.
token_exposure() {
    local figure
    drop_in hwenroll-token@tpm tpm <<<$'[Service]\nSupplementaryGroups=tss\nDeviceAllow=/dev/tpmrm0 rw'
    inside systemctl daemon-reload
    figure=$(exposure_of hwenroll-token@tpm.service)
    awk -v figure="$figure" 'BEGIN { exit !(figure != "" && figure <= 1.0) }' || { echo "it is '$figure'" && return 1; }
    printf 'hwenroll-token@tpm.service %s  hwenroll-token@lab.service %s\n' "$figure" \
        "$(exposure_of hwenroll-token@lab.service)"
}

# The other ways in which systemd gives a service its secret.
token_service_takes_an_encrypted_pin() {
    local way had
    inside systemd-creds setup >/dev/null
    inside systemd-creds encrypt --with-key=host --name=lab.pin /etc/hwenroll/service.pin /etc/hwenroll/lab.cred
    mv "$tree/etc/hwenroll/service.pin" "$tree/srv/service.pin"
    for way in "SetCredential=lab.pin:$pin" LoadCredentialEncrypted=lab.pin:/etc/hwenroll/lab.cred; do
        had=$(issued corp)
        drop_in hwenroll-token@lab lab <<TEXT
[Service]
$way
SupplementaryGroups=softhsm
ReadWritePaths=/var/lib/softhsm/tokens
TEXT
        inside systemctl daemon-reload
        inside systemctl stop hwenroll-token@lab.service 2>/dev/null
        inside hwenroll renew served >/dev/null
        within 60 issued_more corp "$had"
        within 60 state_is served OK
    done
    ! grep -qF "$pin" "$tree/etc/hwenroll/lab.cred" || { echo "lab.cred is not encrypted" && return 1; }
    echo "two renewals, no file has the PIN in clear"
}
