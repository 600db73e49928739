#!/usr/bin/env python3
"""For how long a recovery stops a vCPU, one that exits and one that only computes: one table.

    bench/pauses.py [TEXT]    (part of "make bench")

TEXT: only guests whose name in the table contains it.

The guest is guests/witness, all of whose RAM is in use. Its vCPUs exit every 100 us at least; in one case the last one reads
the time without end instead and makes no exit. Under QEMU's icount an instruction, of whichever hart, is a nanosecond: the
figures have the work of all harts in them, that of a vCPU that computes on, too. QEMU lets the harts take turns, in their
order, so the vCPU that computes, which has the last hart, also waits for the others, and longest while the warden copies the
image; a crash at whose instant it has no turn says nothing of it and is left out. BUILD names another build
directory, QEMU another QEMU.

Exit status 1: something could not be measured; the table says what. A goal that is missed is no failure.
"""

import json
import re
import sys

from lib import BUILD, Host, Unmeasured, need_memory, print_table

GOAL_US = 2000
GOAL_FLAT = 1.1
REPORT_MS = 20
LEAST_US = 300  # of a pause that the guest tells of
TICK_US = 100
REST = 20  # ticks, at each of which a vCPU wakes and exits; only then does it work
TICKS_A_US = 10

# Seconds of the clock on the wall: generous, since they only bound what has gone wrong.
UP_SECONDS = 300
CRASH_SECONDS = 60

CAPTION = f"""
Pauses of vCPUs in a recovery from a panic, in microseconds at one instruction (of any hart) a nanosecond
  exits: from the fault on, of all vCPUs that do, and were stopped for {LEAST_US} us or more; computes: the longest gap between
  two readings of the time, of the vCPU that only does that, while another one was stopped, with the turns of other harts in
  it; ticks: timer interrupts, {TICK_US} us apart, that it took from the fault to the estate adopted, the median
"""

STEPS = ("fault_to_stopped_us", "stopped_to_heir_us", "heir_to_adopted_us")
PAUSE = re.compile(r"^WITNESS PAUSE hart=(\d+) from=(\d+) to=(\d+) us=(\d+) spin_ticks=\d+ spin_gap_us=(\d+) spin_gap_at=(\d+) "
                   r"at=([\d,]*)\r?$", re.MULTILINE)


def percentile(values, share):
    """The value that is not below so much of all, of 1."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Pauses:
    """What is measured with one guest."""

    def __init__(self):
        self.exits = []
        self.computes = []
        self.ticks = []

    def take(self, life, text):
        """A crash, and what the guest said about it."""
        fault = round(life["ended_seconds"] * 1e6) * TICKS_A_US
        adopted = fault + TICKS_A_US * sum(life[key] for key in STEPS)
        over = [(*map(int, found[:6]), found[6]) for found in PAUSE.findall(text)]
        over = [pause for pause in over if pause[1] < adopted < pause[2]]
        if not over:
            return
        # A vCPU that slept at the fault was last seen before it.
        self.exits += [(pause[2] - max(pause[1], fault)) // TICKS_A_US for pause in over]
        longest = max(over, key=lambda pause: pause[4])
        if longest[5] >= fault:
            at = [int(tick) for tick in longest[6].split(",") if tick]
            self.computes.append(longest[4])
            self.ticks.append(sum(fault <= tick <= adopted for tick in at))


def errors(host):
    return re.search(r"^WITNESS ERROR.*", host.console(), re.MULTILINE)


def reported(host, before):
    """The newest time that the guest has reported, in ticks."""
    found = re.findall(r"^WITNESS t=\d+ time=(\d+) ", host.console()[before:], re.MULTILINE)
    return int(found[-1]) if found else 0


def crash(host, pauses):
    before = len(host.console())
    answer = host.ask("crash", "inject", "panic", "--json", seconds=CRASH_SECONDS)
    if not answer:
        raise Unmeasured(f"no crash: {host.error}")
    life = json.loads(answer)
    over = (life["ended_seconds"] * 1e6 + life["fault_to_last_guest_us"]) * TICKS_A_US
    # Of a pause it tells behind its next report.
    host.wait_for("the guest's reports after a crash", CRASH_SECONDS,
                  lambda: reported(host, before) > over + 2 * REPORT_MS * 1000 * TICKS_A_US)
    text = host.console()[before:]
    if errors(host):
        raise Unmeasured(f"the guest says: {errors(host)[0]}")
    pauses.take(life, text[:text.rindex("\n") + 1])


def touched(host):
    """How many MiB of its RAM the guest has used."""
    return sum(vm["touched"] for vm in json.loads(host.ask("ps", "--json") or '{"vms": []}')["vms"]) >> 20


def measure(name, memory, vcpus, computes, times):
    print(f"bench: pauses, {name}", file=sys.stderr)
    need_memory(memory)
    vm = {"name": "guest", "vcpus": vcpus, "memory": f"{memory}MiB", "kernel": str(BUILD / "guests/witness.bin"),
          "format": "flat", "cmdline": f"period={REPORT_MS} tick={TICK_US} load=1 rest={REST} wide=1 pauses={LEAST_US} spin={int(computes)}"}
    pauses = Pauses()
    with Host({"harts": vcpus, "crash_limit": 60, "crash_window": "1s"}, [vm]) as host:
        host.wait_for("all of the guest's RAM in use", UP_SECONDS, lambda: touched(host) >= memory - 4)
        for _ in range(times):
            crash(host, pauses)
    if not pauses.exits or (computes and not pauses.computes):
        raise Unmeasured("no crash at which all vCPUs ran")
    return pauses


# Name, MiB, vCPUs, whether the last of them computes, crashes.
CASES = (("128 MiB, 2 vCPUs", 128, 2, False, 25), ("1 GiB, 2 vCPUs", 1024, 2, False, 25),
         ("4 GiB, 2 vCPUs", 4096, 2, False, 25), ("128 MiB, 8 vCPUs", 128, 8, False, 100),
         ("128 MiB, 8 vCPUs, one computes", 128, 8, True, 50))


SHARES = (0.5, 0.99, 1)


def row_of(name, pauses):
    row = [name, str(len(pauses.exits)), *[f"{percentile(pauses.exits, share):,}" for share in SHARES]]
    if pauses.computes:
        row += [str(len(pauses.computes)), *[f"{percentile(pauses.computes, share):,}" for share in SHARES],
                str(percentile(pauses.ticks, 0.5))]
    else:
        row += ["-"] * 5
    most = percentile(pauses.exits, 0.99)
    return row + ["good" if most <= GOAL_US else f"MISSED x{most / GOAL_US:.2f}"]


def main():
    header = ["guest", "exits", "p50", "p99", "max", "computes", "p50", "p99", "max", "ticks", f"goal p99 {GOAL_US:,}"]
    rows, middle, complete = [], {}, True
    for name, *case in CASES:
        if len(sys.argv) > 1 and sys.argv[1] not in name:
            continue
        try:
            pauses = measure(name, *case)
            rows.append(row_of(name, pauses))
            middle[name] = percentile(pauses.exits, 0.5)
        except Unmeasured as why:
            rows.append([name, f"not measured: {why}"])
            complete = False
    print(CAPTION)
    print_table(header, rows, left=(0, -1))
    least, most = (middle.get(case[0]) for case in (CASES[0], CASES[2]))
    if least and most:
        print(f"\n\"exits\", p50, of {CASES[2][0]} against {CASES[0][0]}: x{most / least:.2f}; goal: x{GOAL_FLAT:.2f}, flat: "
              + ("good" if most / least <= GOAL_FLAT else "MISSED"))
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
