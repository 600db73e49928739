#!/bin/bash
# timeout: 120 s
# The stock kernel and our initrd on the bare machine, without Outlive: when this fails, look here first.
set -euo pipefail

truncate -s 16M "$TEST_TMP/disk"
append='console=ttyS0 quiet outlive.ip=10.0.2.15/24 "outlive.run=/bin/workload seconds=5" outlive.poweroff'
timeout -k 5 110 qemu-system-riscv64 -M virt -smp 2 -m 256 -nographic -no-reboot \
	-kernel "$CACHE/linux/Image" -initrd "$BUILD/initrd.cpio.gz" -append "$append" \
	-drive "file=$TEST_TMP/disk,if=none,format=raw,id=disk" -device virtio-blk-device,drive=disk \
	-netdev user,id=net -device virtio-net-device,netdev=net </dev/null | tee "$TEST_TMP/console"

grep -q 'INIT: eth0 has 10.0.2.15/24' "$TEST_TMP/console"
grep -qE 'WORKLOAD t=.* mem=[1-9][0-9]* disk=[1-9][0-9]* .* regs=[1-9][0-9]* clock=ok .* errors=0' "$TEST_TMP/console"
grep -qE 'WORKLOAD END t=[0-9.]+ errors=0' "$TEST_TMP/console"
grep -q 'INIT: /bin/workload ended with status 0' "$TEST_TMP/console"
