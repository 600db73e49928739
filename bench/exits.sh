#!/bin/bash
# What exits cost a guest, what memory the hypervisor takes, how large it is: one table, beside a bare machine measured in
# the same run and beside peers (bench/peers.tsv).
#
# The guest is guests/bench, under QEMU's icount: an instruction is a nanosecond, so the figures do not depend on the
# machine that runs this, and two runs agree.
#
#   BUILD   where the build is; default build
#   QEMU    the QEMU to use; default qemu-system-riscv64
#
# Exit status 1: something could not be measured. A target that is missed is a line in the table and no failure.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${BUILD:-build}
qemu=${QEMU:-qemu-system-riscv64}
guest=$build/guests/bench.bin
limit=120 # seconds; each run takes about five
tmp=$(mktemp -d)
host=
finish() {
	if [[ -n $host ]]; then kill "$host" 2>/dev/null || true; fi
	rm -rf "$tmp"
}
trap finish EXIT

echo "bench: bare machine" >&2
timeout -k 5 $limit "$qemu" -M virt -cpu rv64 -icount shift=0,align=off,sleep=off -smp 2 -m 256 -display none \
	-serial stdio -monitor none -kernel "$guest" </dev/null >"$tmp/bare" 2>"$tmp/bare.err" ||
	{ cat "$tmp/bare.err" >&2; echo "bench: the bare machine failed" >&2; exit 1; }

echo "bench: Outlive" >&2
timeout -k 5 $limit "$build/outlive" run --qemu "$qemu" --name "exits-$$" --kernel "$guest" --flat --icount \
	--vcpus 2 --harts 2 --memory 256MiB </dev/null >"$tmp/ours" 2>"$tmp/ours.err" ||
	{ cat "$tmp/ours.err" >&2; echo "bench: outlive run failed" >&2; exit 1; }

# The hostile guest with nothing to do but sleep: a host that stays up long enough to be asked for its memory.
echo "bench: memory" >&2
timeout -k 5 $limit "$build/outlive" run --qemu "$qemu" --name "memory-$$" --dir "$tmp/host" \
	--kernel "$build/guests/hostile.bin" --flat --memory 256MiB --append "only=32" </dev/null >/dev/null 2>&1 &
host=$!
for _ in $(seq 40); do
	if "$build/outlive" ps --json --host "$tmp/host" >"$tmp/ps" 2>/dev/null; then break; fi
	sleep 0.5
done
kill "$host" 2>/dev/null || true
wait "$host" || true
host=

python3 bench/table.py --peers bench/peers.tsv --bare "$tmp/bare" --ours "$tmp/ours" --ps "$tmp/ps" --build "$build" \
	--qemu "$("$qemu" --version | sed -n '1s/.*version \([^ ]*\).*/\1/p')"
