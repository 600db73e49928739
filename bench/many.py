#!/usr/bin/env python3
"""What SBI calls to very many vCPUs cost a guest, and what the first touch of 2 MiB of its RAM: one table.

    bench/many.py    (part of "make bench")

Under QEMU's icount: an instruction, of whichever hart, is a nanosecond. The guest is guests/bench with many=1, on two
harts, and with blocks=1, on one. BUILD names another build directory, QEMU another QEMU.

Exit status 1: something could not be measured; the table says what.
"""

import re
import sys

from lib import Host, Unmeasured, need_memory, print_table, small
from recovery import crash

VCPUS = (2, 256, 4096)
CRASHES = 3
RESOLUTION = 100  # instructions in a tick of the guest's clock, at 10 MHz

# Seconds of the clock on the wall, which only bound what has gone wrong.
MANY_SECONDS = 90
BLOCKS_SECONDS = 30

CAPTION = f"""
Calls to very many vCPUs, and faults of 2 MiB, in instructions, of whichever hart
  A broadcast has hart_mask_base -1; the caller is one of its targets, so with 2 vCPUs most of it is the call itself.
  Broadcasts with none pending or to vCPUs asleep (in wfi; least of some) are exact to {RESOLUTION} instructions a call.
"""

# Guest's name, what it is, whether it is for each target.
FIGURES = (
    ("ipi_all_first", "broadcast IPI, others stopped, none pending", True),
    ("ipi_all", "broadcast IPI, others stopped, pending already", True),
    ("ipi_all_wake_call", "broadcast IPI, others asleep: the call", True),
    ("ipi_all_wake", "broadcast IPI, others asleep: until all have it", True),
    ("fence_all", "broadcast sfence.vma of all, others stopped", True),
    ("ipi_self", "IPI to id 0, the caller itself", False),
    ("ipi_lowest", "IPI to id 1, stopped, pending already", False),
    ("ipi_highest", "IPI to the highest id, stopped, pending already", False),
)
BLOCKS = (
    ("block_zeroed", "first touch of 2 MiB: fault, zeroing, mapping"),
    ("block_again", "the same after a crash: fault, mapping"),
    ("block_mapped", "the same when it is mapped"),
)


class LargeHost(Host):
    """With more memory than its VM needs: a machine has a vCPU record for each MiB."""

    def __init__(self, harts, vcpus, words, memory):
        super().__init__({"harts": harts, "memory": f"{memory}MiB", "crash_limit": CRASHES}, [small(256, vcpus, words)])

    def figures(self):
        """All values of each name that the guest has printed, in order."""
        found = {}
        for name, value in re.findall(r"^BENCH (\w+) (\d+) \w+\r?$", self.console(), re.MULTILINE):
            found.setdefault(name, []).append(int(value))
        return found

    def wait_for_end(self, seconds):
        """Until the guest is through; it may say that something went wrong instead."""
        text = self.wait_for("the guest's measurement", seconds,
                             lambda: re.search(r"^(BENCH end|bench: .*|guest: .*)\r?$", self.console(), re.MULTILINE))
        if text[1] != "BENCH end":
            raise Unmeasured(text[1])


def measure_many(vcpus):
    """Instructions by the guest's names; for each target where a figure is for each."""
    memory = max(1024, vcpus + 1024)
    need_memory(memory)
    with LargeHost(2, vcpus, "many=1", memory) as host:
        host.wait_for_end(MANY_SECONDS)
        found = host.figures()
    if found["harts"] != [vcpus]:
        raise Unmeasured(f"the guest found {found['harts'][0]} harts")
    return {name: found[name][0] / (vcpus if each else 1) for name, _, each in FIGURES}


def measure_blocks():
    need_memory(1024)
    with LargeHost(1, 1, "blocks=1", 1024) as host:
        host.wait_for_end(BLOCKS_SECONDS)
        for life in range(1, CRASHES + 1):
            crash(host, life, "panic")
            host.wait_for("the faults after a crash", BLOCKS_SECONDS,
                          lambda count=life: len(host.figures().get("block_again", [])) >= count)
        # What else the heir does may fall into a round: the least is the fault alone.
        return {name: min(values) for name, values in host.figures().items()}


def attempt(what, missing, measure, *arguments):
    """What `measure` returns, or None with the reason in `missing`."""
    print(f"bench: {what}", file=sys.stderr)
    try:
        return measure(*arguments)
    except Unmeasured as why:
        missing.append(f"{what}: not measured: {why}")
        return None


def cell(figures, name, each=False):
    if figures is None:
        return "not measured"
    return f"{figures[name]:,.1f}" if each else f"{figures[name]:,.0f}"


def main():
    missing = []
    many = [attempt(f"{vcpus:,} vCPUs", missing, measure_many, vcpus) for vcpus in VCPUS]
    blocks = attempt("faults of 2 MiB", missing, measure_blocks)
    rows = [[what, "-", *[cell(figures, name, each) for figures in many],
             "instructions per target" if each else "instructions"] for name, what, each in FIGURES]
    rows += [[what, cell(blocks, name), *["-"] * len(VCPUS), "instructions per 2 MiB"] for name, what in BLOCKS]
    print(CAPTION)
    print_table(["operation", "1 vCPU", *[f"{vcpus:,} vCPUs" for vcpus in VCPUS], "unit"], rows, left=(0, -1))
    for line in missing:
        print(line)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
