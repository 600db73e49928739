"""Reads ELF cores: what /proc/vmcore of a crash kernel has, and what debuggers make of it."""

import struct
import subprocess

from .steps import check

PT_LOAD, PT_NOTE = 1, 4
NT_PRSTATUS = 1
# Of a prstatus of a 64-bit kernel: its registers begin with pc.
PRSTATUS_PID, PRSTATUS_PC, PRSTATUS_SP = 32, 112, 128


class Core:
    """An ELF core of a 64-bit little-endian machine, at the start of a file that may go on behind it."""

    def __init__(self, path):
        self.path = path
        self.file = open(path, "rb")
        head = self.file.read(64)
        check(head[:6] == b"\x7fELF\x02\x01", f"{path} does not begin with an ELF core, but with {head[:16].hex()}")
        kind, machine = struct.unpack_from("<HH", head, 16)
        check((kind, machine) == (4, 243), f"{path} is ELF of type {kind} for machine {machine}, not a core of RISC-V")
        offset, = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        self.segments = []
        for number in range(count):
            self.file.seek(offset + number * size)
            names = ("type", "flags", "offset", "vaddr", "paddr", "filesz", "memsz", "align")
            self.segments.append(dict(zip(names, struct.unpack("<IIQQQQQQ", self.file.read(56)))))
        self.notes = [note for s in self.segments if s["type"] == PT_NOTE for note in self._notes(s)]

    def _notes(self, segment):
        self.file.seek(segment["offset"])
        data = self.file.read(segment["filesz"])
        at = 0
        while at + 12 <= len(data):
            name_size, size, kind = struct.unpack_from("<III", data, at)
            name = data[at + 12:at + 12 + name_size].rstrip(b"\0").decode()
            at += 12 + (name_size + 3 & ~3)
            yield name, kind, data[at:at + size]
            at += size + 3 & ~3

    def loads(self):
        return [s for s in self.segments if s["type"] == PT_LOAD]

    def vmcoreinfo(self):
        """The crashed kernel's description of itself, as a dictionary of strings."""
        text = next((data for name, _, data in self.notes if name == "VMCOREINFO"), None)
        check(text, f"{self.path} has no VMCOREINFO")
        return dict(line.split("=", 1) for line in text.decode().splitlines() if "=" in line)

    def registers(self):
        """(pid, pc, sp) of each CPU."""
        return [(struct.unpack_from("<I", data, PRSTATUS_PID)[0], struct.unpack_from("<Q", data, PRSTATUS_PC)[0],
                 struct.unpack_from("<Q", data, PRSTATUS_SP)[0])
                for name, kind, data in self.notes if name == "CORE" and kind == NT_PRSTATUS]

    def read(self, address, size, kind="vaddr"):
        """Memory at a virtual or physical ("paddr") address; None if the core has not got it."""
        for s in self.loads():
            if s[kind] <= address and address + size <= s[kind] + s["filesz"]:
                self.file.seek(s["offset"] + address - s[kind])
                return self.file.read(size)
        return None


def gdb(core, *commands, program=None, seconds=60):
    """What gdb prints for commands on a core."""
    arguments = ["gdb-multiarch", "-batch", "-nx", *(["-ex", f"file {program}"] if program else []),
                 "-ex", f"core-file {core}"]
    for command in commands:
        arguments += ["-ex", command]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=seconds, check=False)
    return done.stdout + done.stderr
