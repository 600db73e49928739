#!/bin/bash
# Makes the initrd of the stock kernel: busybox, the kernel modules that a virtual machine needs, guests/linux/init,
# and programs. The same inputs give the same bytes, and no privileges are needed.
#
#   usage: tools/mkinitrd.sh [--init FILE] [--modules NAMES] [--add FILE=PATH]... RESULT [PROGRAM...]
#
# RESULT is a cpio archive, gzipped if its name ends in .gz; programs get into its /bin, and FILE becomes PATH. Kernel
# modules and busybox come from the cache.
set -euo pipefail

here=$(dirname "$0")
cache=$("$here/fetch.sh" --cache)
modules=$cache/linux/modules
wanted=(virtio_mmio virtio_blk virtio_net virtio-rng virtio_balloon)
applets=(sh mount umount mkdir insmod ip hostname xargs echo cat sleep sync poweroff reboot setsid cttyhack uname nproc)

init=$here/../guests/linux/init
added=()
while :; do
	case ${1-} in
	--init) init=$2 ;;
	--modules) read -ra wanted <<<"$2" ;;
	--add) added+=("$2") ;;
	*) break ;;
	esac
	shift 2
done
result=$1
shift
tree=$(mktemp -d "$result.XXXXXX")
trap 'rm -rf "$tree" "$result.new"' EXIT
root=$tree/root

mkdir -p "$root"/{bin,dev,proc,sys,tmp,root,lib/modules}
install -m 755 "$cache/riscv64/busybox" "$root/bin/busybox"
for applet in "${applets[@]}"; do
	ln -s busybox "$root/bin/$applet"
done
install -m 755 "$init" "$root/init"
for pair in "${added[@]}"; do
	install -D -m 644 "${pair%%=*}" "$root/${pair#*=}"
done
for program in "$@"; do
	install -m 755 "$program" "$root/bin/"
done

# A module and what it depends on, in the order of loading: modules.dep names what to load first last.
module_with_dependencies() { # name
	awk -v name="$1" '
		{ file = $1; sub(/:$/, "", file); base = file; sub(/.*\//, "", base); sub(/\.ko.*/, "", base) }
		base == name { for (i = NF; i > 1; i--) print $i; print file; found = 1 }
		END { exit !found }' "$modules/modules.dep"
}

for name in "${wanted[@]}"; do
	grep -q "/$name\.ko" "$modules/modules.builtin" && continue
	module_with_dependencies "$name" || { echo "mkinitrd: the kernel has no module $name" >&2; exit 1; }
done | awk '!seen[$0]++' >"$tree/files"

while read -r file; do
	name=$(basename "$file")
	name=${name%.ko*}.ko
	case $file in
	*.ko.xz) xz -dc "$modules/$file" >"$root/lib/modules/$name" ;;
	*.ko.zst) zstd -dcq "$modules/$file" >"$root/lib/modules/$name" ;;
	*.ko.gz) gzip -dc "$modules/$file" >"$root/lib/modules/$name" ;;
	*) cp "$modules/$file" "$root/lib/modules/$name" ;;
	esac
	echo "$name"
done <"$tree/files" >"$root/lib/modules/order"

find "$root" -type f ! -perm -100 -exec chmod 644 {} +
find "$root" -type d -exec chmod 755 {} +
find "$root" -exec touch -h -d @0 {} +
compress=(cat)
[[ $result != *.gz ]] || compress=(gzip -9n)
(cd "$root" && find . -mindepth 1 -printf '%P\n' | LC_ALL=C sort |
	cpio --quiet --create --format=newc --owner=0:0 --reproducible) | "${compress[@]}" >"$result.new"
mv "$result.new" "$result"
