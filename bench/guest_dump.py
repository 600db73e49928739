#!/usr/bin/env python3
"""How long a guest stands still while it is dumped live, what its writes cost then, and how fast dumps are: two tables.

    bench/guest_dump.py    (part of "make bench")

The guest is guests/bench with writes=N: all its RAM has contents, and it writes to N pages a second, all over. The first table
is of QEMU's icount, where an instruction is a nanosecond; on one hart, because QEMU's harts take turns then, and one that
waits for another keeps its turn for long. The guest sleeps for short times only: an idle machine's time jumps ahead, and
after 30 seconds of it the host thinks that nobody reads the dump. With much RAM it does so still; then only the second
table has the pause. That one is of the clock on the wall, without icount, beside what QEMU's own dump of the same guest takes,
which runs without a hypervisor there. BUILD names another build directory, QEMU another QEMU.

Exit status 1: something could not be measured; the table says what. A goal that is missed is no failure.
"""

import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lib import BUILD, QEMU, Host, Unmeasured, need_memory, number_of, print_table, small

SIZES = (128, 1024)  # MiB
GOAL_US = 10000
RATE, RATE_ICOUNT = 1000, 10000  # pages a second
GOAL_FLAT = 1.1

READY_SECONDS = 60
DUMP_SECONDS = 300
SAY_SECONDS = 60

WRITES = re.compile(r"^WRITES pages (\d+) slow (\d+) mean (\d+) least (\d+) worst (\d+) gap (\d+)\r?$", re.MULTILINE)

PAUSE = re.compile(r"is being dumped, live; stood still for (\d+) us")

CAPTION = """
A live dump at one instruction a nanosecond, on 1 hart, which serves the guest and the dump: what the guest sees of it
  pause: microseconds for which all vCPUs stood still at its beginning, as the host says; late: the most that the guest ran
  late, before and meanwhile, in microseconds of its own clock; faults: its writes to pages that the dump still wants, in
  instructions, what else came between included; the first in each 2 MiB splits their mapping
"""

SPEED_CAPTION = """
Dumps by the clock on the wall, here and now
  QEMU: its own dump of the same guest, which stands still meanwhile; still: for how long the guest did
"""


def wait_for_writes(host):
    """What the guest says next, in whole lines."""
    before = len(WRITES.findall(host.console()))
    host.wait_for("the guest's next line", SAY_SECONDS, lambda: len(WRITES.findall(host.console())) > before)


def dump(host, file, *options, timeout=120):
    said = host.ask("dump", "guest", "-o", file, "--json", "--timeout", str(timeout), *options, seconds=DUMP_SECONDS)
    file.unlink(missing_ok=True)
    if said is None:
        raise Unmeasured(f"the dump failed: {host.error}")
    return json.loads(said)


def host_of(memory, harts, icount):
    need_memory(memory)
    return Host({"harts": harts}, [small(memory, 1, f"writes={RATE_ICOUNT if icount else RATE}", rng=False)], icount=icount)


def wait_until_ready(host):
    found = host.wait_for("the guest's start", READY_SECONDS,
                          lambda: re.search(r"^(WRITES pages|guest: .*)", host.console(), re.MULTILINE))
    if found[1] != "WRITES pages":
        raise Unmeasured(found[1])
    wait_for_writes(host)


def measure_pause(place, memory):
    """Pause, how late the guest ran before and meanwhile, faults, and the least, mean, worst of them."""
    with host_of(memory, 1, True) as host:
        wait_until_ready(host)
        before = [list(map(int, line)) for line in WRITES.findall(host.console())]
        try:
            told = dump(host, place / "live", "--live", timeout=30)
        except Unmeasured:
            # Time jumps while all harts sleep, and the host takes the command for gone. The beginning was as ever.
            pauses = PAUSE.findall(host.ask("log") or "")
            if not pauses:
                raise
            return [int(pauses[0])] + [None] * 6
        wait_for_writes(host)
        meanwhile = [list(map(int, line)) for line in WRITES.findall(host.console())][len(before):]
    slow = [line for line in meanwhile if line[1]]
    count = sum(line[1] for line in slow)
    if not count:
        raise Unmeasured("no write of the guest's met the dump")
    return [told["pause_us"], before[-1][5] / 1000, max(line[5] for line in meanwhile) / 1000, count,
            min(line[3] for line in slow), sum(line[1] * line[2] for line in slow) / count, max(line[4] for line in slow)]


# ---- By the clock on the wall ----

