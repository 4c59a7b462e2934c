# Checks of booted.sh: what the units of systemd/ promise besides the agent's life. What one prints is figures if it
# passes, and the reason if not.
# shellcheck shell=bash disable=SC2154,SC2317 # sourced: tree, logs and checkout come from outside; check() calls by name

# The unit itself with another program: what that may do, the agent may do.
sandbox_holds() {
    local unit=$tree/etc/systemd/system/hwenroll-probe.service
    cp "$checkout/systemd/hwenrolld.service" "$unit"
    cp "$checkout/tests/system/sandbox_probe.pl" "$tree/usr/local/sbin/sandbox-probe"
    drop_in hwenroll-probe probe <<'TEXT'
[Service]
Type=oneshot
ExecStart=
ExecStart=/usr/bin/perl /usr/local/sbin/sandbox-probe
Restart=no
WatchdogSec=0
StateDirectory=
StateDirectory=hwenroll-probe
RuntimeDirectory=
RuntimeDirectory=hwenroll-probe
BindPaths=/dev/tpmrm0
DeviceAllow=/dev/tpmrm0 rw
TEXT
    # With the drop-in of a TPM: its numbers, and those of something else.
    inside mknod -m 0666 /dev/tpmrm0 c 10 224
    inside mknod -m 0666 /dev/other c 10 229
    inside systemctl daemon-reload
    inside systemctl start hwenroll-probe.service ||
        { journal -u hwenroll-probe.service && return 1; }
    journal -n 1 -u hwenroll-probe.service -g 'as expected'
}

exposure() {
    local unit figure
    figure=$(exposure_of hwenrolld.service)
    awk -v figure="$figure" 'BEGIN { exit !(figure != "" && figure <= 1.5) }' || { echo "it is '$figure'" && return 1; }
    for unit in hwenrolld.service hwenroll-once.service hwenroll-hook@1.service; do
        printf '%s %s  ' "$unit" "$(exposure_of "$unit")"
    done
    echo
}
exposure_of() {
    inside systemd-analyze security --no-pager "$1" | sed -nE 's/.*Overall exposure level for .*: ([0-9.]+) .*/\1/p'
}

limits_are_set() {
    expect MemoryMax "$(agent MemoryMax)" $((512 * 1024 * 1024))
    expect TasksMax "$(agent TasksMax)" 512
    expect OOMPolicy "$(agent OOMPolicy)" continue
    expect "MemoryMax of a token's worker" "$(property hwenroll-token@lab.service MemoryMax)" $((256 * 1024 * 1024))
    echo "512 MiB and 512 tasks, a token's worker 256 MiB and $(property hwenroll-token@lab.service TasksMax)"
}

# --- A configuration from which nothing starts ------------------------------------------------------------------------

