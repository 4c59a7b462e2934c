#!/bin/bash
# Installs what the tests need, builds, and runs all tests through ctest. See --help.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
    cat <<'TEXT'
usage: ./test.sh [--asan | --tsan | --coverage | --preset NAME] [--soak NAME] [-R REGEX]
                 [--without LABEL] [--jobs N]

  --preset NAME   a configure preset of CMakePresets.json that builds tests; default: dev
  --asan          the same as --preset asan: AddressSanitizer and UndefinedBehaviorSanitizer
  --tsan          the same as --preset tsan: ThreadSanitizer
  --coverage      the same as --preset coverage; then gcovr's summary, and build/coverage/report/index.html
  --soak NAME     one of the long runs instead:
                    arm64     tests built for arm64 in a minimal tree, under qemu's user emulation (needs root)
                    booted    the units of systemd/ on a Debian 12 tree that systemd-nspawn boots, with the programs of
                              build/dev as they are (needs root); about 3 minutes
                    consumers  HAProxy, strongSwan, OpenVPN and wpa_supplicant with a certificate of build/dev's agent and a key
                              on a token, as docs/guides/consumers.md has it, on Debian 12 and 13 trees that
                              systemd-nspawn boots (needs root); some 8 minutes
                    crash     SIGKILL at each pass of each crash point of a life with a rollover, and of an enrollment
                    faults    each write, fsync, rename and open of an enrollment fails once: EIO, ENOSPC, EINTR
                    five-commands  a new user's way from the packages in build/packages to a deployed certificate, and what is
                              in it, on Debian 12 and 13 trees that systemd-nspawn boots (needs root); some 5 minutes
                    fleet     docs/examples/ansible by ansible-playbook on Debian 12 and 13 trees that systemd-nspawn boots
                              (needs root); some 6 minutes
                    fresh     ./demo.sh and ./test.sh on minimal Debian 12 and 13 trees (needs root)
                    fuzz      every fuzz target for 30 minutes; notes the figures in docs/fuzzing.md
                    guest     the units of systemd/ on an emulated machine with a TPM and AppArmor, with the programs of
                              build/dev as they are (needs root); some 5 minutes
                    kernel-tpm  the TPM token on /dev/tpmrm0 and /dev/tpm0 of an emulated guest's kernel
                    packages  Debian packages of 12 and 13: built, judged by lintian, installed, upgraded, purged in minimal
                              trees (needs root)
                    renewals  the daemon through 1,000 renewals and 3 rollovers of its CA, in place of the 100 and 1 of
                              the usual run; prints memory, descriptors and rows; about 10 minutes
                    small     the preset small, without libsystemd and control socket, enrolls
                    token-calls  each PKCS#11 call of an enrollment and a renewal goes wrong once: crash, hang, error,
                              lost session or login, stale handles; some 15 minutes
                    tsan      all tests under ThreadSanitizer
                    varlink   varlinkctl of a minimal Debian 13 tree against build/dev's agent (needs root); 2 minutes
  -R REGEX        only the tests whose names match, as in ctest
  --without LABEL no tests of this label: e2e, crash, …
  --jobs N        parallel compilations, and half as many tests again, since most of them wait for others; default:
                  the number of processors
Missing Debian packages are installed first, which needs root. The last lines are ctest's summary (with --coverage,
gcovr's); the exit code is 0 when all tests passed.
TEXT
}

wrong() {
    echo "test.sh: $1; see --help" >&2
    exit 64
}

preset=dev jobs=$(nproc) soak='' long='' selection=()
while [ $# -gt 0 ]; do
    case $1 in
    --asan) preset=asan ;;
    --tsan) preset=tsan ;;
    --coverage) preset=coverage ;;
    --preset | --soak | -R | --without | --jobs)
        [ $# -gt 1 ] || wrong "$1 needs a value"
        case $1 in
        --preset) preset=$2 ;;
        --soak) soak=$2 ;;
        -R) selection+=(-R "$2") ;;
        --without) selection+=(-LE "$2") ;;
        --jobs) jobs=$2 ;;
        esac
        shift
        ;;
    -h | --help) usage && exit 0 ;;
    *) wrong "unknown argument '$1'" ;;
    esac
    shift
done
case $soak in
'') ;;
arm64)
    .ci/install-deps --packages
    exec tests/system/cross.sh
    ;;
