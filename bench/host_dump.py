#!/usr/bin/env python3
"""How fast a vmcore of the host is written after a crash, and what it costs the guest that runs on meanwhile: one table.

    bench/host_dump.py    (part of "make bench")

Under QEMU's icount an instruction is a nanosecond, on whichever hart. The busy guest counts how often it gets round a
loop (on a machine of one hart: QEMU's harts take turns then); what it lacks after the crash, against its pace before, and the recovery taken off, is what the dump has cost it.
BUILD names another build directory, QEMU another QEMU. Exit status 1: something could not be measured.
"""

import re
import sys
import tempfile
from pathlib import Path

from lib import Host, Unmeasured, small

PATIENCE = 120
GOAL_PERCENT = 5
START_LINES = 40  # of the busy guest: until then it may be slow for other reasons

DONE = re.compile(r"dump 1 of life 1 is complete: (\d+) KiB, in (\d+) KiB, after (\d+) ms")
# Name, harts, vCPUs, what the guest does.
CASES = (("1 hart, busy guest", 1, 1, "busy=1"), ("2 harts, guest that rests", 2, 2, "rest=1"))

CAPTION = """
A vmcore of the host in the background, at one instruction a nanosecond
  raw: memory of the dead life and estate, zero pages included; slower: of the guest's time while it is written
"""


def beats(text):
    """(ns, turns) of each line of the busy guest."""
    return [(int(ns), int(turns)) for ns, turns in re.findall(r"^BUSY (\d+) ns (\d+) turns$", text, re.MULTILINE)]


def slower(before, after, seconds, recovery):
    """Percent of the guest's time that the dump took: its pace before, and what it lacks over the time behind."""
    pace = (before[-1][1] - before[0][1]) / (before[-1][0] - before[0][0])
    passed = after[-1][0] - before[-1][0]
    lacking = passed - (after[-1][1] - before[-1][1]) / pace - recovery
    return 100 * lacking / (seconds * 1e9)


def cost(host, took):
    """Of the dump, for a busy guest."""
    life = host.lives()[0]
    seen = beats(host.console())
    # The crash is where the guest stood still for the longest time.
    gaps = [b[0] - a[0] for a, b in zip(seen, seen[1:])]
    at = START_LINES + gaps[START_LINES:].index(max(gaps[START_LINES:]))
    behind = host.wait_for("the time behind the dump", PATIENCE, lambda: [
        line for line in beats(host.console())[at + 1:] if line[0] > seen[at][0] + (took + 200) * 1000000][:1])
    return slower(seen[START_LINES // 2:at + 1], behind, took / 1000, life["fault_to_last_guest_us"] * 1000)


def measure(harts, vcpus, words):
    with tempfile.TemporaryDirectory() as place, \
            Host({"harts": harts, "dumps": {"file": str(Path(place) / "dumps")}}, [small(64, vcpus, words)]) as host:
        host.wait_for("the guest's start", PATIENCE, lambda: host.console().count("\n") > 2 * START_LINES)
        host.ask("crash", "inject", "panic")
        done = host.wait_for("the dump", PATIENCE, lambda: DONE.search(host.ask("log") or ""))
        raw, stored, took = map(int, done.groups())
        return raw, stored, took, cost(host, took) if words.startswith("busy") else None


def main():
    complete = True
    print(CAPTION)
    print(f"{'guest':28}{'raw KiB':>9}{'stored KiB':>12}{'ms':>6}{'raw MB/s':>10}{'slower':>9}  goal {GOAL_PERCENT} %")
    for name, harts, vcpus, words in CASES:
        print(f"bench: host dump, {name}", file=sys.stderr)
        try:
            raw, stored, took, lost = measure(harts, vcpus, words)
        except Unmeasured as why:
            print(f"{name:28}not measured: {why}")
            complete = False
            continue
        percent = "-" if lost is None else f"{lost:.1f} %"
        goal = "-" if lost is None else "good" if lost <= GOAL_PERCENT else "MISSED"
        print(f"{name:28}{raw:9,}{stored:12,}{took:6,}{raw * 1.024 / max(took, 1):10,.0f}{percent:>9}  {goal}")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
