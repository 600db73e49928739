"""The last act of the demonstration: what is left of the dead, and that it can be looked at."""

import json
import subprocess

GDB = "gdb-multiarch"
# Ended by a store that the hypervisor's own code made: its backtrace leads there.
SHOWN_KIND = "wild-write"
CULPRIT = "inject_crash"


class EvidenceError(Exception):
    pass


def gdb(*arguments):
    """What gdb says in a batch; an EvidenceError if it cannot be run."""
    command = [GDB, "-batch", "-nx", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60, check=False,
                              stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EvidenceError(f"{GDB}: {error}") from None
    return done.stdout + done.stderr


class Evidence:
    """`ask(*arguments)` runs the command on the demo's host and returns its output, `say(text, colour)` prints a line."""

    def __init__(self, ask, say, crashes, build, place):
        self.ask, self.say, self.crashes, self.build, self.place = ask, say, crashes, build, place
        self.shown = next(crash["dead"]["life"] for crash in crashes if crash["kind"] == SHOWN_KIND)

    def history(self):
        self.say("What is left of the dead: the history of lives,", "bold")
        for line in self.ask("crash", "list").splitlines():
            self.say(line)

    def backtrace(self):
        self.say()
        self.say(f"where every hart was when life {self.shown} wrote through a wild pointer,", "bold")
        text = self.ask("crash", "show", str(self.shown)).partition("\nfrom ")[2].partition("\nlog, at its end")[0]
        for line in text.splitlines()[1:]:
            self.say(line, "red" if CULPRIT in line else None)
        if CULPRIT not in text:
            raise EvidenceError(f"the backtrace of life {self.shown} does not lead to {CULPRIT}")


    def host_dump(self):
        file = self.place / "host.vmcore"
        self.ask("dump", "--host", str(self.shown), "-o", str(file), "--force", by="--on")
        said = gdb("-ex", "thread apply all bt", "-ex", "print estate.machine.hart_count", str(self.build / "outlive.elf"),
                   str(file))
        if CULPRIT not in said or "$1 = 4" not in said:
            raise EvidenceError(f"gdb does not find its way in {file}: {said[-300:]}")
        self.say()
        self.say(f"a vmcore of that life ({file.stat().st_size >> 20} MiB, {file.stat().st_blocks >> 11} on disk), which gdb "
                 f"opens with all harts' backtraces and the variables,", "bold")
        return file

    def guest_dump(self, name):
        file = self.place / f"{name}.vmcore"
        done = json.loads(self.ask("dump", name, "--live", "-o", str(file), "--force", "--json", by="--on"))
        said = gdb("-c", str(file), "-ex", "info threads")
        threads = sum("LWP" in line for line in said.splitlines() if line.lstrip("* ")[:1].isdigit())
        if threads != done["vcpus"]:
            raise EvidenceError(f"gdb finds {threads} vCPUs in {file}: {said[-300:]}")
        self.say(f"and one of guest {name}, as of one instant, taken while it runs ({done['memory'] >> 20} MiB, "
                 f"{done['disk_bytes'] >> 20} on disk, in {done['seconds']:.1f} s; it stood still for "
                 f"{done['pause_us'] / 1000:.1f} ms).", "bold")
        return file

    def show(self, guest):
        self.say()
        self.history()
        self.backtrace()
        files = [self.host_dump(), self.guest_dump(guest)]
        self.say()
        self.say(f"To look yourself: {GDB} {self.build / 'outlive.elf'} {files[0]}", "dim")
