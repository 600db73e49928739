#!/usr/bin/env python3
"""A live dump of a guest is of one instant: a guest that writes a sequence over its memory, on all its harts, all the time.
timeout: 200 s
"""

import json
import struct
import time

from lib import steps
from lib.host import BUILD, CRASHES_AT_WILL, Host, outlive, scratch
from lib.steps import check, note

GUEST = {"name": "seq", "memory": "64MiB", "vcpus": 2, "kernel": str(BUILD / "guests/sequence.bin"), "format": "flat",
         "cmdline": "mib=12"}
RAM = 0x80000000
TABLE = RAM + (6 << 20)
S10 = 26
PAGE = 4096


class Core:
    """An ELF core: physical memory, and the registers of each vCPU."""

    def __init__(self, path):
        self.bytes = path.read_bytes()
        check(self.bytes[:4] == b"\x7fELF", "it is an ELF file")
        offset, = struct.unpack_from("<Q", self.bytes, 32)
        count, = struct.unpack_from("<H", self.bytes, 56)
        headers = [struct.unpack_from("<IIQQQQQQ", self.bytes, offset + 56 * i) for i in range(count)]
        self.loads = [(paddr, start, filesz) for kind, _, start, _, paddr, filesz, _, _ in headers if kind == 1]
        self.statuses = []
        for kind, _, start, _, _, filesz, _, _ in headers:
            if kind == 4:
                self.read_notes(start, start + filesz)

    def read_notes(self, at, end):
        while at < end:
            namesz, descsz, kind = struct.unpack_from("<III", self.bytes, at)
            desc = at + 12 + (namesz + 3 & ~3)
            if kind == 1:
                self.statuses.append(struct.unpack_from("<32Q", self.bytes, desc + 112))
            at = desc + (descsz + 3 & ~3)

    def words(self, address, count, step=8):
        for paddr, start, filesz in self.loads:
            if paddr <= address and address + (count - 1) * step + 8 <= paddr + filesz:
                return [struct.unpack_from("<Q", self.bytes, start + address - paddr + i * step)[0] for i in range(count)]
        raise AssertionError(f"the core has no memory at {address:#x}")


def check_sequence(path):
    """The words of each hart's pages are n ... n, n-1 ... n-1; returns the rounds of the harts."""
    core = Core(path)
    magic, harts, pages, first = core.words(TABLE, 4)
    check(struct.pack("<Q", magic) == b"SEQUENCE" and harts == 2, f"the guest's table is there: {magic:#x} {harts}")
    rounds = []
    for hart in range(harts):
        words = core.words(first + hart * pages * PAGE, pages, PAGE)
        steps_down = sum(a != b for a, b in zip(words, words[1:]))
        check(words[0] - words[-1] in (0, 1) and steps_down <= 1,
              f"hart {hart}: not of one instant: from {words[0]} to {words[-1]} in {steps_down} steps")
        rounds.append(words[0])
        check(core.statuses[hart][S10] - words[0] in (0, 1),
              f"hart {hart}: registers of another instant: round {core.statuses[hart][S10]}, memory {words[0]}")
    return rounds


def dump(host, file, *arguments):
    return json.loads(outlive("dump", "seq", "-o", file, "--json", "--on", host.name, *arguments, seconds=120).stdout)


def step_live():
    with Host({"harts": 2, **CRASHES_AT_WILL}, [GUEST]) as host:
        host.console("seq").wait("SEQUENCE t=2", 60)
        last = [0, 0]
        for turn in range(2):
            file = scratch() / f"live{turn}.core"
            begin = time.monotonic()
            told = dump(host, file, "--live")
            rounds = check_sequence(file)
            note(f"{time.monotonic() - begin:.1f} s, rounds {rounds}: {told}")
            check(all(a < b for a, b in zip(last, rounds)), f"the guest went on: {last}, {rounds}")
            last = rounds
        host.crash("panic")
        told = dump(host, scratch() / "still.core")
        rounds = check_sequence(scratch() / "still.core")
        note(f"paused: {told}")
        check(all(a < b for a, b in zip(last, rounds)), f"the guest went on after a crash: {last}, {rounds}")
        mark = host.console("seq").mark()
        host.console("seq").wait("SEQUENCE t=", 20, after=mark)
        note("log: " + " | ".join(line for line in host.log().splitlines() if "dump" in line))


if __name__ == "__main__":
    steps.main(globals())
