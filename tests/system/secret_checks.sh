# That no secret leaves its file, on a machine that runs (machine.sh); sourced. Whoever sources it sets `logs` and `canaries`:
# the PINs and challenges that were used, each too long to be met with by chance.
# shellcheck shell=bash disable=SC2154,SC2317 # logs, tree and canaries come from outside; secrets_stay calls by name

# spellings TEXT: as it might be written down: itself, in hexadecimal, in base64 at each of the three places in a group of
# octets, without the octets at its end whose group has neighbours that nobody knows.
spellings() {
    local hex skipped rest
    hex=$(printf %s "$1" | od -An -v -tx1 | tr -d ' \n')
    printf '%s\n%s\n%s\n' "$1" "$hex" "${hex^^}"
    for skipped in 0 1 2; do
        rest=${1:skipped}
        printf %s "${rest:0:${#rest} / 3 * 3}" | base64 --wrap=0
        echo
    done
}

# Every record of every boot with all of its fields, also those that only journald sets.
the_journal() { inside journalctl --quiet --no-pager --all --merge --output export; }
# shellcheck disable=SC2016 # expanded in the machine
the_processes() {
    inside sh -c 'cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; true' | tr '\0' '\n'
}
the_report() {
    inside rm -f /run/searched-report
    inside hwenroll bugreport --out /run/searched-report 2>&1
    inside cat /run/searched-report
    inside rm /run/searched-report
}
# State, published files and what else is below, by name and content; sockets cannot be read.
the_state() {
    inside sh -c 'find /var/lib/hwenroll /run/hwenroll; find /var/lib/hwenroll /run/hwenroll -type f -exec cat {} + 2>/dev/null
        test -s /var/lib/hwenroll/state.db'
}
the_configuration() {
    inside sh -c 'find /etc/hwenroll -name "*.toml*" -exec cat {} +; systemctl cat "hwenroll*" 2>/dev/null | grep -v ^SetCredential='
}
# Of a program's memory. The kernel's pattern is that of the host, whose directories are not searched.
the_cores() {
    inside find / -ignore_readdir_race -xdev '(' -path /proc -o -path /sys -o -path /usr ')' -prune -o \
        '(' -name core -o -name 'core.*' -o -path '/var/lib/systemd/coredump/*' ')' -type f -size +0 -print
}

# has_a_secret FILE: and which, with what is around it.
has_a_secret() {
    grep --text --only-matching --fixed-strings --file="$logs/spellings" "$1" >"$logs/found" || return 1
    echo "it has $(sort -u "$logs/found" | paste --serial --delimiters ' '):"
    grep --text --fixed-strings --file="$logs/spellings" "$1" | cut -c1-300 | head -n 3
}

# secrets_stay: prints what was searched and how much of it, or where which secret is.
secrets_stay() {
    local canary what searched=$logs/searched said=''
    for canary in "${canaries[@]}"; do spellings "$canary"; done >"$logs/spellings"
    # A search that finds nothing anywhere is none.
    for canary in "${canaries[@]}"; do
        printf 'x%syyy' "$canary" | base64 --wrap=0 >"$searched"
        has_a_secret "$searched" >/dev/null || { echo "the search does not find what is there" && return 1; }
    done
    for what in the_journal the_processes the_report the_state the_configuration; do
        "$what" >"$searched" || { echo "there is no way to $what" && return 1; }
        [ -s "$searched" ] || { echo "$what is empty" && return 1; }
        if has_a_secret "$searched" >"$logs/told"; then
            echo "$what: $(tr -d '\0' <"$logs/told")"
            return 1
        fi
        case $what in
        the_journal) said+="$(grep --text --count '^__CURSOR=' "$searched") records, " ;;
        the_processes) grep --text -q hwenroll "$searched" || { echo "no process is the agent's" && return 1; } ;;
        esac
        said+="${what#the_} $(($(wc -c <"$searched") / 1024)) KiB, "
    done
    what=$(the_cores) || { echo "there is no way to all places of cores: $what" && return 1; }
    [ -z "$what" ] || { echo "there are cores: $what" && return 1; }
    rm "$searched" "$logs"/{spellings,found,told}
    echo "${said}no core"
}
