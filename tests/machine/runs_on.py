#!/usr/bin/env python3
"""Harts in guests run on: a vCPU that makes no exit goes on through a recovery, and takes its timer interrupts meanwhile.
timeout: 200 s

The guest is guests/witness. Its last vCPU spins on the time counter; its first one says for how long it was stopped itself,
and what the spinning one did meanwhile. With --icount time is instructions, and those of all harts: a gap of the vCPU that
spins has the turns of the others in it, which QEMU lets run one after the other.
"""

from lib import steps
from lib.host import CRASHES_AT_WILL, Host
from lib.steps import Failure, check, note
from lib.witness import errors_of, latest, lines_of, witness

TICKS_A_US = 10
TICKS_LEAST = 3
KINDS = ("panic", "trap", "hang", "wild-write", "stack")


def point(life, name):
    """When a point of a life's end was, in ticks of the time base, which is the guest's, too."""
    at = life["ended_seconds"] * 1e6
    for step in ("fault_to_stopped_us", "stopped_to_heir_us", "heir_to_adopted_us"):
        at += life[step]
        if step.endswith(f"to_{name}_us"):
            return round(at * TICKS_A_US)
    return round(life["ended_seconds"] * 1e6 * TICKS_A_US)


def pause_over(console, mark, fault, adopted):
    """The line about the longest pause of the vCPU that exits in which some of the recovery lies."""
    over = []
    for _ in range(60):
        said = lines_of(console, "PAUSE", mark)
        over = [pause for pause in said if pause["hart"] == 0 and pause["from"] < adopted and pause["to"] > fault]
        if over and any(pause["to"] > adopted for pause in said):
            return max(over, key=lambda pause: pause["us"])
        latest(console, 20)
    raise Failure(f"the vCPU that exits was not stopped from {fault} to {adopted}: {lines_of(console, 'PAUSE', mark)[:4]}")


def crash(host, console, kind):
    """Ends a life; returns its record, the line about the pause, and the ticks taken from fault to adopted."""
    latest(console, 30)
    mark = console.mark()
    life = host.json("crash", "inject", kind, seconds=60)
    fault, adopted = point(life, "fault"), point(life, "adopted")
    pause = pause_over(console, mark, fault, adopted)
    ticks = [at for at in pause["at"] if fault <= at <= adopted]
    note(f"{kind}: {life['fault_to_last_guest_us']:.0f} us to the last guest; the vCPU that exits stopped for {pause['us']} us, "
         f"the longest gap of the one that spins was {pause['spin_gap_us']} us; it took {len(ticks)} ticks in the "
         f"{(adopted - fault) // TICKS_A_US} us from fault to adopted")
    check(not errors_of(console), f"the witness says: {errors_of(console)[:4]}")
    return life, pause, ticks


def crash_until_it_runs(host, console, kind):
    """
    Crashes until the vCPU that spins has its turns: a hart that has work may keep QEMU's from it, in this crash or that one.
    Were it stopped with the others it would take no tick between fault and adoption in any.
    """
    for _ in range(8):
        life, pause, ticks = crash(host, console, kind)
        if len(ticks) >= TICKS_LEAST:
            return
    raise Failure(f"no timer interrupts while there was no hypervisor, in eight crashes: {pause} {life}")


def step_in_instructions():
    machine = {"harts": 4, **CRASHES_AT_WILL, "watchdog": "100ms"}
    with Host(machine, [witness("guest", 4, "period=20 tick=50 load=1 pauses=400")], "--icount") as host:
        console = host.console("guest")
        latest(console, 60)
        for kind in KINDS:
            crash_until_it_runs(host, console, kind)


def step_on_the_clock():
    """
    QEMU's harts are threads, which this machine may stop at any time: no more than that it happens at all. The host's own
    interrupts, and the request to crash, come to hart 0.
    """
    vm = witness("guest", 3, "period=100 tick=200 pauses=3000", affinity="1-3")
    with Host({"harts": 4, **CRASHES_AT_WILL}, [vm]) as host:
        console = host.console("guest")
        latest(console, 60)
        ticks = [len(crash(host, console, "panic")[2]) for _ in range(5)]
        check(sum(map(bool, ticks)) >= 3, f"timer interrupts while there was no hypervisor, in five crashes: {ticks}")


if __name__ == "__main__":
    steps.main(globals())
