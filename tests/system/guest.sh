#!/bin/bash
# Boots a minimal Debian tree on a kernel of its own with systemd, a TPM and AppArmor, and proves there what needs a
# kernel: secrets that a TPM has sealed, device rules, limits of memory. See --help.
# shellcheck disable=SC2034 # what the sourced files use
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tests/system/guest.sh [--kernel FILE] [--build DIR] [--limit SECONDS] [--logs DIR] [--keep]

  --kernel FILE    a Debian kernel whose modules are in /lib/modules; default: the newest /boot/vmlinuz-*-cloud-amd64
  --build DIR      where the programs are, in DIR/bin; default: build/dev
  --limit SECONDS  a guest that still runs after that is ended; default: 900
  --logs DIR       what is kept of a run: results, console, journal; default: build/guest
  --keep           leave the tree for inspection
The guest is emulated (no /dev/kvm needed) and has no network. One line a check: PASS or FAIL, what was proved, figures.
Exit: 0 if every check passed, 1 if one failed, 64 wrong usage, 69 something is missing that it needs
(.ci/install-deps --kernel-tpm). Needs root. Packages come from the archive that this
machine's apt uses; trees are cached for a week as those of booted.sh are.
TEXT
}

complain() {
    echo "guest.sh: $2" >&2
    exit "$1"
}

checkout=$(cd "$(dirname "$0")/../.." && pwd)
build=$checkout/build/dev lab_ca='' suite=bookworm at_home=yes logs=$checkout/build/guest keep=no debs=() kernel='' limit=900
arguments=("$@")
while [ $# -gt 0 ]; do
    case $1 in
    --kernel) kernel=${2:?--kernel needs a file} && shift ;;
    --build) build=${2:?--build needs a directory} && shift ;;
    --limit) limit=${2:?--limit needs seconds} && shift ;;
    --logs) logs=${2:?--logs needs a directory} && shift ;;
    --keep) keep=yes ;;
    -h | --help) usage && exit 0 ;;
    *) complain 64 "unknown argument '$1'; see --help" ;;
    esac
    shift
done
cache=${HWENROLL_FRESH_CACHE:-/var/tmp/hwenroll-fresh}
program_names=(hwenrolld hwenroll hwenroll-token hwenroll-hook)
packages=(systemd systemd-sysv dbus apparmor openssl libp11-kit0 libseccomp2 libsqlite3-0 libssl3 libcurl4 libfmt9
    libtss2-{esys-3.0.2-0,mu0,rc0,tctildr0,tcti-device0})

if [ -z "$kernel" ]; then
    kernel=$(find /boot -name 'vmlinuz-*-cloud-amd64' 2>/dev/null | sort -V | tail -n 1)
fi
[ -f "$kernel" ] || complain 69 "no kernel '$kernel'; see --help"
version=$(basename "$kernel" | sed 's/^vmlinuz-//')

# shellcheck source=tests/system/trees.sh
. "$checkout/tests/system/trees.sh"
# shellcheck source=tests/system/product.sh
. "$checkout/tests/system/product.sh"
need qemu-system-x86_64 swtpm busybox cpio mke2fs modprobe
be_alone

at=$(mktemp -d) tpm=''
clean_up() {
    [ -z "$tpm" ] || kill "$tpm" 2>/dev/null || true
    remove_tree
    rm -rf "$at"
}
trap clean_up EXIT

# What finds the disk and starts systemd from it.
make_initrd() {
    local module modules
    mapfile -t modules < <(for module in virtio_pci virtio_blk ext4 crc32c_generic; do
        modprobe --set-version "$version" --show-depends "$module" 2>/dev/null
    done | sed -n 's/^insmod //p' | awk '!seen[$1]++ { print $1 }')
    mkdir -p "$at/initrd/bin" "$at/initrd/modules" "$at/initrd/root"
    cp "$(command -v busybox)" "$at/initrd/bin/busybox"
    for module in "${modules[@]}"; do cp "$module" "$at/initrd/modules/"; done
    {
        echo '#!/bin/busybox sh'
        echo '/bin/busybox mkdir -p /dev /proc /sys'
        echo '/bin/busybox mount -t devtmpfs dev /dev'
        for module in "${modules[@]}"; do echo "/bin/busybox insmod /modules/$(basename "$module")"; done
        echo 'until [ -b /dev/vda ]; do /bin/busybox sleep 0.1; done'
        echo '/bin/busybox mount -t ext4 /dev/vda /root && exec /bin/busybox switch_root /root /sbin/init'
    } >"$at/initrd/init"
    chmod 0755 "$at/initrd/init"
    (cd "$at/initrd" && find . | cpio --create --format=newc --quiet) | gzip -1 >"$at/initrd.gz"
}

install_checks() {
    install -D -m 0644 "$checkout/systemd/apparmor.hwenrolld" "$tree/etc/apparmor.d/usr.sbin.hwenrolld"
    install -m 0755 "$checkout/tests/system/guest_checks.sh" "$tree/usr/local/sbin/guest-checks"
    install -d -m 0755 "$tree/etc/hwenroll"
    # Not on the first line, where a login is asked for.
    cat >"$tree/etc/systemd/system/guest-checks.service" <<'TEXT'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/guest-checks
ExecStopPost=/bin/systemctl --no-block poweroff
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS1
[Install]
WantedBy=graphical.target
TEXT
    chroot "$tree" systemd-sysusers
    chroot "$tree" systemctl enable --quiet guest-checks.service
    echo guest >"$tree/etc/hostname"
    printf '127.0.0.1 localhost guest\n' >"$tree/etc/hosts"
}

mkdir -p "$cache" "$logs"
rm -f "$logs"/{results.txt,console.txt}
find_programs
packed=$(packed_tree guest) || complain 69 "no tree of '$suite' could be made"
unpack_tree guest "$packed"
install_files
install_ca corp 8080 --lifetime 86400
install_checks
make_initrd
mke2fs -q -t ext4 -d "$tree" "$at/root.img" $(($(du -sm "$tree" | cut -f1) + 512))M
mkdir "$at/state"
swtpm socket --tpm2 --tpmstate "dir=$at/state" --ctrl "type=unixio,path=$at/tpm" --flags not-need-init &
tpm=$!
timeout "$limit" qemu-system-x86_64 -display none -no-reboot -machine q35 -accel tcg -cpu max -m 1536 -smp 2 \
    -kernel "$kernel" -initrd "$at/initrd.gz" -append "console=ttyS0 quiet panic=-1" -nic none -monitor none \
    -drive "file=$at/root.img,if=virtio,format=raw,cache=unsafe" \
    -serial "file:$logs/console.txt" -serial "file:$logs/results.txt" \
    -chardev "socket,id=tpm,path=$at/tpm" -tpmdev emulator,id=tpm0,chardev=tpm -device tpm-crb,tpmdev=tpm0 ||
    echo "guest.sh: the guest did not end by itself" >&2
sed -i 's/\r//g' "$logs/results.txt" 2>/dev/null || true
cat "$logs/results.txt" 2>/dev/null || tail -n 20 "$logs/console.txt"
grep -q '^all checks have run$' "$logs/results.txt" ||
    { echo "guest.sh: the checks did not come to their end" >&2 && exit 1; }
echo "$(grep -c '^PASS' "$logs/results.txt") checks passed," \
    "$(grep -c '^FAIL' "$logs/results.txt") failed, in $SECONDS s; logs: $logs"
! grep -q '^FAIL' "$logs/results.txt"
