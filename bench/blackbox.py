#!/usr/bin/env python3
"""How long after a crash its record is on the disk, and what guests that write too much cost the others: three tables.

    bench/blackbox.py    (part of "make bench")

Under QEMU's icount an instruction, of whichever hart, is a nanosecond; while all harts sleep, time jumps to their next timer, so
that times in which the disk is waited for are no more than hints. They are measured by the clock on the wall as well. BUILD names
another build directory, QEMU another QEMU.

Exit status 1: something could not be measured; the table says what.
"""

import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from lib import BUILD, COMMAND_SECONDS, OUTLIVE, Host, Unmeasured, number_of, print_table, small

TIMES = 3  # crashes, and boxes opened
UP_SECONDS = 60
RECORD_SECONDS = 60
PMSG_SECONDS = 240
BOXES = (1, 128)  # MiB

FLOOD_SECONDS = 2
STEADY_LINES = 60
STEADY_GAP_US = 20000
LIMIT_KIB = 8  # a second, that all guests have together

CAPTION = f"""
From a crash to its record on the disk, in microseconds; medians of {TIMES}
  icount: at one instruction a nanosecond; wall: without it, here and now; back: until all vCPUs ran again; record: until it was
  on the disk; opening: of that, reading the box, which each life does; bytes: of the record
"""

PMSG_CAPTION = f"""
Lines of guests to the black box at one instruction a nanosecond: one guest floods, one writes a line each {STEADY_GAP_US // 1000} ms
  lost: of the lines, not on the disk; accepted: the call said so, yet they are not there; KiB/s: on the disk, by the machine's time
  ({FLOOD_SECONDS} s of flood); all guests have {LIMIT_KIB} KiB/s together, each its part, and what they have saved up
"""

OPENED = re.compile(r"black box: disk 0, (\d+) records of (\d+) KiB, opened in (\d+) us")


def machine(box, size=1):
    return {"harts": 2, "crash_limit": 9, "blackbox": {"file": str(box), "size": f"{size}MiB"}}


def blackbox(*arguments):
    done = subprocess.run([OUTLIVE, "blackbox", *arguments], capture_output=True, text=True, check=False,
                          timeout=COMMAND_SECONDS)
    if done.returncode:
        raise Unmeasured(f"outlive blackbox {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def measure_record(place, size, icount):
    """A row: medians of microseconds, and the bytes of a record."""
    box = place / f"record-{size}-{icount}"
    with Host(machine(box, size), [small(64, 2, "rest=1")], icount) as host:
        host.wait_for("the guest's start", UP_SECONDS, lambda: "REST beat" in host.console())
        host.wait_for_log(OPENED.pattern, RECORD_SECONDS)
        recorded = [int(host.ask("crash", "inject", "panic") is None or host.wait_for_log(
            rf"the end of life {life} is on disk, (\d+) us after it", RECORD_SECONDS)[1])
            for life in range(1, TIMES + 1)]
        opened = [int(us) for _, _, us in OPENED.findall(host.ask("log") or "")]
        back = [life["fault_to_last_guest_us"] for life in host.lives() if life.get("fault_to_last_guest_us")]
    # Of the host when it is off: then all is there.
    zones = [zone for zone in json.loads(blackbox("ls", str(box), "--json"))["zones"] if zone.get("reason") == "panic"]
    if len(zones) != TIMES or not opened:
        raise Unmeasured(f"{len(zones)} records of {TIMES} crashes")
    bytes_of = statistics.median(len(blackbox("read", str(box), zone["zone"])) for zone in zones)
    return [number_of(value) for value in (statistics.median(back), statistics.median(recorded), statistics.median(opened),
                                           bytes_of)]


def lines_of(text, vm):
    """Different lines of a VM: what was on its way in a crash may be there twice."""
    return set(re.findall(rf"^{vm}: (\w+ \d+)$", text, re.MULTILINE))


def pmsg_guest(name, words):
    return {"name": name, "vcpus": 1, "memory": "16MiB", "kernel": str(BUILD / "guests/pmsg.bin"), "format": "flat",
            "cmdline": words, "rng": False, "pmsg": True}


def measure_pmsg(place):
    """Rows for the guest that floods and for the other."""
    box = place / "pmsg"
    guests = [pmsg_guest("flood", f"flood={FLOOD_SECONDS}"),
              pmsg_guest("steady", f"lines={STEADY_LINES} gap={STEADY_GAP_US}")]
    with Host({**machine(box), "harts": 1}, guests) as host:
        said = {vm: host.wait_for(f"the lines of {vm}", PMSG_SECONDS, lambda name=vm: re.search(
            r"PMSG done: (\d+) taken, (\d+) refused", host.console(name))) for vm in ("flood", "steady")}
        host.wait_for("the last lines on the disk", RECORD_SECONDS,
                      lambda: f"steady {STEADY_LINES - 1}\n" in blackbox("read", str(box), "pmsg"))
        text = blackbox("read", str(box), "pmsg")
    rows = []
    for vm, seconds in (("flood", FLOOD_SECONDS), ("steady", STEADY_LINES * STEADY_GAP_US / 1e6)):
        taken, refused = map(int, said[vm].groups())
        stored = lines_of(text, vm)
        written = STEADY_LINES if vm == "steady" else taken + refused
        size = sum(len(f"{vm}: {line}\n") for line in stored)
        rows.append([vm, number_of(written), number_of(taken), number_of(len(stored)), f"{100 * (1 - len(stored) / written):.1f} %",
                     number_of(taken - len(stored)), f"{size / 1024 / seconds:.2f}"])
    return rows


def attempt(what, measure, *arguments):
    print(f"bench: black box, {what}", file=sys.stderr)
    try:
        return measure(*arguments), None
    except Unmeasured as why:
        return None, [what, f"not measured: {why}"]


def main():
    complete = True
    with tempfile.TemporaryDirectory() as place:
        rows = []
        for size in BOXES:
            for clock in ("icount", "wall"):
                name = f"{size} MiB, {clock}"
                found, why = attempt(name, measure_record, Path(place), size, clock == "icount")
                rows.append([name, *found] if found else why)
                complete = complete and not why
        print(CAPTION)
        print_table(["box", "back", "record", "opening", "bytes"], rows)
        rows, why = attempt("lines of guests", measure_pmsg, Path(place))
        print(PMSG_CAPTION)
        print_table(["guest", "lines", "taken", "on disk", "lost", "accepted", "KiB/s"], rows or [why])
    return 1 if why or not complete else 0


if __name__ == "__main__":
    sys.exit(main())
