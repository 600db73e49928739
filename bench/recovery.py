#!/usr/bin/env python3
"""What a crash of the hypervisor costs its guests, against the size of their memory: one table.

    bench/recovery.py [TEXT]    (part of "make bench")

TEXT: only guests whose name in the table contains it.

Under QEMU's icount an instruction, of whichever hart, is a nanosecond: the times that the history of lives keeps are
instructions of all harts together. The guest is guests/bench with rest=1: it touches all its RAM over and over, sleeps
in between, and measures itself for how long it did not run. A guest that spins would take whole turns of QEMU's harts
from the heir, which says nothing about either. One guest is the stock kernel. BUILD names another build directory, QEMU
another QEMU.

Exit status 1: something could not be measured; the table says what. A goal that is missed is no failure.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
QEMU = os.environ.get("QEMU", "qemu-system-riscv64")
OUTLIVE = BUILD / "outlive"

KINDS = ("panic", "wild-write", "hang")
TIMES = 3  # crashes of each kind; the table has the median of each figure
GOAL_US = 1000
GOAL_FLAT = 1.1
WATCHDOG_MS = 100

# Seconds of the clock on the wall: generous, since they only bound what has gone wrong.
UP_SECONDS = 60
COMMAND_SECONDS = 20
HEIR_SECONDS = 60
BEAT_SECONDS = 60
LINUX_SECONDS = 180

# Heading, and the key in "crash list --json".
STEPS = (("stopped", "fault_to_stopped_us"), ("heir", "stopped_to_heir_us"), ("adopted", "heir_to_adopted_us"),
         ("first", "adopted_to_first_guest_us"), ("last", "first_to_last_guest_us"),
         ("all", "fault_to_last_guest_us"))

CAPTION = f"""
Recovery, in microseconds at one instruction a nanosecond; medians of {TIMES} crashes each
  stopped, heir, adopted, first, last: from the crash, as it was noticed, to all harts stopped, from there to the heir's
  first instruction, to the estate adopted, to the first vCPU, to the last; all: from the crash to the last; worst: of
  all; gap: for how long the guest saw a vCPU not run, by its own clock, in a hang with the watchdog's {WATCHDOG_MS} ms
  (Linux does not say)
