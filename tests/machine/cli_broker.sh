#!/bin/bash
# The outlive command against a host that is none (tests/unit/cli_fake_host.c in place of QEMU), which makes happen what
# a real host does rarely: lost and torn frames, lives that end in the middle of a request, a host that never comes up.
#
# timeout: 120 s
set -euo pipefail

outlive=$(realpath "$BUILD/outlive")
fake=$(realpath "$BUILD/tests/unit/cli_fake_host")
export XDG_RUNTIME_DIR=$TEST_TMP/run OUTLIVE_LIB=$TEST_TMP/lib
mkdir -p "$XDG_RUNTIME_DIR" "$OUTLIVE_LIB"
cd "$TEST_TMP"
touch lib/outlive.bin lib/warden.bin
head -c 5000 /dev/zero >kernel
printf 'vms:\n' >host.yaml
for vm in one two three; do
	printf '  - {name: %s, memory: 64MiB, kernel: kernel, format: flat, root: %s}\n' \
		$vm "$([[ $vm == three ]] && echo true || echo false)" >>host.yaml
done

failures=0
fail() {
	echo "FAILED: $*"
	failures=$((failures + 1))
}

expect() { # exit code, command
	local wanted=$1 got=0
	shift
	"$@" >out 2>err </dev/null || got=$?
	[[ $got == "$wanted" ]] || { fail "status $got instead of $wanted: $*"; cat out err; }
}

contains() { # file, text
	grep -qF -- "$2" "$1" || { fail "no \"$2\" in $1:"; head -c 2000 "$1"; echo; }
}

lacks() {
	if grep -qF -- "$2" "$1"; then fail "\"$2\" in $1"; fi
}

up() { # faults
	FAKE_HOST=${1:-} "$outlive" run --quiet --qemu "$fake" --detach host.yaml ||
		fail "the host did not come up with \"${1:-}\""
}

down() {
	expect 0 "$outlive" poweroff
}

wait_gone() { # process: until it is no more, at most 5 s
	for _ in $(seq 100); do
		[[ -d /proc/$1 && $(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null) != Z ]] || return 0
		sleep 0.05
	done
	return 1
}

echo "--- no host"
expect 3 "$outlive" ps
expect 3 "$outlive" ps --host nobody
expect 2 "$outlive" nonsense
expect 2 "$outlive" ps --nonsense
expect 2 "$outlive" crash
expect 2 "$outlive" run

echo "--- a good host"
up
expect 0 "$outlive" ps
grep -q '^three .* root' out || { fail "the root VM is not named"; cat out; }
[[ $(grep -c root out) == 1 ]] || fail "one VM is the root"
expect 0 "$outlive" ps --json
contains out '"state": "running"'
contains out '"root": true'
contains out '"root": false'
expect 3 "$outlive" console nobody
expect 0 "$outlive" console one --backlog --timeout 0
contains out "one says hello"
expect 0 "$outlive" console 1 --backlog --timeout 0
contains out "two says hello"
echo "to be echoed" | "$outlive" console one --until echoed --timeout 5 >out || fail "echo"
contains out "to be echoed"
lacks out "says hello"
expect 5 "$outlive" console one --until "what never comes" --timeout 1
expect 0 "$outlive" pause two
expect 6 "$outlive" pause two
expect 0 "$outlive" resume two
expect 0 "$outlive" stop two --json
contains out '"state": "stopped"'
expect 0 "$outlive" stop two
contains err "already"
echo input | { expect 0 "$outlive" console two --timeout 1; }
expect 0 "$outlive" start two
expect 0 "$outlive" reset two
expect 3 "$outlive" stop nobody
expect 0 "$outlive" log
contains out "fake host"
expect 3 "$outlive" log --previous
expect 0 "$outlive" crash inject trap --json
contains out '"fault_to_last_guest_us": 150'
expect 0 "$outlive" log --previous
contains out "the end"
lacks out "another life"
expect 0 "$outlive" crash show 1
expect 3 "$outlive" crash show 7
expect 2 "$outlive" crash inject nonsense
expect 0 "$outlive" top --json
contains out "exits_per_second"
expect 1 "$outlive" run --qemu "$fake" --detach host.yaml
contains err "is running already"
pid=$(cat run/outlive/host/pid)
down
wait_gone "$pid" || fail "the broker is still there"
expect 3 "$outlive" ps
[[ ! -e run/outlive/host/control && ! -e run/outlive/host/pack ]] || fail "left behind: $(ls run/outlive/host)"

echo "--- two hosts"
up
"$outlive" run --quiet --qemu "$fake" --detach --name other --dir elsewhere host.yaml || fail "second host"
expect 3 "$outlive" ps
contains err "several hosts"
expect 0 "$outlive" ps --host other
[[ -S elsewhere/control ]] || fail "--dir"
expect 0 "$outlive" poweroff --host elsewhere/
expect 0 "$outlive" ps
down
"$outlive" run --quiet --qemu "$fake" --detach --dir elsewhere host.yaml || fail "--dir where a directory of that name is"
[[ -L run/outlive/host ]] || fail "no link to --dir"
expect 0 "$outlive" ps --host host
kill -9 "$(cat elsewhere/pid)"
up
[[ -d run/outlive/host && ! -L run/outlive/host ]] || fail "the stale link has been followed"
down
"$outlive" run --quiet --qemu "$fake" --detach --dir run/outlive/host host.yaml || fail "--dir as it would be anyway"
down

