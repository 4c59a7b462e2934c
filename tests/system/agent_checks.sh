# Checks of booted.sh: the agent's life. What one prints is figures if it passes, and the reason if not.
# shellcheck shell=bash disable=SC2154,SC2317 # sourced: tree, logs and checkout come from outside; check() calls by name

starts() {
    inside systemctl enable --quiet --now hwenroll-hook.socket hwenrolld.service
    expect ActiveState "$(agent ActiveState)" active
    expect NotifyAccess "$(agent NotifyAccess)" main
    echo "READY=1 after $((($(agent ActiveEnterTimestampMonotonic) -
        $(agent InactiveExitTimestampMonotonic)) / 1000)) ms"
}

enrolls() {
    within 60 state_is web OK
    expect "certificates issued" "$(issued corp)" 1
    local live=/var/lib/hwenroll/live/web/current
    inside openssl verify -CAfile "$live/ca.pem" "$live/cert.pem" >/dev/null
    inside grep -q '^pkcs11:.*token=lab' "$live/key.uri"
    echo "serial $(serial web)"
}

publishes() {
    local live=/var/lib/hwenroll/live file
    for file in "$live" "$live/web" "$live/web/current/"; do
        expect "$file" "$(inside stat --format '%a %U' "$file")" '711 hwenroll'
    done
    for file in cert chain fullchain ca; do
        expect "$file.pem" "$(inside stat --format '%a %U' "$live/web/current/$file.pem")" '644 hwenroll'
    done
    expect key.pem "$(inside stat --format '%a %U' "$live/web/current/key.pem")" '600 hwenroll'
    expect state.db "$(inside stat --format '%a %U' /var/lib/hwenroll/state.db)" '600 hwenroll'
    inside setpriv --reuid=nobody --regid=nogroup --clear-groups cat "$live/web/current/fullchain.pem" >/dev/null
    echo "711, 644, key.pem and state.db 600; nobody can read fullchain.pem"
}

journals() {
    journal_has HWENROLL_IDENTITY=web _SYSTEMD_UNIT=hwenrolld.service ||
        { echo "no record of hwenrolld.service has HWENROLL_IDENTITY=web" && return 1; }
    inside journalctl --fields | grep '^HWENROLL_' | sort | xargs
}

# People of the group may change things, others may not.
controls() {
    expect "the control socket" "$(inside stat --format '%a %U %G' /run/hwenroll/control)" '660 hwenroll hwenroll-admin'
    inside useradd --groups hwenroll-admin admin
    inside useradd other
    inside setpriv --reuid=admin --regid=admin --init-groups hwenroll resume web >/dev/null
    ! inside setpriv --reuid=other --regid=other --init-groups hwenroll resume web 2>&1 ||
        { echo "anybody may resume web" && return 1; }
}

hooks_run_as_root() {
    within 30 log_has changes '^web 1 uid=0 .*hwenroll-hook@'
    within 10 log_has reloads reloaded
    head -n 1 "$tree/var/log/changes"
}

reloads() {
    local pid
    pid=$(agent MainPID)
    { authority brief 8081 && identity brief brief lab && printf '[limits]\nmin_lifetime = "5s"\n'; } \
        >"$tree/etc/hwenroll/conf.d/brief.toml"
    inside systemctl reload hwenrolld
    within 10 journal_has _PID="$pid" -g 'configuration was read again'
    within 60 state_is brief OK
    expect MainPID "$(agent MainPID)" "$pid"
    expect ActiveState "$(agent ActiveState)" active
    echo "brief is there; $(agent StatusText)"
}

bad_reload() {
    local pid
    pid=$(agent MainPID)
    cp "$tree/$main_file" "$tree/$main_file.good"
    trap 'mv "$tree/$main_file.good" "$tree/$main_file"' EXIT
    echo 'this is [no TOML' >"$tree/$main_file"
    inside systemctl reload hwenrolld
    within 10 status_says 'not in force'
    agent StatusText
    cp "$tree/$main_file.good" "$tree/$main_file"
    inside systemctl reload hwenrolld
    within 10 status_is_good
    within 10 state_is web OK
    expect MainPID "$(agent MainPID)" "$pid"
}
status_says() { [[ $(agent StatusText) == *$1* ]]; }
status_is_good() { ! status_says 'not in force'; }

renews() {
    local first runs
    first=$(issued brief) runs=$(lines changes '^brief')
    within 60 issued_more brief $((first + 1))
    within 30 log_grew changes '^brief .*uid=0 .*hwenroll-hook@' "$runs"
    within 20 history_has brief 'consumers use generation 3'
    echo "$(($(issued brief) - first)) renewals; $(lines changes '^brief .*uid=0') hooks as root"
}
history_has() { [[ $(inside hwenroll history "$1") == *$2* ]]; }

alerts() {
    local id
    id=$(alert_id)
    inside systemctl stop lab-ca-brief
    within 120 journal_has MESSAGE_ID="$id" HWENROLL_IDENTITY=brief PRIORITY=3
    journal -n 1 MESSAGE_ID="$id" HWENROLL_IDENTITY=brief
    rm "$tree/etc/hwenroll/conf.d/brief.toml"
    inside systemctl reload hwenrolld
}

