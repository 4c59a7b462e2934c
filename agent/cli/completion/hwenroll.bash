# bash completion for hwenroll(1). Installed as /usr/share/bash-completion/completions/hwenroll; needs nothing but bash.
# tests/documents/completion_test.cpp holds it against `hwenroll --help`.

# What the program says, or nothing: no error is shown, and the shell waits two seconds at most.
# Usage: _hwenroll_ask PROGRAM CONFIG ARGUMENT...
_hwenroll_ask() {
    local program=$1 config=$2
    shift 2
    timeout 2 "$program" ${config:+--config "$config"} "$@" 2>/dev/null </dev/null
}

# NAME of each [KIND.NAME] of the configuration in force. Usage: _hwenroll_sections PROGRAM CONFIG KIND
_hwenroll_sections() {
    _hwenroll_ask "$1" "$2" cat-config | sed -n "s/^\\[$3\\.\"\\{0,1\\}\\([^]\"]*\\)\"\\{0,1\\}\\].*/\\1/p"
}

# Usage: _hwenroll_identities PROGRAM CONFIG
_hwenroll_identities() {
    local names
    names=$(_hwenroll_ask "$1" "$2" list | sed -n '2,$s/ .*//p')
    # state.db is not for everybody; the configuration may be.
    [ -n "$names" ] && printf '%s\n' "$names" || _hwenroll_sections "$1" "$2" identity
}

_hwenroll_codes() {
    _hwenroll_ask "$1" "" explain | sed -n '2,$s/ .*//p'
}

# Names of commands at one level. Usage: _hwenroll_commands [GROUP]
_hwenroll_commands() {
    case $1 in
    "") printf '%s\n' check-config cat-config explain status list history enroll renew wait cancel resume adopt monitor \
        attest ca crl cert token scep init plan check doctor bugreport metrics ;;
    ca) printf '%s\n' show accept-next ;;
    crl | cert) printf '%s\n' fetch ;;
    token) printf '%s\n' list keys purge ;;
    scep) printf '%s\n' decode ;;
    esac
}

# Options of a command besides those of all. Usage: _hwenroll_options COMMAND
_hwenroll_options() {
    case $1 in
    history) printf '%s\n' --limit ;;
    enroll) printf '%s\n' --wait ;;
    renew) printf '%s\n' --rekey ;;
    wait | monitor) printf '%s\n' --timeout ;;
    adopt) printf '%s\n' --certificate --wait ;;
    attest) printf '%s\n' --nonce --out ;;
    "ca accept-next") printf '%s\n' --fingerprint ;;
    "cert fetch") printf '%s\n' --out ;;
    "token list") printf '%s\n' --module ;;
    "token purge") printf '%s\n' --identity --key --yes ;;
    "scep decode") printf '%s\n' --recipient-key ;;
    init)
        printf '%s\n' --url --ca-preset --ca --name --subject --san --fingerprint --module --tcti --token --key \
            --envelope --pin-file --challenge-file --state-dir --dir --drop-in
        ;;
    doctor) printf '%s\n' --against-ca ;;
    check) printf '%s\n' -w --warning -c --critical --without-daemon ;;
    metrics) printf '%s\n' --textfile ;;
    bugreport) printf '%s\n' --out ;;
    esac
}

# What stands at a place of a command: identity, ca, token, preset, envelope, code, file or nothing.
# Usage: _hwenroll_kind COMMAND PLACE
_hwenroll_kind() {
    case "$1 $2" in
    "status 1" | "history 1" | "enroll 1" | "renew 1" | "wait 1" | "cancel 1" | "resume 1" | "adopt 1" | "attest 1" | \
        "plan 1" | "check "*) echo identity ;;
    "ca show 1" | "ca accept-next 1" | "crl fetch 1" | "cert fetch 1") echo ca ;;
    "token keys 1" | "token purge 1") echo token ;;
    "explain 1") echo code ;;
    "scep decode 1") echo file ;;
    esac
}

# The same for the value of an option; `none` is a value that cannot be known. Usage: _hwenroll_value OPTION
_hwenroll_value() {
    case $1 in
    --config | --certificate | --out | --module | --recipient-key | --textfile | --pin-file | --challenge-file | \
        --state-dir | --dir) echo file ;;
    --identity) echo identity ;;
    --ca) echo ca ;;
    --token) echo token ;;
    --ca-preset) echo preset ;;
    --envelope) echo envelope ;;
    --limit | --timeout | --nonce | --fingerprint | --key | -w | --warning | -c | --critical | --url | --name | \
        --subject | --san | --tcti) echo none ;;
    esac
}

_hwenroll() {
    local program=$1 current=${COMP_WORDS[COMP_CWORD]} config="" command="" wanted="" kind="" place=0 word i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [ "$word" = "=" ]; then # of --option=value, which bash takes apart unless told not to
            continue
        elif [ "${word#--config=}" != "$word" ]; then
            config=${word#--config=}
        elif [ -n "$wanted" ]; then
            [ "$wanted" != --config ] || config=${word/#\~\//$HOME/}
            wanted=""
        elif [ "${word#-}" != "$word" ]; then
            [ -z "$(_hwenroll_value "$word")" ] || wanted=$word
        elif [ -z "$command" ]; then
            command=$word
        elif [ "${command% *}" = "$command" ] && [ -n "$(_hwenroll_commands "$command")" ]; then
            command="$command $word"
        else
            place=$((place + 1))
        fi
    done
    [ "$current" != "=" ] || current=""
    if [ -n "$wanted" ]; then
        kind=$(_hwenroll_value "$wanted")
    elif [ "${current#-}" != "$current" ]; then
        mapfile -t COMPREPLY < <(compgen -W "--config --json --no-color --help --version $(_hwenroll_options "$command")" \
            -- "$current")
        return
    elif [ -z "$command" ] || [ -n "$(_hwenroll_commands "$command")" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_hwenroll_commands "$command")" -- "$current")
        return
    else
        kind=$(_hwenroll_kind "$command" $((place + 1)))
    fi
    case $kind in
    identity) mapfile -t COMPREPLY < <(compgen -W "$(_hwenroll_identities "$program" "$config")" -- "$current") ;;
    ca | token) mapfile -t COMPREPLY < <(compgen -W "$(_hwenroll_sections "$program" "$config" "$kind")" -- "$current") ;;
    preset) mapfile -t COMPREPLY < <(compgen -W "ndes cisco-ios" -- "$current") ;;
    envelope) mapfile -t COMPREPLY < <(compgen -W "agree password token-rsa" -- "$current") ;;
    code) mapfile -t COMPREPLY < <(compgen -W "$(_hwenroll_codes "$program")" -- "${current^^}") ;;
    file)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    esac
}

complete -F _hwenroll hwenroll
