#!/bin/bash
# The machine's drivers on their own, in QEMU: disks, network, control channel, entropy; resets in the middle of traffic;
# devices that break the rules; legacy devices. timeout: 180 s
set -eu

TMP=${TEST_TMP:-$(mktemp -d)}
SOURCES="tests/machine/driver/start.S tests/machine/driver/main.c core/memory/pages.c"
for file in core/lib/*.c drivers/*.c; do
	# The drivers pack nothing, and LZ4 is not in the tree.
	[ "$file" = core/lib/compress.c ] || SOURCES="$SOURCES $file"
done

# shellcheck disable=SC2086
riscv64-linux-gnu-gcc -std=gnu17 -I. -Iarch/riscv64/include -isystem mk/freestanding -O2 -g -ffreestanding -nostdlib \
	-fno-pie -no-pie -static -march=rv64imac_zicsr_zifencei -mabi=lp64 -mcmodel=medany -fno-strict-aliasing -fno-stack-protector \
	-Wall -Wextra -Wshadow -Wconversion -Werror -Wl,--build-id=none -Wl,--no-warn-rwx-segments -Wl,-z,max-page-size=4096 \
	-T tests/machine/driver/image.lds -o "$TMP/driver.elf" $SOURCES

# Disk n: n + 1 MiB, each sector begins with its number and ends with 'A' + n.
python3 - "$TMP" <<'END'
import sys
for n in range(3):
    with open(f"{sys.argv[1]}/disk{n}", "wb") as disk:
        for sector in range((n + 1) * 2048):
            disk.write(sector.to_bytes(8, "little") + bytes(503) + bytes([65 + n]))
END

# run LOG WAIT SLOTS MORE...: SLOTS are the slots of the devices in the order of their lines. Disk 0 is so slow that requests are
# under way whenever a life ends.
run() {
	local log=$1 wait=$2 bus=()
	for slot in $3; do
		bus+=(",bus=virtio-mmio-bus.$slot")
	done
	timeout -k 5 90 qemu-system-riscv64 -M virt -m 256 -nographic -monitor none -serial "file:$log" \
		-kernel "$TMP/driver.elf" \
		-drive "file=$TMP/disk0,format=raw,if=none,id=d0,throttling.iops-total=2000" \
		-drive "file=$TMP/disk1,format=raw,if=none,id=d1" \
		-drive "file=$TMP/disk2,format=raw,if=none,id=d2,readonly=on" \
		-chardev "socket,id=ctl,path=$TMP/ctl,server=on,wait=$wait" -netdev user,id=n0,restrict=on \
		-device "virtio-blk-device,drive=d0${bus[0]-}" \
		-device "virtio-serial-device,max_ports=1${bus[1]-}" -device virtconsole,chardev=ctl \
		-device "virtio-blk-device,drive=d1${bus[2]-}" \
		-device "virtio-net-device,netdev=n0,mac=52:54:00:12:34:99${bus[3]-}" \
		-device "virtio-rng-device${bus[4]-}" \
		-device "virtio-blk-device,drive=d2${bus[5]-}" "${@:4}" </dev/null
}

verdict() {
	sed '1,/driver test/d' "$1"
	tail -n 1 "$1" | grep -q 'PASS'
}

python3 tests/machine/driver/peer.py "$TMP/ctl" &
peer=$!
trap 'kill $peer 2>/dev/null || true' EXIT
run "$TMP/log" on '0 1 2 3 5 7' -global virtio-mmio.force-legacy=false
verdict "$TMP/log"
wait $peer

run "$TMP/order" off '' -global virtio-mmio.force-legacy=false
verdict "$TMP/order"

run "$TMP/legacy" off '' -global virtio-mmio.force-legacy=true
verdict "$TMP/legacy" >/dev/null
grep 'force-legacy=false' "$TMP/legacy"
