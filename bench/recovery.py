#!/usr/bin/env python3
"""What a crash of the hypervisor, and a live update of it, costs its guests, against the size of their memory: one table.

    bench/recovery.py [TEXT]    (part of "make bench")

TEXT: only guests whose name in the table contains it.

Under QEMU's icount an instruction, of whichever hart, is a nanosecond: the times that the history of lives keeps are
instructions of all harts together. The guest is guests/bench with rest=1: it touches all its RAM over and over, sleeps
in between, and measures itself for how long it did not run. A guest that spins would take whole turns of QEMU's harts
from the heir, which says nothing about either. One guest is the stock kernel. BUILD names another build directory, QEMU
another QEMU.

Exit status 1: something could not be measured; the table says what. A goal that is missed is no failure.
"""

import re
import statistics
import sys

from lib import BUILD, Host, Unmeasured, need_memory, number_of, print_table, small

KINDS = ("panic", "wild-write", "hang", "update")  # the last is no crash, and beside them for comparison
TIMES = 3  # of each kind; the table has the median of each figure
GOAL_US = 1000
GOAL_FLAT = 1.1
WATCHDOG_MS = 100

# Seconds of the clock on the wall: generous, since they only bound what has gone wrong.
UP_SECONDS = 60
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
  update is no crash: a live update to the same image; its clock begins when the life begins to come to rest
"""


class CrashedHost(Host):
    """A host of one VM that is crashed over and over."""

    def __init__(self, harts, vm):
        # The figures begin when a crash is noticed, so a short watchdog only saves time.
        super().__init__({"harts": harts, "crash_limit": len(KINDS) * TIMES, "watchdog": f"{WATCHDOG_MS}ms"}, [vm])

    def wait_for_beats(self, what, seconds, count):
        """Until the guest's heart has beaten so often again; a whole round over its RAM lies between two beats."""
        seen = self.console().count("REST beat")
        self.wait_for(what, seconds, lambda: self.console().count("REST beat") >= seen + count)


def crash(host, number, kind):
    """Ends the life of this number; the figures of its end, once all vCPUs run again."""
    if kind == "update":
        host.ask("update", BUILD / "outlive.bin")
    else:
        host.ask("crash", "inject", kind)

    def over():
        for life in host.lives():
            if life["life"] == number and life.get("fault_to_last_guest_us"):
                return life
        return None

    return host.wait_for(f"the heir after a {kind}", HEIR_SECONDS, over)


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
        life = crash(host, number + n, kind)
        if beats:
            host.wait_for_beats("the guest's heart beat", BEAT_SECONDS, 2)
        rows.append([life[key] for _, key in STEPS] + [gap(host.console()[before:])])
    return rows


def measure(name, harts, vm, beats):
    """Rows of the table, one for each kind of crash."""
    print(f"bench: recovery, {name}", file=sys.stderr)
    need_memory(int(vm["memory"].removesuffix("MiB")))
    rows = []
    with CrashedHost(harts, vm) as host:
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


LINUX = {"name": "guest", "vcpus": 1, "memory": "512MiB", "kernel": str(BUILD / "kernel"), "initrd": str(BUILD / "initrd.cpio.gz"),
         "cmdline": "console=ttyS0 quiet"}

# Name, harts, VM, and whether it is our own guest.
CASES = (("128 MiB, 2 vCPUs", 2, small(128, 2, "rest=1"), True),
         ("1 GiB, 2 vCPUs", 2, small(1024, 2, "rest=1"), True),
         ("4 GiB, 2 vCPUs", 2, small(4096, 2, "rest=1"), True),
         ("128 MiB, 8 vCPUs", 8, small(128, 8, "rest=1"), True),
         ("Linux, 512 MiB, 1 vCPU", 1, LINUX, False))


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
    print_table(header, rows, left=(0, 1, -1))
    print_flatness(rows)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
