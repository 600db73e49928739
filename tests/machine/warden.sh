#!/bin/bash
# timeout: 600 s
# The warden with lives of a test's own (warden/test/payload.c), each of which ends in another way; the heirs look at
# what the warden left them. Also: what it does with a next stage that is no Outlive, and with damage to what it keeps.
set -uo pipefail

qemu=${QEMU:-qemu-system-riscv64}
build=${BUILD:-build}
work=${TEST_TMP:-$(mktemp -d)}
failures=0

machine() { # seconds, harts, scenario's number, more arguments: runs it, output to stdout
	local seconds=$1 harts=$2 scenario=$3
	shift 3
	timeout -k 5 "$seconds" "$qemu" -M virt -cpu rv64,h=true -smp "$harts" -m 256 -nographic -no-reboot \
		-bios "$build/warden.bin" -kernel "$build/tests/machine/warden.bin" \
		-device "loader,addr=0x82000000,data=$scenario,data-len=8" "$@" </dev/null 2>&1
}

report() { # what, ok or not, file with the output
	if [[ $2 == ok ]]; then
		echo "ok    $1"
	else
		echo "FAIL  $1"
		sed 's/^/        /' "$3"
		failures=$((failures + 1))
	fi
}

# What, harts, scenario's number, a pattern that the output must have, more for the machine.
expect() {
	local what="$1, $2 harts" harts=$2 scenario=$3 pattern=$4
	shift 4
	machine 60 "$harts" "$scenario" "$@" >"$work/output"
	if grep -q "$pattern" "$work/output" && ! grep -qE '^(CHECK|FAIL)' "$work/output"; then
		report "$what" ok
	else
		report "$what" failed "$work/output"
	fi
}

# The image and a second one that differs in a mark: their hashes, for the lives that send them.
python3 - "$build/tests/machine/warden.bin" "$(riscv64-linux-gnu-nm "$build/tests/machine/warden.elf" |
	awk '$3 == "image_mark" { print $1 }')" >"$work/digests" <<'PYTHON'
import hashlib, sys

image = bytearray(open(sys.argv[1], "rb").read())
mark = int(sys.argv[2], 16)
assert image[mark] == 1
sys.stdout.buffer.write(hashlib.sha256(image).digest())
image[mark] = 2
sys.stdout.buffer.write(hashlib.sha256(image).digest())
PYTHON

for harts in 1 2 4; do
	expect 'four crashes by call' "$harts" 1 '^PASS'
	expect 'hang with interrupts off' "$harts" 2 '^PASS'
	expect 'trap handler that traps' "$harts" 3 '^PASS'
	expect 'trap handler that is nowhere' "$harts" 4 '^PASS'
	expect 'too many crashes: reset' "$harts" 8 'crash 6 .* is not recovered: too many .*: reset'
	expect 'heir that never reports' "$harts" 10 '^PASS'
	expect 'all crash at once' "$harts" 11 '^PASS'
	expect 'crash while harts start' "$harts" 12 '^PASS'
	expect 'nonsense arguments, closed memory' "$harts" 13 '^PASS'
	expect 'records wait until they are taken over' "$harts" 15 '^PASS'
	expect 'the machine is given away, bare' "$harts" 22 '^PASS'
	expect 'update: refused, undone, in force, silent' "$harts" 23 '^PASS' -device "loader,file=$work/digests,addr=0x82000040,force-raw=on"
done
for harts in 2 4; do
	expect 'guest goes on and exits' "$harts" 5 '^PASS'
	expect 'guest goes on and is collected' "$harts" 6 '^PASS'
	expect 'guest whose tables would be overwritten' "$harts" 7 '^PASS'
	expect 'no false alarm' "$harts" 14 '^PASS'
	expect 'crash while a hart is suspended' "$harts" 17 '^PASS'
	expect 'fences reach held harts and guests' "$harts" 19 '^PASS'
done

# Confidential VMs: of the boot pack the warden reads the start, which says how large the pool is (abi/pack.h).
python3 - >"$work/pack" <<'PYTHON'
import struct, sys

sys.stdout.buffer.write(struct.pack("<8sI76xQ32x", b"OUTLPACK", 3, 8 << 20))
PYTHON
for harts in 1 2; do
	expect 'confidential VM' "$harts" 24 '^PASS' -initrd "$work/pack"
done
expect 'without Sstc' 2 21 '^PASS' -cpu rv64,h=true,sstc=false
expect 'with AIA' 2 5 '^PASS' -M virt,aia=aplic-imsic
expect 'hang with AIA' 2 2 '^PASS' -M virt,aia=aplic-imsic

