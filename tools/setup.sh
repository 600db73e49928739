#!/bin/sh
# Installs what building and testing Outlive needs, on Debian 12: compilers, QEMU, libraries, checkers.
#
# Safe to run again: a stamp with the hash of this file's package list says that there is nothing to
# do. Works as root or with sudo. What the distribution does not have for the target is fetched into a
# cache by tools/fetch.sh, which needs no privileges.
#
# gcc-multilib must never enter this list: it conflicts with the cross compiler, which apt would remove.
set -eu

packages='
binutils-riscv64-linux-gnu
bzip2
ca-certificates
clang
clang-format
clang-tidy
cpio
cppcheck
debian-archive-keyring
device-tree-compiler
gcc
gcc-riscv64-linux-gnu
gdb-multiarch
gzip
kmod
libc6-dev
libc6-dev-riscv64-cross
libclang-rt-14-dev
libcmocka-dev
libdw-dev
libelf-dev
libfdt-dev
libjansson-dev
liblz4-dev
libyaml-dev
llvm
make
mandoc
opensbi
pkg-config
python3
qemu-system-misc
qemu-utils
shellcheck
util-linux
xz-utils
zlib1g-dev
'

say() { echo "setup: $*"; }
die() { echo "setup: $*" >&2; exit 1; }

cache=${OUTLIVE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/outlive}
hash=$(printf '%s' "$packages" | sha256sum | cut -d' ' -f1)
stamp=$cache/setup.stamp

# The stamp may be older than the machine (a kept home directory), so look for two of the programs too.
if [ -r "$stamp" ] && [ "$(cat "$stamp")" = "$hash" ] &&
   command -v riscv64-linux-gnu-gcc >/dev/null && command -v qemu-system-riscv64 >/dev/null; then
	exit 0
fi

command -v apt-get >/dev/null || die "needs a Debian system (no apt-get); see tools/setup.sh for the list of packages"

missing=
for package in $packages; do
	state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=none
	[ "$state" = installed ] || missing="$missing $package"
done

if [ -n "$missing" ]; then
	if [ "$(id -u)" -eq 0 ]; then
		as_root=
	elif command -v sudo >/dev/null; then
		as_root=sudo
	else
		die "must be root, or have sudo, to install:$missing"
	fi
	apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3"

	say "installing$missing"
	delay=5
	for attempt in 1 2 3 4; do
		# An unrelated source of the machine that does not answer is no reason to stop.
		$apt -qq update || say "apt-get update reported errors, going on"
		# shellcheck disable=SC2086 # word splitting is meant
		if $apt -qq -y --no-install-recommends install $missing; then
			break
		fi
		[ "$attempt" -lt 4 ] || die "could not install the packages"
		say "trying again in $delay s"
		sleep "$delay"
		delay=$((delay * 3))
	done
fi

mkdir -p "$cache"
echo "$hash" >"$stamp.$$"
mv "$stamp.$$" "$stamp"
say "done"
