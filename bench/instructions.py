"""Every instruction that the hypervisor executes in a host's exits, from QEMU's own trace, and which line of which function it is."""

import json
import re
import shlex
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from lib import BUILD, QEMU, ROOT, Host, Unmeasured

TOOLS = "riscv64-linux-gnu-"
ELF = BUILD / "outlive.elf"
SLOT = 0x80200000  # of the first life, whose image is linked at 0
IMAGE_SIZE = 0x100000
WORDS = ("txn_", "estate_store", "estate_or")
STATISTICS = "->exits"  # counting exits, as every hypervisor does
# The stores themselves by which an exit has its effect: without an estate they would go somewhere else.
EFFECTS = ("estate_store((u64 *)(uintptr_t)op->word", "estate_store(&r->")


def tool(name, *arguments, given=None):
    return subprocess.run([TOOLS + name, *arguments, str(ELF)], input=given, capture_output=True, text=True,
                          check=True).stdout


class TracedHost(Host):
    """One whose instructions can be logged for a while. Only in its first life."""

    def __init__(self, machine, vms):
        self.aside = tempfile.TemporaryDirectory()
        place = Path(self.aside.name)
        self.log = place / "trace"
        self.monitor = place / "monitor"
        wrapper = place / "qemu"
        wrapper.write_text(f"#!/bin/sh\nexec {shlex.quote(QEMU)} \"$@\" -dfilter {SLOT:#x}+{IMAGE_SIZE:#x} -D {self.log} "
                           f"-qmp unix:{self.monitor},server=on,wait=off\n", encoding="utf-8")
        wrapper.chmod(0o755)
        super().__init__(machine, vms, qemu=str(wrapper))

    def __exit__(self, *what):
        super().__exit__(*what)
        self.aside.cleanup()

    def trace(self, seconds):
        """Logs for so long by the clock on the wall. Exits: lists of addresses in the image, one for each instruction."""
        with socket.socket(socket.AF_UNIX) as port:
            port.settimeout(30)
            port.connect(str(self.monitor))
            lines = port.makefile("rw", encoding="utf-8")

            def call(command, **arguments):
                lines.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
                lines.flush()
                for line in lines:
                    answer = json.loads(line)
                    if "return" in answer or "error" in answer:
                        return answer.get("return")
                raise Unmeasured("QEMU's monitor ended")

            def human(text):
                return call("human-monitor-command", **{"command-line": text})

            call("qmp_capabilities")
            # Its name since QEMU 8.1, and the one before.
            if "unknown" in human("one-insn-per-tb on"):
                human("singlestep on")
            human("log exec,nochain")
            time.sleep(seconds)
            human("log none")
            human("stop")
        return exits_of(self.log)


def exits_of(log):
    """Only whole ones: from the entry's first instruction to the guest's."""
    begin = next(int(line.split()[0], 16) for line in tool("nm").splitlines() if line.endswith(" entry_begin"))
    end = int(re.search(r"^\s*([0-9a-f]+):.*\bsret", tool("objdump", "-d", "--disassemble=guest_enter"), re.MULTILINE)[1], 16)
    found, under_way = [], {}
    with open(log, encoding="ascii", errors="replace") as lines:
        for line in lines:
            match = re.match(r"Trace (\d+): .*\[[0-9a-f]+/([0-9a-f]+)/", line)
            if not match:
                continue
            hart, pc = match[1], int(match[2], 16) - SLOT
            # What is not in an exit is the guest, whose addresses may be the same.
            if hart not in under_way:
                if pc == begin:
                    under_way[hart] = [pc]
                continue
            under_way[hart].append(pc)
            if pc == end:
                found.append(under_way.pop(hart))
    return found


class Lines:
    """Of each address: the functions that it is in, inlined ones too, and whether it keeps the estate."""

    def __init__(self, exits):
        self.functions, self.keeps = {}, {}
        texts = {}
        addresses = sorted({pc for each in exits for pc in each})
        said = tool("addr2line", "-a", "-i", "-f", "-e", given="\n".join(map(hex, addresses))).splitlines()
        at, others = None, set()
        while said:
            if said[0].startswith("0x"):
                at = int(said.pop(0), 16)
                self.functions[at], self.keeps[at], innermost = set(), False, said[0]
                continue
            function, place = said.pop(0), said.pop(0)
            self.functions[at].add(function)
            text = source(place, texts)
            self.keeps[at] |= function.startswith(WORDS) or any(word in text for word in WORDS)
            if STATISTICS in text or (innermost == "arch_store" and any(effect in text for effect in EFFECTS)):
                others.add(at)
        self.keeps.update((at, False) for at in others)


def source(place, texts):
    """The text of a line; empty if it is not known."""
    file, _, number = place.partition(":")
    number = re.match(r"\d+", number)
    path = ROOT / file
    if not number or not path.is_file():
        return ""
    if path not in texts:
        texts[path] = path.read_text(encoding="utf-8").splitlines()
    line = int(number[0])
    return texts[path][line - 1] if 0 < line <= len(texts[path]) else ""