"""


class Unmeasured(Exception):
    """Why a figure is missing."""


class Host:
    """A host of one VM, which ends with the block, whatever has become of it."""

    def __init__(self, place, harts, vm):
        self.directory = Path(place) / "run"
        self.file = Path(place) / "bench.yaml"
        # JSON is YAML. The figures begin when a crash is noticed, so a short watchdog only saves time.
        machine = {"harts": harts, "crash_limit": len(KINDS) * TIMES, "watchdog": f"{WATCHDOG_MS}ms"}
        self.file.write_text(json.dumps({"machine": machine, "vms": [{"name": "guest", **vm}]}), encoding="utf-8")
        self.process = None

    def __enter__(self):
        with open(self.file.with_suffix(".err"), "w", encoding="utf-8") as errors:
            self.process = subprocess.Popen(
                [OUTLIVE, "run", "--icount", "--qemu", QEMU, "--name", f"recovery-{os.getpid()}",
                 "--dir", self.directory, self.file],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.ask("poweroff", "--force")
        # QEMU ends with it.
        for end in (self.process.terminate, self.process.kill):
            try:
                self.process.wait(5)
                return
            except subprocess.TimeoutExpired:
                end()
        self.process.wait()

    def wait_for(self, what, seconds, ready):
        end = time.monotonic() + seconds
        while True:
            result = ready()
            if result:
                return result
            if self.process.poll() is not None:
                said = self.file.with_suffix(".err").read_text(encoding="utf-8", errors="replace").splitlines()
                # What an error quotes follows it, indented.
                said = [line for line in said if line and not line[0].isspace()] or ["no word why"]
                raise Unmeasured(f"the host ended: {said[-1]}")
            if time.monotonic() > end:
                raise Unmeasured(f"{what} took more than {seconds} s")
            time.sleep(0.1)

    def wait_for_beats(self, what, seconds, count):
        """Until the guest's heart has beaten so often again; a whole round over its RAM lies between two beats."""
        seen = self.console().count("REST beat")
        self.wait_for(what, seconds, lambda: self.console().count("REST beat") >= seen + count)

    def ask(self, *arguments):
        """The command's output; None if it failed."""
        try:
            done = subprocess.run([OUTLIVE, *arguments, "--host", self.directory], capture_output=True, text=True,
                                  check=False, timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            return None
        return done.stdout if done.returncode == 0 else None

    def console(self):
        file = self.directory / "console-guest.log"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def lives(self):
        try:
            answer = json.loads(self.ask("crash", "list", "--json") or "[]")
        except ValueError:
            answer = []
        return answer if isinstance(answer, list) else answer.get("lives", [])

    def crash(self, number, kind):
        """Ends the life of this number; the figures of its end, once all vCPUs run again."""
        self.ask("crash", "inject", kind)

        def over():
            for life in self.lives():
                if life["life"] == number and life.get("fault_to_last_guest_us"):
                    return life
            return None

        return self.wait_for(f"the heir after a {kind}", HEIR_SECONDS, over)


def gap(text):
    """The longest time for which a vCPU did not run, in microseconds; the guest measures it, its sleep is taken off."""
    gaps = [int(found) / 1000 for found in re.findall(r"^REST gap (\d+) ns", text, re.MULTILINE)]
    return max(gaps, default=None)


def measure_kind(host, kind, number, beats):
    """Rows of figures, one for each crash."""
    rows = []
    for n in range(TIMES):
        if beats:
            host.wait_for_beats("a round over the guest's RAM", BEAT_SECONDS, 2)
        before = len(host.console())
        life = host.crash(number + n, kind)
        if beats:
            host.wait_for_beats("the guest's heart beat", BEAT_SECONDS, 2)
        rows.append([life[key] for _, key in STEPS] + [gap(host.console()[before:])])
    return rows


def number_of(value):
    return "-" if value is None else f"{value:,.0f}"


def need_memory(vm):
    """The guest touches all that it has, so this machine must have it."""
    needed = int(vm["memory"].removesuffix("MiB")) + 512
    free = int(re.search(r"MemAvailable: *(\d+)", Path("/proc/meminfo").read_text(encoding="utf-8"))[1]) >> 10
    if free < needed:
        raise Unmeasured(f"needs {needed:,} MiB of free memory, here are {free:,}")


def measure(name, harts, vm, beats):
    """Rows of the table, one for each kind of crash."""
    print(f"bench: recovery, {name}", file=sys.stderr)
    need_memory(vm)
    rows = []
    with tempfile.TemporaryDirectory() as place, Host(place, harts, vm) as host:
        if beats:
            host.wait_for_beats("the guest's start", UP_SECONDS, 1)
        else:
            host.wait_for("the boot of the stock kernel", LINUX_SECONDS, lambda: "initrd's shell" in host.console())
        for i, kind in enumerate(KINDS):
            figures = list(zip(*measure_kind(host, kind, 1 + i * TIMES, beats)))
            total = figures[len(STEPS) - 1]
            gaps = [value for value in figures[-1] if value is not None]
            median = statistics.median(total)
            rows.append([name, kind, *[number_of(statistics.median(column)) for column in figures[:len(STEPS)]],
                         number_of(max(total)), number_of(statistics.median(gaps) if gaps else None),
                         "good" if median <= GOAL_US else f"MISSED x{median / GOAL_US:.2f}"])
    return rows


def small(memory, vcpus):
    return {"vcpus": vcpus, "memory": f"{memory}MiB", "kernel": str(BUILD / "guests/bench.bin"), "format": "flat",
            "cmdline": "rest=1"}


LINUX = {"vcpus": 1, "memory": "512MiB", "kernel": str(BUILD / "kernel"), "initrd": str(BUILD / "initrd.cpio.gz"),
         "cmdline": "console=ttyS0 quiet"}

# Name, harts, VM, and whether it is our own guest.
CASES = (("128 MiB, 2 vCPUs", 2, small(128, 2), True),
         ("1 GiB, 2 vCPUs", 2, small(1024, 2), True),
         ("4 GiB, 2 vCPUs", 2, small(4096, 2), True),
         ("128 MiB, 8 vCPUs", 8, small(128, 8), True),
         ("Linux, 512 MiB, 1 vCPU", 1, LINUX, False))


def print_table(header, rows):
    widths = [max(len(row[i]) for row in [header] + rows if len(row) > 2) for i in range(len(header))]
    widths[0] = max(len(row[0]) for row in rows)
    for row in [header, ["-" * width for width in widths]] + rows:
        # A row of two is a name and why there are no figures.
        cells = [cell.ljust(width) if i < 2 or i == len(header) - 1 else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))] if len(row) > 2 else \
            [row[0].ljust(widths[0]), row[1]]
        print("  ".join(cells).rstrip())


def print_flatness(rows):
    """How "all" grows from the least memory to the most, over the guests with two vCPUs and all kinds of crashes."""
    sizes = [case[0] for case in CASES if "2 vCPUs" in case[0]]
    least, most = ([int(row[2 + len(STEPS) - 1].replace(",", "")) for row in rows if row[0] == name and len(row) > 2]
                   for name in (sizes[0], sizes[-1]))
    if least and most:
        ratio = sum(most) / sum(least)
        print(f"\n\"all\" of {sizes[-1]} against {sizes[0]}: x{ratio:.2f}; goal: x{GOAL_FLAT:.2f}, flat: "
              + ("good" if ratio <= GOAL_FLAT else "MISSED"))


def main():
    header = ["guest", "crash", *[name for name, _ in STEPS], "worst", "gap", f"goal {GOAL_US:,}"]
    rows, complete = [], True
    for case in CASES:
        if len(sys.argv) > 1 and sys.argv[1] not in case[0]:
            continue
        try:
            rows += measure(*case)
        except Unmeasured as why:
            rows.append([case[0], f"not measured: {why}"])
            complete = False
    print(CAPTION)
    print_table(header, rows)
    print_flatness(rows)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
