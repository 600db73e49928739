#!/bin/bash
# Lets gdb, crash, drgn and makedumpfile open a dump of a VM with the stock kernel: part of "make interop".
#
#   usage: tools/interop_dump.sh [--all] OUTLIVE INITRD WORK
#
# They are Debian 13's for riscv64, and run under qemu-user (package qemu-user-static). crash needs the kernel's symbols, whose
# package is 1 GB to download; one file of it, 300 MB, is kept in the cache. crash takes 4 to 20 minutes for a dump under
# qemu-user, so it opens one only, the others with --all. Not part of the tests that everybody runs.
set -euo pipefail

here=$(dirname "$0")
# shellcheck source=tools/apt.sh
. "$here/apt.sh"
cache=$("$here/fetch.sh" --cache)
release=$(<"$cache/linux/version")
root=$cache/interop-dump
recipe="2 $release"
packages=(crash makedumpfile libc6 libgcc-s1 liblzo2-2 libncursesw6 libsnappy1v5 libstdc++6 libtinfo6 libzstd1
	libdw1t64 libelf1t64 zlib1g libbz2-1.0 liblzma5
	python3-drgn python3.13-minimal libpython3.13-minimal libpython3.13-stdlib libgomp1 libkdumpfile10 libexpat1
	libffi8 libuuid1)

say() { echo "interop: $*"; }
die() { echo "interop: $*" >&2; exit 1; }

fetch_packages() { # directory: packages get there
	local apt=$1/apt
	apt_prepare "$apt" binary
	APT_CONFIG=$apt/apt.conf apt-get -qq update
	(cd "$1" && APT_CONFIG=$apt/apt.conf apt-get -qq download "${packages[@]}" "linux-image-$release-dbg")
}

prepare() {
	local work deb
	work=$(mktemp -d "$cache/.interop-dump.XXXXXX")
	# shellcheck disable=SC2064 # its value now
	trap "rm -rf '$work'" EXIT
	say "downloading crash, drgn, makedumpfile and the symbols of Linux $release (1 GB)"
	fetch_packages "$work"
	mkdir "$work/new"
	for deb in "$work"/*.deb; do
		case $deb in
		*-dbg_*) dpkg --fsys-tarfile "$deb" |
			tar -x -O -f - "./usr/lib/debug/boot/vmlinux-$release" >"$work/new/vmlinux" ;;
		*) dpkg -x "$deb" "$work/new" ;;
		esac
	done
	ln -sfn usr/lib "$work/new/lib"
	echo "$recipe" >"$work/new/.recipe"
	rm -rf "$root"
	mv "$work/new" "$root"
	rm -rf "$work"
	trap - EXIT
}

all=()
if [[ ${1:-} == --all ]]; then
	all=(--all)
	shift
fi
[[ $# -eq 3 ]] || die "usage: tools/interop_dump.sh [--all] OUTLIVE INITRD WORK"
for tool in qemu-riscv64-static gdb-multiarch; do
	command -v "$tool" >/dev/null || die "needs $tool (packages qemu-user-static, gdb-multiarch)"
done
if [[ ! -r $root/.recipe || $(<"$root/.recipe") != "$recipe" ]]; then
	prepare
fi
exec "$here/interop_dump.py" "$cache/linux/Image" "$root" "$@" "${all[@]}"
