#!/usr/bin/env python3
"""A wild store to every kind of page of a life's address space: pages that it may write get garbage, and it goes on with that
until it ends; to pages that it may not write it stores itself, which is its end. What follows is the same: an heir, and guests that
have noticed nothing, but perhaps the one whose own record was hit. What is constant is found out when it is not.
timeout: 300 s

SEED chooses pages, words and values; STORES is how many stores each kind of page gets for one ("make soak": more of them).
"""

import json
import os
import random
import struct
import subprocess
import time

from lib import gdbstub, steps
from lib.host import BUILD, CRASHES_AT_WILL, Host, disk, scratch
from lib.steps import Failure, check, note, wait_for

SEED = int(os.environ.get("SEED") or (time.time() if os.environ.get("OUTLIVE_SOAK") else 1))
STORES = int(os.environ.get("STORES") or (20 if os.environ.get("OUTLIVE_SOAK") else 1))

PAGE = 4096
MIB = 1 << 20
RAM = 0x80000000
SLOT_SIZE = 8 * MIB
SLOTS = (RAM + 2 * MIB, RAM + 10 * MIB)
ESTATE = RAM + 18 * MIB
COLD_HEAD = 24
LIFE_RECORD = 448
VM_RECORD, VM_CONFIG, CONSOLE, VCPU_RECORD, MAX_VMS = 32 << 10, 16 << 10, 16 << 10, 2 << 10, 64
C_SD = 0xe000, 0xfc63  # c.sd without an offset, and the bits that say so
RIGHT_R, RIGHT_W, RIGHT_X = 2, 4, 8

# How many stores each kind of page gets. "heap" has tables of the guests, objects, rings.
WRITABLE = {"data": 5, "stacks": 2, "heap": 8, "harts": 2, "lives": 1, "warden's record": 1, "log": 1, "VM": 3, "console": 1, "vCPU": 3,
            "crashes": 1, "pmsg": 1}
# Pages of these belong to one VM, or to what one VM was just doing: it may be lost, or damaged, and no other.
OWNED = ("VM", "console", "vCPU", "harts")


def symbols():
    lines = subprocess.run(["riscv64-linux-gnu-nm", BUILD / "outlive.elf"], capture_output=True, text=True, check=True).stdout
    return {words[2]: int(words[0], 16) for words in map(str.split, lines.splitlines()) if len(words) == 3}


SYMBOLS = symbols()


def witness(name):
    return {"name": name, "memory": "32MiB", "vcpus": 2, "kernel": str(BUILD / "guests/witness.bin"), "format": "flat",
            "cmdline": "period=50 mib=2", "disks": [{"file": str(disk(f"{name}.disk", 1))}], "networks": [{"switch": "lan"}]}


def qemu_with_debugger():
    script = scratch() / "qemu-gdb"
    script.write_text("#!/bin/sh\n[ \"$1\" = --version ] && exec qemu-system-riscv64 --version\n"
                      f'exec qemu-system-riscv64 "$@" -gdb unix:path={scratch()}/gdb,server=on,wait=off\n', encoding="utf-8")
    script.chmod(0o755)
    return script