# Too many crashes, and the policy is to halt: the machine stands still until it is ended from outside.
machine 8 4 9 >"$work/output"
if grep -q 'is not recovered: too many .*: halt' "$work/output" && grep -q '^warden: halted' "$work/output"; then
	report 'too many crashes: halt' ok
else
	report 'too many crashes: halt' failed "$work/output"
fi

# One instruction a nanosecond, and only one hart at a time executes: figures can be compared.
for harts in 1 4; do
	machine 60 "$harts" 18 -icount shift=0,align=off,sleep=off >"$work/output"
	if grep -q '^PASS' "$work/output"; then
		report "instructions, all $harts harts together: $(awk '/^MEASURE/ { print "stop " $3 * 100 ", heir entered " \
			$5 * 100; exit }' "$work/output")" ok
	else
		report "instructions of a recovery, $harts harts" failed "$work/output"
	fi
done
machine 60 1 24 -initrd "$work/pack" -icount shift=0,align=off,sleep=off >"$work/output"
if grep -q '^PASS' "$work/output"; then
	report "instructions of a confidential vCPU's exit and entry: $(awk '/^MEASURE/ { print $2 ", with floating point " $3 }' \
		"$work/output")" ok
else
	report "instructions of a confidential vCPU's exit and entry" failed "$work/output"
fi
machine 150 1 20 -icount shift=0,align=off,sleep=off >"$work/output"
if awk '/^TICKS/ { found = NF == 3 && $3 + 0 > $2 * 0.999 } END { exit !found }' "$work/output"; then
	report "watchdog of 100 ms costs $(awk '/^TICKS/ { printf "%.3f%%", (1 - $3 / $2) * 100 }' "$work/output")" ok
else
	report 'watchdog costs less than 0.1%' failed "$work/output"
fi

# A bit of the pristine image flips, in memory that only a debugger reaches: the warden must not start such an heir.
damage() { # address: flips a bit there through QEMU's debugger port, once the life waits for it
	python3 - "$1" "$work/gdb" "$work/output" <<'PYTHON'
import socket, sys, time

address, path, output = int(sys.argv[1], 16), sys.argv[2], sys.argv[3]
end = time.time() + 20
while "WAITING" not in open(output).read():
    if time.time() > end:
        sys.exit("the life does not wait")
    time.sleep(0.1)
port = socket.socket(socket.AF_UNIX)
port.connect(path)


received = b""


def packet():
    global received
    while b"#" not in received or len(received) < received.index(b"#") + 3:
        received += port.recv(4096)
    end = received.index(b"#")
    text, received = received[:end].split(b"$", 1)[1].decode(), received[end + 3:]
    port.sendall(b"+")
    return text


def call(text):
    port.sendall(b"$%s#%02x" % (text.encode(), sum(text.encode()) & 255))
    answer = packet()
    while answer.startswith("T"):  # that the machine has stopped for us comes when it likes
        answer = packet()
    return answer


call("qqemu.PhyMemMode")
call("Qqemu.PhyMemMode:1")
byte = int(call("m%x,1" % address), 16)
assert call("M%x,1:%02x" % (address, byte ^ 16)) == "OK"
go = 0x82100000 + 48  # notes.go
assert call("M%x,1:01" % go) == "OK"
call("Qqemu.PhyMemMode:0")
port.sendall(b"$D#44")
time.sleep(0.2)
PYTHON
}
: >"$work/output"
words=$(riscv64-linux-gnu-nm "$build/warden.elf" | awk '$3 == "words" { print $1 }')
machine 40 2 16 -chardev "socket,id=gdb,path=$work/gdb,server=on,wait=off" -gdb chardev:gdb >"$work/output" &
damage "$(printf '%x' $((0x80000000 + 0x$words + 70000)))" 2>>"$work/output"
wait
if grep -q 'is not recovered: the pristine image is damaged: reset' "$work/output" &&
	! grep -qE '^(CHECK|FAIL)' "$work/output"; then
	report 'damaged pristine image' ok
else
	report 'damaged pristine image' failed "$work/output"
fi

# A stock kernel as the next stage: OpenSBI and nothing else.
timeout -k 5 60 "$qemu" -M virt -smp 2 -m 256 -nographic -no-reboot -bios "$build/warden.bin" \
	-kernel "${CACHE:-$(tools/fetch.sh --cache)}/linux/Image" -append 'console=ttyS0 panic=-1' </dev/null >"$work/output" 2>&1
if grep -q 'warden: the next stage is not Outlive' "$work/output" && grep -q 'smp: Brought up 1 node, 2 CPUs' "$work/output"; then
	report 'stock kernel on a plain OpenSBI' ok
else
	report 'stock kernel on a plain OpenSBI' failed "$work/output"
fi

echo "$failures failed"
((failures == 0))
