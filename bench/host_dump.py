#!/usr/bin/env python3
"""How fast a vmcore of the host is written after a crash, and what it costs the guest that runs on meanwhile: one table.

    bench/host_dump.py    (part of "make bench")

Under QEMU's icount an instruction is a nanosecond, on whichever hart. The busy guest counts how often it gets round a
loop (on a machine of one hart: QEMU's harts take turns then); what it lacks after the crash, against its pace before, and the recovery taken off, is what the dump has cost it.
BUILD names another build directory, QEMU another QEMU. Exit status 1: something could not be measured.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
QEMU = os.environ.get("QEMU", "qemu-system-riscv64")
OUTLIVE = BUILD / "outlive"
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


class Unmeasured(Exception):
    """Why a figure is missing."""


def wait_for(what, ready):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        result = ready()
        if result:
            return result
        time.sleep(0.1)
    raise Unmeasured(f"{what} took more than {PATIENCE} s")


def beats(text):
    """(ns, turns) of each line of the busy guest."""
    return [(int(ns), int(turns)) for ns, turns in re.findall(r"^BUSY (\d+) ns (\d+) turns$", text, re.MULTILINE)]


def slower(before, after, seconds, recovery):
    """Percent of the guest's time that the dump took: its pace before, and what it lacks over the time behind."""
    pace = (before[-1][1] - before[0][1]) / (before[-1][0] - before[0][0])
    passed = after[-1][0] - before[-1][0]
    lacking = passed - (after[-1][1] - before[-1][1]) / pace - recovery
    return 100 * lacking / (seconds * 1e9)


def measure(harts, vcpus, words):
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place) / "run"
        file = Path(place) / "bench.yaml"
        # JSON is YAML.
        file.write_text(json.dumps({
            "machine": {"harts": harts, "dumps": {"file": str(Path(place) / "dumps")}},
            "vms": [{"name": "guest", "vcpus": vcpus, "memory": "64MiB", "kernel": str(BUILD / "guests/bench.bin"),
                     "format": "flat", "cmdline": words}]}), encoding="utf-8")
        process = subprocess.Popen([OUTLIVE, "run", "--icount", "--qemu", QEMU, "--name", f"dump-{os.getpid()}", "--dir",
                                    directory, file],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def ask(*arguments):
            return subprocess.run([OUTLIVE, *arguments, "--host", directory], capture_output=True, text=True,
                                  check=False, timeout=60).stdout

        def console():
            at = directory / "console-guest.log"
            return at.read_text(encoding="utf-8", errors="replace") if at.exists() else ""

        try:
            wait_for("the guest's start", lambda: console().count("\n") > 2 * START_LINES)
            ask("crash", "inject", "panic")
            done = wait_for("the dump", lambda: DONE.search(ask("log")))
            raw, stored, took = map(int, done.groups())
            lost = None
            if words.startswith("busy"):
                life = json.loads(ask("crash", "list", "--json"))["lives"][0]
                seen = beats(console())
                # The crash is where the guest stood still for the longest time.
                gaps = [b[0] - a[0] for a, b in zip(seen, seen[1:])]
                at = START_LINES + gaps[START_LINES:].index(max(gaps[START_LINES:]))
                behind = wait_for("the time behind the dump", lambda: [
                    line for line in beats(console())[at + 1:] if line[0] > seen[at][0] + (took + 200) * 1000000][:1])
                lost = slower(seen[START_LINES // 2:at + 1], behind, took / 1000, life["fault_to_last_guest_us"] * 1000)
            return raw, stored, took, lost
        finally:
            ask("poweroff", "--force")
            process.terminate()
            process.wait()


def main():
    complete = True
    print(CAPTION)
    print(f"{'guest':28}{'raw KiB':>9}{'stored KiB':>12}{'ms':>6}{'raw MB/s':>10}{'slower':>9}  goal {GOAL_PERCENT} %")
    for name, harts, vcpus, words in CASES:
        print(f"bench: host dump, {name}", file=sys.stderr)
        try:
            raw, stored, took, lost = measure(harts, vcpus, words)
        except (Unmeasured, subprocess.TimeoutExpired) as why:
            print(f"{name:28}not measured: {why}")
            complete = False
            continue
        percent = "-" if lost is None else f"{lost:.1f} %"
        goal = "-" if lost is None else "good" if lost <= GOAL_PERCENT else "MISSED"
        print(f"{name:28}{raw:9,}{stored:12,}{took:6,}{raw * 1.024 / max(took, 1):10,.0f}{percent:>9}  {goal}")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
