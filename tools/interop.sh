#!/bin/bash
# Lets a real Linux read black boxes that we wrote, and reads those that it wrote: "make interop".
#
#   usage: tools/interop.sh WRITER OUTLIVE WORK
#
# Debian's kernels for riscv64 have no pstore_blk, so a small one is built from Debian's source tarball the first time: this
# takes 20 minutes and more, and 2 GB until it is done. It is kept in the cache. JOBS (default 1) is how many compilers run
# at once. Not part of the tests that everybody runs; needs bc, bison and flex besides what setup.sh installs.
set -euo pipefail

here=$(dirname "$0")
# shellcheck source=tools/apt.sh
. "$here/apt.sh"
cache=$("$here/fetch.sh" --cache)
kernel=$cache/interop
recipe=1

say() { echo "interop: $*"; }
die() { echo "interop: $*" >&2; exit 1; }

fetch_source() { # directory: the tarball of Linux gets there
	local apt=$1/apt
	apt_prepare "$apt" source
	APT_CONFIG=$apt/apt.conf apt-get -qq update
	(cd "$1" && APT_CONFIG=$apt/apt.conf apt-get -qq source --only-source --download-only --tar-only linux)
}

# A kernel that boots from an initrd on QEMU's virt machine, with two virtio disks, pstore_blk, and ways to crash.
fragment() {
	local option
	for option in ARCH_RV64I 64BIT MMU FPU RISCV_ISA_C RISCV_SBI SOC_VIRT ARCH_VIRT PRINTK BUG TTY SERIAL_8250 \
		SERIAL_8250_CONSOLE SERIAL_OF_PLATFORM BLOCK BLK_DEV BLK_DEV_INITRD RD_GZIP BINFMT_ELF BINFMT_SCRIPT \
		VIRTIO_MENU VIRTIO_MMIO VIRTIO_BLK PROC_FS SYSFS DEVTMPFS DEVTMPFS_MOUNT DEBUG_FS LKDTM DEBUG_KERNEL \
		RUNTIME_TESTING_MENU MULTIUSER POSIX_TIMERS FUTEX SIGNALFD EPOLL FILE_LOCKING TMPFS SHMEM RTC_CLASS \
		RTC_DRV_GOLDFISH RTC_HCTOSYS MISC_FILESYSTEMS PSTORE PSTORE_COMPRESS PSTORE_CONSOLE PSTORE_PMSG \
		PSTORE_BLK POWER_RESET KALLSYMS PRINTK_TIME; do
		echo "CONFIG_$option=y"
	done
	echo 'CONFIG_RTC_HCTOSYS_DEVICE="rtc0"'
}

build_kernel() {
	local work tool
	for tool in bc bison flex riscv64-linux-gnu-gcc; do
		command -v "$tool" >/dev/null || die "needs $tool (packages bc, bison, flex, gcc-riscv64-linux-gnu)"
	done
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/.interop.XXXXXX")
	# shellcheck disable=SC2064 # its value now
	trap "rm -rf '$work'" EXIT
	say "downloading the source of Linux"
	fetch_source "$work"
	mkdir "$work/source"
	tar -x --no-same-owner --strip-components=1 -C "$work/source" -f "$(ls "$work"/linux_*.orig.tar.*[!c])"

	local make=(make -C "$work/source" -j "${JOBS:-1}" ARCH=riscv CROSS_COMPILE=riscv64-linux-gnu- "O=$work/out")
	say "building it; the log is $cache/interop.log"
	mkdir "$work/out"
	fragment >"$work/fragment"
	{
		"${make[@]}" tinyconfig
		(cd "$work/source" && ARCH=riscv CROSS_COMPILE=riscv64-linux-gnu- scripts/kconfig/merge_config.sh \
			-m -O "$work/out" "$work/out/.config" "$work/fragment")
		"${make[@]}" olddefconfig
		grep -q '^CONFIG_PSTORE_BLK=y' "$work/out/.config"
		"${make[@]}" Image
	} >"$cache/interop.log" 2>&1 || die "Linux does not build: see $cache/interop.log"

	mkdir "$work/new"
	cp "$work/out/arch/riscv/boot/Image" "$work/new/Image"
	cp "$work/out/.config" "$work/new/config"
	cp "$work/out/include/config/kernel.release" "$work/new/version"
	echo "$recipe" >"$work/new/.recipe"
	rm -rf "$kernel"
	mv "$work/new" "$kernel"
	rm -rf "$work"
	trap - EXIT
}

[[ $# -eq 3 ]] || die "usage: tools/interop.sh WRITER OUTLIVE WORK"
if [[ ! -r $kernel/.recipe || $(<"$kernel/.recipe") != "$recipe" ]]; then
	build_kernel
fi
exec "$here/interop.py" "$kernel/Image" "$cache/riscv64/busybox" "$@"
