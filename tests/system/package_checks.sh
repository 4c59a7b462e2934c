# Checks of booted.sh --package: what the package does to a machine that runs, when it comes again and goes. What one prints
# is figures if it passes, and the reason if not.
# shellcheck shell=bash disable=SC2154,SC2317 # sourced: tree, logs and checkout come from outside; check() calls by name

package() { inside env DEBIAN_FRONTEND=noninteractive "$@" 2>&1 | tee -a "$logs/packages.log"; }

# our_units: those that run or have failed, with their states; the probe of sandbox_holds is none of the package.
our_units() {
    inside systemctl list-units --all --plain --no-legend 'hwenroll*' |
        awk '$1 !~ /^hwenroll-probe/ && $3 != "inactive" { print $1, $3 }'
}

is_upgraded() {
    local pid had
    pid=$(agent MainPID) had=$(what_it_has)
    inside systemctl start hwenroll-token@lab.socket
    package dpkg --install "$(installed_from)" >/dev/null
    within 30 another_run "$pid"
    within 30 state_is web OK
    expect "what the machine has" "$(what_it_has)" "$had"
    expect "hwenroll-hook.socket" "$(property hwenroll-hook.socket ActiveState)" active
    expect "hwenroll-token@lab.socket" "$(property hwenroll-token@lab.socket ActiveState)" active
    what_it_has
}
installed_from() { (cd "$tree" && find var/tmp/debs -name 'hwenroll_*.deb' -printf '/%p'); }

# The timer in the agent's place.
timer_is_upgraded() {
    inside systemctl enable --quiet hwenroll-once.timer
    inside systemctl disable --quiet hwenrolld.service
    inside systemctl start hwenroll-once.timer
    within 20 is_down
    package dpkg --install "$(installed_from)" >/dev/null
    expect "hwenroll-once.timer" "$(timer ActiveState)" active
    expect "hwenrolld.service" "$(agent ActiveState)" inactive
    expect "hwenroll-once.timer" "$(inside systemctl is-enabled hwenroll-once.timer)" enabled
    inside systemctl enable --quiet hwenrolld.service
}

# Whatever runs, and whatever has failed.
is_removed() {
    inside systemctl stop hwenroll-once.timer
    inside systemctl start hwenrolld
    within 30 state_is served OK
    break_configuration
    inside systemctl start hwenroll-once.timer
    ! inside systemctl start hwenroll-once.service 2>/dev/null || { echo "it runs without a configuration" && return 1; }
    inside systemctl start hwenroll-hook.socket hwenroll-token@lab.socket hwenroll-token@lab.service
    our_units >"$logs/units"
    for unit in 'hwenrolld.service failed' 'hwenroll-once.service failed' 'hwenroll-once.timer active' \
        'hwenroll-hook.socket active' 'hwenroll-token@lab.socket active' 'hwenroll-token@lab.service active'; do
        grep -qx "$unit" "$logs/units" || { echo "'$unit' is not among: $(xargs <"$logs/units")" && return 1; }
    done
    package apt-get remove --yes hwenroll >/dev/null
    expect "units that run or have failed" "$(our_units)" ''
    expect "processes" "$(processes_of hwenroll) of hwenroll, $(processes_of hwenroll-token) of hwenroll-token" \
        '0 of hwenroll, 0 of hwenroll-token'
    [ ! -e "$tree/usr/sbin/hwenrolld" ] || { echo "/usr/sbin/hwenrolld is there" && return 1; }
    # Nor does anything come back by itself.
    sleep 7 # what is measured
    expect "units that run or have failed, later" "$(our_units)" ''
    echo "before: $(paste --serial --delimiters , "$logs/units")"
}

comes_back_after_removal() {
    mend_configuration
    inside systemctl disable --quiet hwenroll-once.timer 2>/dev/null || true
    package dpkg --install "$(installed_from)" >/dev/null
    within 30 state_is web OK
    expect "what the machine has" "$(what_it_has)" "$had_before_removal"
    what_it_has
}
