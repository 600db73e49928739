#!/usr/bin/env python3
"""What it costs that guests outlive the hypervisor: three tables.

    bench/survival.py [TEXT]    (part of "make bench")

TEXT: only tables whose name contains it: keeping, memory, VMs.

Under QEMU's icount: an instruction, of whichever hart, is a nanosecond. BUILD names another build directory, QEMU another QEMU.

Exit status 1: something could not be measured; the table says what. A goal that is missed is no failure.
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path

from instructions import Lines, TracedHost
from lib import BUILD, Host, Unmeasured, number_of, print_table, small
from recovery import LINUX, crash

# Seconds of the clock on the wall, which only bound what has gone wrong, but for those of the trace.
UP_SECONDS = 90
LINUX_SECONDS = 300
TRACE_SECONDS = 3

GOAL_PERCENT = 5
TIMES = 3  # crashes
CRASHED_VMS = (1, 2, 4, 8)
RAM = ("96MiB", "256MiB", "1GiB", "4GiB", "16GiB")

KEEPING_CAPTION = f"""
What keeping the estate takes of an exit, in instructions of the hypervisor from the guest's trap to its return; medians, and for
the stock kernel, whose workload uses memory, a disk and its registers, the means of all exits for some seconds
  keeping: those of lines that begin, fill, commit or read a transaction, or store to the estate, as the debug information has
  them: the hart's beat, staging, committing, applying. What any hypervisor does is not in it: saving registers, counting exits,
  and the one store by which a word gets its new value. Goal, for the mean: {GOAL_PERCENT} %
"""

MEMORY_CAPTION = """
RAM that is no guest's, on a machine of one VM with 16 MiB
  warden and slots: the same for every machine; estate and rest: the estate, the boot pack, and what does not fill a block
"""

VMS_CAPTION = f"""
Recovery against the number of VMs of one vCPU and 16 MiB, on two harts, in microseconds; medians of {TIMES} panics
"""

# What an exit of guests/bench with exits=N is: names of functions that all are in it.
KINDS = (("SBI get_spec_version", {"guest_sbi", "base"}),
         ("SBI set_timer", {"guest_sbi", "set_timer"}),
         ("SBI send_ipi to itself", {"guest_sbi", "send_ipi"}),
         ("SBI remote sfence.vma to itself", {"guest_sbi", "rfence"}),
         ("16550 register write", {"mmio_access", "uart_write"}),
         ("16550 register read", {"mmio_access", "uart_read"}),
         ("PLIC register read", {"mmio_access", "plic_read"}))


def costs_of(exits, lines):
    """For each exit its instructions, those that keep the estate, and the functions it ran through."""
    for each in exits:
        yield len(each), sum(lines.keeps[pc] for pc in each), set().union(*(lines.functions[pc] for pc in set(each)))


def keeping_row(name, whole, keeping):
    share = 100 * keeping / whole
    return [name, number_of(whole), number_of(keeping), f"{share:.1f} %", "good" if share <= GOAL_PERCENT else "MISSED"]


def measure_kinds():
    with TracedHost({"harts": 1}, [small(64, 1, "exits=8")]) as host:
        host.wait_for("the guest's rounds", UP_SECONDS, lambda: "EXITS rounds" in host.console())
        exits = host.trace(TRACE_SECONDS)
    costs = list(costs_of(exits, Lines(exits)))
    rows = []
    for name, functions in KINDS:
        found = [cost[:2] for cost in costs if functions <= cost[2]]
        if not found:
            raise Unmeasured(f"no {name} in the trace")
        rows.append(keeping_row(name, *(statistics.median(column) for column in zip(*found))))
    return rows


def trace_linux(vm):
    with TracedHost({"harts": 1}, [vm]) as host:
        host.wait_for("the stock kernel's workload", LINUX_SECONDS, lambda: host.console().count("WORKLOAD t=") >= 3)
        return host.trace(TRACE_SECONDS)


def measure_linux():
    with tempfile.TemporaryDirectory() as place:
        disk = Path(place) / "disk"
        disk.write_bytes(bytes(16 << 20))
        vm = {**LINUX, "cmdline": "console=ttyS0 quiet outlive.run=/bin/workload", "disks": [{"file": str(disk)}]}
        exits = trace_linux(vm)
    costs = list(costs_of(exits, Lines(exits)))
    if not costs:
        raise Unmeasured("the stock kernel did not exit")
    return [keeping_row(f"stock kernel, {len(costs):,} exits", *(statistics.mean(cost[n] for cost in costs) for n in (0, 1)))]


def measure_memory(size):
    with Host({"harts": 1, "memory": size}, [small(16, 1, "rest=1")]) as host:
        state = json.loads(host.wait_for("the host", UP_SECONDS, lambda: host.ask("ps", "--json")))
    whole = state["host"]["memory"]
    reserved = whole - state["host"]["memory_free"] - sum(vm["memory"] for vm in state["vms"])
    fixed = 18 << 20
    return [size, number_of(fixed >> 10), number_of((reserved - fixed) >> 10), number_of(reserved >> 10),
            f"{100 * reserved / whole:.2f} %"]


def measure_vms(count):
    names = [f"guest{n}" for n in range(count)]
    with Host({"harts": 2, "crash_limit": TIMES}, [{**small(16, 1, "rest=1"), "name": name} for name in names]) as host:
        def beats():
            return [host.console(name).count("REST beat") for name in names]

        def all_beat(more):
            before = beats()
            host.wait_for("every guest's heart to beat", UP_SECONDS,
                          lambda: all(now >= then + more for now, then in zip(beats(), before)))

        lives = []
        for number in range(1, TIMES + 1):
            all_beat(2)
            lives.append(crash(host, number, "panic"))
        all_beat(1)
    return [statistics.median(life[key] for life in lives)
            for key in ("heir_to_adopted_us", "first_to_last_guest_us", "fault_to_last_guest_us")]


def rows_of_vms(count, figures, least):
    return [f"{count}", *map(number_of, figures), f"x{figures[-1] / least:.2f}" if least else "-"]


def attempt(what, measure, *arguments):
    """What `measure` returns, or a row that says why there is nothing."""
    print(f"bench: survival, {what}", file=sys.stderr)
    try:
        return measure(*arguments), None
    except Unmeasured as why:
        return None, [what, f"not measured: {why}"]


def table(caption, header, attempts):
    """Prints a table of what these (name, measure, arguments) return, rows each. False: something is missing."""
    rows, complete = [], True
    for what, measure, *arguments in attempts:
        found, why = attempt(what, measure, *arguments)
        rows += found or [why]
        complete = complete and not why
    print(caption)
    print_table(header, rows, left=(0, -1))
    return complete


def main():
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    complete = True
    if only in "keeping":
        complete &= table(KEEPING_CAPTION, ["exit", "instructions", "keeping", "share", "goal"],
                          [("guest of exits", measure_kinds), ("stock kernel", measure_linux)])
    if only in "memory":
        complete &= table(MEMORY_CAPTION, ["RAM", "warden and slots, KiB", "estate and rest, KiB", "together", "share"],
                          [(size, lambda size=size: [measure_memory(size)]) for size in RAM])
    if only in "VMs":
        least = []

        def row(count):
            figures = measure_vms(count)
            least.append(figures[-1])
            return [rows_of_vms(count, figures, least[0])]

        complete &= table(VMS_CAPTION, ["VMs", "adopted", "first to last", "all", "against one"],
                          [(f"{count} VMs", row, count) for count in CRASHED_VMS])
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