waits_for_its_configuration() {
    rm -f "$tree/$main_file"
    inside systemctl enable --quiet hwenroll-hook.socket hwenrolld.service
    inside systemctl start hwenroll-hook.socket
    if [ ${#debs[@]} -gt 0 ]; then
        # The package's drop-in: an unconfigured service is no failure.
        inside systemctl restart hwenrolld.service
        is_down && watches
        mv "$tree/$main_file.to-be" "$tree/$main_file"
        within 20 is_up
        echo "not failed before it has one, as packaged"
        return 0
    fi
    ! inside systemctl restart hwenrolld.service 2>/dev/null || { echo "it starts without a configuration" && return 1; }
    within 10 waits_for_another
    tried_once E-CONFIG-FILE
    mv "$tree/$main_file.to-be" "$tree/$main_file"
    within 20 is_up
    echo "status 78, started once in 7 s; active $(inside systemctl show --property ActiveEnterTimestamp --value \
        hwenrolld | awk '{ print $3 }')"
}
waits_for_another() {
    [ "$(agent ActiveState)" = failed ] && [ "$(agent ExecMainStatus)" = 78 ] && watches
}
watches() { [ "$(property hwenrolld-config.path ActiveState)" = active ]; }
is_down() { [ "$(agent ActiveState)" = inactive ]; }
is_up() { [ "$(agent ActiveState)" = active ]; }
# tried_once ERROR: not again within RestartSec=.
tried_once() {
    local told
    sleep 7 # what is measured
    expect NRestarts "$(agent NRestarts)" 0
    told=$(journal "_SYSTEMD_INVOCATION_ID=$(agent InvocationID)" HWENROLL_ERROR="$1" PRIORITY=3 | wc -l)
    expect "records of $1" "$told" 1
    [ "$(inside systemctl list-units --failed --plain --no-legend hwenrolld.service | wc -l)" = 1 ] ||
        { echo "systemctl --failed does not tell it" && return 1; }
}

# break_configuration: until mend_configuration, which writes into the file that is there, as an editor may.
break_configuration() {
    cp "$tree/$main_file" "$tree/srv/good.toml"
    echo 'this is [no TOML' >"$tree/$main_file"
    inside systemctl restart hwenrolld 2>/dev/null || true
    within 10 waits_for_another
}
mend_configuration() { cat "$tree/srv/good.toml" >"$tree/$main_file"; }

waits_for_a_correction() {
    local had
    had=$(issued corp)
    trap mend_configuration EXIT
    break_configuration
    tried_once E-CONFIG-SYNTAX
    mend_configuration
    within 20 is_up
    within 30 state_is web OK
    expect "certificates issued" "$(issued corp)" "$had"
    journal -n 1 HWENROLL_ERROR=E-CONFIG-SYNTAX
}

stays_stopped() {
    trap 'mend_configuration && inside systemctl start hwenrolld' EXIT
    break_configuration
    inside systemctl stop hwenrolld
    expect "hwenrolld-config.path" "$(property hwenrolld-config.path ActiveState)" inactive
    mend_configuration
    sleep 3 # what is measured
    expect ActiveState "$(agent ActiveState)" failed
    inside systemctl start hwenrolld
    inside systemctl stop hwenrolld
    touch "$tree/$main_file"
    sleep 3 # what is measured
    expect ActiveState "$(agent ActiveState)" inactive
    echo "also after the configuration has changed"
}

# What systemd cannot open may be there a little later, so it is never given up.
waits_for_its_credential() {
    local before tries
    trap let_credentials_be EXIT
    echo 'not sealed' >"$tree/etc/hwenroll/challenge.cred"
    credential_drop_in
    before=$(credential_failures)
    inside systemctl restart --no-block hwenrolld
    sleep 13 # what is measured
    tries=$(($(credential_failures) - before))
    [[ $tries =~ ^[234]$ ]] || { echo "it was started $tries times in 13 s" && return 1; }
    expect "its state" "$(agent ActiveState) $(agent SubState)" 'activating auto-restart'
    expect "systemctl --failed" "$(inside systemctl list-units --failed --plain --no-legend hwenrolld.service)" ''
    if [ "$suite" = trixie ]; then
        credential_drop_in $'RestartSteps=2\nRestartMaxDelaySec=1min'
        sleep 6 # a failure that counts
        expect "the next pause" "$(agent RestartUSecNext)" 1min
        credential_drop_in
    fi
    inside systemd-creds encrypt --with-key=host --name=lab.challenge /etc/hwenroll/lab.challenge \
        /etc/hwenroll/challenge.cred
    [ "$suite" != trixie ] || inside systemctl restart hwenrolld # its pause is a long one
    within 20 is_up
    within 30 state_is web OK
    echo "started $tries times in 13 s, and by itself when it could be opened"
}
credential_failures() { { journal _PID=1 -u hwenrolld.service -g 'status=243/CREDENTIALS' || true; } | wc -l; }
credential_drop_in() {
    drop_in hwenrolld challenge <<<$'[Service]\nLoadCredentialEncrypted=lab.challenge:/etc/hwenroll/challenge.cred\n'"${1:-}"
    inside systemctl daemon-reload
}
let_credentials_be() {
    rm "$tree/etc/systemd/system/hwenrolld.service.d/challenge.conf" "$tree/etc/hwenroll/challenge.cred"
    inside systemctl daemon-reload
    inside systemctl restart hwenrolld
}

# --- What people and other services see -------------------------------------------------------------------------------

catalog_is_shown() {
    local shown
    shown=$(inside journalctl --quiet --no-pager --catalog -n 1 MESSAGE_ID="$(alert_id)" HWENROLL_IDENTITY=brief)
    for words in "of brief is overdue" "hwenroll renew brief"; do
        [[ $shown == *"$words"* ]] || { echo "'$words' is not in: $shown" && return 1; }
    done
    grep -m 1 -o 'hwenroll renew brief' <<<"$shown"
}

nginx_is_reloaded() {
    local first
    trap let_nginx_be EXIT
    inside systemctl stop nginx
    install_nginx
    inside systemctl daemon-reload
    inside systemctl reload hwenrolld
    within 60 test -e "$tree/etc/nginx/hwenroll-web.conf.accepted"
    inside systemctl start nginx
    first=$(serial web01)
    within 20 serves "$first"
    inside hwenroll renew web01 >/dev/null
    within 60 has_another_serial web01 "$first"
    within 60 serves "$(serial web01)"
    within 90 history_has web01 'consumers use generation 2'
    expect "nginx's starts" "$(property nginx NRestarts) $(journal -u nginx -g 'Started nginx' --since "$(inside \
        systemctl show --property ActiveEnterTimestamp --value nginx | cut -d' ' -f2,3)" | wc -l)" "0 1"
    echo "serial $first, then $(serial web01)"
}
serves() { [ "$(served_serial)" = "$1" ]; }
has_another_serial() { [ "$(serial "$1")" != "$2" ]; }
served_serial() {
    inside sh -c 'openssl s_client -connect 127.0.0.1:8443 2>/dev/null | openssl x509 -noout -serial 2>/dev/null' |
        cut -d= -f2
}

# As docs/consumers.md has it. The workers' user is the one whose files SoftHSM's tokens are.
install_nginx() {
    local file
    for file in /etc/hwenroll/openssl-engine.cnf /etc/nginx/modules-enabled/hwenroll.conf /etc/nginx/conf.d/web01.conf \
        /usr/local/sbin/hwenroll-nginx; do
        recipe "$file" >"$tree$file"
        [ -s "$tree$file" ] || { echo "docs/consumers.md has no $file" && return 1; }
    done
    chmod 0755 "$tree/usr/local/sbin/hwenroll-nginx"
    sed -i 's/^user .*/user hwenroll;/' "$tree/etc/nginx/nginx.conf"
    rm -f "$tree/etc/nginx/sites-enabled/default"
    inside usermod --append --groups softhsm hwenroll
    drop_in nginx hwenroll <<'TEXT'
[Service]
Environment=OPENSSL_CONF=/etc/hwenroll/openssl-engine.cnf SOFTHSM2_CONF=/etc/softhsm/softhsm2.conf
TEXT
    {
        printf '[identity.web01]\nca = "corp"\ntoken = "lab"\nsubject = "CN=web01.example.com"\n'
        recipe 'nginx hwenroll.toml'
    } >"$tree/etc/hwenroll/conf.d/web01.toml"
}
let_nginx_be() {
    rm -f "$tree/etc/hwenroll/conf.d/web01.toml"
    inside systemctl reload hwenrolld
    inside systemctl disable --quiet --now nginx 2>/dev/null
}

# --- Without a resident agent -----------------------------------------------------------------------------------------

once() { property hwenroll-once.service "$1"; }
timer() { property hwenroll-once.timer "$1"; }

runs_by_a_timer() {
    local had runs
    had=$(issued corp)
    trap let_the_agent_be EXIT
    identity timed corp lab >"$tree/etc/hwenroll/conf.d/timed.toml"
    mkdir -p "$tree/etc/systemd/system/hwenroll-once.timer.d"
    cat >"$tree/etc/systemd/system/hwenroll-once.timer.d/often.conf" <<'TEXT'
[Timer]
OnCalendar=
OnCalendar=*:*:0/2
AccuracySec=1s
RandomizedDelaySec=0
TEXT
    inside systemctl daemon-reload
    # Beside the agent, which it does not disturb: ended by 75, no failure.
    inside systemctl start hwenroll-once.service
    journal_has -u hwenroll-once.service -g E-STATE-LOCKED
    expect "the resident agent" "$(agent ActiveState)" active
    inside systemctl start hwenroll-once.timer
    within 20 is_down
    within 60 state_is timed OK
    within 60 log_has changes '^timed .*uid=0 .*hwenroll-hook@'
    within 30 ended_with 0
    expect "certificates issued" "$(issued corp)" $((had + 1))
    runs=$(journal _PID=1 -u hwenroll-once.service -g 'Finished|Deactivated' | wc -l)
    inside systemctl start --no-block hwenrolld
    within 30 is_up
    expect "the timer" "$(timer ActiveState)" inactive
    within 30 state_is timed OK
    echo "serial $(serial timed), $runs records of runs that went well"
}
ended_with() { [ "$(once Result) $(once ExecMainStatus)" = "success $1" ]; }
let_the_agent_be() {
    rm -rf "$tree/etc/hwenroll/conf.d/timed.toml" "$tree/etc/systemd/system/hwenroll-once.timer.d"
    inside systemctl daemon-reload
    inside systemctl stop hwenroll-once.timer hwenroll-once.service
    inside systemctl restart hwenrolld
}
