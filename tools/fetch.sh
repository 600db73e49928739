#!/bin/bash
# Fetches what Debian 12 does not have for the target into a cache outside the tree: Debian 13's stock
# kernel and static busybox for riscv64, and the original sources of libraries that are compiled for the
# target. Everything comes through signed package indexes, from the mirror that this machine's apt uses,
# with a private apt state: nothing of the machine's own is touched and no privileges are needed.
#
#   usage: tools/fetch.sh            fetch what is missing, nothing if all is there (no network then)
#          tools/fetch.sh --list     print each item with its version
#          tools/fetch.sh --cache    print the cache's directory
#
#   OUTLIVE_CACHE    the cache; default ${XDG_CACHE_HOME:-~/.cache}/outlive
#   OUTLIVE_MIRROR   a Debian mirror's URI, instead of the one that apt uses
#
# What is in the cache afterwards:
#
#   linux/vmlinuz        the kernel as shipped         linux/version    its release, as uname -r says it
#   linux/Image          the raw Image for a loader    linux/package    package and version
#   linux/modules/       what /lib/modules/VERSION is, with modules.dep
#   riscv64/busybox      static
#   src/NAME/            opensbi, dtc (libfdt), bearssl, lz4: read-only inputs, build elsewhere
#
# An item is put together in a temporary directory and renamed into place, so it is there whole or not at
# all. Two runs at once wait for each other. An item is fetched again when its recipe number below grows.
set -euo pipefail

here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tools/apt.sh
. "$here/apt.sh"
cache=${OUTLIVE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/outlive}

# directory in the cache, recipe number, how to make it, its arguments
items=(
	"linux        1 make_linux   linux-image-riscv64"
	"riscv64      1 make_busybox busybox-static"
	"src/opensbi  1 make_source  opensbi 1.6-1"
	"src/dtc      1 make_source  device-tree-compiler 1.7.2-2"
	"src/bearssl  1 make_source  bearssl"
	"src/lz4      1 make_source  lz4 1.10.0-4"
)

say() { echo "fetch: $*"; }
die() { echo "fetch: $*" >&2; exit 1; }

is_complete() { # directory, recipe number
	[[ -r $cache/$1/.recipe && $(<"$cache/$1/.recipe") == "$2" ]]
}

all_complete() {
	local item dir recipe rest
	for item in "${items[@]}"; do
		read -r dir recipe rest <<<"$item"
		is_complete "$dir" "$recipe" || return 1
	done
}

list() {
	local item dir recipe rest
	for item in "${items[@]}"; do
		read -r dir recipe rest <<<"$item"
		printf '%-12s %s\n' "$dir" "$(cat "$cache/$dir/.package" 2>/dev/null || echo missing)"
	done
}

retry() { # runs a command up to five times, waiting longer each time
	local delay=2 attempt
	for attempt in 1 2 3 4 5; do
		"$@" && return 0
		((attempt < 5)) || break
		say "failed: ${*: -1}; trying again in $delay s"
		sleep "$delay"
		delay=$((delay * 3))
	done
	return 1
}

# An index is fetched the first time that something needs it.
apt_update() { # binary or source
	[[ -e $work/apt/$1/updated ]] && return
	say "reading the package index of $apt_suite ($1)"
	# update succeeds when it kept an old index after an error: here there is none, so look for one.
	retry update_once "$1" || die "cannot read the package index; is the network up?"
	touch "$work/apt/$1/updated"
}

update_once() {
	APT_CONFIG=$work/apt/$1/apt.conf apt-get -qq update || return 1
	case $1 in
	binary) compgen -G "$work/apt/binary/lists/*_Packages*" >/dev/null ;;
	source) compgen -G "$work/apt/source/lists/*_Sources*" >/dev/null ;;
	esac
}

download_once() { # directory, package: the .deb into the directory
	(cd "$1" && rm -f ./*.deb && APT_CONFIG=$work/apt/binary/apt.conf apt-get -qq download "$2")
}

unpack_package() { # package, directory: unpacks it there, and writes name and version to DIRECTORY.version
	apt_update binary
	mkdir -p "$2.deb"
	say "downloading $1"
	retry download_once "$2.deb" "$1" || die "cannot download $1"
	dpkg -x "$2.deb"/*.deb "$2"
	# shellcheck disable=SC2016 # the format's own variables
	dpkg-deb -W --showformat='${Package} ${Version}\n' "$2.deb"/*.deb >"$2.version"
	rm -rf "$2.deb"
}

# True for the raw Image of a RISC-V kernel: the magic "RSC\x05" at byte 56 of its header.
is_raw_image() {
	[[ $(od -An -tx1 -j56 -N4 "$1" | tr -d ' \n') == 52534305 ]]
}

# Debian ships the kernel raw, gzipped, or as an EFI zboot image (a compressed Image behind an EFI stub:
# "zimg" at byte 4, then the payload's offset and size, little-endian 32 bits, and the compression's name).
extract_image() { # as shipped, result
	local magic offset size kind
	if is_raw_image "$1"; then
		ln "$1" "$2"
		return
	fi
	magic=$(od -An -tx1 -N8 "$1" | tr -d ' \n')
	case $magic in
	1f8b*) gzip -dc "$1" >"$2" ;;
	4d5a*7a696d67)
		offset=$(od -An -tu4 -j8 -N4 "$1" | tr -d ' ')
		size=$(od -An -tu4 -j12 -N4 "$1" | tr -d ' ')
		kind=$(dd if="$1" bs=1 skip=24 count=32 status=none | tr -d '\0' | sed 's/[^a-z0-9].*//')
		# Some compressors' trailing bytes are padding: their complaint is no error, the check below counts.
		tail -c +$((offset + 1)) "$1" | head -c "$size" | {
			case $kind in
			gzip) gzip -dc ;;
			xz | xzkern) xz -dc ;;
			zstd | zstd22) zstd -dc ;;
			lz4) lz4 -dc ;;
			*) die "kernel compressed with unknown \"$kind\"" ;;
			esac
		} >"$2" || true
		;;
	esac
	is_raw_image "$2" || die "$1 is no kernel image that this script knows (starts with $magic)"
}