alert_id() { sed -nE 's/.*overdue_message_id = "([0-9a-f]{32})".*/\1/p' "$checkout/agent/observe/log_ids.h"; }

survives_a_kill() {
    local pid had messages_had
    pid=$(agent MainPID) had=$(serial web) messages_had=$(messages corp)
    inside systemctl kill --signal=KILL --kill-whom=main hwenrolld
    within 30 another_run "$pid"
    within 30 state_is web OK
    expect "certificates issued" "$(issued corp)" 1
    expect serial "$(serial web)" "$had"
    echo "NRestarts $(agent NRestarts); messages at the CA $messages_had and $(messages corp)"
}

# The CA has issued and its answer is held back when the agent dies.
survives_a_kill_in_a_renewal() {
    local pid had runs
    pid=$(agent MainPID) had=$(issued corp) runs=$(lines changes '^web')
    inside hwenroll renew web >/dev/null
    within 30 issued_more corp "$had"
    inside systemctl kill --signal=KILL --kill-whom=main hwenrolld
    expect "generation when it was killed" "$(readlink "$tree/var/lib/hwenroll/live/web/current")" gen-001
    within 30 another_run "$pid"
    within 60 log_grew changes '^web .*uid=0' "$runs"
    within 60 state_is web OK
    expect "certificates issued" "$(issued corp)" $((had + 1))
    echo "one certificate more, $(readlink "$tree/var/lib/hwenroll/live/web/current")"
}

watchdog_bites() {
    local pid had=0
    drop_in hwenrolld watchdog <<<$'[Service]\nWatchdogSec=4'
    inside systemctl daemon-reload
    inside systemctl restart hwenrolld
    within 30 state_is web OK
    pid=$(agent MainPID) had=$(issued corp)
    inside systemctl kill --signal=STOP --kill-whom=main hwenrolld
    within 60 another_run "$pid"
    journal_has _PID=1 -g 'hwenrolld.service: Watchdog timeout' ||
        { echo "the journal does not say that it was the watchdog" && return 1; }
    within 30 state_is web OK
    expect "certificates issued" "$(issued corp)" "$had"
    rm "$tree/etc/systemd/system/hwenrolld.service.d/watchdog.conf"
    inside systemctl daemon-reload
    inside systemctl restart hwenrolld
    echo "NRestarts was $(journal _PID=1 -g 'Scheduled restart job' -n 1 | sed 's/.*at //')"
}

# While the CA keeps an answer back, which it does once in each of its runs.
stops() {
    local begun took had
    had=$(issued corp)
    inside systemctl restart lab-ca-corp
    within 10 listens 8080
    inside hwenroll renew web >/dev/null
    within 30 issued_more corp "$had"
    begun=$((${EPOCHREALTIME//[.,]/} / 1000))
    inside systemctl stop hwenrolld
    took=$((${EPOCHREALTIME//[.,]/} / 1000 - begun))
    [ "$took" -lt 10000 ] || { echo "it took $took ms" && return 1; }
    expect Result "$(agent Result)" success
    expect ExecMainStatus "$(agent ExecMainStatus)" 0
    expect "left processes of hwenroll" "$(processes_of hwenroll)" 0
    echo "$took ms with a renewal under way"
}

# The directory of the agent's socket is the hooks' too.
hooks_outlive_a_stop() {
    local runs had
    runs=$(lines changes '^web') had=$(issued corp)
    inside systemctl start hwenrolld
    within 60 log_grew changes '^web' "$runs"
    within 60 state_is web OK
    expect "certificates issued" "$(issued corp)" "$had"
    [[ $(tail -n 1 "$tree/var/log/changes") == *uid=0*hwenroll-hook@* ]] ||
        { echo "the hook ran elsewhere: $(tail -n 1 "$tree/var/log/changes")" && return 1; }
    tail -n 1 "$tree/var/log/changes"
}


processes_are_confined() {
    local pid may user count=0
    user=$(inside id -u hwenroll)
    for pid in $(inside cat "/sys/fs/cgroup$(agent ControlGroup)/cgroup.procs"); do
        may=$(inside sed -nE 's/^(Uid|CapEff|NoNewPrivs|Seccomp):\s*//p' "/proc/$pid/status" 2>/dev/null | xargs)
        [ -n "$may" ] || continue # an idle worker has ended
        expect "what process $pid is and may" "$may" "$user $user $user $user 0000000000000000 1 2"
        count=$((count + 1))
    done
    echo "$count processes, of hwenroll: no capability, no new privileges, seccomp"
}

# what_it_has: what a boot must not change.
what_it_has() {
    echo "$(readlink "$tree/var/lib/hwenroll/live/web/current") with serial $(serial web)," \
        "$(issued corp) certificates and $(messages corp) messages at the CA"
}

comes_back_after_a_boot() {
    local number runs
    within 30 state_is web OK
    expect "what the machine has" "$(what_it_has)" "$had_before"
    what_it_has
    number=$(issued corp) runs=$(lines changes '^web')
    inside hwenroll renew web >/dev/null
    within 60 log_grew changes '^web .*uid=0' "$runs"
    within 60 state_is web OK
    expect "certificates issued" "$(issued corp)" $((number + 1))
    echo "and renews, with its hook as root"
}