booted) exec tests/system/booted.sh ;;
guest)
    .ci/install-deps --kernel-tpm
    exec tests/system/guest.sh
    ;;
kernel-tpm)
    .ci/install-deps --kernel-tpm
    cmake --preset dev >/dev/null
    cmake --build build/dev --parallel "$jobs" --target hwenroll-test-kernel-tpm
    exec tests/system/kernel_tpm.sh
    ;;
consumers | fleet)
    .ci/install-deps
    cmake --preset dev >/dev/null
    cmake --build build/dev --parallel "$jobs" --target hwenrolld hwenroll hwenroll-token hwenroll-hook scep-lab-ca
    failed=0
    for suite in bookworm trixie; do "tests/system/$soak.sh" --suite "$suite" || failed=1; done
    exit "$failed"
    ;;
crash) long='DISABLED_CrashSweep.*' ;;
faults) long='*SystemCallFault.DISABLED_*' ;;
five-commands) exec tests/system/five_commands.sh ;;
fresh) exec tests/system/fresh.sh ;;
fuzz) exec tests/fuzz/run.sh 30 ;;
packages)
    .ci/install-deps --packages
    exec tests/system/packages.sh
    ;;
renewals) ;;
small)
    .ci/install-deps --build
    exec tests/system/small.sh --jobs "$jobs"
    ;;
token-calls) long='*DISABLED_TokenCallSweep*' ;;
tsan) preset=tsan ;;
varlink)
    .ci/install-deps
    cmake --preset dev >/dev/null
    cmake --build build/dev --parallel "$jobs" --target hwenrolld hwenroll-token
    exec tests/system/varlink.sh
    ;;
*) wrong "unknown soak '$soak'" ;;
esac

.ci/install-deps
[ "$preset" != coverage ] || .ci/install-deps --coverage

configured=$(cmake --preset "$preset" 2>&1) || {
    printf '%s\n' "$configured" >&2
    echo "test.sh: cmake could not configure the preset '$preset'" >&2
    exit 70
}
if [ "$soak" = renewals ]; then
    cmake --build "build/$preset" --parallel "$jobs" --target long_life_test
    HWENROLL_SOAK=1 exec "build/$preset/bin/long_life_test"
fi
cmake --build "build/$preset" --parallel "$jobs"
if [ -n "$long" ]; then
    shards=() failed=0
    for ((shard = 0; shard < jobs; ++shard)); do
        GTEST_TOTAL_SHARDS=$jobs GTEST_SHARD_INDEX=$shard "build/$preset/bin/crash_tests" --gtest_brief=1 \
            --gtest_also_run_disabled_tests "--gtest_filter=$long" &
        shards+=($!)
    done
    for shard in "${shards[@]}"; do
        wait "$shard" || failed=1
    done
    exit "$failed"
fi
[ "$preset" != coverage ] || find build/coverage -name '*.gcda' -delete
# ctest prints what a failed test printed where it ran, thousands of lines before its summary; here it comes again, and
# the summary without the tests that were skipped.
what_failed() {
    local log=build/$preset/Testing/Temporary/LastTest.log
    printf '\n== the last 60 lines of each test that failed\n'
    awk '
        / Testing: / { name = $0; printed = 0; inside = 0 }
        /^<end of output>/ { inside = 0 }
        inside { line[printed++ % 60] = $0 }
        /^Output:$/ { inside = 1 }
        /^Test Failed\.$/ {
            print "\n-- " name
            for (i = printed > 60 ? printed - 60 : 0; i < printed; ++i) print line[i % 60]
        }' "$log" || true
    sed -n -e '/% tests passed/,/^Total Test time/p' -e '/^The following tests FAILED:/,$p' "$1"
}

tested=0
ctest --test-dir "build/$preset" --output-on-failure --parallel $((jobs * 3 / 2)) --no-label-summary --no-tests=error \
    "${selection[@]}" | tee "build/$preset/ctest.txt" || tested=$?
[ "$tested" = 0 ] || what_failed "build/$preset/ctest.txt"
if [ "$preset" = coverage ]; then
    mkdir -p build/coverage/report
    gcovr --root . --object-directory build/coverage --exclude tests/ --exclude-throw-branches --print-summary \
        --html-details build/coverage/report/index.html --txt build/coverage/report/coverage.txt
fi
exit "$tested"
