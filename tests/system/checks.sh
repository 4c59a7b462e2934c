# Checks of a machine that runs (machine.sh), their lines and their number; sourced. Whoever sources it sets `logs`.
# shellcheck shell=bash disable=SC2154 # logs comes from outside

passed=0 failed=0

# check FUNCTION WHAT: in a subshell, where set -e holds and a failure ends it. Never itself in a condition, which would
# switch set -e off in there too. After a failure the journal's last lines are shown.
check() {
    local rc=0 verdict=PASS since
    since=$(inside date '+%F %T')
    set +e
    (set -e && "$1") >"$logs/said" 2>&1
    rc=$?
    set -e
    [ "$rc" = 0 ] || verdict=FAIL
    printf '%s  %s: %s\n' "$verdict" "$2" "$(paste --serial --delimiters ';' "$logs/said")" | tee -a "$logs/results.txt"
    if [ "$rc" = 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        inside journalctl --quiet --no-pager --since "$since" --output short-precise 2>&1 |
            tail -n 40 | sed 's/^/    | /'
    fi
}
