#!/bin/bash
# Builds for arm64 in a minimal tree of this machine's architecture and runs tests there under qemu's user emulation.
# See --help.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tests/system/cross.sh [--suite NAME] [--test NAME]... [--logs DIR] [--keep]

  --suite NAME   bookworm (Debian 12, the default) or trixie (Debian 13)
  --test NAME    a test program alone; repeatable; default: those of base, configuration, state, publication, SCEP messages,
                 decisions, and token keys as EVP_PKEY
  --logs DIR     default: build/arm64
  --keep         leave the tree for inspection
By default the programs are built, too, and tell their version. One line a program; exit: 0 if all passed, 1 if one failed,
64 wrong usage, 69 something is missing that it needs.
Needs root, debootstrap, zstd, git and a kernel whose binfmt_misc may be mounted in a user namespace (6.7 and newer): what
runs arm64 programs is registered in there, and nothing on this machine. Trees, and a compiler's cache, are kept in
/var/tmp/hwenroll-fresh, or in $HWENROLL_FRESH_CACHE.
TEXT
}

complain() {
    echo "cross.sh: $2" >&2
    exit "$1"
}

suite=bookworm tests=() programs=() keep=no logs=''
arguments=("$@")
while [ $# -gt 0 ]; do
    case $1 in
    --suite) suite=${2:?--suite needs a name} && shift ;;
    --test) tests+=("${2:?--test needs a name}") && shift ;;
    --logs) logs=${2:?--logs needs a directory} && shift ;;
    --keep) keep=yes ;;
    -h | --help) usage && exit 0 ;;
    *) complain 64 "unknown argument '$1'; see --help" ;;
    esac
    shift
done
if [ ${#tests[@]} = 0 ]; then
    tests=(base_test config_test store_tests publish_test scep_request_tests scep_reply_tests lifecycle_tests
        keystore_openssl_test)
    programs=(hwenrolld hwenroll hwenroll-token hwenroll-hook scep-lab-ca)
fi
checkout=$(cd "$(dirname "$0")/../.." && pwd)
cache=${HWENROLL_FRESH_CACHE:-/var/tmp/hwenroll-fresh}
logs=${logs:-$checkout/build/arm64}

# shellcheck source=tests/system/trees.sh
. "$checkout/tests/system/trees.sh"
need git
be_alone

# Of what .ci/install-deps lists: libraries of arm64 and programs that the tests run there. The build's are this machine's.
host=(crossbuild-essential-arm64 cmake ninja-build pkg-config ccache qemu-user-static)
target=$("$checkout/.ci/install-deps" --build --list |
    grep -E '^lib.*-dev$|^nlohmann|^softhsm2$|^openssl$|^libengine-pkcs11-openssl$')

# Those of headers alone are of no architecture.
cross_tree() {
    prepared_tree arm64 "${host[*]} $target" "dpkg --add-architecture arm64 && apt-get update -qq &&
        for name in ${target//$'\n'/ }; do
            apt-cache show \$name | grep -q '^Architecture: all' && echo \$name || echo \$name:arm64
        done | xargs apt-get install -qq --yes --no-install-recommends ${host[*]}"
}

# in_arm64_tree SECONDS COMMAND: as in_tree, in a user namespace in which the kernel hands arm64 programs to qemu.
in_arm64_tree() {
    local pipes=$tree/tmp/pipes child rc=0
    rm -rf "$pipes"
    mkdir "$pipes"
    mkfifo "$pipes/ready" "$pipes/go"
    # shellcheck disable=SC2016 # expanded by the inner shells
    timeout --foreground --signal=KILL "$1" unshare --mount --user -- sh -c '
        echo $$ >"$0/tmp/pipes/ready"; read -r go <"$0/tmp/pipes/go"
        exec unshare --mount --pid --fork --kill-child=KILL --ipc -- sh -c '\''
            set -e
            mount -t proc proc "$0/proc"
            mount -t binfmt_misc binfmt_misc "$0/proc/sys/fs/binfmt_misc"
            # An ELF header of 64 bits, little endian, an executable or a shared object, for AArch64. F: qemu is opened now.
            printf "%s" ":arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:$0/usr/bin/qemu-aarch64-static:F" \
                >"$0/proc/sys/fs/binfmt_misc/register"
            exec chroot "$0" env -i HOME=/root TERM=dumb TMPDIR=/tmp \
                PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin bash -c "$1"'\'' "$0" "$1"' \
        "$tree" "$2" </dev/null &
    child=$!
    read -r inner <"$pipes/ready"
    echo '0 0 65536' >"/proc/$inner/uid_map"
    echo '0 0 65536' >"/proc/$inner/gid_map"
    echo go >"$pipes/go"
    wait "$child" || rc=$?
    return "$rc"
}

mkdir -p "$cache/ccache-arm64-$suite" "$logs"
begun=$SECONDS
packed=$(cross_tree) || complain 69 "the tree could not be made"
unpack_tree "$suite-arm64" "$packed"
complete_tree "$suite"
mkdir -p "$tree/ccache"
mount --bind "$cache/ccache-arm64-$suite" "$tree/ccache"
copy_checkout /source
printf 'tree   %d s\n' $((SECONDS - begun))

begun=$SECONDS
if ! in_tree 5400 "cd /source && export CCACHE_DIR=/ccache CCACHE_BASEDIR=/source &&
    cmake --preset arm64 && cmake --build build/arm64 --target ${programs[*]} ${tests[*]}" \
    >"$logs/build.log" 2>&1 </dev/null; then
    tail -n 25 "$logs/build.log" | sed 's/^/    | /'
    complain 1 "the build failed; its log is $logs/build.log"
fi
printf 'built  %d s, warnings %d\n' $((SECONDS - begun)) "$(grep -c 'warning:' "$logs/build.log" || true)"

failed=0
for program in "${programs[@]}"; do
    if ! in_arm64_tree 60 "cd /source/build/arm64/bin && ./$program --version" >"$logs/$program.log" 2>&1; then
        echo "FAIL   $program --version" && failed=1
        tail -n 5 "$logs/$program.log" | sed 's/^/    | /'
    fi
done
for test in "${tests[@]}"; do
    begun=$SECONDS rc=0
    in_arm64_tree 1800 "cd /source && build/arm64/bin/$test --gtest_brief=1" >"$logs/$test.log" 2>&1 || rc=$?
    counts=$(grep -E '^\[  (PASSED|SKIPPED|FAILED)' "$logs/$test.log" | grep -E 'tests?[.,]' | sed 's/^\[ *\([A-Z]*\) *\]/\1/' |
        paste -sd' ')
    printf '%-6s %-24s %s (%d s)\n' "$([ "$rc" = 0 ] && echo PASS || echo "FAIL")" "$test" "$counts" $((SECONDS - begun))
    if [ "$rc" != 0 ]; then
        failed=1
        grep -E '^\[  FAILED  \] [A-Z]' "$logs/$test.log" | sed 's/^/    | /' | sort -u | head -n 20
    fi
done
exit "$failed"