make_linux() { # result, package: the kernel that this package stands for
	local tree=$work/tree package release modules
	apt_update binary
	package=$(APT_CONFIG=$work/apt/binary/apt.conf apt-cache show --no-all-versions "$2" |
		sed -n 's/^Depends:.*\(linux-image-[0-9][^ ,]*\).*/\1/p' | head -n 1)
	[[ -n $package ]] || die "$2 names no kernel"
	unpack_package "$package" "$tree"

	mkdir -p "$1"
	release=${package#linux-image-}
	mv "$tree/boot/vmlinu"[xz]"-$release" "$1/vmlinuz"
	mv "$tree/boot/config-$release" "$1/config"
	extract_image "$1/vmlinuz" "$1/Image"
	echo "$release" >"$1/version"

	# The package leaves modules.dep to its installation; make it here.
	modules=$tree/lib/modules/$release
	if [[ -d $tree/usr/lib/modules/$release ]]; then
		mkdir -p "$tree/lib/modules"
		mv "$tree/usr/lib/modules/$release" "$modules"
	fi
	PATH=$PATH:/usr/sbin:/sbin depmod -b "$tree" "$release"
	mv "$modules" "$1/modules"
	cp "$tree.version" "$1/package"
	mv "$tree.version" "$1/.package"
}

make_busybox() { # result, package
	local tree=$work/tree program
	unpack_package "$2" "$tree"
	program=$(find "$tree" -type f -name busybox -perm -100 | head -n 1)
	[[ -n $program ]] || die "no busybox in $2"
	mkdir -p "$1"
	mv "$program" "$1/busybox"
	mv "$tree.version" "$1/.package"
}

source_once() { # directory, package[=version]
	(cd "$1" && rm -f ./* && APT_CONFIG=$work/apt/source/apt.conf \
		apt-get -qq source --only-source --download-only --tar-only "$2" && compgen -G '*.orig.tar.*' >/dev/null)
}

make_source() { # result, source package, wanted version or nothing: its original tarball, unpacked
	local tars=$work/tars version=${3:-} here
	apt_update source
	mkdir -p "$tars"
	here=$(APT_CONFIG=$work/apt/source/apt.conf apt-cache showsrc --only-source "$2" |
		sed -n 's/^Version: //p' | sort -uV)
	[[ -n $here ]] || die "$apt_suite has no source package $2"
	if [[ -z $version ]] || ! grep -qxF "$version" <<<"$here"; then
		[[ -z $version ]] || say "$2 $version is gone from the archive"
		version=$(tail -n 1 <<<"$here")
	fi
	say "downloading the source of $2 $version"
	retry source_once "$tars" "$2=$version" || die "cannot download the source of $2 $version"
	mkdir -p "$1"
	tar -x --no-same-owner --strip-components=1 -C "$1" -f "$(ls "$tars"/*.orig.tar.*[!c])"
	echo "$2 $version" >"$1/.package"
}

main() {
	local item dir recipe maker argument1 argument2
	case ${1:-} in
	--cache) echo "$cache"; return ;;
	--list) list; return ;;
	'') ;;
	*) die "unknown argument $1; usage: tools/fetch.sh [--list | --cache]" ;;
	esac
	all_complete && return

	mkdir -p "$cache"
	exec 9>"$cache/.lock"
	flock -n 9 || { say "waiting for another run"; flock 9; }
	rm -rf "$cache"/.work.*
	work=$(mktemp -d "$cache/.work.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	trap 'exit 130' INT TERM HUP

	local prepared=
	for item in "${items[@]}"; do
		read -r dir recipe maker argument1 argument2 <<<"$item"
		is_complete "$dir" "$recipe" && continue
		if [[ -z $prepared ]]; then
			apt_prepare "$work/apt/binary" binary
			apt_prepare "$work/apt/source" source
			prepared=yes
		fi
		rm -rf "$work"/{new,tree,tars}
		"$maker" "$work/new" "$argument1" "$argument2"
		echo "$recipe" >"$work/new/.recipe"
		mkdir -p "$(dirname "$cache/$dir")"
		rm -rf "${cache:?}/$dir"
		mv "$work/new" "$cache/$dir"
	done
	say "all there, in $cache"
}

main "$@"
