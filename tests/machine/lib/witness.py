"""The witness, a guest that checks itself (guests/witness): as a VM of a host file, and what it says."""

import re
import time

from .host import BUILD, disk
from .steps import Failure, check

KERNEL = BUILD / "guests/witness.bin"
ELF = BUILD / "guests/witness.elf"

# Figures that move in a guest that has a disk, a network with another witness, and all that each has.
COUNTERS = ("mem", "disk", "net", "regs", "ticks", "ipis", "fences")


def witness(name, vcpus, words="", *, with_disk=True, **more):
    """A VM of a host file."""
    if with_disk:
        more.setdefault("disks", [{"file": str(disk(f"{name}.disk", 8))}])
    return {"name": name, "vcpus": vcpus, "memory": "64MiB", "kernel": str(KERNEL), "format": "flat", "cmdline": words, **more}


def figures(line):
    """Of a line of words with "=": numbers, lists of numbers, None for "-"; the rest stays text."""
    found = {}
    for word in line.split():
        key, _, value = word.partition("=")
        if value == "-":
            found[key] = None
        elif key in ("at", "gaps_us"):
            found[key] = [int(part) for part in value.split(",") if part]
        elif key != "boot" and value.isdigit():
            found[key] = int(value)
        else:
            found[key] = value
    return found


def lines_of(console, kind, after=0):
    """Figures of the lines "WITNESS kind" (of the reports: "t=") behind a mark of the console."""
    return [figures(line) for _, line in console.lines[after:] if line.startswith(f"WITNESS {kind}") and "=" in line]


def errors_of(console, after=0):
    return [line for _, line in console.lines[after:] if line.startswith("WITNESS ERROR")]


def latest(console, seconds, after=None):
    """The newest report; with a mark, one behind it."""
    mark = console.mark() if after is None else after
    console.wait(r"^WITNESS t=.* errors=\d+$", seconds, after=mark)
    return lines_of(console, "t=", mark)[-1]


def progress(console, before, seconds, counters=COUNTERS):
    """Waits until all counters that this guest has are above those of a report before; the report. No errors meanwhile."""
    end = time.monotonic() + seconds
    while True:
        report = latest(console, seconds)
        check(not errors_of(console), f"the witness says: {errors_of(console)[:4]}")
        check(report["boot"] == before["boot"], f"the guest has started anew: {before} {report}")
        still = [name for name in counters if report[name] is not None and report[name] <= before[name]]
        if not still:
            return report
        if time.monotonic() > end:
            raise Failure(f"{still} of the witness do not move: {before} {report}")


def beginning(console, seconds):
    """The first report of a guest of which all is moving."""
    first = re.compile(r"^WITNESS t=")
    console.wait(first, seconds)
    return progress(console, dict.fromkeys(COUNTERS, 0) | {"boot": lines_of(console, "t=")[0]["boot"]}, seconds)