class Victim:
    """A host whose lives are ended one after the other."""

    NAMES = ("a", "b")

    def __init__(self):
        self.host = Host({"harts": 2, **CRASHES_AT_WILL}, [witness(name) for name in self.NAMES], "--qemu", qemu_with_debugger())

    def __enter__(self):
        self.host.__enter__()
        try:
            self.life = 1
            for name in self.NAMES:
                self.host.console(name).wait("^WITNESS t=", 30)
            self.machine = gdbstub.when_there(scratch() / "gdb")
        except BaseException:
            self.host.__exit__(Failure, None, None)
            raise
        self.header = struct.unpack("<14Q", self.machine.read(ESTATE + COLD_HEAD, 14 * 8))
        self.machine.resume()
        return self

    def __exit__(self, kind, value, trace):
        try:
            self.machine.close()
        except (OSError, Failure):
            pass
        self.host.__exit__(kind, value, trace)

    @property
    def slot(self):
        return SLOTS[(self.life - 1) % 2]

    def table(self, name):
        names = ("magic", "version", "base", "size", "machine", "lives", "harts", "log", "vms", "consoles", "vcpus", "vcpu_count",
                 "crashes", "pmsg")
        return ESTATE + self.header[names.index(name)]

    # ---- Its address space ----

    def leaves(self, table=None, level=2, base=0):
        """(address, size, rights) of what is mapped, by its own tables; each page for itself, but in large leaves."""
        if table is None:
            table = self.machine.word(self.slot + SYMBOLS["root"])
        for n, entry in enumerate(struct.unpack("<512Q", self.machine.read(table, PAGE))):
            at = base + (n << 12 + 9 * level)
            if not entry & 1:
                continue
            if entry & (RIGHT_R | RIGHT_X):
                check(entry >> 10 << 12 == at or at >= 0x3f00000000, f"{at:#x} is mapped to {entry >> 10 << 12:#x}")
                yield at, 1 << 12 + 9 * level, entry & 14
            else:
                yield from self.leaves(entry >> 10 << 12, level - 1, at)

    def kind(self, at):
        if self.slot <= at < self.slot + SLOT_SIZE:
            at -= self.slot
            if at >= MIB:
                return "heap" if at >= 2 * MIB else "stacks"
            return next(kind for kind, end in (("text", "image_rodata"), ("rodata", "image_sealed"), ("sealed", "image_data"),
                                               ("data", "image_end")) if at < SYMBOLS[end])
        if not ESTATE <= at < ESTATE + self.header[3]:
            return "devices" if at < RAM else "pack"
        if at < ESTATE + (32 << 10):
            return "cold"
        if at < self.table("lives"):
            return "warden's record"
        if self.table("vms") <= at < self.table("consoles"):
            return "VM" if (at - self.table("vms")) % VM_RECORD >= VM_CONFIG else "cold"
        return next(kind for kind, begin in (("pmsg", "pmsg"), ("crashes", "crashes"), ("vCPU", "vcpus"), ("console", "consoles"),
                                             ("log", "log"), ("harts", "harts"), ("lives", "lives")) if at >= self.table(begin))

    def pages(self):
        """Addresses of the pages of each kind that have anything in them: of those that it may write, and of the others."""
        writable, fixed = {}, {}
        for at, size, rights in self.leaves():
            kind = self.kind(at)
            if kind == "devices" or at >= 0x3f00000000:
                continue
            into = writable if rights & RIGHT_W else fixed
            check(not rights & RIGHT_W or not rights & RIGHT_X, f"{at:#x} can be written and executed")
            for page in range(at, at + size, PAGE):
                into.setdefault(kind, []).append(page)
        return writable, fixed

    # ---- Its end ----

    def damage_code(self):
        """Ends the life at its next round, whatever else may be damaged: of the function that every round calls nothing is left."""
        self.machine.write(self.slot + SYMBOLS["sched_timers"], bytes(4))

    def next_life(self, seconds=20):
        """Waits for the heir, all of it."""
        def recovered():
            answer = self.host.run("crash", "list", "--json", "--timeout", "5", status=None)
            lives = answer.returncode == 0 and json.loads(answer.stdout)["lives"]
            return lives and lives[-1]["life"] > self.life and "text" in lives[-2] and lives
        lives = wait_for(f"an heir of life {self.life}", seconds, recovered, 0.05)
        self.life = lives[-1]["life"]
        return lives[-2]

    def harmed(self):
        """Which VMs do not go on, or have something to complain of."""
        bad = {}
        states = {vm["name"]: vm for vm in self.host.ps()["vms"]}
        for name in self.NAMES:
            console = self.host.console(name)
            try:
                if name not in states or states[name]["state"] != "running":
                    bad[name] = f"is {states.get(name, {}).get('state')}: {states.get(name, {}).get('reason')}"
                    continue
                console.wait("^WITNESS t=.* errors=0", 8, console.mark())
                found = [line for _, line in console.lines if "WITNESS ERROR" in line]
                if found:
                    bad[name] = found[0]
            except Failure as failure:
                bad[name] = str(failure).splitlines()[0]
        return bad


def garbage(chance, old):
    return chance.choice((chance.getrandbits(64), 0, ~0 & (1 << 64) - 1, old ^ 1 << chance.randrange(64),
                          chance.choice(SLOTS) + chance.randrange(0, SLOT_SIZE, 8)))


def choose(chance, machine, pages):
    """A word of one of the pages, rather one that is not 0: that one is in use."""
    for _ in range(40):
        page = chance.choice(pages)
        words = struct.unpack("<512Q", machine.read(page, PAGE))
        used = [n for n, word in enumerate(words) if word]
        if used:
            n = chance.choice(used) if chance.randrange(4) else chance.randrange(512)
            return page + 8 * n, words[n]
    return page, 0


def store_into(victim, chance, kind):
    """One store into a page of the kind, which is not empty. Returns what it did to whom."""
    victim.machine.stop()
    writable, _ = victim.pages()
    check(writable.get(kind), f"no page of kind {kind} can be written")
    at, old = choose(chance, victim.machine, writable[kind])
    new = garbage(chance, old)
    victim.machine.write(at, struct.pack("<Q", new))
    victim.machine.resume()
    time.sleep(0.15)
    # What it has not died of by now it would live with for long.
    victim.machine.stop()
    ended = victim.machine.word(victim.slot + SYMBOLS["sched_timers"])
    victim.damage_code()
    victim.machine.resume()
    text = f"{kind}: {at:#x}, {old:#x} to {new:#x}"
    try:
        dead = victim.next_life()
        bad = victim.harmed()
    except Failure as failure:
        raise Failure(f"{text}: {failure}") from None
    check(ended, f"{text}: there is no code")
    lost = len([name for name in bad if bad[name].startswith("is ")])
    check(len(bad) <= (kind in OWNED), f"{text}: {dead.get('cause')} ({dead.get('text')}), and then {bad}")
    if lost:
        check("is lost: " in victim.host.log(), f"{text}: the log does not say why a VM is lost: {bad}")
    return text, bad


