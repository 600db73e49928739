#!/usr/bin/env python3
"""The witness, a guest that checks all that is its own: it lives through crashes without an error, and each of its checks
finds what gdb puts in its way.
timeout: 200 s
"""

from lib import steps
from lib.debugger import change_guest, qemu_with_debugger
from lib.host import CAUSES, CRASHES_AT_WILL, Host
from lib.steps import Failure, check, note
from lib.witness import ELF, KERNEL, beginning, errors_of, latest, progress, witness

SWITCH = [{"switch": "lan"}]
FILE = "'guests/witness/{}.c'::"

# What is put into the guest's memory while it stands still, and what the witness must say then. The clock comes last,
# because it stays wrong.
PLANTS = (
    ("a bit of RAM", "memory", ["*(unsigned long *)" + FILE.format("memory") + "parts[0].begin ^= 1 << 20"]),
    ("a bit of a register", "register_", [FILE.format("registers") + "held[1].x[20] ^= 4"]),
    ("a page from before", "stale_page", [FILE.format("signals") + f"pages[{n}][0] = 0" for n in range(2)]),
    ("a tick before its time", "early_tick", ["witnesses[1].due += 20000000"]),
    ("a block of the disk", "disk_", [FILE.format("disk") + "block_count = 4"] +
     [FILE.format("disk") + f"sequences[{n}] += 1" for n in range(4)]),
    ("an echo of a frame never sent", "net_sequence", [FILE.format("net") + "sequence = 1"]),
    ("a clock that went back", "time", [FILE.format("ticks") + "newest += 20000000"]),
)


def step_survives():
    vms = [witness("a", 4, networks=SWITCH), witness("b", 1, with_disk=False, networks=SWITCH)]
    with Host({"harts": 4, **CRASHES_AT_WILL}, vms) as host:
        consoles = {name: host.console(name) for name in ("a", "b")}
        reports = {name: beginning(console, 60) for name, console in consoles.items()}
        life = 1
        for kind in CAUSES:
            host.crash(kind)
            life += 1
            reports = {name: progress(console, reports[name], 30) for name, console in consoles.items()}
            host.check_recorded(kind, life)
        note(f"after {life - 1} crashes: {reports['a']}")


def plant(console, what, error, assignments):
    # The guest may be between two of its checks, or on no hart.
    for _ in range(50):
        mark = console.mark()
        if not change_guest(ELF, KERNEL, ("witness_count", 3), assignments):
            continue
        try:
            note(f"{what}: {console.wait(f'^WITNESS ERROR {error}', 1, after=mark).string}")
        except Failure:
            continue
        return
    raise Failure(f"the witness does not see {what}: {errors_of(console)[-4:]}")


def step_each_check_can_fail():
    vms = [witness("a", 3, networks=SWITCH), witness("b", 1, with_disk=False, networks=SWITCH)]
    # No watchdog: it would find the time that gdb takes.
    with Host({"harts": 4, "watchdog": "off"}, vms, "--qemu", qemu_with_debugger()) as host:
        console = host.console("a")
        beginning(console, 60)
        for what, error, assignments in PLANTS:
            before = latest(console, 30)["errors"]
            plant(console, what, error, assignments)
            check(latest(console, 30)["errors"] > before, f"{what} is not counted")


if __name__ == "__main__":
    steps.main(globals())
