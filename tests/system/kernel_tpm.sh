#!/bin/bash
# A TPM behind a kernel's devices: boots a guest whose TPM is a swtpm and uses it through /dev/tpmrm0, the kernel's
# resource manager, and through /dev/tpm0, which has none. See --help.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tests/system/kernel_tpm.sh [--kernel FILE] [--build DIR] [--limit SECONDS]

  --kernel FILE    a Linux kernel with tpm_crb and devtmpfs built in; default: the newest /boot/vmlinuz-*-cloud-amd64
  --build DIR      where hwenroll-test-kernel-tpm is built; default: build/dev
  --limit SECONDS  a guest that still runs after that is ended; default: 240
The guest is emulated (no /dev/kvm needed, no root) and has no disk and no network: its memory holds the test program
with its libraries. Prints what the program prints. Exit: 0 if all of it went well, else 1; 64 wrong usage; 77 if a
program or a kernel is missing (.ci/install-deps --kernel-tpm).
TEXT
}

cd "$(dirname "$0")/../.."
kernel='' build=build/dev limit=240
while [ $# -gt 0 ]; do
    case $1 in
    --kernel) kernel=${2:?--kernel needs a file} && shift ;;
    --build) build=${2:?--build needs a directory} && shift ;;
    --limit) limit=${2:?--limit needs seconds} && shift ;;
    -h | --help) usage && exit 0 ;;
    *) echo "kernel_tpm.sh: unknown argument '$1'; see --help" >&2 && exit 64 ;;
    esac
    shift
done
for program in qemu-system-x86_64 swtpm busybox cpio; do
    command -v "$program" >/dev/null || { echo "kernel_tpm.sh: '$program' is missing; see --help" >&2 && exit 77; }
done
if [ -z "$kernel" ]; then
    kernel=$(find /boot -name 'vmlinuz-*-cloud-amd64' 2>/dev/null | sort -V | tail -n 1)
    [ -n "$kernel" ] || { echo "kernel_tpm.sh: no kernel in /boot; see --help" >&2 && exit 77; }
fi
cmake --preset dev -B "$build" >/dev/null
cmake --build "$build" --target hwenroll-test-kernel-tpm

at=$(mktemp -d)
tpm=''
trap '[ -z "$tpm" ] || kill "$tpm" 2>/dev/null || true; rm -rf "$at"' EXIT

# Everything the program loads, the TCTI included, at its place.
mkdir -p "$at/root/bin" "$at/root/dev" "$at/root/proc" "$at/root/sys" "$at/state"
cp "$(command -v busybox)" "$at/root/bin/busybox"
cp "$build/bin/hwenroll-test-kernel-tpm" "$at/root/bin/test"
tcti=$(ldconfig -p | sed -n 's/.*libtss2-tcti-device\.so\.0 .*=> //p' | head -n 1)
{ ldd "$at/root/bin/test" "$tcti" | grep -Eo '/[^ :]+\.so[^ :]*' && echo "$tcti"; } | sort -u | while read -r library; do
    mkdir -p "$at/root$(dirname "$library")"
    cp -L "$library" "$at/root$library"
done
cat >"$at/root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
export TSS2_LOG=all+NONE
for device in /dev/tpmrm0 /dev/tpm0; do
    echo "== $device"
    /bin/test device:$device && echo "== $device passed"
done
/bin/busybox poweroff -f
INIT
chmod 0755 "$at/root/init"
(cd "$at/root" && find . | cpio --create --format=newc --quiet) | gzip -1 >"$at/initrd.gz"

swtpm socket --tpm2 --tpmstate "dir=$at/state" --ctrl "type=unixio,path=$at/tpm" --flags not-need-init &
tpm=$!
timeout "$limit" qemu-system-x86_64 -display none -no-reboot -machine q35 -accel tcg -cpu max -m 1024 -smp 2 \
    -kernel "$kernel" -initrd "$at/initrd.gz" -append "console=ttyS0 quiet panic=-1" -nic none -monitor none \
    -serial "file:$at/console" -chardev "socket,id=tpm,path=$at/tpm" -tpmdev emulator,id=tpm0,chardev=tpm \
    -device tpm-crb,tpmdev=tpm0 || echo "kernel_tpm.sh: the guest did not end by itself" >&2
grep -aE '^(==|ok|FAILED)' "$at/console" || true
[ "$(grep -acE '^== /dev/tpm(rm)?0 passed' "$at/console")" = 2 ]