echo "--- output that comes twice, torn frames, a lost beginning"
for faults in twice torn twice,torn; do
	up "$faults,flood"
	timeout 20 "$outlive" console two --backlog --until "two says hello" --timeout 15 </dev/null >out || fail "$faults"
	for n in $(seq 3); do
		expect 0 "$outlive" crash inject panic
	done
	sleep 0.5
	{ for n in $(seq 0 19999); do printf '%09d\n' "$n"; done; printf 'two says hello\n+++'; } >wanted
	cmp wanted run/outlive/host/console-two.log || fail "console output with $faults"
	down
done
up gap
sleep 2
expect 0 "$outlive" console one --backlog --timeout 0
contains out "[outlive: 100 bytes of output lost]"
contains out "one says hello"
down

echo "--- a machine that is reset"
up resets
expect 0 "$outlive" crash inject panic
contains out "has been reset"
echo "after the reset" | timeout 10 "$outlive" console one --until reset --timeout 5 >out || fail "console after a reset"
expect 0 "$outlive" console one --backlog --timeout 0
[[ $(grep -c "one says hello" out) == 2 ]] || fail "output after a reset"
down

echo "--- a guest that prints frames"
up forge,torn
expect 0 "$outlive" console two --backlog --until "two says hello" --timeout 5
expect 0 "$outlive" console one --backlog --until "one says hello" --timeout 5
# Each prints one as its own output; VM 0 must not have what VM 1 or 2 printed for it.
[[ $(grep -c FORGED run/outlive/host/console-one.log) == 1 ]] || fail "a forged frame was taken"
down

echo "--- a host that ignores each request once"
up deaf
expect 0 "$outlive" ps
expect 0 "$outlive" stop one
expect 0 "$outlive" log
down

echo "--- input in small bites, and a crash in the middle of it"
up greedless
{ echo "0123456789 the first"; sleep 0.5; echo die; sleep 0.5; echo "0123456789 the second"; } |
	"$outlive" console one --until "the second" --timeout 10 >out || fail "input"
contains out "0123456789 the first"
contains out "0123456789 the second"
down

echo "--- hosts that do not come up"
FAKE_HOST=silent expect 5 "$outlive" run --qemu "$fake" --detach --timeout 1 host.yaml
contains err "has not said hello"
contains err "fake host"
FAKE_HOST=silent expect 5 "$outlive" run --qemu "$fake" --timeout 1 host.yaml
FAKE_HOST=strange expect 1 "$outlive" run --qemu "$fake" --timeout 60 host.yaml
contains err "the host speaks version"
lacks err "hello"
FAKE_HOST=strange expect 1 "$outlive" run --qemu "$fake" --detach --timeout 60 host.yaml
contains err "the host speaks version"
FAKE_HOST=broken expect 1 "$outlive" run --qemu "$fake" --detach host.yaml
contains err "broken, as asked for"
FAKE_HOST=broken expect 1 "$outlive" run --qemu "$fake" host.yaml
expect 1 "$outlive" run --qemu nonsense --detach host.yaml
contains err "is not installed"
expect 1 "$outlive" run --qemu /bin/true host.yaml
contains err "does not look like QEMU"

echo "--- a host that does not power off"
up stubborn
expect 0 "$outlive" poweroff --force
up stubborn
SECONDS=0
expect 0 "$outlive" poweroff
((SECONDS >= 4)) || fail "was not given its time"

echo "--- somebody is killed"
"$outlive" run --qemu "$fake" host.yaml >foreground 2>&1 </dev/null &
run=$!
for _ in $(seq 100); do "$outlive" ps >/dev/null 2>&1 && break; sleep 0.05; done
contains foreground "fake host"
kill -9 "$(cat run/outlive/host/qemu.pid)"
status=0
wait $run || status=$?
[[ $status == 1 ]] || fail "status $status after QEMU was killed"
contains foreground "killed by signal 9"

up
qemu=$(cat run/outlive/host/qemu.pid)
kill -9 "$(cat run/outlive/host/pid)"
wait_gone "$qemu" || fail "QEMU outlived its broker"
expect 3 "$outlive" ps
up
expect 0 "$outlive" ps
down

"$outlive" run --qemu "$fake" host.yaml >foreground 2>&1 </dev/null &
run=$!
for _ in $(seq 100); do "$outlive" ps >/dev/null 2>&1 && break; sleep 0.05; done
kill -TERM $run
status=0
wait $run || status=$?
[[ $status == 0 ]] || fail "status $status after SIGTERM"

echo "--- without a file"
expect 4 "$outlive" run --kernel kernel --qemu "$fake"
contains err "--kernel"
expect 4 "$outlive" run --kernel kernel --flat --memory "12 bananas" --qemu "$fake"
contains err '--memory: "12 bananas" is not a size'
expect 2 "$outlive" run --vcpus 2 --qemu "$fake" host.yaml
printf 'some text\noff\n' | "$outlive" run --quiet --kernel kernel --flat --qemu "$fake" >out || fail "run --kernel"
contains out "vm says hello"
contains out "bye"
status=0
printf 'fail\n' | "$outlive" run --quiet --kernel kernel --flat --qemu "$fake" >out 2>err || status=$?
[[ $status == 1 ]] || fail "status $status of a VM that crashed"
contains err "guest failure"
"$outlive" run --quiet --kernel kernel --flat --qemu "$fake" >out 2>err < <(sleep 30) &
run=$!
for _ in $(seq 100); do "$outlive" ps >/dev/null 2>&1 && break; sleep 0.05; done
qemu=$(cat run/outlive/kernel-$run/qemu.pid)
kill -9 $run
wait_gone "$qemu" || fail "QEMU outlived run --kernel"

((failures == 0)) || { echo "$failures failures"; exit 1; }
echo "all good"