def step_garbage_in_every_kind_of_page_that_it_may_write():
    note(f"SEED={SEED}, STORES={STORES}")
    chance = random.Random(SEED)
    todo = [kind for kind, count in WRITABLE.items() for _ in range(count * STORES)]
    chance.shuffle(todo)
    costs = 0
    while todo:
        with Victim() as victim:
            while todo:
                text, bad = store_into(victim, chance, todo.pop())
                if bad:
                    note(f"{text} cost {bad}")
                    costs += 1
                    break
            note(f"{victim.life - 1} lives of this host have ended")
    note(f"{sum(WRITABLE.values()) * STORES} stores, {costs} of them cost the VM whose record was hit")


def store_of_its_own(victim, target):
    """The life executes a store to `target`: one that it has in its code, with other registers."""
    machine = victim.machine
    machine.stop()
    before = machine.read(target & ~7, 8) if target >= RAM else b""
    code = machine.read(victim.slot, SYMBOLS["image_rodata"])
    at = next(n for n in range(0x200, len(code), 2) if struct.unpack_from("<H", code, n)[0] & C_SD[1] == C_SD[0]
              and code[n] >> 2 & 7 != (code[n + 1] << 8 | code[n]) >> 7 & 7)
    word = struct.unpack_from("<H", code, at)[0]
    machine.breakpoint(victim.slot + SYMBOLS["sched_timers"])
    machine.resume()
    thread = machine.wait_stop(20)
    machine.breakpoint(victim.slot + SYMBOLS["sched_timers"], False)
    machine.set_register(thread, 8 + (word >> 7 & 7), target)
    machine.set_register(thread, 8 + (word >> 2 & 7), 0xdeadbeefdeadbeef)
    machine.set_register(thread, gdbstub.PC, victim.slot + at)
    machine.resume()
    slot = victim.slot
    dead = victim.next_life()
    check(dead["cause"] == "trap" and f"value {target:#x}" in dead["text"],
          f"a store to {target:#x} ended the life by {dead['cause']}: {dead['text']}")
    machine.stop()
    check(target < RAM or slot <= target < slot + MIB or machine.read(target & ~7, 8) == before,
          f"a store to {target:#x} has changed what is there")
    machine.resume()
    bad = victim.harmed()
    check(not bad, f"a store to {target:#x} that trapped was noticed: {bad}")


def step_its_own_stores_to_what_it_may_not_write():
    with Victim() as victim:
        victim.machine.stop()
        _, fixed = victim.pages()
        root = victim.machine.word(victim.slot + SYMBOLS["root"]) - victim.slot
        victim.machine.resume()
        for kind in ("text", "rodata", "sealed", "cold", "pack", "VM", "vCPU"):
            check(fixed.get(kind), f"no page of kind {kind} is read-only")
        guest = ESTATE + victim.header[3]  # the RAM behind the estate
        targets = {"text": lambda: victim.slot + SYMBOLS["hart_loop"], "constants": lambda: victim.slot + SYMBOLS["image_rodata"] + 64,
                   "sealed variables": lambda: victim.slot + SYMBOLS["estate"], "its own page table": lambda: victim.slot + root,
                   "the estate's header": lambda: ESTATE + 64, "a VM's configuration": lambda: victim.table("vms") + 64,
                   "the record of a VM that is not": lambda: victim.table("vms") + 40 * VM_RECORD + VM_CONFIG,
                   "the boot pack": lambda: fixed["pack"][0], "the other slot": lambda: SLOTS[victim.life % 2] + 0x1000,
                   "the warden": lambda: RAM + 0x1000, "RAM of guests": lambda: guest + 0x10000, "nothing": lambda: 0x40}
        for what, target in targets.items():
            store_of_its_own(victim, target())
            note(f"a store to {what} trapped, in life {victim.life - 1}")


def step_what_nobody_uses():
    """A flipped bit in code and constants that nothing needs now is found before something does."""
    with Victim() as victim:
        for what in ("inject_crash", "image_rodata", "image_sealed"):
            at = victim.slot + SYMBOLS[what]
            victim.machine.stop()
            victim.machine.write(at, bytes([victim.machine.read(at, 1)[0] ^ 0x40]))
            victim.machine.resume()
            dead = victim.next_life()
            check(dead["cause"] == "panic" and "what is constant has changed" in dead["text"],
                  f"a bit of {what}: {dead}")
            bad = victim.harmed()
            check(not bad, f"a bit of {what} was noticed: {bad}")


if __name__ == "__main__":
    steps.main(globals())