class Bare:
    """The guest in QEMU alone, asked over QMP."""

    def __init__(self, place, memory):
        self.console = place / "console"
        self.console.write_text("", encoding="utf-8")
        self.process = subprocess.Popen(
            [QEMU, "-M", "virt", "-cpu", "rv64", "-smp", "1", "-m", str(memory), "-display", "none", "-monitor", "none",
             "-serial", f"file:{self.console}", "-qmp", f"unix:{place}/qmp,server=on,wait=off",
             "-kernel", BUILD / "guests/bench.bin", "-append", f"writes={RATE}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + READY_SECONDS
        while "WRITES pages" not in self.console.read_text(encoding="utf-8", errors="replace"):
            if time.monotonic() > end or self.process.poll() is not None:
                self.process.kill()
                raise Unmeasured("the guest does not start in QEMU alone")
            time.sleep(0.1)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DUMP_SECONDS)
        self.socket.connect(f"{place}/qmp")
        self.stream = self.socket.makefile("rw", encoding="utf-8")
        self.stream.readline()
        self.ask("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.process.kill()
        self.process.wait()

    def ask(self, command, **arguments):
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.stream.flush()
        for line in self.stream:
            answer = json.loads(line)
            if "error" in answer:
                raise Unmeasured(f"QEMU says: {answer['error']['desc']}")
            if "return" in answer:
                return
        raise Unmeasured("QEMU has ended")

    def dump(self, file, **options):
        begin = time.monotonic()
        self.ask("dump-guest-memory", paging=False, protocol=f"file:{file}", **options)
        took = time.monotonic() - begin
        size = file.stat().st_blocks * 512
        file.unlink()
        return took, size


# The large guest takes its time.
WAYS = (("live", ("--live",)), ("paused", ()), ("live, kdump", ("--live", "--format", "kdump")))
WAYS_OF_LARGE = 2
QEMU_WAYS = (("QEMU", {}), ("QEMU, kdump", {"format": "kdump-zlib"}))


def speed_row(memory, name, seconds, disk, still_ms):
    return [f"{memory:,} MiB, {name}", f"{seconds:.1f}", f"{memory * 1.048576 / max(seconds, 0.001):,.0f}",
            number_of(disk >> 20), f"{still_ms:,.1f}"]


def measure_speed(place, memory):
    rows = []
    with host_of(memory, 2, False) as host:
        wait_until_ready(host)
        for name, options in WAYS[:len(WAYS) if memory < 1024 else WAYS_OF_LARGE]:
            told = dump(host, place / "dump", *options)
            rows.append(speed_row(memory, name, told["seconds"], told["disk_bytes"], told["pause_us"] / 1000))
    return rows


def measure_qemu(place, memory):
    need_memory(memory)
    rows = []
    with Bare(place, memory) as bare:
        for name, options in QEMU_WAYS:
            seconds, disk = bare.dump(place / "dump", **options)
            rows.append(speed_row(memory, name, seconds, disk, seconds * 1000))
    return rows


def attempt(memory, what, measure, place):
    """What `measure` returns, or None and why in the table's words."""
    print(f"bench: dump of a VM, {memory:,} MiB, {what}", file=sys.stderr)
    try:
        return measure(place, memory), None
    except Unmeasured as why:
        return None, [f"{memory:,} MiB, {what}", f"not measured: {why}"]


def pause_table(place):
    rows, pauses = [], []
    for memory in SIZES:
        found, why = attempt(memory, "live", measure_pause, place)
        if why:
            rows.append(why)
            continue
        pauses.append(found[0])
        rows.append([f"{memory:,} MiB", *[number_of(value) for value in found],
                     "good" if found[0] <= GOAL_US else f"MISSED x{found[0] / GOAL_US:.2f}"])
    print(CAPTION)
    print_table(["RAM", "pause", "late before", "late", "faults", "least", "mean", "worst", f"goal {GOAL_US:,}"], rows,
                left=(0, -1))
    if len(pauses) == len(SIZES):
        ratio = pauses[-1] / max(pauses[0], 0.001)
        print(f"\npause at {SIZES[-1]:,} MiB against {SIZES[0]} MiB: x{ratio:.2f}; flat, x{GOAL_FLAT}: "
              + ("good" if ratio <= GOAL_FLAT else "MISSED"))
    return len(pauses) == len(SIZES)


def speed_table(place):
    rows, complete = [], True
    for memory in SIZES:
        for what, measure in (("Outlive", measure_speed), ("QEMU", measure_qemu)):
            found, why = attempt(memory, what, measure, place)
            rows += found or [why]
            complete = complete and found is not None
    print(SPEED_CAPTION)
    print_table(["dump", "s", "MB/s", "MiB on disk", "still, ms"], rows)
    return complete


def main():
    with tempfile.TemporaryDirectory() as place:
        complete = pause_table(Path(place))
        complete = speed_table(Path(place)) and complete
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
