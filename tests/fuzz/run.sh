#!/bin/bash
# Runs libFuzzer targets and writes down what came of it. See --help.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() {
    cat <<'TEXT'
usage: tests/fuzz/run.sh [--jobs N] [--no-record] MINUTES [TARGET...]
       tests/fuzz/run.sh [--jobs N] [--no-record] --seconds N [TARGET...]
       tests/fuzz/run.sh --list

Builds the preset fuzz and runs each TARGET (default: all) that long, from the seeds that the build writes, the inputs
in tests/fuzz/corpus and whatever earlier runs found in build/fuzz/corpus. Prints for each target its runs, its
coverage in edges and its hours, and appends the same to the table of docs/fuzzing.md.
  --seconds N   instead of MINUTES
  --jobs N      targets at the same time; default: 1
  --no-record   leave docs/fuzzing.md alone
  --list        print the targets
Missing Debian packages are installed first, which needs root. Exit code: 0; 1 after a finding, whose input is kept.
TEXT
}

wrong() {
    echo "run.sh: $1; see --help" >&2
    exit 64
}

is_number() {
    [[ $1 =~ ^[1-9][0-9]*$ ]]
}

all=(caps ca_cert cert_rep cert_rep_inner cert_rep_inner_tree control crl crl_tree degenerate degenerate_tree
    key_agreement key_agreement_tree next_ca next_ca_tree password_recipient password_recipient_tree pkcs11_uri toml
    token_protocol tpm_key)
jobs=1 seconds='' record=yes targets=()
while [ $# -gt 0 ]; do
    case $1 in
    --list) printf '%s\n' "${all[@]}" && exit 0 ;;
    --no-record) record=no ;;
    --jobs | --seconds)
        is_number "${2-}" || wrong "$1 needs a number"
        case $1 in
        --jobs) jobs=$2 ;;
        --seconds) seconds=$2 ;;
        esac
        shift
        ;;
    -h | --help) usage && exit 0 ;;
    -*) wrong "unknown argument '$1'" ;;
    *)
        if [ -z "$seconds" ]; then
            is_number "$1" || wrong "'$1' is no number of minutes"
            seconds=$(($1 * 60))
        else
            [[ " ${all[*]} " == *" $1 "* ]] || wrong "unknown target '$1'"
            targets+=("$1")
        fi
        ;;
    esac
    shift
done
[ -n "$seconds" ] || wrong "say for how many minutes"
[ ${#targets[@]} -gt 0 ] || targets=("${all[@]}")

build=build/fuzz
.ci/install-deps --fuzz
configured=$(cmake --preset fuzz 2>&1) || {
    printf '%s\n' "$configured" >&2
    echo "run.sh: cmake could not configure the preset 'fuzz'" >&2
    exit 70
}
cmake --build "$build" --parallel "$(nproc)"
mkdir -p "$build/log" "$build/findings"

# One target; its log is all that libFuzzer says, its exit code the program's.
run_target() {
    local target=$1 options=()
    local inputs=("$build/corpus/$target" "$build/seeds/$target")
    mkdir -p "$build/corpus/$target"
    rm -f "$build/log/$target".{log,code}
    [ ! -d "tests/fuzz/corpus/${target%_tree}" ] || inputs+=("tests/fuzz/corpus/${target%_tree}")
    case $target in
    caps | toml) options+=("-dict=tests/fuzz/$target.dict") ;;
    control | pkcs11_uri | token_protocol) ;;
    *) options+=("-dict=tests/fuzz/asn1.dict") ;;
    esac
    local code=0
    "$build/bin/fuzz_$target" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
        -artifact_prefix="$build/findings/$target-" "${options[@]}" "${inputs[@]}" >"$build/log/$target.log" 2>&1 &
    local process=$!
    trap 'kill $process 2>/dev/null || true; exit 143' TERM
    wait "$process" || code=$?
    echo "$code" >"$build/log/$target.code"
}

# The last number behind NAME in a log: libFuzzer repeats its counters with every line.
last_of() {
    grep -aEo "$1 ?[0-9]+" "$2" | tail -n 1 | grep -Eo '[0-9]+$' || echo 0
}

# Prints what came of a target, and writes it down; fails when it found something.
report() {
    local target=$1 log=$build/log/$1.log code runs edges hours spent result='no finding'
    code=$(cat "$build/log/$target.code" 2>/dev/null || echo "none: it was ended")
    runs=$(last_of '^#' "$log")
    edges=$(last_of 'cov:' "$log")
    spent=$(last_of 'runs in' "$log")
    [ "$spent" != 0 ] || spent=$(($(stat -c %Y "$log") - $(stat -c %Y "$build/log/$target.begun")))
    hours=$(printf '%d.%02d' $((spent / 3600)) $((spent % 3600 * 100 / 3600)))
    [ "$code" = 0 ] || result='a finding'
    printf '%-23s %12d runs %7d edges %7s hours (%d s)  %s\n' "$target" "$runs" "$edges" "$hours" "$spent" "$result"
    if [ "$record" = yes ]; then
        printf '| %s | %s | %s | %s | %s | %s |\n' "$(date +%F)" "$target" "$hours" "$runs" "$edges" "$result" \
            >>docs/fuzzing.md
    fi
    [ "$code" != 0 ] || return 0
    local input
    input=$(grep -aEo "Test unit written to .*" "$log" | tail -n 1 | sed 's/^Test unit written to //') || input=''
    {
        grep -aE 'ERROR: |SUMMARY: |runtime error: |broken rule: ' "$log" | head -n 5 || tail -n 5 "$log"
        if [ -n "$input" ]; then
            echo "run.sh: $target fails on $input; to see it again:"
            echo "    $build/bin/fuzz_$target $input"
            echo "Once it is mended, keep the input as tests/fuzz/corpus/$target/NAME"
        else
            echo "run.sh: $target ended with exit code $code and left no input; all that it said is in $log"
        fi
    } >&2
    return 1
}

# What ends this script ends the targets.
trap 'for job in $(jobs -p); do kill "$job" 2>/dev/null || true; done' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

for target in "${targets[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
        wait -n || true
    done
    touch "$build/log/$target.begun"
    run_target "$target" &
done
wait

found=0
for target in "${targets[@]}"; do
    report "$target" || found=1
done
exit "$found"
